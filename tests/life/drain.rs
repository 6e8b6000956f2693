//! From the signal to the end.

use std::net::TcpStream;

use rustix::process::Signal;

use super::rig::{Shop, ended, signal_to};
use crate::common::{Connection, NAME, ask, call, head, wait_for};

#[test]
fn while_it_drains_readyz_is_red_and_all_else_is_answered_with_a_close() {
    let shop = Shop::new();
    let mut service = shop.serve("", &[("SEALPASS_DRAIN", "10m")]);
    let issued = call(service.control, &shop.credential, "/v1/sessions", "{\"subject\": \"alice\"}");
    let cookie = format!("{NAME}={}", issued.json()["token"].as_str().expect("a token"));
    let with_cookie = [("Cookie", &*cookie)];
    let mut kept = Connection::open(service.public);
    kept.send(&head("GET", "/verify/", &with_cookie));
    let before = kept.answer();
    assert_eq!((before.status, before.header("connection")), (200, None));
    assert_eq!(ask(service.public, "GET", "/readyz", &[], b"").status, 200);

    signal_to(&service.child, Signal::TERM);
    wait_for("readyz is red", || ask(service.public, "GET", "/readyz", &[], b"").status == 503);
    let red = ask(service.public, "GET", "/readyz", &[], b"");
    assert_eq!((red.body.as_slice(), red.header("connection")), (&b"stopping\n"[..], Some("close")));
    assert_eq!(ask(service.public, "GET", "/healthz", &[], b"").status, 200, "it lives");
    // The connection that a proxy kept is answered once more, and over then.
    kept.send(&head("GET", "/verify/", &with_cookie));
    let answer = kept.answer();
    assert_eq!((answer.status, answer.header("connection")), (200, Some("close")));
    assert_eq!(kept.rest(), b"");
    for (status, cookie) in [(200, &*cookie), (401, "")] {
        let answer = ask(service.public, "GET", "/verify/", &[("Cookie", cookie)], b"");
        assert_eq!((answer.status, answer.header("connection")), (status, Some("close")));
    }
    let login = call(service.control, &shop.credential, "/v1/sessions", "{\"subject\": \"bob\"}");
    assert_eq!((login.status, login.header("connection")), (201, Some("close")));

    signal_to(&service.child, Signal::TERM);
    assert_eq!(ended(&mut service.child), Some(0), "the second one ends the drain");
    assert!(TcpStream::connect(service.public).is_err());
}

#[test]
fn what_is_in_flight_is_finished_while_nothing_more_is_accepted() {
    let shop = Shop::new();
    let mut service = shop.serve("", &[]);
    let (mut flight, body) = half_sent(&shop, &service);
    let mut idle = Connection::open(service.public);
    signal_to(&service.child, Signal::TERM);
    for at in [service.public, service.control] {
        wait_for("it accepts nothing more", || TcpStream::connect(at).is_err());
    }
    assert_eq!(idle.rest(), b"", "closed");
    flight.send(&body[1..]);
    let answer = flight.answer();
    assert_eq!((answer.status, answer.header("connection")), (201, Some("close")));
    assert_eq!(ended(&mut service.child), Some(0));
}

#[test]
fn a_second_signal_ends_it_at_once_whatever_is_in_flight() {
    for (first, second) in [(Signal::INT, Signal::INT), (Signal::TERM, Signal::INT), (Signal::INT, Signal::TERM)] {
        let shop = Shop::new();
        let mut service = shop.serve("", &[]);
        let (mut flight, _) = half_sent(&shop, &service);
        signal_to(&service.child, first);
        wait_for("it accepts nothing more", || TcpStream::connect(service.control).is_err());
        assert!(service.child.try_wait().expect("our child").is_none(), "it waits for what is in flight");
        signal_to(&service.child, second);
        assert_eq!(ended(&mut service.child), Some(0));
        assert_eq!(flight.rest(), b"");
    }
}

#[test]
fn sigquit_needs_no_second_one() {
    let shop = Shop::new();
    let mut service = shop.serve("", &[("SEALPASS_DRAIN", "10m")]);
    let (mut flight, _) = half_sent(&shop, &service);
    signal_to(&service.child, Signal::QUIT);
    assert_eq!(ended(&mut service.child), Some(0));
    assert_eq!(flight.rest(), b"");
}

/// A login of which the last byte but one is under way: its connection, and its body.
fn half_sent(shop: &Shop, service: &crate::common::Running) -> (Connection, Vec<u8>) {
    let body = b"{\"subject\": \"alice\"}".to_vec();
    let (length, bearer) = (body.len().to_string(), format!("Bearer {}", shop.credential));
    let headers = [
        ("Authorization", &*bearer),
        ("Content-Type", "application/json"),
        ("Content-Length", &length),
        ("Expect", "100-continue"),
    ];
    let mut connection = Connection::open(service.control);
    connection.send(&head("POST", "/v1/sessions", &headers));
    // Now it is known to be inside the service.
    assert_eq!(connection.answer().status, 100);
    connection.send(&body[..1]);
    (connection, body)
}
