//! Requests at the edge of what HTTP/1.1 can say: too large, with a body that never comes, upgraded, pipelined.

use crate::common::{Connection, NAME, Server, head, with_lines};

#[test]
fn s28_a_hundred_kibibytes_of_foreign_cookies_are_answered() {
    let server = Server::plain();
    let ours = server.login("alice").cookie();
    let large = format!("big={}", "x".repeat(4_090));
    let lines: Vec<_> = std::iter::repeat_n(large.as_bytes(), 25).chain([ours.as_bytes()]).collect();
    assert_eq!(server.ask_with("/verify/", &lines).status, 200);
    let one_line = format!("{}{ours}", format!("{large}; ").repeat(25));
    assert!(one_line.len() > 100 << 10);
    assert_eq!(server.verify(&one_line).status, 200);
}

#[test]
fn s28_two_thousand_cookies_are_answered() {
    let server = Server::plain();
    let ours = server.login("alice").cookie();
    let many = |from: usize| (from..from + 1_000).map(|n| format!("{NAME}{n}={n}; ")).collect::<String>();
    assert_eq!(server.verify(&format!("{}{ours}; {}", many(0), many(1_000))).status, 200);
    assert_eq!(server.verify(&format!("{}{}", many(0), many(1_000))).status, 401);
}

#[test]
fn s28_past_the_parsers_limits_it_is_431() {
    let server = Server::plain();
    let cookie = server.login("alice").cookie();
    // The head has not ended when the limit is reached. No byte more: what nobody reads could cost the answer.
    let mut large = head("GET", "/verify/", &[("Cookie", &cookie)]);
    large.truncate(large.len() - 2);
    large.extend_from_slice(b"X: ");
    large.resize(128 << 10, b'x');
    let mut connection = Connection::open(server.public);
    connection.send(&large);
    assert_eq!(connection.answer().status, 431);
    assert_eq!(connection.rest(), b"", "and closed");

    let with = |count: usize| {
        let mut headers = vec![("Cookie", cookie.as_bytes())];
        headers.resize(count - 1, ("X", b"x")); // Host is one
        let mut connection = Connection::open(server.public);
        connection.send(&with_lines("GET", "/verify/", &headers));
        connection.answer().status
    };
    assert_eq!((with(96), with(97)), (200, 431));
}

#[test]
fn s35_conditions_ranges_and_upgrades_change_nothing() {
    let server = Server::plain();
    let ours = server.login("alice").cookie();
    for header in [
        ("If-None-Match", "*"),
        ("If-None-Match", "\"x\""),
        ("If-Match", "\"x\""),
        ("If-Modified-Since", "Thu, 01 Jan 2099 00:00:00 GMT"),
        ("If-Unmodified-Since", "Thu, 01 Jan 1970 00:00:00 GMT"),
        ("Range", "bytes=5-4"),
        ("If-Range", "\"x\""),
        ("Upgrade", "websocket"),
        ("Upgrade", "h2c"),
        ("Connection", "upgrade"),
        ("Connection", "close"),
        ("TE", "trailers"),
        ("Accept", "application/x-none"),
        ("Accept-Encoding", "br;q=1, identity;q=0"),
        ("X-HTTP-Method-Override", "POST"),
        ("X-Original-URL", "/policy/open"),
        ("X-Forwarded-Uri", "/verify?optional=true"),
        ("Content-Type", "multipart/form-data"),
    ] {
        assert_eq!(server.ask("GET", "/verify/", &[header, ("Cookie", &ours)]).status, 200, "{header:?}");
        assert_eq!(server.ask("GET", "/verify/", &[header]).status, 401, "{header:?}");
    }
    let both = [("Connection", "Upgrade"), ("Upgrade", "websocket"), ("Sec-WebSocket-Version", "13")];
    for (cookie, status) in [(&*ours, 200), ("", 401)] {
        let mut connection = Connection::open(server.public);
        let headers = [&both[..], &[("Cookie", cookie)]].concat();
        connection.send(&head("GET", "/verify/", &headers));
        let response = connection.answer();
        assert_eq!((response.status, response.header("connection")), (status, Some("close")));
        connection.send_if_open(&head("GET", "/verify/", &[]));
        assert_eq!(connection.rest(), b"");
    }
}

#[test]
fn s35_expect_may_get_its_100_first() {
    let server = Server::plain();
    let ours = server.login("alice").cookie();
    for (cookie, status) in [(&*ours, 200), ("", 401)] {
        let headers = [("Expect", "100-continue"), ("Content-Length", "3"), ("Cookie", cookie)];
        let mut connection = Connection::open(server.public);
        connection.send(&head("POST", "/verify/", &headers));
        let mut response = connection.answer();
        if response.status == 100 {
            response = connection.answer();
        }
        assert_eq!(response.status, status);
    }
}

