//! Envoy with `ext_authz` over HTTP.

use std::process::Child;
use std::thread::sleep;
use std::time::Duration;

use serde_json::json;

use crate::rig::{Place, Proxy, Quirks, Reached, Rig};
use crate::wire::Wire;

pub const ENVOY: Proxy = Proxy {
    name: "envoy",
    programs: &["envoy"],
    start,
    policy: "",
    quirks: Quirks { known_methods_only: true, ..Quirks::NONE },
    own: &[
        ("paths that Envoy and an application could take for different ones", ambiguous_paths),
        ("no header of a client takes out or resembles ours", resembling_headers),
        ("an answer of Sealpass may take a third of a second", slow),
    ],
};

fn start(place: &Place) -> Child {
    place.print("envoy", &[]);
    let mut command = place.command();
    command.args(["-c", "envoy.yaml", "--disable-hot-restart", "--concurrency", "2", "-l", "warn"]);
    command.spawn().expect("envoy starts")
}

fn ambiguous_paths(rig: &Rig) {
    let (alice, admin) = (rig.alice(), rig.log_in(&json!({"subject": "root", "roles": ["admin"]})));
    let paths = ["/admin;x", "/;x/admin", "/admin%5cx", "/admin%2fx", "/news/..%2fadmin", "/admin%00", "/a#b"];
    for path in paths {
        assert_eq!(rig.get(path, &admin).status, 400, "{path}");
    }
    for path in [
        "/news\\..\\admin",
        "/a;/../admin",
        "/news/..;/admin",
        "/news/.%2E/admin",
        "/admin/%2e/",
        "/%41dmin/../admin",
        "/admin?x;y",
    ] {
        assert_eq!(rig.get(path, &alice).status, 403, "{path}");
        let reached = rig.get(path, &admin);
        assert!(Reached::of(&reached).line().starts_with("GET /admin"), "{path}: {reached:?}");
    }
    assert_eq!(rig.get("/administrator", &alice).status, 200);
}

fn resembling_headers(rig: &Rig) {
    let alice = rig.alice();
    for path in ["/", "/news", "/login"] {
        let forged = "X.Session.Subject: forged\r\nX!Session-Roles: forged\r\nX-Session-New: forged\r\nX_Forwarded_For: forged\r\nForwarded: for=forged";
        let reached =
            rig.ask(format!("GET {path} HTTP/1.1\r\nCookie: {alice}\r\n{forged}\r\nX-Forwarded-Host: forged"));
        assert!(!Reached::of(&reached).whole().contains("forged"), "{path}: {reached:?}");
    }
    for nominated in ["X-Session-Subject", "close, X-Session-Subject", "keep-alive, X-Session-Roles, X-Session-Valid"] {
        let answer = rig.ask(format!("GET / HTTP/1.1\r\nCookie: {alice}\r\nConnection: {nominated}"));
        if answer.status != 400 {
            assert_eq!(Reached::of(&answer).all("x-session-subject"), ["alice"], "{nominated}");
            assert_eq!(Reached::of(&answer).all("x-session-roles"), ["editor"], "{nominated}");
        }
    }
}

/// Tries again are not to cut the time that each has to next to nothing.
fn slow(rig: &Rig) {
    let alice = rig.alice();
    let mut wire = Wire::open(rig.proxy).expect("connected");
    rig.signal_sealpass("STOP");
    let sent = wire.send(format!("GET / HTTP/1.1\r\nHost: x\r\nCookie: {alice}\r\n\r\n").as_bytes());
    sleep(Duration::from_millis(300));
    rig.signal_sealpass("CONT");
    sent.expect("sent");
    assert_eq!(wire.answer(false).expect("answered").status, 200);
}
