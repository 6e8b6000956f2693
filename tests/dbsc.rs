//! Sessions that are bound to a device, over real sockets, with a client that makes every proof there is. What a real browser makes
//! of it is in `tests/browser/dbsc.test.mjs`.

#![cfg(feature = "dbsc")]

#[path = "dbsc/among.rs"]
mod among;
#[expect(dead_code, unused_imports, reason = "each test crate uses its part")]
mod common;
#[path = "dbsc/device.rs"]
mod device;
#[path = "dbsc/forged.rs"]
mod forged;

use std::time::Duration;

use serde_json::json;

use common::{Response, Server};
use device::{Device, Jar, SAME_ORIGIN, refresh, registration};

const ON: &str = "[realm.default.dbsc]\nenabled = true\n";
const BOUND: &str = "[realm.default.dbsc]\nenabled = true\n[policy.bound]\nbound = \"require\"\n";

fn secs(secs: u64) -> Duration {
    Duration::from_secs(secs)
}

#[test]
fn a_login_is_bound_to_the_device_and_only_that_keeps_it_up() {
    let (server, device) = (Server::with(ON), Device::new());
    let mut jar = Jar::login(&server);
    let unbound = jar.token.clone();
    assert!(server.accepts(&unbound));

    let answer = registration(&server, &jar.cookie(), &device.registers(&jar.challenge));
    assert_eq!(answer.status, 200, "{answer:?}");
    jar.take(&answer);
    let told = answer.json();
    assert_eq!(told["refresh_url"], "/dbsc/default/refresh");
    let attributes = "Path=/; Secure; HttpOnly; SameSite=Lax";
    assert_eq!(told["credentials"], json!([{"type": "cookie", "name": "__Host-sealpass", "attributes": attributes}]));
    let lines = answer.all("set-cookie");
    assert_eq!(lines.len(), 2);
    assert!(lines[0].ends_with(&format!("; Max-Age=600; {attributes}")), "{}", lines[0]);
    assert!(lines[1].ends_with("; Path=/; Secure; HttpOnly; SameSite=None"), "{}", lines[1]);
    assert!(!lines[1].contains("Max-Age"), "an anchor goes with the browser as its session does: {}", lines[1]);

    // What was on its way meanwhile still counts, for the tolerance.
    assert!(server.accepts(&unbound) && server.accepts(&jar.token));
    server.advance(secs(302));
    assert!(!server.accepts(&unbound) && server.accepts(&jar.token));

    // The short life is over: without the device nothing more comes.
    server.advance(secs(300));
    assert!(!server.accepts(&jar.token));
    let stolen = jar.clone();
    jar.refresh(&server, &device);
    assert!(server.accepts(&jar.token));
    assert_eq!(server.verify(&stolen.cookie()).status, 401);

    // As often as it is used, up to the absolute limit of 12 hours.
    for _ in 0..23 {
        server.advance(secs(1_700));
        jar.refresh(&server, &device);
        assert!(server.accepts(&jar.token));
    }
    server.advance(secs(12 * 3_600 - 602 - 23 * 1_700));
    assert_eq!(over(&server, &jar), json!({"continue": false}));
}

#[test]
fn the_offer_is_made_at_login_and_to_nobody_else() {
    let server = Server::with(ON);
    let answer = server.call("/v1/sessions", &json!({"subject": "alice"}));
    let lines = answer.all("set-cookie");
    assert_eq!(answer.json()["set_cookies"], json!(lines));
    assert_eq!(answer.json()["set_cookie"], json!(lines[0]));
    assert!(lines[1].starts_with("__Host-sealpass-anchor="), "{}", lines[1]);
    assert!(lines[1].ends_with("; Max-Age=120; Path=/; Secure; HttpOnly; SameSite=None"), "{}", lines[1]);
    let offer = answer.header("secure-session-registration").expect("an offer");
    assert!(offer.starts_with("(ES256);path=\"/dbsc/default/registration\";challenge=\"A"), "{offer}");

    // Nobody has logged in.
    let answer = server.call("/v1/sessions", &json!({}));
    assert_eq!((answer.status, answer.header("secure-session-registration")), (201, None));
    assert_eq!(answer.json()["set_cookies"], json!(answer.all("set-cookie")));
    assert_eq!(answer.all("set-cookie").len(), 1);
}