#[test]
fn s36_a_body_that_never_comes_is_not_waited_for_and_nothing_behind_is_a_request() {
    let server = Server::plain();
    let ours = server.login("alice").cookie();
    let hidden = head("GET", "/verify/", &[("Cookie", &ours), ("X-Second", "yes")]);
    let framings = [
        ("Content-Length", "77"),
        ("Content-Length", "1"),
        ("Content-Length", "18446744073709551615"),
        ("Transfer-Encoding", "chunked"),
        // In one piece with the head, and all of it inside the body that was announced.
        ("Content-Length", &(2 * hidden.len()).to_string()),
    ];
    let targets = [
        ("GET", "/verify/", 200),
        ("HEAD", "/verify/", 200),
        ("POST", "/policy/default/x", 200),
        ("GET", "/resolve", 200),
        ("GET", "/healthz", 200),
        ("GET", "/nowhere", 404),
    ];
    let check = |framing: (&str, &str), (method, target, status): (&str, &str, u16)| {
        let request = head(method, target, &[framing, ("Cookie", &ours)]);
        let at_once = framing == framings[4];
        let mut connection = Connection::open(server.public);
        connection.send(&if at_once { [&request[..], &hidden, &hidden].concat() } else { request });
        let response = connection.answer_to(method);
        assert_eq!((response.status, response.header("connection")), (status, Some("close")), "{framing:?}");
        if !at_once {
            connection.send_if_open(&[&[b'x'; 77][..], &hidden, b"0\r\n\r\n", &hidden].concat());
        }
        assert_eq!(connection.rest(), b"", "{method} {target} {framing:?}");
    };
    // The service holds each connection for a while before it closes it: all of them at once.
    std::thread::scope(|scope| {
        for framing in framings {
            for target in targets {
                let check = &check;
                scope.spawn(move || check(framing, target));
            }
        }
    });
}

#[test]
fn s36_a_thousand_of_them_fail_none() {
    let server = Server::plain();
    let ours = server.login("alice").cookie();
    let requests = [("Content-Length", "77"), ("Transfer-Encoding", "chunked")]
        .map(|header| head("GET", "/verify/", &[header, ("Cookie", &ours)]));
    for round in 0..1_000 {
        let mut connection = Connection::open(server.public);
        connection.send(&requests[round % 2]);
        let response = connection.answer();
        assert_eq!((response.status, response.header("connection")), (200, Some("close")), "round {round}");
    }
}

#[test]
fn without_a_body_the_connection_stays_and_each_request_is_judged_alone() {
    let server = Server::plain();
    let ours = server.login("alice").cookie();
    let (with, without) =
        (head("GET", "/verify/", &[("Cookie", &ours)]), head("GET", "/verify/", &[("Content-Length", "0")]));
    let mut connection = Connection::open(server.public);
    connection.send(&[&with[..], &without, &with, &without].concat());
    let statuses = [(); 4].map(|()| connection.answer().status);
    assert_eq!(statuses, [200, 401, 200, 401]);
}

#[test]
fn what_is_no_http_is_never_let_in() {
    let server = Server::plain();
    let ours = server.login("alice").cookie();
    for (what, request) in [
        ("no host", format!("GET /verify/ HTTP/1.1\r\nCookie: {ours}\r\n\r\n")),
        ("two hosts", format!("GET /verify/ HTTP/1.1\r\nHost: a\r\nHost: b\r\nCookie: {ours}\r\n\r\n")),
        (
            "two lengths",
            format!(
                "GET /verify/ HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 2\r\nCookie: {ours}\r\n\r\n"
            ),
        ),
        (
            "length and chunked",
            format!(
                "GET /verify/ HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\nCookie: {ours}\r\n\r\n"
            ),
        ),
        (
            "a coding that is none",
            format!("GET /verify/ HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked, x\r\nCookie: {ours}\r\n\r\n"),
        ),
        ("a bare CR", format!("GET /verify/ HTTP/1.1\r\nHost: a\r\nX: a\rb\r\nCookie: {ours}\r\n\r\n")),
        ("a NUL", format!("GET /verify/ HTTP/1.1\r\nHost: a\r\nX: a\0b\r\nCookie: {ours}\r\n\r\n")),
        ("space before the colon", format!("GET /verify/ HTTP/1.1\r\nHost: a\r\nCookie : {ours}\r\n\r\n")),
        ("no version", format!("GET /verify/\r\nHost: a\r\nCookie: {ours}\r\n\r\n")),
        ("another version", format!("GET /verify/ HTTP/3.0\r\nHost: a\r\nCookie: {ours}\r\n\r\n")),
        ("HTTP/2", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_owned()),
        ("TLS", "\u{16}\u{3}\u{1}\u{2}\0\u{1}\0\u{1}\u{fc}\r\n\r\n".to_owned()),
    ] {
        let mut connection = Connection::open(server.public);
        connection.send(request.as_bytes());
        assert_eq!(connection.answer().status, 400, "{what}");
        connection.send_if_open(&head("GET", "/verify/", &[("Cookie", &ours)]));
        assert_eq!(connection.rest(), b"", "{what}: nothing behind it is a request");
    }
}
