//! Proofs that no device of the session made, requests that no browser makes, and what each is answered.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sealpass::dbsc::Proof;
use sealpass::http::Readiness;
use serde_json::{Value, json};

use crate::common::{Response, Server};
use crate::device::{Device, Jar, SAME_ORIGIN, refresh, registration};
use crate::{ON, secs};

/// Neither cookies nor a challenge.
fn is_nothing(answer: &Response) -> bool {
    answer.all("set-cookie").is_empty() && answer.header("secure-session-challenge").is_none()
}

#[test]
fn no_forged_proof_registers_a_device() {
    let (server, device) = (Server::with(ON), Device::new());
    let (mut jar, other) = (Jar::login(&server), Jar::login(&server));
    let head = |alg: &str, jwk: &Value| json!({"alg": alg, "jwk": jwk, "typ": "dbsc+jwt"});
    let payload = json!({"jti": jar.challenge});
    let none = device.sign(&head("none", &device.jwk()), &payload);
    let (unsigned, _) = none.rsplit_once('.').expect("three parts");
    for (what, proof) in [
        ("of nobody", String::new()),
        ("somebody else's key", device.sign(&head("ES256", &Device::new().jwk()), &payload)),
        ("alg none", none.clone()),
        ("no signature", format!("{unsigned}.")),
        ("alg HS256", device.sign(&head("HS256", &device.jwk()), &payload)),
        ("no key", device.refreshes(&jar.challenge)),
        ("another session's challenge", device.registers(&other.challenge)),
        ("a challenge of its own", device.registers("challenge")),
        ("a token as challenge", device.registers(&jar.token)),
        ("another type", device.sign(&json!({"alg": "ES256", "jwk": device.jwk(), "typ": "JWT"}), &payload)),
        ("huge", device.sign(&head("ES256", &device.jwk()), &json!({"jti": jar.challenge, "more": "x".repeat(3_000)}))),
    ] {
        let answer = registration(&server, &jar.cookie(), &proof);
        assert!(answer.status == 400 && is_nothing(&answer), "{what}: {answer:?}");
    }
    let right = device.registers(&jar.challenge);
    let ask = |headers: &[(&str, &str)]| server.ask("POST", "/dbsc/default/registration", headers);
    let cookie = jar.cookie();
    let (with, proof) = (("Cookie", &*cookie), ("Secure-Session-Response", &*right));
    for (what, headers) in [
        ("of another site", &[with, proof, ("Sec-Fetch-Site", "cross-site"), ("Origin", "https://evil.example")][..]),
        ("of no site", &[with, proof]),
        ("without a cookie", &[SAME_ORIGIN, proof]),
        ("without a proof", &[SAME_ORIGIN, with]),
        ("with two", &[SAME_ORIGIN, with, proof, proof]),
    ] {
        let answer = ask(headers);
        assert!(answer.status == 400 && is_nothing(&answer), "{what}: {answer:?}");
    }
    assert_eq!(server.ask("GET", "/dbsc/default/registration", &[SAME_ORIGIN, with, proof]).status, 405);
    // None of these cost the session anything.
    jar.register(&server, &device);
    // And it is bound once: to no other device, and by no proof that was shown before.
    for again in [right, device.registers(&jar.challenge), Device::new().registers(&jar.challenge)] {
        for cookie in [&cookie, &jar.cookie()] {
            assert_eq!(registration(&server, cookie, &again).status, 400);
        }
    }
}

#[test]
fn a_device_registers_soon_after_the_login_or_not_at_all() {
    let (server, device) = (Server::with(ON), Device::new());
    let jar = Jar::login(&server);
    server.advance(secs(121));
    assert_eq!(registration(&server, &jar.cookie(), &device.registers(&jar.challenge)).status, 400);
    assert!(server.accepts(&jar.token), "the session is good without");
}

#[test]
fn no_forged_proof_refreshes_a_session() {
    let (server, device, thief) = (Server::with(ON), Device::new(), Device::new());
    let (mut jar, mut other) = (Jar::login(&server), Jar::login(&server));
    jar.register(&server, &device);
    other.register(&server, &thief);
    jar.ask(&server);
    other.ask(&server);
    let payload = json!({"jti": jar.challenge});
    let none = device.sign(&json!({"alg": "none", "typ": "dbsc+jwt"}), &payload);
    let right = device.refreshes(&jar.challenge);
    let (signed, _) = right.rsplit_once('.').expect("three parts");
    // Asked for another proof where a browser may have been late; its part of the session ends where none would.
    for (what, proof, status) in [
        ("of nobody", String::new(), 400),
        ("another key", thief.refreshes(&jar.challenge), 400),
        ("a key of its own", device.registers(&jar.challenge), 400),
        ("a thief's own key", thief.registers(&jar.challenge), 400),
        ("alg none", none, 400),
        ("no signature", format!("{signed}."), 400),
        ("huge", device.sign(&json!({"alg": "ES256", "typ": "dbsc+jwt"}), &json!({"jti": "x".repeat(3_000)})), 400),
        ("another session's challenge", device.refreshes(&other.challenge), 403),
        ("a challenge of its own", device.refreshes("challenge"), 403),
    ] {
        let answer = refresh(&server, &jar.anchor_cookie(), &jar.id, Some(&proof));
        assert_eq!((answer.status, answer.all("set-cookie").len()), (status, 0), "{what}: {answer:?}");
    }
    // Another session's proof beside this one's anchor.
    let answer = refresh(&server, &jar.anchor_cookie(), &jar.id, Some(&thief.refreshes(&other.challenge)));
    assert!(answer.status == 400 && is_nothing(&answer), "{answer:?}");

    let answer = refresh(&server, &jar.anchor_cookie(), &jar.id, Some(&right));
    assert_eq!(answer.status, 200, "{answer:?}");
    let again = refresh(&server, &jar.anchor_cookie(), &jar.id, Some(&right));
    assert_eq!((again.status, again.all("set-cookie").len()), (403, 0), "replayed");
    // A challenge that is too old is asked anew.
    jar.ask(&server);
    server.advance(secs(120));
    let late = refresh(&server, &jar.anchor_cookie(), &jar.id, Some(&device.refreshes(&jar.challenge)));
    assert_eq!((late.status, late.all("set-cookie").len()), (403, 0));
}

