//! CORS preflights: where one passes without a session, and what passes for one.

use std::time::Duration;

use serde_json::json;

use crate::common::{Connection, NAME, Response, Server, with_lines};

const POLICIES: &str = "
[policy.api]
preflight = true
headers = [\"sealpass\", \"remote\"]
[policy.admin]
preflight = true
role = [\"admin\"]
[policy.form]
preflight = true
csrf = \"require\"
";
const PROXIED: &str = "trusted_proxies = [\"127.0.0.0/8\", \"::1\"]\n";
const ORIGIN: (&str, &str) = ("Origin", "https://shop.example.com");
const WISH: (&str, &str) = ("Access-Control-Request-Method", "PUT");
const OPTIONS: (&str, &str) = ("X-Forwarded-Method", "OPTIONS");

fn server() -> Server {
    Server::with(&format!("{PROXIED}{POLICIES}"))
}

fn is_nobody(response: &Response) -> bool {
    let of_session: Vec<_> = response.headers.iter().filter(|(name, _)| name.starts_with("x-session-")).collect();
    of_session.len() == 15
        && of_session.iter().all(|(name, value)| value == if name == "x-session-valid" { "false" } else { "" })
        && response.header("set-cookie").is_none()
        && response.header("cache-control") == Some("no-store")
}

#[test]
fn s41_a_preflight_passes_as_nobody_where_the_policy_says_so() {
    let server = server();
    for (target, status) in [
        ("/policy/api/", 200),
        ("/policy/api/orders/7?x=1", 200),
        ("/policy/api", 200),
        ("/policy/api?role=admin", 200),
        ("/policy/admin/", 200),
        ("/policy/form/", 200),
        ("/policy/none/", 403),
        ("/policy/api?rol=admin", 403),
        ("/verify/", 401),
        ("/verify/policy/api/", 401),
    ] {
        let by_word = server.ask("GET", target, &[OPTIONS, ORIGIN, WISH]);
        let own = server.ask("OPTIONS", target, &[ORIGIN, WISH]);
        assert_eq!((by_word.status, own.status), (status, status), "{target}");
        assert!(is_nobody(&by_word) && is_nobody(&own), "{target}");
        assert_eq!(by_word.header("www-authenticate").is_some(), status == 401);
    }
    let response = server.ask("GET", "/policy/api/", &[OPTIONS, ORIGIN, WISH]);
    assert_eq!(response.header("remote-user"), Some(""), "every preset's are there");
}

#[test]
fn s41_whatever_is_no_preflight_needs_a_session() {
    let server = server();
    let strangers = Server::with(&format!("trusted_proxies = [\"192.0.2.0/24\", \"::1\"]\n{POLICIES}"));
    let reference = server.ask("GET", "/policy/api/", &[]).without_date();
    for (own, lines) in [
        ("OPTIONS", &[][..]),
        ("OPTIONS", &[ORIGIN]),
        ("OPTIONS", &[WISH]),
        ("GET", &[ORIGIN, WISH]),
        ("POST", &[ORIGIN, WISH]),
        ("options", &[ORIGIN, WISH]),
        ("GET", &[OPTIONS]),
        ("GET", &[OPTIONS, ORIGIN]),
        ("GET", &[OPTIONS, WISH]),
        ("GET", &[OPTIONS, ORIGIN, WISH, ORIGIN]),
        ("GET", &[OPTIONS, ORIGIN, WISH, WISH]),
        ("GET", &[OPTIONS, ("Origin", ""), WISH]),
        ("GET", &[OPTIONS, ORIGIN, ("Access-Control-Request-Method", "")]),
        ("GET", &[OPTIONS, ORIGIN, ("Access_Control_Request_Method", "PUT")]),
        ("GET", &[OPTIONS, ORIGIN, ("Access-Control-Request-Headers", "x")]),
        ("GET", &[("X-Forwarded-Method", "options"), ORIGIN, WISH]),
        ("GET", &[("X-Forwarded-Method", "OPTIONS, GET"), ORIGIN, WISH]),
        ("GET", &[("X-HTTP-Method-Override", "OPTIONS"), ORIGIN, WISH]),
        ("GET", &[OPTIONS, OPTIONS, ORIGIN, WISH]),
        ("GET", &[OPTIONS, ("X-Original-Method", "OPTIONS"), ORIGIN, WISH]),
        ("GET", &[OPTIONS, ("X-Original-Method", "POST"), ORIGIN, WISH]),
        // The proxy's word counts more than the question's own method.
        ("OPTIONS", &[("X-Forwarded-Method", "POST"), ORIGIN, WISH]),
        ("OPTIONS", &[("X-Original-Method", "GET"), ORIGIN, WISH]),
        ("OPTIONS", &[OPTIONS, OPTIONS, ORIGIN, WISH]),
    ] {
        let response = server.ask(own, "/policy/api/", lines);
        assert_eq!(response.status, 401, "{own} {lines:?}");
        assert_eq!(response.without_date(), reference, "{own} {lines:?}");
    }
    for own in ["GET", "OPTIONS"] {
        let response = strangers.ask(own, "/policy/api/", &[OPTIONS, ORIGIN, WISH]);
        assert_eq!(response.without_date(), reference, "nobody's word counts there");
        assert_eq!(strangers.ask(own, "/policy/api/", &[ORIGIN, WISH]).status, 401);
    }
    let mut connection = Connection::open(server.public);
    let lines = [("X-Forwarded-Method", &b"OPTIONS"[..]), ("Origin", b"https://\xff"), (WISH.0, b"PUT")];
    connection.send(&with_lines("GET", "/policy/api/", &lines));
    assert_eq!(connection.answer().status, 401);
}

#[test]
fn a_preflight_with_a_session_is_judged_like_any_request() {
    let server = server();
    let session = server.login("alice");
    let ask = |target: &str, cookie: &str| server.ask("GET", target, &[OPTIONS, ORIGIN, WISH, ("Cookie", cookie)]);
    let cookie = session.cookie();
    let known = ask("/policy/api/", &cookie);
    assert_eq!((known.status, known.header("x-session-subject")), (200, Some("alice")));
    assert_eq!(ask("/policy/admin/", &cookie).status, 403);
    // One that does not count is none, and is counted as what it is.
    let guest = server.issue(&json!({})).cookie();
    server.revoke(&json!({"token": session.token}));
    for (line, reason) in
        [(&*cookie, "ended"), (&guest, "anonymous"), (&format!("{NAME}=junk"), "malformed"), ("", "missing")]
    {
        let before = server.decided(reason);
        let response = ask("/policy/api/", line);
        assert!(response.status == 200 && is_nobody(&response), "{reason}");
        assert_eq!(server.decided(reason), before + 1, "{reason}");
    }
    server.service.readiness.confirm_ring(Duration::ZERO);
    assert_eq!(ask("/policy/api/", "").status, 503);
}
