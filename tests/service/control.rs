//! The control API: who may call it, what it refuses, and how it says so.

use std::time::Duration;

use sealpass::entropy::SystemEntropy;
use sealpass::http::NewCredential;
use serde_json::{Value, json};

use crate::common::{CREDENTIAL, Connection, NAME, Response, Server, head};

const PATHS: [&str; 6] = [
    "/v1/sessions",
    "/v1/sessions/renew",
    "/v1/sessions/reseal",
    "/v1/sessions/rotate",
    "/v1/sessions/revoke",
    "/v1/sessions/introspect",
];

#[test]
fn without_one_right_credential_it_is_401() {
    let server = Server::plain();
    let right = format!("Bearer {CREDENTIAL}");
    let wrong = format!("Bearer {CREDENTIAL}x");
    let basic = format!("Basic {CREDENTIAL}");
    let body = ("Content-Type", "application/json");
    let mut expected = None;
    for path in PATHS.into_iter().chain(["/v1/explain", "/metrics"]) {
        let method = if path == "/metrics" { "GET" } else { "POST" };
        for headers in [
            &[][..],
            &[("Authorization", &*wrong)],
            &[("Authorization", &right[..right.len() - 1])],
            &[("Authorization", &basic)],
            &[("Authorization", CREDENTIAL)],
            &[("Authorization", "Bearer")],
            &[("Authorization", "Bearer ")],
            &[("Authorization", "")],
            &[("Authorization", &right), ("Authorization", &right)],
            &[("Authorization", &right), ("Authorization", &basic)],
            &[("Authorization", &basic), ("Authorization", &right)],
            &[("Cookie", &right)],
            &[("X-Authorization", &right)],
        ] {
            let mut connection = Connection::open(server.control);
            connection.send(&head(method, path, &[headers, &[body]].concat()));
            let response = connection.answer();
            assert_problem(&response, 401, "credential");
            assert_eq!(response.header("www-authenticate"), Some("Bearer realm=\"sealpass control\""));
            let expected = expected.get_or_insert_with(|| response.without_date());
            assert_eq!(response.without_date(), *expected, "{path} {headers:?}");
        }
    }
    for scheme in ["Bearer ", "bearer ", "BEARER ", "Bearer   "] {
        let response = ask(&server, "/v1/sessions", &[("Authorization", &format!("{scheme}{CREDENTIAL}"))], b"{}");
        assert_eq!(response.status, 201, "{scheme}");
    }
}

#[test]
fn s51_a_credential_is_good_for_its_scope_and_its_realms() {
    let new = || NewCredential::generate(&SystemEntropy::new()).expect("random bytes");
    let (shop, admin) = (new(), new());
    let line = |credential: &NewCredential, scope: &str, realm: &str| {
        format!(
            "[[credential]]\nname = \"x\"\nsha256 = \"{}\"\nscopes = [\"{scope}\"]\nrealms = [\"{realm}\"]\n",
            credential.sha256()
        )
    };
    let server = Server::with_credentials(
        "[realm.default]\n[realm.shop.cookie]\nname = \"__Host-shop\"\n",
        &[line(&shop, "app", "shop"), line(&admin, "admin", "*")].concat(),
    );
    let session = server.login("alice");
    for path in PATHS {
        let body = match path {
            "/v1/sessions" => json!({"subject": "mallory"}),
            _ => json!({"token": session.token}),
        };
        assert_problem(&server.call_as(admin.expose(), path, &body), 403, "scope");
        let response = server.call_as(shop.expose(), path, &body);
        assert_problem(&response, 403, "realm");
        assert_eq!(response.json()["field"], "realm");
        let mut nowhere = body.clone();
        nowhere["realm"] = json!("nowhere");
        let hidden = server.call_as(shop.expose(), path, &nowhere);
        assert_eq!(
            (hidden.status, hidden.problem()),
            (403, response.problem()),
            "it does not learn which realms there are"
        );
        let mut known = server.call(path, &nowhere);
        assert_problem(&known, 422, "field");
        assert_eq!(known.json()["field"], "realm");
        nowhere["realm"] = json!("shop\r\nX: y");
        known = server.call(path, &nowhere);
        assert_eq!((known.status, known.all("x").len()), (422, 0));
    }
    assert_eq!(server.call_as(shop.expose(), "/v1/sessions/revoke", &json!({"session_id": session.id})).status, 403);
    assert!(server.accepts(&session.token));
    let own = server.call_as(shop.expose(), "/v1/sessions", &json!({"realm": "shop", "subject": "alice"}));
    assert_eq!(own.status, 201);
    assert!(own.header("set-cookie").expect("issued").starts_with("__Host-shop="));
}

