//! The systemd unit: its command and its environment, with the files that systemd would hand over.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;

use serde_json::json;

use crate::common::{Place, ask, call};

/// The values of a key in a unit file, in its order.
fn values<'a>(unit: &'a str, key: &str) -> Vec<&'a str> {
    unit.lines().filter_map(|line| line.strip_prefix(key)?.strip_prefix('=')).collect()
}

fn value<'a>(unit: &'a str, key: &str) -> &'a str {
    let found = values(unit, key);
    assert_eq!(found.len(), 1, "{key}");
    found[0]
}

#[test]
fn the_unit_starts_a_service_that_keeps_its_state() {
    let place = Place::new();
    let credential = place.with_application();
    for name in ["creds", "state"] {
        fs::create_dir(place.path(name)).expect("a directory");
    }
    for loaded in values(SERVICE, "LoadCredential") {
        let (name, path) = loaded.split_once(':').expect("a name and a path");
        assert_eq!(path, format!("/etc/sealpass/{name}"));
        let made = if name == "credentials.toml" { place.path(name) } else { place.path("keys").join(name) };
        let handed = place.path("creds").join(name);
        fs::copy(made, &handed).expect("made");
        fs::set_permissions(handed, Permissions::from_mode(0o400)).expect("ours");
    }
    let state = format!("{}/{}", place.path("state").display(), value(SERVICE, "StateDirectory"));
    fs::create_dir(&state).expect("a directory");
    let [creds, states] = ["creds", "state"].map(|name| place.path(name).display().to_string());
    let environment: Vec<_> = values(SERVICE, "Environment")
        .into_iter()
        .map(|set| set.split_once('=').expect("a name and a value"))
        .map(|(name, value)| (name, value.replace("%d", &creds).replace("%S", &states)))
        .collect();
    let env: Vec<_> = environment.iter().map(|(name, value)| (*name, &**value)).collect();

    fs::write(place.path("sealpass.toml"), "").expect("writable");
    let command: Vec<_> = value(SERVICE, "ExecStart").split(' ').collect();
    assert_eq!(command[..2], ["/usr/local/bin/sealpass", "serve"]);
    assert_eq!(command[2..], ["--config", "/etc/sealpass/sealpass.toml"]);
    let config = ["--config", "sealpass.toml"];
    let check = place.run_with(&[&["check"][..], &config].concat(), &env, b"");
    let said = String::from_utf8(check.stdout).expect("text");
    assert!(check.status.success() && !said.contains("warning"), "{said}{}", String::from_utf8_lossy(&check.stderr));
    assert!(said.contains(&format!("journal  {state}/facts.redb")), "{said}");

    let listen = ["--public", "127.0.0.1:0", "--control", "127.0.0.1:0"];
    let mut token = String::new();
    for round in 0..2 {
        let running = place.start(&[&["serve"][..], &config, &listen].concat(), &env);
        assert_eq!(ask(running.public, "GET", "/readyz", &[], b"").status, 200);
        if round == 0 {
            let issued = call(running.control, &credential, "/v1/sessions", &json!({"subject": "alice"}).to_string());
            token = issued.json()["token"].as_str().expect("text").to_owned();
        }
        let cookie = format!("__Host-sealpass={token}");
        assert_eq!(ask(running.public, "GET", "/verify/", &[("Cookie", &cookie)], b"").status, 200, "start {round}");
        running.end();
    }
}

#[test]
fn the_units_fit_the_service_and_each_other() {
    let defaults = Place::new().run(&["check", "--print-default"], b"");
    let defaults: toml::Table = toml::from_str(&String::from_utf8(defaults.stdout).expect("text")).expect("TOML");
    assert_eq!(value(SOCKET, "ListenStream"), defaults["public"]["listen"].as_str().expect("a place"));
    assert_eq!((value(SOCKET, "FileDescriptorName"), value(SOCKET, "Service")), ("public", "sealpass.service"));
    let drain: u64 =
        defaults["drain"].as_str().and_then(|drain| drain.strip_suffix('s')?.parse().ok()).expect("seconds");
    assert!(value(SERVICE, "TimeoutStopSec").parse::<u64>().expect("seconds") >= drain + 8);
    assert_eq!(value(SERVICE, "Type"), "notify");
    assert_eq!(value(SERVICE, "ExecReload"), "kill -HUP $MAINPID");
    // Wrong arguments, a wrong configuration: nothing that passes.
    assert_eq!(value(SERVICE, "RestartPreventExitStatus"), "2 64");
}

const SERVICE: &str = include_str!("systemd/sealpass.service");
const SOCKET: &str = include_str!("systemd/sealpass.socket");
