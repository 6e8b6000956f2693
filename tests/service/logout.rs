//! Logging out: who may, what is cleared, and what is over.

use std::time::Duration;

use serde_json::json;

use crate::common::{NAME, Response, Server};

const ORIGINS: &str = "[realm.default]\npublic_origins = [\"https://app.example.com\", \"http://127.0.0.1:3000\"]\n";
const CLEARED: &str = "__Host-sealpass=; Max-Age=0; Path=/; Secure; HttpOnly; SameSite=Lax";

#[test]
fn only_a_page_of_ours_may_log_out() {
    let server = Server::with(ORIGINS);
    let site = ("Sec-Fetch-Site", "same-origin");
    let app = ("Origin", "https://app.example.com");
    for (headers, allowed) in [
        (&[site][..], true),
        (&[app], true),
        (&[("Origin", "https://app.example.com:443")], true),
        (&[("Origin", "http://127.0.0.1:3000")], true),
        (&[("Referer", "https://app.example.com/account?x=y")], true),
        (&[("Sec-Fetch-Site", "same-site"), app], true),
        (&[], false),
        (&[("Sec-Fetch-Site", "cross-site")], false),
        (&[("Sec-Fetch-Site", "same-site")], false),
        (&[("Sec-Fetch-Site", "none")], false),
        (&[("Sec-Fetch-Site", "Same-Origin")], false),
        (&[("Sec-Fetch-Site", "same-origin, cross-site")], false),
        (&[("Sec-Fetch-Site", "")], false),
        (&[site, site], false),
        (&[site, ("Sec-Fetch-Site", "cross-site")], false),
        (&[("Sec-Fetch-Site", "cross-site"), ("Origin", "https://evil.example")], false),
        (&[("Origin", "null")], false),
        (&[("Origin", "")], false),
        (&[("Origin", "https://evil.example")], false),
        (&[("Origin", "https://app.example.com.evil.example")], false),
        (&[("Origin", "https://evil.example/https://app.example.com")], false),
        (&[("Origin", "https://app.example.com@evil.example")], false),
        (&[("Origin", "http://app.example.com")], false),
        (&[("Origin", "https://app.example.com:8443")], false),
        (&[("Origin", "app.example.com")], false),
        (&[("Origin", "https://app.example.com https://evil.example")], false),
        (&[app, app], false),
        (&[app, ("Origin", "https://evil.example")], false),
        (&[("Origin", "https://evil.example"), ("Referer", "https://app.example.com/")], false),
        (&[("Origin", "null"), ("Referer", "https://app.example.com/")], false),
        (&[("Referer", "https://evil.example/?https://app.example.com/")], false),
        (&[("Referer", "about:blank")], false),
        (&[("Referer", "")], false),
        (&[("Referer", "https://app.example.com/"), ("Referer", "https://app.example.com/")], false),
        (&[("Host", "app.example.com"), ("X-Forwarded-Host", "app.example.com")], false),
    ] {
        if headers.iter().any(|(name, _)| *name == "Host") {
            assert_eq!(server.ask("POST", "/logout", &headers[1..]).status, 403);
            continue;
        }
        let session = server.login("alice");
        let cookie = session.cookie();
        let headers = [headers, &[("Cookie", &*cookie)]].concat();
        let response = server.ask("POST", "/logout", &headers);
        if allowed {
            assert_eq!((response.status, response.header("set-cookie")), (204, Some(CLEARED)), "{headers:?}");
        } else {
            assert_eq!((response.status, response.all("set-cookie").len()), (403, 0), "{headers:?}");
            assert!(response.header("clear-site-data").is_none());
        }
        assert_eq!(server.accepts(&session.token), !allowed, "{headers:?}");
    }
    // Nobody can be made to lose a cookie either.
    assert_eq!(server.ask("POST", "/logout", &[("Sec-Fetch-Site", "cross-site")]).status, 403);
}

#[test]
fn without_configured_origins_only_the_browsers_own_word_counts() {
    let server = Server::plain();
    for origin in ["https://app.example.com", "http://app.example.com", "null"] {
        assert_eq!(
            server.ask("POST", "/logout", &[("Origin", origin)]).status,
            403,
            "not even the Host of the request"
        );
    }
    assert_eq!(log_out(&server, "").status, 204);
}

#[test]
fn it_always_clears_and_can_be_said_twice() {
    let server = Server::plain();
    let session = server.login("alice");
    for line in [&*session.cookie(), &session.cookie(), "__Host-sealpass=junk", "__Host-sealpass=", "a=b", ""] {
        let response = log_out(&server, line);
        assert_eq!((response.status, response.header("set-cookie")), (204, Some(CLEARED)), "{line}");
        assert_eq!(response.header("clear-site-data"), Some("\"storage\""));
        assert_eq!((response.header("cache-control"), response.body.len()), (Some("no-store"), 0));
    }
    assert!(!server.accepts(&session.token));
    assert!(server.metrics().contains("sealpass_sessions_ended_total 1\n"), "ended once: {}", server.metrics());
}