#[test]
fn where_it_is_off_nothing_of_it_is_there() {
    let server = Server::plain();
    let session = server.login("alice");
    assert!(session.answer.get("set_cookies").is_none() && session.answer.get("headers").is_none());
    let headers = [SAME_ORIGIN, ("Cookie", &*session.cookie())];
    for path in ["/dbsc/default/registration", "/dbsc/default/refresh", "/dbsc/none/refresh"] {
        assert_eq!(server.ask("POST", path, &headers).status, 404, "{path}");
    }
    let logout = server.ask("POST", "/logout", &headers);
    assert_eq!(logout.all("set-cookie").len(), 1, "no anchor to clear");
}

#[test]
fn a_session_that_outlives_the_browser_has_an_anchor_that_does() {
    let (server, device) = (Server::with(ON), Device::new());
    let mut jar = Jar::issue(&server, &json!({"subject": "alice", "persistent": true}));
    jar.register(&server, &device);
    server.advance(secs(13 * 24 * 3_600));
    jar.ask(&server);
    let answer = refresh(&server, &jar.anchor_cookie(), &jar.id, Some(&device.refreshes(&jar.challenge)));
    let lines = answer.all("set-cookie");
    assert!(lines[0].contains("; Max-Age=600;"), "{}", lines[0]);
    assert!(lines[1].contains("; Max-Age=1209600;"), "{}", lines[1]);
}

#[test]
fn another_replica_with_the_same_keys_refreshes_as_well() {
    let (one, device) = (Server::with(ON), Device::new());
    let two = Server::with_ring_of(&one, ON);
    let mut jar = Jar::login(&one);
    jar.register(&two, &device);
    for server in [&one, &two] {
        server.advance(secs(700));
    }
    assert!(!one.accepts(&jar.token));
    jar.ask(&two); // the challenge of one is good at the other
    let answer = refresh(&one, &jar.anchor_cookie(), &jar.id, Some(&device.refreshes(&jar.challenge)));
    assert_eq!(answer.status, 200, "{answer:?}");
    jar.take(&answer);
    assert!(one.accepts(&jar.token) && two.accepts(&jar.token));
}

#[test]
fn what_is_over_is_not_refreshed_back() {
    let server = Server::with(ON);
    let bound = || {
        let (mut jar, device) = (Jar::login(&server), Device::new());
        jar.register(&server, &device);
        (jar, device)
    };
    // By its id, by its cookie, by its anchor alone, and all of a subject.
    let (jar, _) = bound();
    let id = server.introspect(&jar.token)["session_id"].clone();
    server.revoke(&json!({"session_id": id}));
    assert_eq!(over(&server, &jar), json!({"continue": false}));
    let (jar, _) = bound();
    server.revoke(&json!({"cookie": jar.cookie()}));
    assert_eq!(over(&server, &jar), json!({"continue": false}));
    let (jar, _) = bound();
    server.revoke(&json!({"cookie": jar.anchor_cookie()}));
    assert!(!server.accepts(&jar.token));
    assert_eq!(over(&server, &jar), json!({"continue": false}));
    let (jar, device) = bound();
    assert_eq!(server.call("/v1/subjects/revoke", &json!({"subject": "alice"})).status, 204);
    let proof = device.refreshes(&jar.challenge);
    let answer = refresh(&server, &jar.anchor_cookie(), &jar.id, Some(&proof));
    assert_eq!((answer.status, answer.json()), (200, json!({"continue": false})));
    // At the next login, by what the visitor came with.
    server.advance(secs(3));
    let (jar, _) = bound();
    let next = Jar::issue(&server, &json!({"subject": "alice", "replaces": {"cookie": jar.anchor_cookie()}}));
    assert!(!server.accepts(&jar.token) && server.accepts(&next.token));
    // A cookie that is kept in a jar with another login's anchor is none of its.
    let answer = refresh(&server, &next.anchor_cookie(), &jar.id, None);
    assert_eq!((answer.status, answer.json()), (200, json!({"continue": false})));
}

