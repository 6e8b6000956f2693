//! Caddy, which asks as its `forward_auth` does.

use crate::checks;
use crate::rig::{Place, Proxy, Quirks, Rig, Running};
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

fn start(place: &Place) -> Running {
    place.print("caddy", &DOTTED);
    let mut command = place.command();
    command.env("XDG_DATA_HOME", place.dir).env("XDG_CONFIG_HOME", place.dir).env("CADDY_ADMIN", "unix//admin.socket");
    Running::of(command.args(["run", "--config", "Caddyfile"]))
}

/// Over HTTP/2 Caddy would write what comes behind it to the application as it is.
fn tunnel(rig: &Rig) {
    let before = rig.app.reached();
    let head = format!("CONNECT app.example.com:80 HTTP/1.1\r\nCookie: {}", rig.alice());
    assert_eq!(rig.ask(head).status, 405);
    assert_eq!(rig.app.reached(), before, "the application was asked");
}

fn refused(rig: &Rig) {
    checks::other_paths(rig);
    assert_eq!(rig.get("/", "x".repeat(900 << 10)).status, 431, "not a 503");
    assert_eq!(rig.get("/LOGIN", "a=1").status, 401, "open to nobody but in the spelling that was given");
}
