//! Commands that ask a running service, whatever its control listener speaks: TLS, or a Unix socket.

use std::fs;
use std::process::Output;

use rcgen::{BasicConstraints, CertificateParams, IsCa, KeyPair};

use super::rig::{Service, Shop};
use crate::common::{Place, refused};

/// Each command that asks a replica, without where that is.
const COMMANDS: &[&[&str]] =
    &[&["keys", "list"], &["keys", "rotate", "--dry-run"], &["cluster", "status"], &["explain", "--subject", "alice"]];

#[test]
fn every_command_speaks_tls_to_a_control_listener() {
    let shop = shop();
    write_certificate(&shop.place, &["localhost", "127.0.0.1"], IsCa::NoCa);
    let (_service, at) = serve_under_tls(&shop);
    let (address, name) = (format!("https://{at}"), format!("https://localhost:{}/", port(&at)));
    for command in COMMANDS {
        for url in [&address, &name] {
            let told = ask(&shop, command, url, &["--ca", "tls.crt"], &[]);
            assert!(told.status.success(), "{command:?} {url}: {}", String::from_utf8_lossy(&told.stderr));
        }
        // Trust in the whole machine's.
        let told = ask(&shop, command, &address, &[], &[("SSL_CERT_FILE", "tls.crt")]);
        assert!(told.status.success(), "{command:?}: {}", String::from_utf8_lossy(&told.stderr));
    }
    // The doctor, too, makes its sessions there: what it lacks then is a proxy.
    let doctor = ["doctor", "--through", "http://127.0.0.1:9/", "--credential", "shop.credential"];
    let through_tls = [&doctor[..], &["--control", &address]].concat();
    let told = shop.place.run(&[&through_tls[..], &["--control-ca", "tls.crt"]].concat(), b"");
    assert!(refused(&told, 3).contains("http://127.0.0.1:9/: "));
    let told = shop.place.run_with(&through_tls, &[("SSL_CERT_FILE", "empty.pem")], b"");
    assert!(refused(&told, 3).contains("no session can be made"));
}

#[test]
fn what_is_in_the_way_of_tls_is_told_with_what_to_do() {
    let shop = shop();
    write_certificate(&shop.place, &["sealpass.internal"], IsCa::NoCa);
    fs::rename(shop.place.path("tls.crt"), shop.place.path("other.crt")).expect("there");
    write_certificate(&shop.place, &["localhost"], IsCa::NoCa);
    let (_service, at) = serve_under_tls(&shop);
    let (address, name) = (format!("https://{at}"), format!("https://localhost:{}", port(&at)));
    let nobody = [("SSL_CERT_FILE", "other.crt")];
    fs::write(shop.place.path("empty.pem"), "").expect("writable");
    for (url, more, env, says) in [
        (&*name, &[][..], &nobody[..], "listener's was issued under with --ca"),
        (&name, &["--ca", "other.crt"], &[], "listener's was issued under with --ca"),
        (&name, &["--ca", "empty.pem"], &[], "empty.pem: holds no certificate in PEM"),
        (&name, &["--ca", "nowhere.pem"], &[], "nowhere.pem: No such file"),
        (&address, &["--ca", "tls.crt"], &[], "a name or an address that the certificate has"),
        (&format!("http://{at}"), &[], &[], "if it speaks TLS, write https://"),
        (&format!("http://{at}"), &["--ca", "tls.crt"], &[], "write https://"),
        ("unix:there.sock", &["--ca", "tls.crt"], &[], "write https://"),
        ("unix:there.sock", &[], &[], "does the service run"),
    ] {
        let line = refused(&ask(&shop, &["cluster", "status"], url, more, env), 1);
        assert!(line.contains(says), "{url} {more:?}: {line}");
    }
    for url in ["ftp://localhost", "localhost:8081", "unix:", "https://me@localhost", "https://localhost?a", ""] {
        let told = ask(&shop, &["cluster", "status"], url, &[], &[]);
        assert_eq!(told.status.code(), Some(2), "{url}");
        assert!(String::from_utf8_lossy(&told.stderr).contains("https://HOST:PORT or unix:PATH"), "{url}");
    }
}