#[test]
fn what_is_not_json_says_so() {
    let server = Server::plain();
    let bearer = format!("Bearer {CREDENTIAL}");
    let send = |kind: Option<&str>, body: &[u8]| {
        let length = body.len().to_string();
        let mut headers = vec![("Authorization", &*bearer), ("Content-Length", &*length)];
        headers.extend(kind.map(|kind| ("Content-Type", kind)));
        let mut connection = Connection::open(server.control);
        connection.send(&[&head("POST", "/v1/sessions", &headers), body].concat());
        connection.answer()
    };
    for kind in [
        None,
        Some("text/plain"),
        Some("application/x-www-form-urlencoded"),
        Some("application/jsonp"),
        Some("text/json"),
        Some(""),
    ] {
        let response = send(kind, b"{}");
        assert_problem(&response, 415, "media-type");
        assert_eq!(response.header("connection"), Some("close"), "the body was not read");
    }
    for kind in ["application/json", "Application/JSON", "application/json; charset=utf-8"] {
        assert_eq!(send(Some(kind), b"{}").status, 201, "{kind}");
    }
    let deep = "[".repeat(100_000);
    for body in [
        &b""[..],
        b"{",
        b"{]",
        b"{}x",
        b"{'subject': 'a'}",
        b"\xff\xfe{}",
        b"{\"subject\": \"\xff\"}",
        b"nul",
        deep.as_bytes(),
    ] {
        assert_problem(&send(Some("application/json"), body), 400, "json");
    }
    for body in [&b"[]"[..], b"[\"default\",\"alice\"]", b"null", b"\"alice\"", b"1", b"true"] {
        let response = send(Some("application/json"), body);
        assert!(matches!(response.status, 400 | 422), "{}: not an object", String::from_utf8_lossy(body));
        assert!(response.header("set-cookie").is_none());
    }
}

#[test]
fn a_wrong_field_is_named() {
    let server = Server::plain();
    let token = server.login("alice").token;
    for (path, body, named) in [
        (PATHS[0], json!({"subjct": "alice"}), "subjct"),
        (PATHS[0], json!({"subject": "alice", "imports": {}}), "imports"),
        (PATHS[0], json!({"subject": "alice", "import": {}}), "key"),
        (PATHS[0], json!({"Subject": "alice"}), "Subject"),
        (PATHS[0], json!({"subject": "alice", "ttl": 5}), "ttl"),
        (PATHS[1], json!({"token": token, "roles": []}), "roles"),
        (PATHS[2], json!({"token": token, "subject": "root"}), "subject"),
        (PATHS[3], json!({"token": token, "grace": 10}), "grace"),
        (PATHS[4], json!({"sid": "x"}), "sid"),
        (PATHS[5], json!({"session_id": "x"}), "session_id"),
        (PATHS[4], json!({"session_id": "x"}), "session_id"),
        (PATHS[4], json!({"session_id": "////////////////////_w"}), "session_id"),
        (PATHS[0], json!({"subject": "alice", "authenticated_at": "yesterday"}), "authenticated_at"),
        (PATHS[0], json!({"subject": "alice", "authenticated_at": "2026-01-01T00:00:05.001Z"}), "authenticated_at"),
        (PATHS[2], json!({"token": token, "authenticated_at": "2026-01-01T00:00:05.001Z"}), "authenticated_at"),
        (PATHS[0], json!({"subject": "alice", "aal": 4}), "aal"),
        (PATHS[2], json!({"token": token, "aal": 4}), "aal"),
        (PATHS[0], json!({"subject": "x".repeat(129)}), "subject"),
        (PATHS[0], json!({"subject": "alice", "roles": [""]}), "roles[0]"),
        (PATHS[0], json!({"subject": "alice", "roles": vec!["r"; 257]}), "roles"),
        (PATHS[0], json!({"subject": "alice", "handles": ["a", "b", "c", "d", "e"]}), "handles"),
        (PATHS[0], json!({"subject": "alice", "amr": vec!["r"; 257]}), "amr"),
    ] {
        let response = server.call(path, &body);
        assert_problem(&response, 422, "field");
        let problem = response.json();
        let detail = problem["detail"].as_str().expect("text");
        assert!(detail.contains(named), "{named}: {problem}");
        assert!(response.header("set-cookie").is_none());
    }
    for (body, limit, found) in [
        (json!({"subject": "é".repeat(65)}), 128, 130),
        (json!({"subject": "alice", "roles": vec!["r"; 300]}), 256, 300),
        (json!({"subject": "alice", "handles": vec!["r"; 5]}), 4, 5),
        (json!({"subject": "alice", "data": {"k": "v".repeat(2_049)}}), 2_048, 2_049),
    ] {
        let problem = server.call(PATHS[0], &body).json();
        assert_eq!((&problem["limit"], &problem["found"]), (&json!(limit), &json!(found)), "{problem}");
    }
    assert!(server.accepts(&token), "nothing of this changed it");
}