#[test]
fn logout_ends_a_session_whose_cookie_is_gone_for_the_moment() {
    let (server, device) = (Server::with(ON), Device::new());
    let mut jar = Jar::login(&server);
    jar.register(&server, &device);
    let answer = server.ask("POST", "/logout", &[SAME_ORIGIN, ("Cookie", &jar.anchor_cookie())]);
    assert_eq!(answer.status, 204);
    let cleared = "__Host-sealpass-anchor=; Max-Age=0; Path=/; Secure; HttpOnly; SameSite=None";
    assert_eq!(answer.all("set-cookie")[1], cleared);
    assert!(answer.all("set-cookie")[0].starts_with("__Host-sealpass=; Max-Age=0;"));
    assert!(!server.accepts(&jar.token));
    assert_eq!(over(&server, &jar), json!({"continue": false}));
}

#[test]
fn a_bound_session_is_changed_by_whoever_has_both_cookies() {
    let (server, device) = (Server::with(ON), Device::new());
    let mut jar = Jar::login(&server);
    jar.register(&server, &device);
    let id = jar.id.clone();
    for path in ["/v1/sessions/reseal", "/v1/sessions/rotate"] {
        let answer = server.call(path, &json!({"token": jar.token, "roles": ["editor"]}));
        assert_eq!(answer.status, 422, "{path}: {answer:?}");
        let before = jar.clone();
        let answer = server.call(path, &json!({"cookie": jar.cookie(), "roles": ["editor"]}));
        assert_eq!(answer.status, 200, "{path}: {answer:?}");
        assert_eq!(answer.json()["set_cookies"], json!(answer.all("set-cookie")));
        assert_eq!(answer.all("set-cookie").len(), 2);
        jar.take(&answer);
        assert!(server.accepts(&jar.token) && !server.accepts(&before.token), "{path}");
        // The earlier anchor's next one is on its way: the browser waits, and its part does not end.
        assert_eq!(refresh(&server, &before.anchor_cookie(), &id, None).status, 503, "{path}");
        jar.refresh(&server, &device);
        assert_eq!(jar.id, id, "the browser's name for it stays");
        assert_eq!(server.introspect(&jar.token)["roles"], json!(["editor"]));
    }
    // Its device alone makes the next cookie.
    assert_eq!(server.call("/v1/sessions/renew", &json!({"cookie": jar.cookie()})).status, 422);
    assert_eq!(server.ask("POST", "/renew", &[SAME_ORIGIN, ("Cookie", &jar.cookie())]).status, 409);
}

#[test]
fn a_route_can_demand_a_bound_session() {
    let (server, device) = (Server::with(BOUND), Device::new());
    let mut jar = Jar::login(&server);
    let asked = |jar: &Jar, path: &str| server.ask_with(path, &[jar.cookie().as_bytes()]);
    let told = |answer: &Response| (answer.status, answer.header("x-session-reason").map(str::to_owned));
    for path in ["/policy/bound/", "/verify?bound=require"] {
        let answer = asked(&jar, path);
        assert_eq!(told(&answer), (401, Some("bound".to_owned())), "{path}");
        assert_eq!((answer.header("x-session-valid"), answer.header("x-session-subject")), (Some("false"), Some("")));
    }
    assert_eq!(server.decided("not_bound"), 2);
    assert_eq!(asked(&jar, "/verify/").status, 200);
    let unbound = jar.clone();
    jar.register(&server, &device);
    for path in ["/policy/bound/", "/verify?bound=require"] {
        assert_eq!(told(&asked(&jar, path)), (200, Some(String::new())), "{path}");
        assert_eq!(told(&asked(&unbound, path)), (401, Some("bound".to_owned())), "within the tolerance: {path}");
    }
}

