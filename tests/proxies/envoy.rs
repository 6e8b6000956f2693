//! Envoy with `ext_authz` over HTTP.

use std::thread::sleep;
use std::time::Duration;

use serde_json::{Value, json};

use crate::rig::{Place, Proxy, Quirks, Reached, Rig, Running};
use crate::wire::Wire;

pub const ENVOY: Proxy = Proxy {
    name: "envoy",
    programs: &["envoy"],
    at_least: None,
    start,
    policy: "",
    quirks: Quirks { known_methods_only: true, renewals_cacheable: true, ..Quirks::NONE },
    own: &[
        ("paths that Envoy and an application could take for different ones", ambiguous_paths),
        ("no header of a client resembles ours", resembling_headers),
        ("an answer of Sealpass may take a third of a second", slow),
    ],
};

fn start(place: &Place) -> Running {
    place.print("envoy", &[]);
    let mut command = place.command();
    command.args(["-c", "envoy.yaml", "--disable-hot-restart", "--concurrency", "2", "-l", "warn"]);
    Running::of(&mut command)
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
        "/ADMIN",
        "/Admin/x",
        "/admin?x;y",
    ] {
        assert_eq!(rig.get(path, &alice).status, 403, "{path}");
        let reached = rig.get(path, &admin);
        assert!(Reached::of(&reached).line().to_ascii_lowercase().starts_with("get /admin"), "{path}: {reached:?}");
    }
    assert_eq!(rig.get("/administrator", &alice).status, 200);
}

fn resembling_headers(rig: &Rig) {
    let alice = rig.alice();
    for path in ["/", "/news", "/login"] {
        let forged = "X.Session.Subject: forged\r\nX!Session-Roles: forged\r\nX-Session-New: forged\r\n\
                      X_Forwarded_For: forged\r\nForwarded: for=forged";
        let reached =
            rig.ask(format!("GET {path} HTTP/1.1\r\nCookie: {alice}\r\n{forged}\r\nX-Forwarded-Host: forged"));
        assert!(!Reached::of(&reached).whole().contains("forged"), "{path}: {reached:?}");
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

#[test]
fn the_kubernetes_form_guards_every_route_but_the_open_ones() {
    let manifests: Vec<Value> = serde_saphyr::from_multiple(include_str!("envoy/ingress.yaml")).expect("manifests");
    let of_kind = |kind: &'static str| manifests.iter().filter(move |manifest| manifest["kind"] == kind);
    let mut asked = Vec::new();
    for route in of_kind("HTTPRoute") {
        let name = &route["metadata"]["name"];
        let targets = |policy: &&Value| {
            policy["spec"]["targetRefs"] == json!([{"group": GATEWAY_API, "kind": "HTTPRoute", "name": name}])
        };
        let policies: Vec<_> =
            of_kind("SecurityPolicy").filter(targets).map(|policy| &policy["spec"]["extAuth"]).collect();
        let [policy] = policies[..] else {
            let open: Vec<_> = paths(route).collect();
            assert_eq!((name, policies.len(), open), (&json!("app-open"), 0, vec!["/logout", "/renew", "/login"]));
            continue;
        };
        assert_eq!(policy["failOpen"], false, "{name}");
        let replaced = policy["http"]["headersToBackend"].as_array().expect("a list");
        assert_eq!(replaced.len(), 16, "{name}: the cookies and all identity headers");
        asked.extend(paths(route).map(|path| (path, policy["http"]["pathOverride"].as_str().expect("a path"))));
    }
    assert_eq!(asked.len(), 6);
    assert!(
        asked.contains(&("/", "/verify/")) && asked.contains(&("(?i)/admin(?:(?:[/;]|%3b).*)?", "/policy/admin/")),
        "{asked:?}"
    );
}

fn paths(route: &Value) -> impl Iterator<Item = &str> {
    let rules = route["spec"]["rules"].as_array().expect("rules").iter();
    let matches = rules.flat_map(|rule| rule["matches"].as_array().expect("matches"));
    matches.map(|one| one["path"]["value"].as_str().expect("a path"))
}

const GATEWAY_API: &str = "gateway.networking.k8s.io";