#[test]
fn a_wrong_type_is_refused_and_so_is_a_key_twice() {
    let server = Server::plain();
    let bearer = [("Authorization", &*format!("Bearer {CREDENTIAL}"))];
    for body in [
        "{\"subject\": 7}",
        "{\"roles\": \"admin\"}",
        "{\"roles\": [1]}",
        "{\"data\": []}",
        "{\"data\": {\"k\": 1}}",
        "{\"aal\": \"2\"}",
        "{\"aal\": -1}",
        "{\"aal\": 256}",
        "{\"persistent\": 1}",
        "{\"persistent\": \"true\"}",
        "{\"realm\": null}",
        "{\"subject\": \"a\", \"subject\": \"b\"}",
        "{\"subject\": {\"a\": 1}}",
        "{\"subject\": [\"a\"]}",
    ] {
        assert_problem(&ask(&server, "/v1/sessions", &bearer, body.as_bytes()), 422, "field");
    }
}

#[test]
fn exactly_one_way_to_name_a_session() {
    let server = Server::plain();
    let session = server.login("alice");
    let (token, cookie, id) = (&session.token, session.cookie(), &session.id);
    for path in &PATHS[1..] {
        assert_problem(&server.call(path, &json!({})), 422, "field");
        assert_problem(&server.call(path, &json!({"token": token, "cookie": cookie})), 422, "field");
    }
    for body in [
        json!({"token": token, "session_id": id}),
        json!({"cookie": cookie, "session_id": id}),
        json!({"token": token, "cookie": cookie, "session_id": id}),
    ] {
        assert_problem(&server.call("/v1/sessions/revoke", &body), 422, "field");
    }
    assert!(server.accepts(token));
    for path in ["/v1/sessions/renew", "/v1/sessions/reseal", "/v1/sessions/rotate"] {
        for body in [
            json!({"token": "junk"}),
            json!({"token": ""}),
            json!({"cookie": ""}),
            json!({"cookie": "a=b"}),
            json!({"cookie": format!("{NAME}=junk")}),
            json!({"token": cookie}),
        ] {
            assert_problem(&server.call(path, &body), 404, "no-session");
        }
    }
    for body in [json!({"token": "junk"}), json!({"cookie": "a=b"}), json!({"token": cookie})] {
        let shown = server.call("/v1/sessions/introspect", &body);
        assert_eq!((shown.status, shown.json()), (200, json!({"active": false})), "nothing but that");
        assert_eq!(server.call("/v1/sessions/revoke", &body).status, 204);
    }
    assert!(server.accepts(token));
}

