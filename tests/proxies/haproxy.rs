//! HAProxy with the Lua action.

use std::net::TcpListener;
use std::process::Child;

use crate::rig::{Place, Proxy, Quirks, Reached, Rig};

pub const HAPROXY: Proxy = Proxy {
    name: "haproxy",
    programs: &["haproxy"],
    start,
    quirks: Quirks { own_login_redirect: false },
    own: &[
        ("the application gets the path that was compared, and none that could be read otherwise", paths),
        ("a client names no header of ours in Connection, and no dot stands for a dash", aliases),
    ],
};

/// The port of the documented configuration may be taken here.
fn start(place: &Place) -> Child {
    place.print("haproxy", &[]);
    let ask = TcpListener::bind("127.0.0.1:0").and_then(|free| free.local_addr()).expect("a port on loopback");
    let mut command = place.command();
    command.env("SEALPASS_ASK", ask.to_string()).args(["-db", "-f", "haproxy.cfg"]);
    command.spawn().expect("haproxy starts")
}

fn paths(rig: &Rig) {
    let alice = rig.alice();
    for (path, compared) in [
        ("/x/../some//page/./1?a=/../b", "/some/page/1?a=/../b"),
        ("/news/%2e%2e/%73ome;x=1/page", "/some;x=1/page"),
        ("/a%20b%3bc?d=%2f", "/a%20b%3bc?d=%2f"),
        ("/%2561dmin", "/%2561dmin"),
        ("/administrator", "/administrator"),
    ] {
        let reached = Reached::of(&rig.get(path, &alice));
        assert_eq!(reached.line(), format!("GET {compared} HTTP/1.1"), "{path}");
    }
    for path in ["/admin;x", "/admin;x=1/users", "/x;y/../admin", "/admin/%2e"] {
        assert_eq!(rig.get(path, &alice).status, 403, "{path}");
    }
    let before = rig.app.reached();
    for path in [
        "/news/..;/admin",
        "/.;/admin",
        "/;x/admin",
        "/news%2F..%2Fadmin",
        "/news/..%5cadmin",
        "/news\\..\\admin",
        "/admin%00",
        "/admin%",
        "/news#/../admin",
    ] {
        assert_eq!(rig.get(path, &alice).status, 400, "{path}");
    }
    assert_eq!(rig.app.reached(), before, "the application was asked");
}

fn aliases(rig: &Rig) {
    let alice = rig.alice();
    let lines = "Connection: X-Session-Subject, x-session-roles\r\nKeep-Alive: 5\r\nX.Session.Subject: forged\r\n\
                 X-Session!Roles: forged\r\nX_Forwarded.For: forged\r\nX_Real_IP: forged\r\nForwarded: for=forged";
    let reached = Reached::of(&rig.ask(format!("GET / HTTP/1.1\r\nCookie: {alice}\r\n{lines}")));
    assert!(!reached.whole().contains("forged"), "{}", reached.whole());
    assert_eq!(reached.all("x-session-subject"), ["alice"]);
    assert!(reached.all("connection").is_empty() && reached.all("keep-alive").is_empty(), "{}", reached.whole());
}
