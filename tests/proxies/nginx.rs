//! nginx with `auth_request`.

use std::fs;

use crate::rig::{Place, Proxy, Quirks, Rig, Running};

pub const NGINX: Proxy = Proxy {
    name: "nginx",
    programs: &["nginx"],
    at_least: None,
    start,
    policy: "",
    quirks: Quirks { own_login_redirect: true, ..Quirks::NONE },
    own: &[("what auth_request asks is not for clients", internal)],
};

/// With what a distribution has around the http block.
fn start(place: &Place) -> Running {
    place.print("nginx", &[]);
    let temporary = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"].map(|kind| format!("{kind}_temp_path tmp;\n"));
    let main = format!(
        "daemon off; master_process off; pid nginx.pid; error_log stderr warn;\n\
         events {{ worker_connections 256; }}\nhttp {{\naccess_log off;\n{}include sealpass.conf;\n}}\n",
        temporary.concat()
    );
    fs::write(place.dir.join("nginx.conf"), main).expect("writable");
    let mut command = place.command();
    Running::of(command.args(["-e", "stderr", "-c", "nginx.conf", "-p"]).arg(place.dir))
}

fn internal(rig: &Rig) {
    let alice = rig.alice();
    for path in ["/_sealpass/verify", "/_sealpass/policy/optional", "/_sealpass/", "//_sealpass/policy/optional"] {
        assert_eq!(rig.get(path, &alice).status, 404, "{path}");
    }
}