#[test]
fn introspection_tells_all_of_a_session() {
    let server = Server::plain();
    let session = server.issue(&json!({
        "subject": "müller", "roles": ["a,b", "c"], "data": {"k": "v"}, "amr": ["pwd"], "aal": 1, "persistent": true, "handles": ["idp-7"],
        "authenticated_at": "2026-01-01T01:30:00.5+02:00"
    }));
    server.advance(Duration::from_secs(60));
    let shown = server.call("/v1/sessions/introspect", &json!({"cookie": format!("a=b; {}", session.cookie())})).json();
    assert_eq!(
        shown,
        json!({
            "active": true, "realm": "default", "session_id": session.id, "subject": "müller", "anonymous": false, "roles": ["a,b", "c"],
            "data": {"k": "v"}, "amr": ["pwd"], "aal": 1, "persistent": true, "fresh": true,
            "started_at": "2026-01-01T00:00:00Z", "authenticated_at": "2025-12-31T23:30:00.5Z", "claims_at": "2026-01-01T00:00:00Z",
            "sealed_at": "2026-01-01T00:00:00Z", "expires_at": "2026-01-31T00:00:00Z", "idle_expires_at": "2026-01-15T00:00:00Z"
        })
    );
    for (field, value) in [
        ("started_at", "2026-01-01T00:00:00Z"),
        ("expires_at", "2026-01-31T00:00:00Z"),
        ("idle_expires_at", "2026-01-15T00:00:00Z"),
    ] {
        assert_eq!(session.answer[field], value);
    }
    server.revoke(&json!({"session_id": session.id}));
    assert_eq!(server.introspect(&session.token), json!({"active": false}));
}

#[test]
fn a_body_of_a_mebibyte_is_read_and_a_byte_more_is_not() {
    let server = Server::plain();
    let bearer = [("Authorization", &*format!("Bearer {CREDENTIAL}"))];
    let padded = |size: usize| {
        let mut body = b"{\"subject\": \"alice\"}".to_vec();
        body.resize(size, b' ');
        body
    };
    assert_eq!(ask(&server, "/v1/sessions", &bearer, &padded(1 << 20)).status, 201);
    assert_problem(&ask(&server, "/v1/sessions", &bearer, &padded((1 << 20) + 1)), 413, "body-too-large");
    // Announced and never sent: nobody waits for it.
    let mut connection = Connection::open(server.control);
    connection.send(&head(
        "POST",
        "/v1/sessions",
        &[bearer[0], ("Content-Type", "application/json"), ("Content-Length", "99999999999")],
    ));
    let response = connection.answer();
    assert_problem(&response, 413, "body-too-large");
    assert_eq!(response.header("connection"), Some("close"));
}

#[test]
fn a_body_that_ends_early_issues_nothing() {
    let server = Server::plain();
    let bearer = format!("Bearer {CREDENTIAL}");
    for header in [("Content-Length", "100"), ("Transfer-Encoding", "chunked")] {
        let mut connection = Connection::open(server.control);
        connection.send(&head(
            "POST",
            "/v1/sessions",
            &[("Authorization", &*bearer), ("Content-Type", "application/json"), header],
        ));
        connection.send(if header.1 == "100" {
            &b"{\"subject\": \"alice\"}"[..]
        } else {
            b"13\r\n{\"subject\": \"alice\"}"
        });
        connection.finish();
        let rest = String::from_utf8(connection.rest()).expect("text");
        assert!(!rest.contains(" 201 ") && !rest.to_ascii_lowercase().contains("set-cookie"), "{rest}");
    }
    assert!(server.metrics().contains("sealpass_sessions_issued_total 0\n"));
}

#[test]
fn a_refused_call_leaves_nothing_on_the_connection_to_be_taken_for_another() {
    let server = Server::plain();
    let bearer = format!("Bearer {CREDENTIAL}");
    let hidden = head("GET", "/metrics", &[("Authorization", &bearer)]);
    let length = (2 * hidden.len()).to_string();
    for first in [
        head(
            "POST",
            "/v1/sessions",
            &[("Authorization", "Bearer wrong"), ("Content-Type", "application/json"), ("Content-Length", &length)],
        ),
        head(
            "POST",
            "/v1/sessions",
            &[("Authorization", &bearer), ("Content-Type", "text/plain"), ("Content-Length", &length)],
        ),
        head("GET", "/nowhere", &[("Content-Length", &length)]),
        head("GET", "/metrics", &[("Content-Length", &length)]),
    ] {
        let mut connection = Connection::open(server.control);
        connection.send(&[&first[..], &hidden, &hidden].concat());
        let response = connection.answer();
        assert!(response.status >= 400 && response.header("connection") == Some("close"), "{response:?}");
        let rest = String::from_utf8(connection.rest()).expect("text");
        assert!(rest.is_empty(), "{}: {rest}", String::from_utf8_lossy(&first));
    }
}

