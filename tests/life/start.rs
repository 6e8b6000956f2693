//! What keeps it from starting: one line that says what to do.

use std::fs;
use std::net::TcpListener;

use rcgen::generate_simple_self_signed;

use super::rig::Shop;
use crate::common::refused;

#[test]
fn a_wrong_listener_is_one_line_and_64() {
    let shop = Shop::new();
    for (config, says) in [
        ("[public]\nlisten = \"localhost:8080\"\n", "write ADDRESS:PORT"),
        ("[public]\nlisten = \"unix:\"\n", "or unix:PATH"),
        ("[public]\nlisten = \"unix:x\"\nsocket_mode = \"rw\"\n", "as for chmod"),
        ("[public]\nlisten = \"127.0.0.1:0\"\ncertificate = \"c\"\n", "public: certificate needs its key"),
        ("[control]\nlisten = \"127.0.0.1:0\"\ncertificate_key = \"c\"\n", "control: certificate_key belongs"),
        (
            "[control]\nlisten = \"unix:x\"\ncertificate = \"c\"\ncertificate_key = \"k\"\n",
            "no TLS is spoken on a Unix",
        ),
        ("trusted_proxies = [\"unix:/x\"]\n", "or unix"),
    ] {
        let line = refused(&shop.place.finish(shop.command(config, &[]), b""), 64);
        assert!(line.contains(says), "{says}: {line}");
        let check = shop.place.run(&["check", "--config", "c.toml"], b"");
        assert!(refused(&check, 64).contains(says), "{says}");
    }
}

#[test]
fn a_certificate_that_cannot_be_used_is_one_line_and_1() {
    let shop = Shop::new();
    let config = "[public]\nlisten = \"127.0.0.1:0\"\ncertificate = \"tls.crt\"\ncertificate_key = \"tls.key\"\n";
    let made = || generate_simple_self_signed(["sealpass.internal".to_owned()]).expect("a certificate");
    let (one, other) = (made(), made());
    let (certificate, key) = (one.cert.pem(), one.signing_key.serialize_pem());
    let other_key = other.signing_key.serialize_pem();
    for (certificate, key, says) in [
        (None, Some(&*key), "tls.crt: No such file"),
        (Some(&*certificate), None, "tls.key: No such file"),
        (Some(""), Some(&*key), "tls.crt: holds no certificate"),
        (Some(&*key), Some(&*key), "tls.crt: holds no certificate"),
        (Some(&*certificate), Some("secret"), "tls.key: holds no private key in PEM"),
        (Some(&*certificate), Some(&*certificate), "tls.key: holds no private key in PEM"),
        (Some(&*certificate), Some(&*other_key), "put a certificate there with the key"),
    ] {
        for (name, text) in [("tls.crt", certificate), ("tls.key", key)] {
            let _ = fs::remove_file(shop.place.path(name));
            text.map_or(Ok(()), |text| fs::write(shop.place.path(name), text)).expect("writable");
        }
        drop(shop.command(config, &[])); // writes the configuration
        let line = refused(&shop.place.run(&["check", "--config", "c.toml"], b""), 1);
        assert!(line.contains(says) && !line.contains("secret"), "{says}: {line}");
        let output = shop.place.finish(shop.command(config, &[]), b"");
        let text = String::from_utf8_lossy(&output.stderr);
        assert!(
            output.status.code() == Some(1) && text.lines().last().is_some_and(|line| line.contains(says)),
            "{text}"
        );
    }
}

#[test]
fn a_port_that_is_taken_is_named_with_its_listener() {
    let shop = Shop::new();
    let taken = TcpListener::bind("127.0.0.1:0").expect("a port");
    let at = taken.local_addr().expect("bound");
    let config = format!("[public]\nlisten = \"127.0.0.1:0\"\n[control]\nlisten = \"{at}\"\n");
    let output = shop.place.finish(shop.command(&config, &[]), b"");
    let text = String::from_utf8_lossy(&output.stderr);
    let says = format!("sealpass: control.listen: can't listen on {at}: Address already in use");
    assert!(
        output.status.code() == Some(1) && text.lines().last().is_some_and(|line| line.starts_with(&says)),
        "{text}"
    );
}