#[test]
fn a_listener_without_tls_and_a_ca_that_shows_itself_are_told_apart() {
    let shop = shop();
    let service = shop.serve("", &[]);
    let url = format!("https://{}", service.control);
    let line = refused(&ask(&shop, &["cluster", "status"], &url, &[], &[]), 1);
    assert!(line.contains("it speaks no TLS: write http://"), "{line}");
    service.end();
    let certificate = write_certificate(&shop.place, &["localhost"], IsCa::Ca(BasicConstraints::Unconstrained));
    assert!(certificate.contains("CERTIFICATE"));
    let (_service, at) = serve_under_tls(&shop);
    let url = format!("https://localhost:{}", port(&at));
    let line = refused(&ask(&shop, &["cluster", "status"], &url, &["--ca", "tls.crt"], &[]), 1);
    assert!(line.contains("issued with CA:FALSE"), "{line}");
}

#[test]
fn every_command_finds_a_unix_socket_by_its_path_and_in_the_configuration() {
    let shop = shop();
    let config = "[public]\nlisten = \"127.0.0.1:0\"\n[control]\nlisten = \"unix:control.sock\"\n";
    let service = Service::start(shop.command(config, &[]));
    service.says("control on unix:control.sock");
    for command in COMMANDS {
        let told = ask(&shop, command, "unix:control.sock", &[], &[]);
        assert!(told.status.success(), "{command:?}: {}", String::from_utf8_lossy(&told.stderr));
    }
    let told = shop.place.run(&["cluster", "status", "--config", "c.toml", "--credential", "admin.credential"], b"");
    assert!(told.status.success(), "{}", String::from_utf8_lossy(&told.stderr));
    let url = format!("unix:{}", shop.place.path("control.sock").display());
    assert!(ask(&shop, COMMANDS[0], &url, &[], &[]).status.success());
}

/// With a credential for an operator beside the application's, each in its file.
fn shop() -> Shop {
    let shop = Shop::new();
    shop.place.private("shop.credential", shop.credential.as_bytes());
    let add = ["credential", "add", "--file", "credentials.toml", "--name", "ops", "--scope", "admin", "--realm", "*"];
    assert!(shop.place.run(&[&add[..], &["--out", "admin.credential"]].concat(), b"").status.success());
    shop
}

fn ask(shop: &Shop, command: &[&str], url: &str, more: &[&str], env: &[(&str, &str)]) -> Output {
    let way = ["--control", url, "--credential", "admin.credential"];
    shop.place.run_with(&[command, &way, more].concat(), env, b"")
}

/// Where it listens, too.
fn serve_under_tls(shop: &Shop) -> (Service, String) {
    let config = "[public]\nlisten = \"127.0.0.1:0\"\n[control]\nlisten = \"127.0.0.1:0\"\ncertificate = \"tls.crt\"\n\
                  certificate_key = \"tls.key\"\n";
    let service = Service::start(shop.command(config, &[]));
    service.says("control on https://");
    let log = service.log();
    let at = log.split("control on https://").nth(1).and_then(|rest| rest.split([',', '\n']).next());
    let at = at.expect("an address").trim().to_owned();
    (service, at)
}

fn port(at: &str) -> &str {
    at.rsplit(':').next().expect("a port")
}

fn write_certificate(place: &Place, names: &[&str], is_ca: IsCa) -> String {
    let names: Vec<_> = names.iter().map(|name| (*name).to_owned()).collect();
    let mut params = CertificateParams::new(names).expect("names");
    params.is_ca = is_ca;
    let signing = KeyPair::generate().expect("a key");
    let certificate = params.self_signed(&signing).expect("a certificate").pem();
    fs::write(place.path("tls.crt"), &certificate).expect("writable");
    fs::write(place.path("tls.key"), signing.serialize_pem()).expect("writable");
    certificate
}
