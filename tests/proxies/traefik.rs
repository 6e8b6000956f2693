//! Traefik with `ForwardAuth`.

use std::fs;
use std::net::{SocketAddr, TcpListener};
use std::process::{Child, Command};

use crate::kubernetes;
use crate::rig::{Place, Proxy, Quirks, Reached, Rig, until};
use crate::wire::Wire;

pub const TRAEFIK: Proxy = Proxy {
    name: "traefik",
    programs: &["traefik"],
    start,
    policy: "pass_cookies = true",
    quirks: Quirks { reads_bodies_first: true, ..Quirks::NONE },
    own: &[
        ("what an application may take for another path is refused", refused),
        ("what an application may take for an identity header never gets through", aliases),
        ("identity headers are not for clients", denial),
    ],
};

/// The Kubernetes form, with the API of Kubernetes stubbed.
pub const INGRESS: Proxy = Proxy {
    name: "traefik-ingress",
    start: start_ingress,
    quirks: Quirks { no_retry_after: true, ..TRAEFIK.quirks },
    ..TRAEFIK
};

fn start(place: &Place) -> Child {
    place.print("traefik", &[]);
    let inner = free();
    for file in ["traefik.yml", "sealpass.yml"] {
        move_inner(place, file, inner);
    }
    wait(place, place.command().arg("--configFile=traefik.yml"))
}

/// With the arguments that the head of the file asks for.
fn start_ingress(place: &Place) -> Child {
    place.print("traefik", &["--ingress"]);
    let manifests = move_inner(place, "ingress.yaml", free());
    let api = kubernetes::start(&manifests, &[("app", place.app), ("sealpass", place.sealpass)]);
    let mut command = place.command();
    command.args(manifests.lines().filter_map(|line| line.strip_prefix("#   ").filter(|text| text.starts_with("--"))));
    command.arg(format!("--entryPoints.web.address={}", place.listen)).arg("--global.checkNewVersion=false");
    command.arg(format!("--providers.kubernetesCRD.endpoint=http://{api}")).arg("--providers.kubernetesCRD.token=none");
    wait(place, &mut command)
}

/// Gives the second entry point another port, as the file says.
fn move_inner(place: &Place, file: &str, to: SocketAddr) -> String {
    let path = place.dir.join(file);
    let text = fs::read_to_string(&path).expect("text");
    assert!(text.contains(INNER), "{file}");
    let text = text.replace(INNER, &to.to_string());
    fs::write(&path, &text).expect("writable");
    text
}

/// Traefik listens before it has its routes.
fn wait(place: &Place, command: &mut Command) -> Child {
    let traefik = command.spawn().expect("traefik starts");
    if place.tls.is_some() {
        return traefik; // the checks over TLS wait for that themselves
    }
    until("traefik has its routes", || {
        let mut wire = Wire::open(place.listen).ok()?;
        wire.send(b"GET / HTTP/1.1\r\nHost: app.example.com\r\n\r\n").ok()?;
        wire.answer(false).ok().filter(|answer| answer.status != 404)
    });
    traefik
}

fn free() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").and_then(|free| free.local_addr()).expect("a port on loopback")
}

fn refused(rig: &Rig) {
    let alice = rig.alice();
    for path in ["/admin;x=1", "/news/..;/admin", "/news/..%3b/admin", "/news/..%5cadmin", "/admin%00", "/\\admin"] {
        assert_eq!(rig.get(path, &alice).status, 400, "{path}");
    }
    assert_eq!(rig.get("/ADMIN/users", &alice).status, 403, "for applications that don't tell it from /admin");
    assert_eq!(rig.get("/administrator", &alice).status, 200, "another path");
    let slashes = Reached::of(&rig.get("/a//b", &alice));
    assert!(slashes.line().starts_with("GET /a/b "), "{}", slashes.line());
}

/// Names that become one variable of CGI.
pub fn aliases(rig: &Rig) {
    let signs = "!#$%&'*+.^_`|~".chars();
    let names = signs.flat_map(|sign| [format!("X{sign}Session{sign}Subject"), format!("X-Session{sign}Subject")]);
    let lines: String = names.map(|name| format!("\r\n{name}: forged")).collect();
    for (path, cookie) in [("/", rig.alice()), ("/news", "a=1".to_owned()), ("/login", "a=1".to_owned())] {
        let reached = Reached::of(&rig.ask(format!("GET {path} HTTP/1.1\r\nCookie: {cookie}{lines}")));
        assert!(!reached.whole().contains("forged"), "{path}: {}", reached.whole());
    }
}

pub fn denial(rig: &Rig) {
    for (path, status) in [("/", 401), ("/admin", 403)] {
        let answer = rig.get(path, if status == 403 { rig.alice() } else { "a=1".to_owned() });
        assert_eq!(answer.status, status);
        let told = |name: &str| name.to_ascii_lowercase().starts_with("x-session-");
        assert!(!answer.headers.iter().any(|(name, _)| told(name)), "{answer:?}");
    }
}

const INNER: &str = "127.0.0.1:8079";
