//! CSRF tokens: who gets one, what has to come with one, and whose word about a request's method counts.

use std::time::Duration;

use serde_json::json;

use crate::common::{Connection, NAME, Response, Server, Session, head};

const POLICIES: &str = "
[policy.form]
csrf = \"require\"
[policy.page]
csrf = \"provide\"
[policy.login]
anonymous = true
csrf = \"require\"
[policy.news]
optional = true
csrf = \"provide\"
[policy.strict]
csrf = \"require\"
max_age = \"15m\"
role = [\"editor\"]
[policy.plain]
csrf = \"require\"
headers = [\"remote\"]
";

/// As [`POLICIES`], behind a proxy on this machine.
fn behind_a_proxy() -> Server {
    Server::with(&format!("trusted_proxies = [\"127.0.0.0/8\", \"::1\"]\n{POLICIES}"))
}

fn csrf(session: &Session) -> String {
    session.answer["csrf_token"].as_str().expect("a token").to_owned()
}

fn with(server: &Server, target: &str, session: &Session, headers: &[(&str, &str)]) -> Response {
    let cookie = session.cookie();
    server.ask("POST", target, &[&[("Cookie", &*cookie)], headers].concat())
}

fn provided(response: &Response) -> String {
    response.header("x-session-csrf").expect("always there").to_owned()
}

#[test]
fn a_token_is_given_with_every_session_and_each_is_good() {
    let server = Server::with(POLICIES);
    let session = server.login("alice");
    let mut tokens = vec![csrf(&session)];
    for path in ["renew", "reseal"] {
        let token = &session.token;
        tokens.push(csrf(&server.change(&format!("/v1/sessions/{path}"), &json!({"token": token}))));
    }
    let session = server.change("/v1/sessions/renew", &json!({"token": server.login("alice").token}));
    let mut tokens_of_this = vec![csrf(&session)];
    let by_browser = with(&server, "/renew", &session, &[("Sec-Fetch-Site", "same-origin")]);
    tokens_of_this.push(by_browser.json()["csrf_token"].as_str().expect("a token").to_owned());
    for target in ["/policy/page/", "/policy/news/"] {
        tokens_of_this.push(provided(&with(&server, target, &session, &[])));
        tokens_of_this.push(provided(&with(&server, target, &session, &[])));
    }
    // To require is to provide as well.
    let form = with(&server, "/policy/form/", &session, &[("X-CSRF-Token", &tokens_of_this[0])]);
    tokens_of_this.push(provided(&form));
    for token in &tokens_of_this {
        assert_eq!(token.len(), 103);
        let response = with(&server, "/policy/form/", &session, &[("X-CSRF-Token", token)]);
        assert_eq!((response.status, response.header("x-session-subject")), (200, Some("alice")));
        // Old ones stay good, as long as the session.
        server.advance(Duration::from_secs(60));
    }
    for token in &tokens {
        assert_eq!(
            with(&server, "/policy/form/", &session, &[("X-CSRF-Token", token)]).status,
            403,
            "another session's"
        );
    }
    let mut all = [tokens, tokens_of_this].concat();
    let count = all.len();
    all.sort();
    all.dedup();
    assert_eq!(all.len(), count, "no two are alike");
}

#[test]
fn what_is_not_provided_stands_empty() {
    let server = Server::with(POLICIES);
    let session = server.login("alice");
    let cookie = session.cookie();
    let good = csrf(&session);
    for (target, line, status) in [
        ("/verify/", &*cookie, 200),
        ("/verify?csrf=require", &cookie, 200), // a query demands, and gives nothing
        ("/verify/", "", 401),
        ("/policy/form/", "", 401),
        ("/policy/news/", "", 200),
        ("/policy/news/", "__Host-sealpass=junk", 200),
        ("/policy/none/", &cookie, 403),
        ("/policy/strict/", &cookie, 403),
    ] {
        let headers = [("Cookie", line), ("X-Session-Csrf", "forged"), ("X-CSRF-Token", &*good)];
        let response = server.ask("POST", target, &headers);
        assert_eq!((response.status, provided(&response)), (status, String::new()), "{target}");
    }
    let without = with(&server, "/policy/form/", &session, &[]);
    assert_eq!((without.status, provided(&without)), (403, String::new()));
    let plain = with(&server, "/policy/plain/", &session, &[("X-CSRF-Token", &good)]);
    assert_eq!((plain.status, plain.header("x-session-csrf"), plain.header("remote-user")), (200, None, Some("alice")));
}

#[test]
fn what_may_change_something_needs_one_good_token() {
    let server = Server::with(POLICIES);
    let (alice, bob) = (server.login("alice"), server.login("bob"));
    let (good, strangers) = (csrf(&alice), csrf(&bob));
    let flipped = format!("{}{}", &good[..60], if good.as_bytes()[60] == b'A' { "B" } else { "A" }) + &good[61..];
    let twice = format!("{good}, {good}");
    for target in ["/policy/form/", "/policy/form", "/verify?csrf=require", "/policy/page?csrf=require&aal=3"] {
        let met = with(&server, target, &alice, &[("X-CSRF-Token", &good)]).status;
        assert_eq!(met, if target.contains("aal") { 401 } else { 200 }, "{target}");
        for (what, lines) in [
            ("none", &[][..]),
            ("empty", &[("X-CSRF-Token", "")][..]),
            ("junk", &[("X-CSRF-Token", "junk")]),
            ("changed", &[("X-CSRF-Token", &*flipped)]),
            ("cut off", &[("X-CSRF-Token", &good[..102])]),
            ("padded", &[("X-CSRF-Token", &*format!("{good}="))]),
            ("another session's", &[("X-CSRF-Token", &*strangers)]),
            ("the session's own", &[("X-CSRF-Token", &*alice.token)]),
            ("two in one", &[("X-CSRF-Token", &*twice)]),
            ("two lines", &[("X-CSRF-Token", &*good), ("X-CSRF-Token", &*good)]),
            ("a good one behind", &[("X-CSRF-Token", "junk"), ("X-CSRF-Token", &*good)]),
            ("elsewhere", &[("X-XSRF-Token", &*good), ("X-Session-Csrf", &*good)]),
        ] {
            let before = server.decided("csrf");
            let response = with(&server, target, &alice, lines);
            assert_eq!((response.status, response.header("www-authenticate")), (403, None), "{target}: {what}");
            assert_eq!(response.header("x-session-valid"), Some("false"));
            assert_eq!(server.decided("csrf"), before + 1, "{what}");
        }
    }
    // Without a session there is none to have a token of.
    let nobody = server.ask("POST", "/policy/form/", &[("X-CSRF-Token", &good)]);
    assert_eq!(nobody.status, 401);
    let bare = server.ask("POST", "/policy/form/", &[]);
    assert_eq!(nobody.without_date(), bare.without_date());
}

#[test]
fn s22_a_session_token_is_no_csrf_token_and_the_other_way_round() {
    let server = Server::with(POLICIES);
    let session = server.login("alice");
    let token = csrf(&session);
    assert_eq!(with(&server, "/policy/form/", &session, &[("X-CSRF-Token", &session.token)]).status, 403);
    assert_eq!(server.verify(&format!("{NAME}={token}")).status, 401);
    assert_eq!(server.decided("bad_tag"), 1);
    assert_eq!(server.call("/v1/sessions/renew", &json!({"token": token})).status, 404);
    assert_eq!(server.introspect(&token), json!({"active": false}));
}

#[test]
fn s22_a_csrf_token_of_staging_is_none_in_production_with_the_same_keys() {
    let realm = |name: &str, cookie: &str| {
        format!(
            "[realm.{name}]\ncookie.name = \"{cookie}\"\n[policy.form]\nrealm = \"{name}\"\ncsrf = \"require\"\n\
             headers = [\"sealpass\"]\n"
        )
    };
    let production = Server::with(&realm("production", "__Host-app"));
    for (name, cookie) in [("staging", "__Host-app"), ("production", "__Host-apq")] {
        let staging = Server::with_ring_of(&production, &realm(name, cookie));
        let login = |server: &Server, realm: &str| server.issue(&json!({"realm": realm, "subject": "alice"}));
        let (here, there) = (login(&production, "production"), login(&staging, name));
        let ask = |server: &Server, cookie: &str, session: &Session, token: &str| {
            let line = format!("{cookie}={}", session.token);
            server.ask("POST", "/policy/form/", &[("Cookie", &line), ("X-CSRF-Token", token)]).status
        };
        assert_eq!(ask(&production, "__Host-app", &here, &csrf(&here)), 200);
        assert_eq!(ask(&staging, cookie, &there, &csrf(&there)), 200);
        // The session's own id, sealed elsewhere for the very same keys.
        let site = |server: &Server, realm: &str| server.service.site.realm(realm).expect("there").realm.clone();
        let sid = sealpass::claims::SessionId::decode(&here.id).expect("an id");
        let foreign = staging.service.sessions.csrf_token(&site(&staging, name), sid).expect("a key");
        assert_eq!(ask(&production, "__Host-app", &here, foreign.expose()), 403, "{name}, {cookie}");
        let own = staging.service.sessions.csrf_token(&site(&production, "production"), sid).expect("a key");
        assert_eq!(ask(&production, "__Host-app", &here, own.expose()), 200, "the same keys they are");
    }
}

#[test]
fn rotation_makes_earlier_tokens_worthless_and_gives_a_new_one() {
    let server = Server::with(POLICIES);
    let first = server.login("alice");
    let second = server.change("/v1/sessions/rotate", &json!({"token": first.token}));
    assert_eq!(with(&server, "/policy/form/", &second, &[("X-CSRF-Token", &csrf(&first))]).status, 403);
    assert_eq!(with(&server, "/policy/form/", &second, &[("X-CSRF-Token", &csrf(&second))]).status, 200);
    server.revoke(&json!({"session_id": second.id}));
    assert_eq!(with(&server, "/policy/form/", &second, &[("X-CSRF-Token", &csrf(&second))]).status, 401);
}

#[test]
fn a_trusted_proxy_says_when_a_request_changes_nothing() {
    let trusted = behind_a_proxy();
    let strangers = Server::with(&format!("trusted_proxies = [\"192.0.2.0/24\", \"::1\"]\n{POLICIES}"));
    let nobody = Server::with(POLICIES);
    for (lines, safe) in [
        (&[("X-Forwarded-Method", "GET")][..], true),
        (&[("X-Forwarded-Method", "HEAD")], true),
        (&[("X-Forwarded-Method", "OPTIONS")], true),
        (&[("X-Original-Method", "GET")], true),
        (&[("x-original-method", "HEAD")], true),
        (&[], false),
        (&[("X-Forwarded-Method", "POST")], false),
        (&[("X-Forwarded-Method", "PUT")], false),
        (&[("X-Forwarded-Method", "TRACE")], false),
        (&[("X-Forwarded-Method", "get")], false),
        (&[("X-Forwarded-Method", "GET, POST")], false),
        (&[("X-Forwarded-Method", "GETX")], false),
        (&[("X-Forwarded-Method", "")], false),
        (&[("X-Forwarded-Method", "GET"), ("X-Forwarded-Method", "GET")], false),
        (&[("X-Forwarded-Method", "POST"), ("X-Forwarded-Method", "GET")], false),
        (&[("X-Original-Method", "GET"), ("X-Forwarded-Method", "POST")], false),
        (&[("X-Original-Method", "POST"), ("X-Forwarded-Method", "GET")], false),
        (&[("X-Original-Method", "GET"), ("X-Forwarded-Method", "GET")], false),
        (&[("X-HTTP-Method-Override", "GET"), ("X-Http-Method", "GET")], false),
        (&[("X_Original_Method", "GET")], false),
    ] {
        for (server, is_trusted) in [(&trusted, true), (&strangers, false), (&nobody, false)] {
            let cookie = server.login("alice").cookie();
            let headers = [&[("Cookie", &*cookie)], lines].concat();
            // The request's own method is never the client's word: nginx asks with GET, whatever the client did.
            for own in ["GET", "HEAD", "OPTIONS", "POST"] {
                for target in ["/policy/form/", "/verify?csrf=require"] {
                    let status = server.ask(own, target, &headers).status;
                    let expected = if safe && is_trusted { 200 } else { 403 };
                    assert_eq!(status, expected, "{own} {target} {lines:?}, trusted: {is_trusted}");
                }
            }
        }
    }
}

#[test]
fn what_no_login_mends_comes_before_what_one_does() {
    let server = behind_a_proxy();
    let session = server.issue(&json!({"subject": "alice", "roles": ["editor"]}));
    let token = csrf(&session);
    server.advance(Duration::from_secs(16 * 60));
    let status = |lines: &[(&str, &str)]| with(&server, "/policy/strict/", &session, lines).status;
    assert_eq!(status(&[]), 403);
    assert_eq!(status(&[("X-CSRF-Token", &token)]), 401, "a new login would help");
    assert_eq!(status(&[("X-Original-Method", "GET")]), 401);
    let guest = server.issue(&json!({}));
    assert_eq!(with(&server, "/policy/strict/", &guest, &[]).status, 401, "an anonymous session is none here");
}

#[test]
fn s52_a_login_form_has_the_token_of_an_anonymous_session() {
    let server = behind_a_proxy();
    let guest = server.issue(&json!({}));
    let page = with(&server, "/policy/login/", &guest, &[("X-Original-Method", "GET")]);
    assert_eq!((page.status, page.header("x-session-anonymous")), (200, Some("true")));
    let token = provided(&page);
    let post = [("X-Original-Method", "POST"), ("X-CSRF-Token", &*token)];
    assert_eq!(with(&server, "/policy/login/", &guest, &post).status, 200);
    assert_eq!(with(&server, "/policy/login/", &guest, &post[..1]).status, 403);
    let other = server.issue(&json!({}));
    assert_eq!(with(&server, "/policy/login/", &other, &post).status, 403, "another visitor's");
    // It opens no guarded page, and carries no role.
    for target in ["/verify/", "/policy/form/", "/policy/page/", "/policy/strict/", "/verify?csrf=require"] {
        assert_eq!(with(&server, target, &guest, &post).status, 401, "{target}");
    }
    assert_eq!(page.header("x-session-roles"), Some(""));
    // The session that follows has an id of its own: what the visitor had before is worthless.
    let user = server.login("alice");
    assert_eq!(with(&server, "/policy/form/", &user, &post).status, 403);
}

#[test]
fn a_bearer_token_needs_no_csrf_token() {
    let server =
        Server::with("[realm.default]\naccept = [\"cookie\", \"bearer\"]\n[policy.form]\ncsrf = \"require\"\n");
    let session = server.login("alice");
    let bearer = format!("Bearer {}", session.token);
    assert_eq!(server.ask("POST", "/policy/form/", &[("Authorization", &bearer)]).status, 200);
    // Beside a cookie it is nobody's: no site can make it excuse the cookie.
    assert_eq!(with(&server, "/policy/form/", &session, &[("Authorization", &bearer)]).status, 401);
    assert_eq!(with(&server, "/policy/form/", &session, &[("Authorization", "Basic eA==")]).status, 403);
}

#[test]
fn resolve_tells_of_nobody_where_the_token_is_missing() {
    let server = Server::with("trusted_proxies = [\"127.0.0.1\"]\n[policy.default]\ncsrf = \"require\"\n");
    let session = server.login("alice");
    let token = csrf(&session);
    for (lines, valid) in [
        (&[][..], "false"),
        (&[("X-Original-Method", "POST")][..], "false"),
        (&[("X-Original-Method", "GET")], "true"),
        (&[("X-CSRF-Token", &*token)], "true"),
    ] {
        let cookie = session.cookie();
        let response = server.ask("GET", "/resolve", &[&[("Cookie", &*cookie)], lines].concat());
        assert_eq!((response.status, response.header("x-authgear-session-valid")), (200, Some(valid)), "{lines:?}");
        assert_eq!(response.header("x-authgear-user-id") == Some("alice"), valid == "true");
    }
}

#[test]
fn a_key_that_is_gone_takes_its_tokens_along() {
    let server = Server::with(POLICIES);
    let elsewhere = Server::with(POLICIES);
    let session = server.login("alice");
    let sid = sealpass::claims::SessionId::decode(&session.id).expect("an id");
    let realm = &server.service.site.realm("default").expect("there").realm;
    let foreign = elsewhere.service.sessions.csrf_token(realm, sid).expect("a key");
    let before = server.decided("csrf");
    assert_eq!(with(&server, "/policy/form/", &session, &[("X-CSRF-Token", foreign.expose())]).status, 403);
    assert_eq!(server.decided("csrf"), before + 1);
}

#[test]
fn a_token_that_is_no_text_is_no_token() {
    let server = Server::with(POLICIES);
    let session = server.login("alice");
    let mut connection = Connection::open(server.public);
    let mut bytes = head("POST", "/policy/form/", &[("Cookie", &session.cookie())]);
    bytes.truncate(bytes.len() - 2);
    bytes.extend_from_slice(b"X-CSRF-Token: \xff\xfe\r\n\r\n");
    connection.send(&bytes);
    assert_eq!(connection.answer().status, 403);
}
