//! Caddy, which asks as its `forward_auth` does.

use std::process::Child;

use crate::rig::{Place, Proxy, Quirks, Reached, Rig};
use crate::traefik::DOTTED;

pub const CADDY: Proxy = Proxy {
    name: "caddy",
    programs: &["caddy"],
    at_least: Some([2, 11, 4]),
    start,
    policy: "",
    quirks: Quirks { reads_bodies_first: true, hands_on_every_header: true, ..Quirks::NONE },
    own: &[
        ("what an application may take for another path is refused", refused),
        ("there is no tunnel to the application", tunnel),
    ],
};

fn start(place: &Place) -> Child {
    place.print("caddy", &DOTTED);
    let mut command = place.command();
    command.env("XDG_DATA_HOME", place.dir).env("XDG_CONFIG_HOME", place.dir).env("CADDY_ADMIN", "unix//admin.socket");
    command.args(["run", "--config", "Caddyfile"]).spawn().expect("caddy starts")
}

/// Over HTTP/2 Caddy would write what comes behind it to the application as it is.
fn tunnel(rig: &Rig) {
    let before = rig.app.reached();
    let head = format!("CONNECT app.example.com:80 HTTP/1.1\r\nCookie: {}", rig.alice());
    assert_eq!(rig.ask(head).status, 405);
    assert_eq!(rig.app.reached(), before, "the application was asked");
}

fn refused(rig: &Rig) {
    let alice = rig.alice();
    for path in ["/admin;x=1", "/news/..;/admin", "/news/..%3b/admin", "/news/..%5cadmin", "/admin%00", "/\\admin"] {
        assert_eq!(rig.get(path, &alice).status, 400, "{path}");
    }
    assert_eq!(rig.get("/ADMIN/users", &alice).status, 403, "for applications that don't tell it from /admin");
    assert_eq!(rig.get("/administrator", &alice).status, 200, "another path");
    assert_eq!((rig.get("/v1.0/a", &alice).status, rig.get("/v1_0/a", &alice).status), (403, 200), "a dot is a dot");
    let slashes = Reached::of(&rig.get("/a//b", &alice));
    assert!(slashes.line().starts_with("GET /a/b "), "{}", slashes.line());
    assert_eq!(rig.get("/", "x".repeat(900 << 10)).status, 431, "not a 503");
    assert_eq!(rig.get("/LOGIN", "a=1").status, 401, "open to nobody but in the spelling that was given");
}
