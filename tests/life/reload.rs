//! What is read again while the service runs: certificates, credentials, the ring.

use std::fs;
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::Duration;

use rcgen::{CertifiedKey, generate_simple_self_signed};
use rustix::process::Signal;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};

use super::rig::{Service, Shop, answer, get};
use crate::common::{Place, call, wait_for};

const TLS: &str = "
    [public]
    listen = \"127.0.0.1:0\"
    certificate = \"tls.crt\"
    certificate_key = \"tls.key\"
    [control]
    listen = \"127.0.0.1:0\"
";

#[test]
fn a_listener_under_tls_takes_up_new_certificates() {
    let shop = Shop::new();
    let first = write_certificate(&shop.place);
    let service = Service::start(shop.command(TLS, &[]));
    let at = public(&service);
    let known = |certificate: &CertificateDer<'static>| ask_tls(at, certificate).is_some();
    let (status, text, protocol) = ask_tls(at, &first).expect("it is known");
    assert_eq!(status, 200, "{text}");
    assert_eq!(protocol.as_deref(), Some(&b"http/1.1"[..]));
    let mut clear = TcpStream::connect(at).expect("it listens");
    clear.set_read_timeout(Some(Duration::from_secs(20))).expect("a socket");
    let answered = std::panic::catch_unwind(move || answer(&mut clear, &get("/healthz", "")));
    assert!(answered.is_err(), "nothing is answered in the clear");

    // By the files alone, whoever renews them.
    let second = write_certificate(&shop.place);
    wait_for("the new one is in use", || known(&second));
    assert!(!known(&first));

    // Half of it is none.
    let third = write_certificate(&shop.place);
    wait_for("the newest one is in use", || known(&third));
    fs::write(shop.place.path("tls.key"), "no key").expect("writable");
    service.says("the certificate in use stays");
    service.signal(Signal::HUP);
    service.says("a certificate: what is in use stays");
    assert!(known(&third));
    assert!(!service.log().contains("no key\n"), "nothing of the file is shown");

    let fourth = write_certificate(&shop.place);
    service.signal(Signal::HUP);
    wait_for("whatever comes first, it is read again", || known(&fourth));
}

#[test]
fn sighup_reads_ring_and_credentials_again_and_says_what_is_wrong() {
    let shop = Shop::new();
    let service =
        Service::start(shop.command("[public]\nlisten = \"127.0.0.1:0\"\n[control]\nlisten = \"127.0.0.1:0\"\n", &[]));
    service.says("control on http://");
    let (ring, kept) =
        (shop.place.path("keys/ring.sealed"), fs::read(shop.place.path("keys/ring.sealed")).expect("there"));
    fs::write(&ring, "no ring").expect("writable");
    service.signal(Signal::HUP);
    let (credentials, known) = ("credentials.toml", fs::read(shop.place.path("credentials.toml")).expect("there"));
    shop.place.private(credentials, b"no credentials");
    service.signal(Signal::HUP);
    service.says("the key ring: what is in use stays");
    service.says("the credentials: what is in use stays");
    let control = address(&service, "control on http://");
    assert_eq!(call(control, &shop.credential, "/v1/sessions", "{\"subject\": \"alice\"}").status, 201);
    fs::write(&ring, kept).expect("writable");
    let made = shop.place.run(&["credential", "new", "--name", "second"], b"");
    shop.place.private(credentials, &[known, made.stdout].concat());
    let second = String::from_utf8(made.stderr).expect("text").trim().to_owned();
    service.signal(Signal::HUP);
    service.says("the key ring: read again");
    service.says("the credentials: read again");
    for credential in [&shop.credential, &second] {
        assert_eq!(call(control, credential, "/v1/sessions", "{\"subject\": \"alice\"}").status, 201);
    }
}

/// A new certificate with its key, each put there in one step.
fn write_certificate(place: &Place) -> CertificateDer<'static> {
    let CertifiedKey { cert, signing_key } =
        generate_simple_self_signed(["sealpass.internal".to_owned()]).expect("a certificate");
    for (name, text) in [("tls.crt", cert.pem()), ("tls.key", signing_key.serialize_pem())] {
        fs::write(place.path("new"), text).expect("writable");
        fs::rename(place.path("new"), place.path(name)).expect("writable");
    }
    cert.der().clone()
}

/// Status, answer and protocol, if the listener shows a certificate that is known.
fn ask_tls(at: SocketAddr, known: &CertificateDer<'static>) -> Option<(u16, String, Option<Vec<u8>>)> {
    let mut roots = RootCertStore::empty();
    roots.add(known.clone()).expect("a certificate");
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let versions = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().expect("both");
    let mut config = versions.with_root_certificates(roots).with_no_client_auth();
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    let name = ServerName::try_from("sealpass.internal").expect("a name");
    let mut client = ClientConnection::new(Arc::new(config), name).expect("right settings");
    let mut stream = TcpStream::connect(at).expect("it listens");
    stream.set_read_timeout(Some(Duration::from_secs(20))).expect("a socket");
    while client.is_handshaking() {
        client.complete_io(&mut stream).ok()?;
    }
    let protocol = client.alpn_protocol().map(<[u8]>::to_vec);
    let (status, text) = answer(&mut StreamOwned::new(client, stream), &get("/healthz", ""));
    Some((status, text, protocol))
}

fn public(service: &Service) -> SocketAddr {
    address(service, "public on https://")
}

fn address(service: &Service, mark: &str) -> SocketAddr {
    service.says(mark);
    service.says("control on");
    let log = service.log();
    let text = log.split(mark).nth(1).expect("it was said").split([',', '\n']).next().expect("an address");
    text.parse().unwrap_or_else(|_| panic!("no address: {text}"))
}
