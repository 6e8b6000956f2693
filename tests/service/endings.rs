//! Endings as applications ask for them: of one session, of many, of all; what goes on, and what a route still lets through.

use std::time::Duration;

use sealpass::entropy::SystemEntropy;
use sealpass::http::NewCredential;
use serde_json::{Value, json};

use crate::common::{Response, Server, Session};

const POLICIES: &str = "
[realm.default]
[realm.shop]
import = true
[realm.shop.cookie]
name = \"__Host-shop\"
[policy.editors]
role = [\"editor\"]
[policy.lenient]
role = [\"editor\"]
stale_roles = true
[policy.fresh]
fresh = true
stale_roles = true
[policy.open]
optional = true
[policy.shop]
realm = \"shop\"
";

#[test]
fn a_subject_is_logged_out_everywhere_and_may_log_in_again_at_once() {
    let server = Server::plain();
    let (phone, desk, other) = (server.login("alice"), server.login("alice"), server.login("bob"));
    for _ in 0..20 {
        assert_eq!(server.call("/v1/subjects/revoke", &json!({"subject": "alice"})).status, 204);
        assert!(!server.accepts(&phone.token) && !server.accepts(&desk.token));
        assert!(server.accepts(&server.login("alice").token), "in the same millisecond");
    }
    assert!(server.accepts(&other.token));
    assert_eq!(server.decided("cut_off"), 40);
    assert!(server.metrics().contains("sealpass_sessions_ended_together_total{kind=\"subject\"} 20\n"));
}

#[test]
fn the_one_who_asks_can_stay() {
    let server = Server::plain();
    let (phone, desk) = (server.login("alice"), server.login("alice"));
    for keep in [json!({"token": desk.token}), json!({"cookie": format!("a=b; {}", desk.cookie())})] {
        let desk = server.issue(&json!({"subject": "alice", "roles": ["editor"], "replaces": keep}));
        let keep = json!({"token": desk.token});
        let kept = Session::of(&server.call("/v1/subjects/revoke", &json!({"subject": "alice", "keep": keep})), 200);
        assert_eq!(kept.id, desk.id);
        assert!(!server.accepts(&phone.token) && !server.accepts(&desk.token) && server.accepts(&kept.token));
        assert_eq!(kept.answer["expires_at"], desk.answer["expires_at"]);
        assert_eq!(server.introspect(&kept.token)["roles"], json!(["editor"]));
    }
    let (alice, bob) = (server.login("alice"), server.login("bob"));
    for (keep, status) in [
        (json!({"token": bob.token}), 422),
        (json!({"token": "junk"}), 404),
        (json!({}), 422),
        (json!({"token": alice.token, "cookie": alice.cookie()}), 422),
        (json!({"session_id": alice.id}), 422),
    ] {
        let response = server.call("/v1/subjects/revoke", &json!({"subject": "alice", "keep": keep}));
        assert_eq!(response.status, status, "{keep}");
    }
    let many = json!({"subjects": ["alice"], "keep": {"token": alice.token}});
    assert_eq!(field(&server.call("/v1/subjects/revoke", &many)), (422, "keep".to_owned()));
    assert!(server.accepts(&alice.token), "nothing of this ended anything");
}

#[test]
fn a_handle_ends_what_was_issued_with_it() {
    let server = Server::plain();
    let with = |handles: Value| server.issue(&json!({"subject": "alice", "handles": handles}));
    let (one, both, none) = (with(json!(["idp-7"])), with(json!(["org-1", "idp-7"])), with(json!([])));
    let named_so = server.login("idp-7");
    assert_eq!(server.call("/v1/handles/revoke", &json!({"handle": "idp-7"})).status, 204);
    assert_eq!(
        [&one, &both, &none, &named_so].map(|session| server.accepts(&session.token)),
        [false, false, true, true]
    );
    assert!(server.accepts(&with(json!(["idp-7"])).token));
    let response = server.call("/v1/handles/revoke", &json!({"handles": ["org-1", "org-2"]}));
    assert_eq!(response.json()["results"][1], json!({"handle": "org-2", "result": "ended"}));
}

#[test]
fn roles_that_are_out_of_date_do_not_count() {
    let server = Server::with(POLICIES);
    let session = server.issue(&json!({"subject": "alice", "roles": ["editor"]}));
    assert_eq!(server.call("/v1/subjects/stale", &json!({"subject": "alice"})).status, 204);
    let asks = |target: &str, session: &Session| server.ask_with(target, &[session.cookie().as_bytes()]);
    let plain = asks("/verify/", &session);
    assert_eq!(
        (plain.status, plain.header("x-session-fresh"), plain.header("x-session-roles")),
        (200, Some("false"), Some(""))
    );
    for target in [
        "/policy/editors/",
        "/policy/fresh/",
        "/verify?role=editor",
        "/verify?fresh=true",
        "/policy/lenient?fresh=true",
    ] {
        let refused = asks(target, &session);
        assert_eq!((refused.status, refused.header("x-session-reason")), (401, Some("reseal")), "{target}");
        assert_eq!((refused.header("x-session-valid"), refused.header("x-session-subject")), (Some("false"), Some("")));
        assert!(refused.header("www-authenticate").is_some());
    }
    let lenient = asks("/policy/lenient/", &session);
    assert_eq!((lenient.status, lenient.header("x-session-roles")), (200, Some("editor")));
    assert_eq!(lenient.header("x-session-fresh"), Some("false"));
    assert_eq!(asks("/policy/open/", &session).header("x-session-roles"), Some(""));
    let shown = server.introspect(&session.token);
    assert_eq!((&shown["fresh"], &shown["roles"]), (&json!(false), &json!([])));
    assert_eq!(server.decided("stale"), 5);

    let same = server.change("/v1/sessions/reseal", &json!({"token": session.token, "data": {"k": "v"}}));
    assert_eq!(asks("/policy/editors/", &same).status, 401, "no roles were given");
    let fresh = server.change("/v1/sessions/reseal", &json!({"token": same.token, "roles": ["editor"]}));
    assert_eq!(fresh.id, session.id);
    let passed = asks("/policy/fresh/", &fresh);
    assert_eq!(
        (passed.status, passed.header("x-session-fresh"), passed.header("x-session-reason")),
        (200, Some("true"), Some(""))
    );
    assert_eq!(asks("/policy/editors/", &fresh).status, 200);
    assert_eq!(asks("/policy/editors/", &session).status, 401, "superseded");
    let lowered = server.change("/v1/sessions/reseal", &json!({"token": fresh.token, "roles": []}));
    assert_eq!(asks("/policy/editors/", &lowered).status, 403, "fresh, and without the role");
}

#[test]
fn s52_an_anonymous_session_ends_at_login() {
    let server = Server::plain();
    let anonymous = server.issue(&json!({"data": {"cart": "7"}}));
    let browser = format!("theme=dark; {}", anonymous.cookie());
    let session = server.issue(&json!({"subject": "alice", "replaces": {"cookie": browser}}));
    assert_eq!(server.introspect(&anonymous.token), json!({"active": false}));
    assert_eq!(server.introspect(&session.token)["data"], json!({}), "nothing is carried over");
    for nothing in [json!(null), json!({}), json!({"cookie": null}), json!({"cookie": ""}), json!({"token": "junk"})] {
        assert!(server.accepts(&server.issue(&json!({"subject": "alice", "replaces": nothing})).token), "{nothing}");
    }
    let both = json!({"token": "a", "cookie": "b"});
    assert_eq!(server.call("/v1/sessions", &json!({"subject": "alice", "replaces": both})).status, 422);
    // What can't be issued ends nothing.
    let refused = server.call("/v1/sessions", &json!({"subject": "", "replaces": {"token": session.token}}));
    assert_eq!((refused.status, server.accepts(&session.token)), (422, true));
    let next = server.change("/v1/sessions/rotate", &json!({"token": session.token}));
    server.issue(&json!({"subject": "alice", "replaces": {"token": session.token}}));
    assert!(!server.accepts(&next.token), "by its earlier cookie");
}

#[test]
fn grace_is_granted_on_request_and_never_to_lower() {
    let server = Server::plain();
    let session = server.issue(&json!({"subject": "alice", "roles": ["a"], "aal": 2}));
    let rotate = |body: Value| server.call("/v1/sessions/rotate", &body);
    let token = &session.token;
    for (body, named) in [
        (json!({"token": token, "grace_seconds": 11}), "grace_seconds"),
        (json!({"token": token, "grace_seconds": 1, "roles": ["b"]}), "roles"),
        (json!({"token": token, "grace_seconds": 1, "aal": 1}), "aal"),
    ] {
        assert_eq!(field(&rotate(body)), (422, named.to_owned()));
    }
    let resealed = server.call("/v1/sessions/reseal", &json!({"token": token, "grace_seconds": 1}));
    assert_eq!(field(&resealed), (422, "grace_seconds".to_owned()));
    let next = Session::of(&rotate(json!({"token": token, "grace_seconds": 10, "roles": ["a", "b"]})), 200);
    assert!(server.accepts(token) && server.accepts(&next.token));
    let renewed = server.ask("POST", "/renew", &[("Sec-Fetch-Site", "same-origin"), ("Cookie", &session.cookie())]);
    assert_eq!(renewed.status, 409, "the next cookie is on its way");
    assert_eq!(server.call("/v1/sessions/renew", &json!({"token": token})).status, 409);
    server.advance(Duration::from_secs(10));
    assert!(!server.accepts(token) && server.accepts(&next.token));
}

#[test]
fn s51_a_floor_is_an_operator_s_and_a_realm_s() {
    let new = || NewCredential::generate(&SystemEntropy::new()).expect("random bytes");
    let (app, of_shop, of_all) = (new(), new(), new());
    let line = |credential: &NewCredential, scope: &str, realm: &str| {
        let hash = credential.sha256();
        format!("[[credential]]\nname = \"x\"\nsha256 = \"{hash}\"\nscopes = [\"{scope}\"]\nrealms = [\"{realm}\"]\n")
    };
    let lines = [line(&app, "app", "*"), line(&of_shop, "admin", "shop"), line(&of_all, "admin", "*")].concat();
    let server = Server::with_credentials(POLICIES, &lines);
    let login = |realm: &str| server.issue(&json!({"realm": realm, "subject": "alice"})).token;
    let shop =
        |token: &str| server.ask_with("/policy/shop/", &[format!("__Host-shop={token}").as_bytes()]).status == 200;
    let (in_default, in_shop) = (login("default"), login("shop"));
    let floor =
        |credential: &NewCredential, body: Value| server.call_as(credential.expose(), "/v1/floor", &body).status;
    assert_eq!(floor(&app, json!({"realm": "shop"})), 403);
    assert_eq!(floor(&of_shop, json!({"realm": "default"})), 403);
    assert_eq!(floor(&of_shop, json!({"all": true})), 403);
    for body in [json!({}), json!({"all": false}), json!({"realm": "shop", "all": true}), json!({"realm": null})] {
        assert_eq!(floor(&of_all, body), 422);
    }
    assert!(server.accepts(&in_default) && shop(&in_shop));
    assert_eq!(floor(&of_shop, json!({"realm": "shop"})), 204);
    assert!(server.accepts(&in_default) && !shop(&in_shop), "no other realm");
    let in_shop = login("shop");
    assert!(shop(&in_shop), "who logs in again");
    assert_eq!(floor(&of_all, json!({"all": true})), 204);
    assert!(!server.accepts(&in_default) && !shop(&in_shop));
    assert!(server.accepts(&login("default")) && shop(&login("shop")));
}

#[test]
fn s51_no_credential_reaches_into_another_realm() {
    let shop = NewCredential::generate(&SystemEntropy::new()).expect("random bytes");
    let line = format!(
        "[[credential]]\nname = \"x\"\nsha256 = \"{}\"\nscopes = [\"app\", \"admin\"]\nrealms = [\"shop\"]\n",
        shop.sha256()
    );
    let server = Server::with_credentials(POLICIES, &line);
    let session = server.issue(&json!({"subject": "alice", "handles": ["h"], "roles": ["editor"]}));
    for (path, body) in [
        ("/v1/sessions/revoke", json!({"session_ids": [session.id]})),
        ("/v1/subjects/revoke", json!({"subject": "alice"})),
        ("/v1/subjects/stale", json!({"subject": "alice"})),
        ("/v1/handles/revoke", json!({"handle": "h"})),
        ("/v1/sessions/check", json!({"sessions": []})),
        ("/v1/floor", json!({"realm": "default"})),
    ] {
        assert_eq!(server.call_as(shop.expose(), path, &body).status, 403, "{path}");
        // In its own realm the same names mean other sessions.
        let mut own = body;
        own["realm"] = json!("shop");
        assert!(server.call_as(shop.expose(), path, &own).status < 300, "{path}");
    }
    let asked = server.verify(&session.cookie());
    assert_eq!((asked.status, asked.header("x-session-fresh")), (200, Some("true")));
}

#[test]
fn up_to_500_in_one_call_with_a_result_for_each() {
    let server = Server::plain();
    let sessions: Vec<_> = (0..500).map(|_| server.login("alice")).collect();
    let ids: Vec<_> = sessions.iter().map(|session| session.id.clone()).collect();
    let response = server.call("/v1/sessions/revoke", &json!({"session_ids": ids}));
    assert_eq!(response.status, 200);
    let results = response.json();
    for (id, result) in ids.iter().zip(results["results"].as_array().expect("a list")) {
        assert_eq!(result, &json!({"session_id": id, "result": "ended"}));
    }
    assert!(sessions.iter().step_by(50).all(|session| !server.accepts(&session.token)));
    for (path, one, many) in [
        ("/v1/sessions/revoke", "session_id", "session_ids"),
        ("/v1/subjects/revoke", "subject", "subjects"),
        ("/v1/subjects/stale", "subject", "subjects"),
        ("/v1/handles/revoke", "handle", "handles"),
    ] {
        let response = server.call(path, &json!({many: vec!["x"; 501]}));
        assert_eq!(field(&response), (422, many.to_owned()), "{path}");
        assert_eq!((&response.json()["limit"], &response.json()["found"]), (&json!(500), &json!(501)));
        assert_eq!(server.call(path, &json!({one: "x", many: ["x"]})).status, 422, "both");
        assert_eq!(server.call(path, &json!({})).status, 422, "neither");
        assert_eq!(server.call(path, &json!({many: [], "forec": true})).status, 422, "an unknown field");
        assert_eq!(server.call(path, &json!({many: []})).json(), json!({"results": []}));
    }
    let live = server.login("bob");
    let mixed = server.call("/v1/subjects/revoke", &json!({"subjects": ["bob", "", "carol"]}));
    assert_eq!(mixed.status, 422, "the worst of them");
    let results = mixed.json();
    let of = |at: usize| results["results"][at]["result"].as_str().expect("text").to_owned();
    assert_eq!([of(0), of(1), of(2)], ["ended", "failed", "ended"]);
    assert_eq!(results["results"][1]["problem"]["field"], "subject");
    assert!(!server.accepts(&live.token));
}

#[test]
fn a_socket_asks_where_its_session_stands() {
    let server = Server::plain();
    let handles = json!(["idp-7"]);
    let login = |subject: &str| server.issue(&json!({"subject": subject, "handles": handles}));
    let entry = |session: &Session, subject: &str| json!({"session_id": session.id, "subject": subject, "handles": handles, "started_at": session.answer["started_at"]});
    let check = |entries: &[Value]| {
        let response = server.call("/v1/sessions/check", &json!({"sessions": entries}));
        assert_eq!(response.status, 200, "{}", String::from_utf8_lossy(&response.body));
        let results = response.json();
        let results = results["results"].as_array().expect("a list").iter();
        results.map(|result| result["result"].as_str().expect("text").to_owned()).collect::<Vec<_>>()
    };
    let (live, ended, cut, stale) = (login("live"), login("ended"), login("cut"), login("stale"));
    let anonymous = server.issue(&json!({}));
    let nobody = json!({"session_id": anonymous.id, "started_at": anonymous.answer["started_at"]});
    let all = [entry(&live, "live"), entry(&ended, "ended"), entry(&cut, "cut"), entry(&stale, "stale"), nobody];
    assert_eq!(check(&all), ["live"; 5]);
    server.revoke(&json!({"session_id": ended.id}));
    server.call("/v1/subjects/revoke", &json!({"subject": "cut"}));
    server.call("/v1/subjects/stale", &json!({"subject": "stale"}));
    assert_eq!(check(&all), ["live", "ended", "ended", "stale", "live"]);
    let resealed = server.change("/v1/sessions/reseal", &json!({"token": stale.token, "roles": []}));
    assert_eq!(check(&all[3..4]), ["live"], "known from the reseal");
    let mut told = entry(&resealed, "stale");
    told["claims_at"] = resealed.answer["claims_at"].clone();
    assert_eq!(check(&[told]), ["live"], "and told");
    server.call("/v1/handles/revoke", &json!({"handle": "idp-7"}));
    assert_eq!(check(&all), ["ended", "ended", "ended", "ended", "live"]);
    server.call("/v1/floor", &json!({"realm": "default"}));
    assert_eq!(check(&all[4..]), ["ended"]);
    for (field_of, value) in
        [("session_id", json!("x")), ("started_at", json!("now")), ("subject", json!("x".repeat(70_000)))]
    {
        let mut wrong = all[0].clone();
        wrong[field_of] = value;
        let response = server.call("/v1/sessions/check", &json!({"sessions": [all[0], wrong]}));
        assert_eq!(field(&response), (422, format!("sessions[1].{field_of}")));
    }
    assert_eq!(
        field(&server.call("/v1/sessions/check", &json!({"sessions": vec![&all[0]; 501]}))),
        (422, "sessions".to_owned())
    );
}

#[test]
fn a_session_that_began_elsewhere_goes_on_here() {
    let server = Server::with(POLICIES);
    server.advance(Duration::from_secs(3_600));
    let asked = json!({
        "realm": "shop", "subject": "alice", "import": {"key": "old-1", "started_at": "2026-01-01T00:00:00Z"}
    });
    let session = server.issue(&asked);
    assert_eq!(session.answer["started_at"], "2026-01-01T00:00:00Z");
    assert_eq!(session.answer["expires_at"], "2026-01-01T12:00:00Z");
    let mut again = asked.clone();
    again["replaces"] = json!({"token": session.token});
    assert_eq!(server.issue(&again).id, session.id, "the same session, and not its own end");
    let shown = server.introspect_in("shop", &session.token);
    assert_eq!(shown["active"], true);
    assert_eq!(shown["authenticated_at"], "2026-01-01T00:00:00Z", "not now: nobody authenticated now");
    server.revoke(&json!({"realm": "shop", "session_id": session.id}));
    assert_eq!(server.call("/v1/sessions", &asked).status, 409);
    for (import, status, named) in [
        (json!({"key": "k", "started_at": "2026-01-01T02:00:00Z"}), 422, "import.started_at"),
        (json!({"key": "k", "started_at": "yesterday"}), 422, "import.started_at"),
        (json!({"key": "", "started_at": "2026-01-01T00:00:00Z"}), 422, "import.key"),
        (json!({"key": "k", "started_at": "2025-12-31T13:00:00Z"}), 409, "import"),
    ] {
        let response = server.call("/v1/sessions", &json!({"realm": "shop", "subject": "bob", "import": import}));
        assert_eq!(field(&response), (status, named.to_owned()), "{import}");
    }
    let elsewhere = json!({"subject": "bob", "import": {"key": "k", "started_at": "2026-01-01T00:00:00Z"}});
    assert_eq!(field(&server.call("/v1/sessions", &elsewhere)), (422, "import".to_owned()), "not in that realm");
}

/// Status and field of a problem.
fn field(response: &Response) -> (u16, String) {
    let problem = response.json();
    assert_eq!(response.header("content-type"), Some("application/problem+json"), "{problem}");
    (response.status, problem["field"].as_str().unwrap_or_default().to_owned())
}