/// Serde would take a list for the fields of an object, in their order.
#[test]
fn what_is_to_be_an_object_is_no_list() {
    let server = Server::with("[realm.default]\nimport = true\n");
    let session = server.login("alice");
    let (id, token, since) = (&session.id, &session.token, "2026-01-01T00:00:00Z");
    for (path, body) in [
        ("/v1/sessions", json!({"subject": "alice", "replaces": [token, null]})),
        ("/v1/sessions", json!({"subject": "alice", "import": ["key", since]})),
        ("/v1/subjects/revoke", json!({"subject": "alice", "keep": [token, null]})),
        ("/v1/sessions/check", json!({"sessions": [[id, "alice", [], since, null]]})),
    ] {
        assert_problem(&server.call(path, &body), 422, "field");
    }
    assert!(server.accepts(token));
}

#[test]
fn other_paths_and_methods_are_problems_too() {
    let server = Server::plain();
    let bearer = format!("Bearer {CREDENTIAL}");
    for (method, path) in [
        ("GET", "/"),
        ("GET", "/v1/sessions"),
        ("DELETE", "/v1/sessions"),
        ("POST", "/v1/sessions/"),
        ("POST", "/v1/sessions/x"),
        ("POST", "/V1/sessions"),
        ("POST", "/metrics"),
        ("GET", "/verify/"),
        ("POST", "/logout"),
    ] {
        let mut connection = Connection::open(server.control);
        connection.send(&head(method, path, &[("Authorization", &bearer)]));
        assert_problem(&connection.answer(), 404, "path");
    }
}

#[test]
fn metrics_count_and_name_nobody() {
    let server = Server::plain();
    let session = server.login("very-special-subject");
    server.verify(&session.cookie());
    server.verify("");
    server.change("/v1/sessions/renew", &json!({"token": session.token}));
    server.revoke(&json!({"session_id": session.id}));
    let metrics = server.metrics();
    for line in [
        "sealpass_sessions_issued_total 1\n",
        "sealpass_sessions_renewed_total 1\n",
        "sealpass_sessions_ended_total 1\n",
    ] {
        assert!(metrics.contains(line), "{line}{metrics}");
    }
    assert_eq!((server.decided("ok"), server.decided("missing"), server.decided("bad_tag")), (1, 1, 0));
    assert!(!metrics.contains("special") && !metrics.contains(&session.id) && metrics.ends_with("# EOF\n"));
}

/// A POST with a JSON body, byte by byte.
fn ask(server: &Server, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Response {
    let length = body.len().to_string();
    let own = [("Content-Type", "application/json"), ("Content-Length", &*length)];
    let mut connection = Connection::open(server.control);
    connection.send_if_open(&head("POST", path, &[&own, headers].concat()));
    connection.send_if_open(body);
    connection.answer()
}

/// Problem details as RFC 9457 has them.
fn assert_problem(response: &Response, status: u16, kind: &str) {
    let problem = response.json();
    assert_eq!(response.status, status, "{problem}");
    assert_eq!(response.header("content-type"), Some("application/problem+json"), "{problem}");
    assert_eq!(response.header("cache-control"), Some("no-store"), "{problem}");
    assert_eq!(problem["status"], json!(status), "{problem}");
    assert_eq!(problem["type"], json!(format!("urn:problem-type:sealpass:{kind}")), "{problem}");
    assert_eq!(problem["request_id"].as_str(), response.header("x-request-id"), "{problem}");
    for text in ["title", "detail"] {
        assert!(problem[text].as_str().is_some_and(|text| !text.is_empty()), "{problem}");
    }
    let known = ["type", "title", "status", "detail", "field", "limit", "found", "request_id"];
    let Value::Object(members) = &problem else { panic!("{problem}") };
    assert!(members.keys().all(|name| known.contains(&name.as_str())), "{problem}");
}