#[test]
fn the_cookies_of_bound_sessions_are_kept_from_applications() {
    let server = Server::with(&format!("{ON}[policy.handed]\npass_cookies = true\n"));
    let jar = Jar::login(&server);
    let line = format!("theme=dark; {}; lang=en", jar.cookie());
    let answer = server.ask_with("/policy/handed/", &[line.as_bytes()]);
    assert_eq!((answer.status, answer.header("cookie")), (200, Some("theme=dark; lang=en")));
}

#[test]
fn what_happens_is_counted_and_written_down_without_a_secret() {
    let dir = tempfile::tempdir().expect("a directory for the test");
    let trail = dir.path().join("audit.log");
    let server = Server::with(&format!("[audit]\nto = {trail:?}\n{ON}"));
    let (mut jar, device) = (Jar::login(&server), Device::new());
    jar.register(&server, &device);
    jar.refresh(&server, &device);
    jar.ask(&server);
    let forged = Device::new().refreshes(&jar.challenge);
    assert_eq!(refresh(&server, &jar.anchor_cookie(), &jar.id, Some(&forged)).status, 400);
    server.service.audit.flush(secs(10));
    let written = std::fs::read_to_string(&trail).expect("a trail");
    let events: Vec<serde_json::Value> =
        written.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    let told: Vec<_> = events.iter().map(|event| (event["event"].clone(), event["by"].clone())).collect();
    let expected = [("issued", "control"), ("bound", "dbsc"), ("renewed", "dbsc"), ("refused", "dbsc")];
    assert_eq!(told, expected.map(|(event, by)| (json!(event), json!(by))));
    assert_eq!(events[3]["reason"], "signature");
    assert!(events.iter().all(|event| event["session"] == events[0]["session"] && event["session"].is_string()));
    let metrics = server.metrics();
    for (step, result, count) in [
        ("registration", "ok", 1),
        ("registration", "refused", 0),
        ("refresh", "ok", 1),
        ("refresh", "challenged", 2),
        ("refresh", "refused", 1),
        ("refresh", "over", 0),
    ] {
        let line = format!("sealpass_dbsc_answers_total{{step=\"{step}\",result=\"{result}\"}} {count}\n");
        assert!(metrics.contains(&line), "{line}{metrics}");
    }
    for secret in [&jar.token, &jar.anchor, &jar.challenge, &jar.id] {
        assert!(!written.contains(secret) && !metrics.contains(secret));
    }
}

#[test]
fn what_the_manual_prints_is_a_right_configuration() {
    let page = include_str!("../src/manual/dbsc.md");
    let blocks = page.split("\n```toml\n").skip(1).filter_map(|rest| rest.split("\n```").next());
    let printed: Vec<_> = blocks.collect();
    assert_eq!(printed.len(), 2);
    let server = Server::with(&printed.join("\n").replace("\n# ", "\n"));
    let terms = server.service.site.realm("default").and_then(|site| site.dbsc.clone()).expect("it is on");
    assert_eq!((terms.lifetime, terms.tolerance, &*terms.initiators), (secs(600), secs(300), &["*".to_owned()][..]));
    assert!(server.service.site.policy("transfer").expect("named").bound);
}

/// What a refresh is answered, which is no more than a browser of a session that is over is told.
fn over(server: &Server, jar: &Jar) -> serde_json::Value {
    let answer = refresh(server, &jar.anchor_cookie(), &jar.id, None);
    assert_eq!((answer.status, answer.all("set-cookie")), (200, vec![]), "{answer:?}");
    answer.json()
}
