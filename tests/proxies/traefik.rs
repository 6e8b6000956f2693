//! Traefik with `ForwardAuth`.

use std::fs;
use std::net::SocketAddr;
use std::process::Command;

use crate::checks;
use crate::kubernetes;
use crate::rig::{Place, Proxy, Quirks, Running, free, until};
use crate::wire::Wire;

pub const TRAEFIK: Proxy = Proxy {
    name: "traefik",
    programs: &["traefik"],
    at_least: Some([3, 7, 13]),
    start,
    policy: "pass_cookies = true",
    quirks: Quirks { reads_bodies_first: true, renewals_cacheable: true, ..Quirks::NONE },
    own: &[("what an application may take for another path is refused", checks::other_paths)],
};

/// The Kubernetes form, with the API of Kubernetes stubbed.
pub const INGRESS: Proxy = Proxy {
    name: "traefik-ingress",
    start: start_ingress,
    quirks: Quirks { no_retry_after: true, ..TRAEFIK.quirks },
    ..TRAEFIK
};

fn start(place: &Place) -> Running {
    place.print("traefik", &DOTTED);
    let inner = free();
    for file in ["traefik.yml", "sealpass.yml"] {
        move_inner(place, file, inner);
    }
    wait(place, place.command().arg("--configFile=traefik.yml"))
}

/// With the arguments that the head of the file asks for.
fn start_ingress(place: &Place) -> Running {
    place.print("traefik", &[&["--ingress"], &DOTTED[..]].concat());
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
fn wait(place: &Place, command: &mut Command) -> Running {
    let traefik = Running::of(command);
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

/// A route whose path means something to regular expressions.
pub const DOTTED: [&str; 2] = ["--policy", "/v1.0=admin"];
const INNER: &str = "127.0.0.1:8079";