#[test]
fn an_expired_cookie_still_ends_the_session_that_was_renewed() {
    let server = Server::plain();
    let first = server.login("alice");
    server.advance(Duration::from_secs(20 * 60));
    let renewed = server.change("/v1/sessions/renew", &json!({"token": first.token}));
    server.advance(Duration::from_secs(20 * 60));
    assert!(!server.accepts(&first.token) && server.accepts(&renewed.token));
    assert_eq!(log_out(&server, &first.cookie()).status, 204);
    assert!(!server.accepts(&renewed.token));
    // For as long as it could have lived.
    for _ in 0..5 {
        server.advance(Duration::from_secs(5 * 60));
        assert!(!server.accepts(&renewed.token));
    }
}

#[test]
fn an_outdated_or_rotated_cookie_still_ends_the_session() {
    for path in ["/v1/sessions/reseal", "/v1/sessions/rotate"] {
        let server = Server::plain();
        let first = server.login("alice");
        let changed = server.change(path, &json!({"token": first.token}));
        assert_eq!(log_out(&server, &first.cookie()).status, 204);
        assert!(!server.accepts(&changed.token), "{path}");
    }
}

#[test]
fn every_session_that_was_presented_is_over() {
    let server = Server::plain();
    let sessions: Vec<_> = (0..3).map(|_| server.login("alice")).collect();
    let line = sessions.iter().map(|session| format!("{}; ", session.cookie())).collect::<String>();
    assert_eq!(log_out(&server, &line).all("set-cookie"), [CLEARED]);
    assert!(sessions.iter().all(|session| !server.accepts(&session.token)));

    // Junk planted in front keeps none alive.
    let session = server.login("alice");
    let line = format!("{}{}", format!("{NAME}=junk; ").repeat(9), session.cookie());
    assert_eq!(log_out(&server, &line).status, 204);
    assert!(!server.accepts(&session.token));
    let session = server.login("alice");
    server.revoke(&json!({"cookie": format!("{}{}", format!("{NAME}=junk; ").repeat(9), session.cookie())}));
    assert!(!server.accepts(&session.token));
}

#[test]
fn a_bearer_client_needs_no_origin_and_both_at_once_is_400() {
    let server = Server::with("[realm.default]\naccept = [\"cookie\", \"bearer\"]\nclear_site_data = []\n");
    let session = server.login("alice");
    let (cookie, bearer) = (session.cookie(), format!("Bearer {}", session.token));
    let both = server.ask(
        "POST",
        "/logout",
        &[("Authorization", &bearer), ("Cookie", &cookie), ("Sec-Fetch-Site", "same-origin")],
    );
    assert_eq!((both.status, both.all("set-cookie").len()), (400, 0));
    let renew = server.ask(
        "POST",
        "/renew",
        &[("Authorization", &bearer), ("Cookie", &cookie), ("Sec-Fetch-Site", "same-origin")],
    );
    assert_eq!(renew.status, 400);
    assert!(server.accepts(&session.token));
    assert_eq!(server.ask("POST", "/logout", &[("Cookie", &cookie)]).status, 403, "a browser still needs one");
    for _ in 0..2 {
        let out = server.ask("POST", "/logout", &[("Authorization", &bearer)]);
        assert_eq!((out.status, out.header("set-cookie"), out.header("clear-site-data")), (204, None, None));
    }
    assert!(!server.accepts(&session.token));
    assert_eq!(server.ask("POST", "/renew", &[("Authorization", &bearer)]).status, 401);
}

#[test]
fn one_logout_of_two_realms_clears_what_either_asks_for() {
    let server = Server::with(
        "[realm.default]\n[realm.b]\nclear_site_data = [\"cookies\", \"storage\"]\n[realm.b.cookie]\nname = \"__Host-b\"\n\
         [realm.c]\n[realm.c.cookie]\nname = \"__Host-c\"\n",
    );
    let out = log_out(&server, "__Host-sealpass=junk; __Host-b=junk; __Host-c=junk");
    assert_eq!((out.status, out.all("set-cookie").len()), (204, 3));
    let mut types = out.all("clear-site-data");
    types.sort_unstable();
    assert_eq!(types, ["\"cookies\", \"storage\"", "\"storage\""]);
}

#[test]
fn a_bearer_header_does_not_help_where_only_the_cookie_counts() {
    let server = Server::plain();
    let session = server.login("alice");
    let (cookie, bearer) = (session.cookie(), format!("Bearer {}", session.token));
    assert_eq!(server.ask("POST", "/logout", &[("Authorization", &bearer), ("Cookie", &cookie)]).status, 403);
    assert_eq!(server.ask("POST", "/logout", &[("Authorization", &bearer)]).status, 403);
    assert!(server.accepts(&session.token));
}

#[test]
fn a_large_body_is_refused_unread() {
    let server = Server::plain();
    let session = server.login("alice");
    let cookie = session.cookie();
    let with = |length: &str| {
        server.ask(
            "POST",
            "/logout",
            &[("Cookie", &cookie), ("Sec-Fetch-Site", "same-origin"), ("Content-Length", length)],
        )
    };
    let large = with("65537");
    assert_eq!((large.status, large.header("connection")), (413, Some("close")));
    assert!(server.accepts(&session.token));
    let small = with("65536");
    assert_eq!((small.status, small.header("connection")), (204, Some("close")));
    assert!(!server.accepts(&session.token));
}

fn log_out(server: &Server, line: &str) -> Response {
    server.ask("POST", "/logout", &[("Cookie", line), ("Sec-Fetch-Site", "same-origin")])
}
