//! Traefik with ForwardAuth.

use std::fs;
use std::net::TcpListener;
use std::process::Child;

use crate::rig::{Place, Proxy, Quirks, Rig, until};
use crate::wire::Wire;

pub const TRAEFIK: Proxy = Proxy {
    name: "traefik",
    programs: &["traefik"],
    start,
    policy: "pass_cookies = true",
    quirks: Quirks { own_login_redirect: false, reads_bodies_first: true, hands_on_every_header: false },
    own: &[("what an application may take for another path is refused", refused)],
};

/// With another port for its second entry point, as the file says.
fn start(place: &Place) -> Child {
    place.print("traefik", &[]);
    let inner = TcpListener::bind("127.0.0.1:0").and_then(|free| free.local_addr()).expect("a port on loopback");
    for (file, times) in [("traefik.yml", 1), ("sealpass.yml", 7)] {
        let path = place.dir.join(file);
        let text = fs::read_to_string(&path).expect("text");
        assert_eq!(text.matches(INNER).count(), times, "{file}");
        fs::write(&path, text.replace(INNER, &inner.to_string())).expect("writable");
    }
    let mut command = place.command();
    let traefik = command.args(["--configFile=traefik.yml"]).spawn().expect("traefik starts");
    // It listens before it has its routes.
    until("traefik has its routes", || {
        let mut wire = Wire::open(place.listen).ok()?;
        wire.send(b"GET / HTTP/1.1\r\nHost: app.example.com\r\n\r\n").ok()?;
        wire.answer(false).ok().filter(|answer| answer.status != 404)
    });
    traefik
}

fn refused(rig: &Rig) {
    let alice = rig.alice();
    for path in ["/admin;x=1", "/news/..;/admin", "/news/..%3b/admin", "/news/..%5cadmin", "/admin%00", "/\\admin"] {
        assert_eq!(rig.get(path, &alice).status, 400, "{path}");
    }
    assert_eq!(rig.get("/ADMIN/users", &alice).status, 403, "for applications that don't tell it from /admin");
    assert_eq!(rig.get("/administrator", &alice).status, 200, "another path");
}

const INNER: &str = "127.0.0.1:8079";