#[test]
fn requests_that_no_browser_makes_are_refused() {
    let (server, device) = (Server::with(ON), Device::new());
    let mut jar = Jar::login(&server);
    jar.register(&server, &device);
    jar.ask(&server);
    let (cookie, right) = (jar.anchor_cookie(), device.refreshes(&jar.challenge));
    let ask = |headers: &[(&str, &str)]| server.ask("POST", "/dbsc/default/refresh", headers);
    let with = ("Cookie", &*cookie);
    let (id, proof) = (("Sec-Secure-Session-Id", &*jar.id), ("Secure-Session-Response", &*right));
    let long = "k".repeat(65);
    for (what, headers, status) in [
        ("of another site", &[with, id, proof, ("Origin", "https://evil.example")][..], 400),
        ("of no site", &[with, id, proof], 400),
        ("without an id", &[SAME_ORIGIN, with, proof], 400),
        ("with two ids", &[SAME_ORIGIN, with, proof, id, id], 400),
        ("with a long id", &[SAME_ORIGIN, with, proof, ("Sec-Secure-Session-Id", &long)], 400),
        ("with two proofs", &[SAME_ORIGIN, with, proof, proof, id], 400),
        // Where another site's page makes a browser ask, it may leave the cookies out: that must not end anything.
        ("without an anchor", &[SAME_ORIGIN, id, proof], 503),
        (
            "with the session's token as anchor",
            &[SAME_ORIGIN, id, proof, ("Cookie", &format!("{ANCHOR}={}", jar.token))],
            200,
        ),
        ("with another id", &[SAME_ORIGIN, with, proof, ("Sec-Secure-Session-Id", "kOther")], 200),
    ] {
        let answer = ask(headers);
        assert!(answer.status == status && is_nothing(&answer), "{what}: {answer:?}");
        if status == 200 {
            assert_eq!(answer.json(), json!({"continue": false}), "{what}");
        }
    }
    // An anchor opens nothing.
    assert!(!server.accepts(&jar.anchor));
    assert_eq!(server.verify(&cookie).status, 401);
    assert_eq!(ask(&[SAME_ORIGIN, with, id, proof]).status, 200, "none of these used the proof up");
}

#[test]
fn a_replica_that_can_not_tell_asks_for_patience() {
    let server = Server::when(ON, Readiness::among(false)); // one that never heard of the others
    for path in ["/dbsc/default/registration", "/dbsc/default/refresh"] {
        assert_eq!(server.ask("POST", path, &[SAME_ORIGIN]).status, 503, "{path}");
    }
}

#[test]
fn no_character_of_a_proof_can_be_another_one() {
    let device = Device::new();
    let jwt = device.registers("AZnA-_9");
    let accepted = |text: &str| Proof::of_registration(text).is_ok_and(|(proof, key)| proof.is_signed_by(&key));
    assert!(accepted(&jwt));
    for at in 0..jwt.len() {
        for other in ["A", "B", "_", ".", "=", "+", " ", "\0", ""] {
            let changed = format!("{}{other}{}", &jwt[..at], &jwt[at + 1..]);
            assert!(changed == jwt || !accepted(&changed), "{at}: {changed}");
        }
        assert!(!accepted(&jwt[..at]));
    }
}

proptest::proptest! {
    #[test]
    fn whatever_comes_as_a_proof_is_answered(text in "[ -~]{0,60}", head in ".{0,40}", payload in ".{0,40}") {
        let part = |text: &str| URL_SAFE_NO_PAD.encode(text);
        for text in [text, format!("{}.{}.{}", part(&head), part(&payload), "A".repeat(86))] {
            proptest::prop_assert!(Proof::of_refresh(&text).is_err());
            proptest::prop_assert!(Proof::of_registration(&text).is_err());
        }
    }
}

const ANCHOR: &str = "__Host-sealpass-anchor";
