//! The redirecting mode: who is sent to the login page, where that is, and to which pages one comes back.

use std::time::Duration;

use serde_json::json;

use crate::common::{Connection, NAME, Response, Server, head, with_lines};

/// Behind a proxy on this machine.
const PROXIED: &str = "trusted_proxies = [\"127.0.0.0/8\", \"::1\"]\n";
const POLICIES: &str = "
[realm.default]
public_origins = [\"https://app.example.com\", \"http://127.0.0.1:3000\"]
[policy.page]
login_url = \"/login\"
[policy.elsewhere]
login_url = \"https://id.example/in?app=shop\"
return_parameter = \"rd\"
headers = [\"sealpass\", \"remote\"]
[policy.strict]
login_url = \"/login\"
role = [\"admin\"]
[policy.recent]
login_url = \"/login\"
max_age = \"15m\"
[policy.fresh]
login_url = \"/login\"
fresh = true
[policy.form]
login_url = \"/login\"
csrf = \"require\"
[policy.api]
login_url = \"/login\"
preflight = true
[policy.guests]
login_url = \"/login\"
anonymous = true
";

/// What a browser sends that opens a page, and what the proxy says about it.
const NAVIGATION: [(&str, &str); 2] = [("Sec-Fetch-Mode", "navigate"), ("Sec-Fetch-Dest", "document")];
const PAGE: [(&str, &str); 4] = [
    ("X-Forwarded-Method", "GET"),
    ("X-Forwarded-Proto", "https"),
    ("X-Forwarded-Host", "app.example.com"),
    ("X-Forwarded-Uri", "/account?page=2"),
];
const LOGIN: &str = "https://app.example.com/login";
const BACK: &str = "https://app.example.com/login?return_to=https%3A%2F%2Fapp.example.com%2Faccount%3Fpage%3D2";

fn server() -> Server {
    Server::with(&format!("{PROXIED}{POLICIES}"))
}

/// [`PAGE`] and [`NAVIGATION`], with other lines in place of those of the same names; a line without a value goes.
fn with<'a>(other: &[(&'a str, &'a str)]) -> Vec<(&'a str, &'a str)> {
    let is_other = |name: &str| other.iter().any(|(known, _)| name.eq_ignore_ascii_case(known));
    let mut lines: Vec<_> = PAGE.into_iter().chain(NAVIGATION).filter(|(name, _)| !is_other(name)).collect();
    lines.extend(other.iter().filter(|(_, value)| !value.is_empty()));
    lines
}

fn location(response: &Response) -> (u16, Option<&str>) {
    (response.status, response.header("location"))
}

#[test]
fn a_browser_without_a_session_is_sent_to_the_login_page_and_told_where_it_was_going() {
    let server = server();
    for (method, status, back) in [
        ("GET", 302, BACK),
        ("HEAD", 302, BACK),
        ("POST", 303, LOGIN),
        ("PUT", 303, LOGIN),
        ("BREW", 303, LOGIN),
        ("get", 303, LOGIN),
    ] {
        let by_word = server.ask("GET", "/policy/page/", &with(&[("X-Forwarded-Method", method)]));
        assert_eq!(location(&by_word), (status, Some(back)), "{method}");
        // Said by nobody, the method of the question itself is the client's, as behind Envoy.
        let own = server.ask(method, "/policy/page//account?page=2", &with(&[("X-Forwarded-Method", "")]));
        assert_eq!(location(&own), (status, Some(back)), "{method}");
        assert_eq!(by_word.header("cache-control"), Some("no-store"));
        assert_eq!((by_word.body.len(), by_word.header("www-authenticate")), (0, None));
        assert_eq!(by_word.header("set-cookie"), None);
        let names = by_word.headers.iter().filter(|(name, _)| name.starts_with("x-session-"));
        assert_eq!(names.clone().count(), 15, "a proxy that hands them on replaces the client's");
        assert!(names.clone().all(|(name, value)| value == if name == "x-session-valid" { "false" } else { "" }));
    }
    let elsewhere = server.ask("GET", "/policy/elsewhere/", &with(&[]));
    let expected = "https://id.example/in?app=shop&rd=https%3A%2F%2Fapp.example.com%2Faccount%3Fpage%3D2";
    assert_eq!(location(&elsewhere), (302, Some(expected)));
    assert_eq!(elsewhere.header("remote-user"), Some(""));
    let exact = server.ask("GET", "/policy/page?role=admin", &with(&[]));
    assert_eq!(location(&exact), (302, Some(BACK)), "a demand more does not matter to somebody without a session");
}

#[test]
fn every_reason_looks_the_same_and_is_counted_as_what_it_is() {
    let server = server();
    let ended = server.login("alice");
    server.revoke(&json!({"token": ended.token}));
    let guest = server.issue(&json!({}));
    let flipped = if ended.token.as_bytes()[60] == b'A' { "B" } else { "A" };
    let changed = format!("{}{flipped}{}", &ended.token[..60], &ended.token[61..]);
    let reference = server.ask("GET", "/policy/page/", &with(&[]));
    assert_eq!(location(&reference), (302, Some(BACK)));
    assert_eq!(server.decided("missing"), 1);
    for (line, reason) in [
        (ended.cookie(), "ended"),
        (guest.cookie(), "anonymous"),
        (format!("{NAME}=junk"), "malformed"),
        (format!("{NAME}={changed}"), "bad_tag"),
    ] {
        let before = server.decided(reason);
        let response = server.ask("GET", "/policy/page/", &with(&[("Cookie", &line)]));
        assert_eq!(response.without_date(), reference.without_date(), "{reason}");
        assert_eq!(server.decided(reason), before + 1, "{reason}");
    }
}

#[test]
fn whoever_has_a_session_is_not_sent_away() {
    let server = server();
    let session = server.issue(&json!({"subject": "alice"}));
    let (cookie, guest) = (session.cookie(), server.issue(&json!({})).cookie());
    let ask = |target: &str, cookie: &str| server.ask("GET", target, &with(&[("Cookie", cookie)]));
    assert_eq!(location(&ask("/policy/page/", &cookie)), (200, None));
    assert_eq!(location(&ask("/policy/guests/", &guest)), (200, None));
    assert_eq!(location(&ask("/policy/strict/", &cookie)), (403, None), "no login gives the role");
    let unsafe_one = server.ask("GET", "/policy/form/", &with(&[("Cookie", &cookie), ("X-Forwarded-Method", "POST")]));
    assert_eq!(location(&unsafe_one), (403, None));
    server.call("/v1/subjects/stale", &json!({"subject": "alice"}));
    let stale = ask("/policy/fresh/", &cookie);
    assert_eq!((location(&stale), stale.header("x-session-reason")), ((401, None), Some("reseal")));
    server.advance(std::time::Duration::from_secs(16 * 60));
    let old = ask("/policy/recent/", &cookie);
    assert_eq!(location(&old), (401, None));
    assert!(old.header("www-authenticate").is_some_and(|text| text.contains("insufficient_user_authentication")));
}

#[test]
fn what_is_not_configured_is_401_or_403_and_503_beats_it() {
    let server = server();
    for (target, status) in [("/verify/", 401), ("/policy/none/", 403), ("/policy/page?page=2", 403)] {
        assert_eq!(location(&server.ask("GET", target, &with(&[]))), (status, None), "{target}");
    }
    assert_eq!(location(&server.ask("GET", "/resolve", &with(&[]))), (200, None));
    server.service.readiness.confirm_ring(Duration::ZERO);
    assert_eq!(location(&server.ask("GET", "/policy/page/", &with(&[]))), (503, None));
}

#[test]
fn s41_fetches_and_preflights_are_never_sent_anywhere() {
    let server = server();
    let origin = ("Origin", "https://app.example.com");
    for (lines, sent) in [
        (&[][..], true),
        (&[("Sec-Fetch-Mode", "")], true), // the other one is a browser's word as well
        (&[("Sec-Fetch-Dest", "")], true),
        (&[("Sec-Fetch-Mode", ""), ("Sec-Fetch-Dest", ""), ("Accept", "text/html")], true),
        (&[("Sec-Fetch-Mode", ""), ("Sec-Fetch-Dest", ""), ("Accept", "image/png, Text/HTML;q=0.1, */*")], true),
        (&[("Sec-Fetch-Mode", ""), ("Sec-Fetch-Dest", "")], false),
        (&[("Sec-Fetch-Mode", ""), ("Sec-Fetch-Dest", ""), ("Accept", "*/*")], false),
        (&[("Sec-Fetch-Mode", ""), ("Sec-Fetch-Dest", ""), ("Accept", "application/json")], false),
        (&[("Sec-Fetch-Mode", ""), ("Sec-Fetch-Dest", ""), ("Accept", "text/html;q=0, */*")], false),
        (&[("Sec-Fetch-Mode", ""), ("Sec-Fetch-Dest", ""), ("Accept", "text/htmlx, xtext/html, text/*")], false),
        (&[("Sec-Fetch-Mode", "cors"), ("Accept", "text/html")], false),
        (&[("Sec-Fetch-Mode", "no-cors"), ("Sec-Fetch-Dest", "image"), ("Accept", "text/html")], false),
        (&[("Sec-Fetch-Mode", "same-origin"), ("Accept", "text/html")], false),
        (&[("Sec-Fetch-Mode", "websocket"), ("Accept", "text/html")], false),
        (&[("Sec-Fetch-Mode", "Navigate")], false),
        (&[("Sec-Fetch-Dest", "empty")], false),
        (&[("Sec-Fetch-Dest", "iframe")], false),
        (&[("Sec-Fetch-Dest", "image")], false),
        (&[("Sec-Fetch-Mode", "navigate"), ("Sec-Fetch-Mode", "navigate")], false),
        (&[("Sec-Fetch-Mode", "navigate, navigate")], false),
        (&[("Sec-Fetch-Dest", "document"), ("Sec-Fetch-Dest", "empty")], false),
        (&[("X-Forwarded-Method", "OPTIONS")], false),
        (&[("X-Forwarded-Method", "OPTIONS"), origin, ("Access-Control-Request-Method", "PUT")], false),
    ] {
        let response = server.ask("GET", "/policy/page/", &with(lines));
        let expected = if sent { (302, Some(BACK)) } else { (401, None) };
        assert_eq!(location(&response), expected, "{lines:?}");
    }
    let own = server.ask("OPTIONS", "/policy/page/", &with(&[("X-Forwarded-Method", "")]));
    assert_eq!(location(&own), (401, None));
    let passes = with(&[("X-Forwarded-Method", "OPTIONS"), origin, ("Access-Control-Request-Method", "PUT")]);
    assert_eq!(location(&server.ask("GET", "/policy/api/", &passes)), (200, None));
}

#[test]
fn nobody_but_a_trusted_proxy_has_anybody_sent_anywhere() {
    let stranger = Server::with(&format!("trusted_proxies = [\"192.0.2.0/24\", \"::1\"]\n{POLICIES}"));
    let reference = stranger.ask("GET", "/verify/", &[]).without_date();
    for target in ["/policy/page/", "/policy/elsewhere/", "/policy/api/"] {
        let response = stranger.ask("GET", target, &with(&[]));
        assert_eq!(location(&response), (401, None), "{target}");
        if !target.contains("elsewhere") {
            assert_eq!(response.without_date(), reference);
        }
    }
    // A client's own method beside the proxy's: neither is known.
    let server = server();
    for lines in [
        &[("X-Forwarded-Method", "GET"), ("X-Original-Method", "GET")][..],
        &[("X-Forwarded-Method", "GET"), ("X-Forwarded-Method", "GET")],
        &[("X-Original-Method", "POST"), ("X-Forwarded-Method", "GET")],
    ] {
        assert_eq!(location(&server.ask("GET", "/policy/page/", &with(lines))), (401, None), "{lines:?}");
    }
}

#[test]
fn s49_an_origin_that_is_none_of_ours_is_no_place_to_send_to_or_to_come_back_to() {
    let server = server();
    let id = "https://id.example/in?app=shop";
    for lines in [
        &[("X-Forwarded-Host", "")][..],
        &[("X-Forwarded-Proto", "")],
        &[("X-Forwarded-Proto", "http")],
        &[("X-Forwarded-Proto", "wss")],
        &[("X-Forwarded-Proto", "HTTPS")],
        &[("X-Forwarded-Proto", "https, http")],
        &[("X-Forwarded-Proto", "javascript")],
        &[("X-Forwarded-Proto", "https"), ("X-Forwarded-Proto", "https")],
        &[("X-Forwarded-Host", "evil.example")],
        &[("X-Forwarded-Host", "app.example.com.evil.example")],
        &[("X-Forwarded-Host", "evilapp.example.com")],
        &[("X-Forwarded-Host", "app.example.com.")],
        &[("X-Forwarded-Host", "app.example.com:8443")],
        &[("X-Forwarded-Host", "app.example.com:80")],
        &[("X-Forwarded-Host", "app.example.com@evil.example")],
        &[("X-Forwarded-Host", "user@app.example.com")],
        &[("X-Forwarded-Host", "app.example.com:443@evil.example")],
        &[("X-Forwarded-Host", "evil.example\\@app.example.com")],
        &[("X-Forwarded-Host", "evil.example/app.example.com")],
        &[("X-Forwarded-Host", "app.example.com/")],
        &[("X-Forwarded-Host", "app.example.com\t.evil.example")],
        &[("X-Forwarded-Host", "app.exam\tple.com")],
        &[("X-Forwarded-Host", "app%2eexample.com")],
        &[("X-Forwarded-Host", "xn--pp-6kc.example.com")],
        &[("X-Forwarded-Host", "app.example.com, app.example.com")],
        &[("X-Forwarded-Host", "evil.example"), ("X-Forwarded-Host", "app.example.com")],
        &[("X-Forwarded-Host", "app.example.com"), ("X-Forwarded-Host", "app.example.com")],
        &[("X-Forwarded-Uri", "/a"), ("X-Forwarded-Uri", "/a")],
        &[("X-Forwarded-Uri", "/a"), ("X-Original-URI", "/b")],
        &[("X-Original-URL", "https://evil.example/account?page=2")],
        &[("X-Original-URL", "//evil.example/account?page=2")],
        &[("X-Original-URL", "javascript:alert(1)")],
        &[("Forwarded", "proto=https;host=evil.example")],
        &[("Forwarded", "proto=http;host=app.example.com")],
        &[("Forwarded", "proto=https;host=app.example.com, for=192.0.2.1")],
        &[("Forwarded", "host=app.example.com;host=app.example.com")],
        &[("Forwarded", "x")],
        &[("Forwarded", "proto=https"), ("Forwarded", "proto=https")],
        &[("X-Forwarded-Host", ""), ("Host", "app.example.com")],
        &[("X-Forwarded-Host", ""), ("X_Forwarded_Host", "app.example.com")],
        &[("X-Forwarded-Host", ""), ("X-Forwarded-Server", "app.example.com")],
    ] {
        let response = server.ask("GET", "/policy/page/", &with(lines));
        assert_eq!(location(&response), (401, None), "{lines:?}");
        let response = server.ask("GET", "/policy/elsewhere/", &with(lines));
        assert_eq!(location(&response), (302, Some(id)), "{lines:?}");
    }
    for host in [&b"app.example.com\xff"[..], "\u{430}pp.example.com".as_bytes(), "app\u{3002}example.com".as_bytes()] {
        let mut lines: Vec<_> =
            with(&[("X-Forwarded-Host", "")]).into_iter().map(|(name, value)| (name, value.as_bytes())).collect();
        lines.push(("X-Forwarded-Host", host));
        let mut connection = Connection::open(server.public);
        connection.send(&with_lines("GET", "/policy/page/", &lines));
        assert_eq!(location(&connection.answer()), (401, None), "{host:?}");
    }
}

#[test]
fn a_proxy_names_the_address_in_any_of_the_usual_ways() {
    let server = server();
    let none = [("X-Forwarded-Host", ""), ("X-Forwarded-Proto", ""), ("X-Forwarded-Uri", "")];
    for (lines, back) in [
        (&[("X-Original-URL", "https://app.example.com/account?page=2")][..], BACK),
        (
            &[("Forwarded", "for=192.0.2.1;proto=https;host=app.example.com"), ("X-Original-URI", "/account?page=2")],
            BACK,
        ),
        (&[("Forwarded", "Host=\"app.example.com:443\"; Proto=https"), ("X-Original-URL", "/account?page=2")], BACK),
        (
            &[("X-Original-URL", "https://app.example.com")],
            "https://app.example.com/login?return_to=https%3A%2F%2Fapp.example.com%2F",
        ),
        (&[("Forwarded", "proto=https;host=app.example.com")], LOGIN),
        (&[("X-Original-URL", "https://app.example.com//evil.example")], LOGIN),
        (
            &[("Forwarded", "proto=http;host=\"127.0.0.1:3000\""), ("X-Forwarded-Uri", "/a")],
            "http://127.0.0.1:3000/login?return_to=http%3A%2F%2F127.0.0.1%3A3000%2Fa",
        ),
    ] {
        let response = server.ask("GET", "/policy/page/", &with(&[&none[..], lines].concat()));
        assert_eq!(location(&response), (302, Some(back)), "{lines:?}");
    }
    let same = [("X-Original-URI", "/account?page=2"), ("Forwarded", "proto=https;for=192.0.2.1;host=app.example.com")];
    assert_eq!(
        location(&server.ask("GET", "/policy/page/", &with(&same))),
        (302, Some(BACK)),
        "said alike is said once"
    );
}

#[test]
fn s41_a_return_address_is_a_page_of_ours_or_none() {
    let server = server();
    for (uri, back) in [
        ("/", "https%3A%2F%2Fapp.example.com%2F"),
        ("/a?x=%2F%2Fevil.example&y=1#", ""),
        ("/a?x=%2F%2Fevil.example&y=1", "https%3A%2F%2Fapp.example.com%2Fa%3Fx%3D%252F%252Fevil.example%26y%3D1"),
        ("/caf%C3%A9/%E5%B1%B1", "https%3A%2F%2Fapp.example.com%2Fcaf%25C3%25A9%2F%25E5%25B1%25B1"),
        ("/a/../b", "https%3A%2F%2Fapp.example.com%2Fb"),
        ("//evil.example", ""),
        ("///evil.example", ""),
        ("/\\evil.example", ""),
        ("\\\\evil.example", ""),
        ("/\t/evil.example", ""),
        ("/%09/evil.example", ""),
        ("/%0a/evil.example", ""),
        ("/%0D%0Aset-cookie:a=b", ""),
        ("/%00", ""),
        ("/%2fevil.example", ""),
        ("/%2F%2Fevil.example", ""),
        ("/%5cevil.example", ""),
        ("/.//evil.example", ""),
        ("/a/..//evil.example", ""),
        ("/%2e%2e//evil.example", ""),
        ("/./\\evil.example", ""),
        ("https://evil.example/", ""),
        ("https:evil.example", ""),
        ("@evil.example/", ""),
        (".evil.example/", ""),
        (":80@evil.example/", ""),
        ("evil", ""),
        ("?x", ""),
        ("*", ""),
        ("", ""),
    ] {
        let response = server.ask("GET", "/policy/page/", &with(&[("X-Forwarded-Uri", uri)]));
        let expected = if back.is_empty() { LOGIN.to_owned() } else { format!("{LOGIN}?return_to={back}") };
        assert_eq!(location(&response), (302, Some(&*expected)), "{uri:?}");
    }
    // Bytes that are no ASCII come from no browser: the header is not read, and nothing of the address is known.
    let mut lines: Vec<_> = with(&[("X-Forwarded-Uri", "")]).into_iter().map(|(n, v)| (n, v.as_bytes())).collect();
    lines.push(("X-Forwarded-Uri", b"/caf\xe9"));
    let mut connection = Connection::open(server.public);
    connection.send(&with_lines("GET", "/policy/page/", &lines));
    assert_eq!(location(&connection.answer()), (401, None));
    let fits = format!("/{}", "a".repeat(2_047));
    for (uri, fits) in [(&fits, true), (&format!("{fits}a"), false), (&"/a%2f".repeat(10_000), false)] {
        let response = server.ask("GET", "/policy/page/", &with(&[("X-Forwarded-Uri", uri)]));
        assert_eq!(response.status, 302);
        let location = response.header("location").expect("a place");
        assert_eq!((location == LOGIN, location.contains("return_to=")), (!fits, fits));
    }
}

#[test]
fn a_form_comes_back_to_the_page_it_was_on() {
    let server = server();
    let form = format!("{LOGIN}?return_to=https%3A%2F%2Fapp.example.com%2Fform%3Fx");
    for (lines, back) in [
        (&[("Referer", "https://app.example.com/form?x")][..], &*form),
        (&[("Referer", "https://app.example.com/form?x#y")], &form),
        (&[("Referer", "https://evil.example/form")], LOGIN),
        (&[("Referer", "https://app.example.com.evil.example/form")], LOGIN),
        (&[("Referer", "https://app.example.com@evil.example/form")], LOGIN),
        (&[("Referer", "https://u@app.example.com/form")], LOGIN),
        (&[("Referer", "https://app.example.com:8443/form")], LOGIN),
        (&[("Referer", "http://app.example.com/form")], LOGIN),
        (&[("Referer", "https://app.example.com//evil.example")], LOGIN),
        (&[("Referer", "https://app.example.com/%09/evil.example")], LOGIN),
        (&[("Referer", "https:\\\\app.example.com\\form")], LOGIN),
        (&[("Referer", "/form")], LOGIN),
        (&[("Referer", "blob:https://app.example.com/form")], LOGIN),
        (&[("Referer", "https://app.example.com/form"), ("Referer", "https://app.example.com/form")], LOGIN),
        (&[], LOGIN),
    ] {
        let post = with(&[&[("X-Forwarded-Method", "POST")], lines].concat());
        assert_eq!(location(&server.ask("GET", "/policy/page/", &post)), (303, Some(back)), "{lines:?}");
        // Of a page that is opened, the page itself counts.
        assert_eq!(location(&server.ask("GET", "/policy/page/", &with(lines))), (302, Some(BACK)), "{lines:?}");
    }
}

#[test]
fn a_login_page_that_is_guarded_itself_is_no_endless_way() {
    let server = server();
    for uri in ["/login", "/login?return_to=https%3A%2F%2Fapp.example.com%2F", "/x/../login"] {
        let response = server.ask("GET", "/policy/page/", &with(&[("X-Forwarded-Uri", uri)]));
        assert_eq!(location(&response), (401, None), "{uri}");
    }
    for uri in ["/login/", "/login2", "/account/login"] {
        let response = server.ask("GET", "/policy/page/", &with(&[("X-Forwarded-Uri", uri)]));
        assert_eq!(response.status, 302, "{uri}");
    }
    assert_eq!(server.ask("GET", "/policy/elsewhere/", &with(&[("X-Forwarded-Uri", "/in")])).status, 302);
}

#[test]
fn a_redirect_closes_what_announces_a_body() {
    let server = server();
    let mut connection = Connection::open(server.public);
    let lines = with(&[("Content-Length", "77"), ("X-Forwarded-Method", "POST")]);
    connection.send(&head("GET", "/policy/page/", &lines));
    let response = connection.answer();
    assert_eq!((location(&response), response.header("connection")), ((303, Some(LOGIN)), Some("close")));
    assert!(connection.rest().is_empty());
}
