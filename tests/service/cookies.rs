//! Cookies in and out: whatever stands beside ours, and what we set.

use std::time::Duration;

use cookie_store::CookieStore;
use serde_json::json;

use crate::common::{NAME, Server, start_of_time};

#[test]
fn s23_whatever_stands_beside_our_cookie_it_is_read() {
    let server = Server::plain();
    let ours = server.login("alice").cookie();
    let ours = ours.as_bytes();
    for junk in [
        &b"a"[..],
        b"=a",
        b"x=%db",
        b"x=caf\xe9",
        b"x=\xff\xfe",
        b"x=\"",
        b"x={\"a\":1}",
        b"x=a,b",
        b"x=a b",
        b"x=\\",
        b"",
        b"=",
        b"==",
        b" ",
        b"\t",
        b"__Host-sealpass",
        b"__Host-sealpassx=1",
        b"$Version=1",
    ] {
        let shown = String::from_utf8_lossy(junk);
        for line in [
            [ours, b"; ", junk].concat(),
            [junk, b"; ", ours].concat(),
            [junk, b";", ours, b";"].concat(),
            [ours, b";", junk, b" ; "].concat(),
        ] {
            let response = server.ask_with("/verify/", &[&line]);
            assert_eq!(response.status, 200, "{shown:?} in {}", String::from_utf8_lossy(&line));
            assert_eq!(response.header("x-session-subject"), Some("alice"));
        }
        assert_eq!(server.ask_with("/verify/", &[junk, ours]).status, 200, "{shown:?} in a line in front");
        assert_eq!(server.ask_with("/verify/", &[ours, junk]).status, 200, "{shown:?} in a line behind");
        assert_eq!(server.ask_with("/verify/", &[junk]).status, 401, "{shown:?} alone");
    }
}

#[test]
fn s24_our_cookie_may_stand_in_any_line() {
    let server = Server::plain();
    let ours = server.login("alice").cookie();
    let ours = ours.as_bytes();
    for lines in [&[&b"a=1"[..], ours][..], &[b"a=1", b"b=2; c=3", ours], &[b"", ours, b"d=4"], &[ours, b"a=1"]] {
        assert_eq!(server.ask_with("/verify/", lines).status, 200);
    }
}

#[test]
fn s25_several_cookies_of_our_name() {
    let server = Server::plain();
    let expired = server.login("alice").token;
    let strangers_expired = server.login("mallory").token;
    server.advance(Duration::from_secs(30 * 60));
    let ended = server.login("alice");
    server.revoke(&json!({"session_id": ended.id}));
    let older = server.issue(&json!({"subject": "alice", "roles": ["old"]}));
    let outdated = older.token.clone();
    server.advance(Duration::from_secs(1));
    let other = server.login("bob").token;
    let anonymous = server.issue(&json!({})).token;
    let good = server.issue(&json!({"subject": "alice", "roles": ["new"]})).token;
    server.advance(Duration::from_secs(1));
    let resealed = server.change("/v1/sessions/reseal", &json!({"token": older.token, "roles": ["resealed"]})).token;
    let (good, resealed) = (&*good, &*resealed);
    let flipped = format!("{}{}", if good.starts_with('A') { "B" } else { "A" }, &good[1..]);

    for (values, status) in [
        (&["junk", good][..], 200),
        (&[&*flipped, good], 200),
        (&["", good], 200),
        (&["\"\"", good], 200),
        (&[&*expired, good], 200),
        (&[&*strangers_expired, good], 200),
        (&[&*outdated, good], 200),
        (&[good, good], 200),
        (&[good, good, good, good], 200),
        (&["junk", "", &*expired, good], 200),
        (&[resealed, good], 200),
        (&[&*ended.token, good], 401),
        (&[&*other, good], 401),
        (&[&*anonymous, good], 401),
        (&["junk", &*other, good], 401),
        (&["", &*ended.token, good], 401),
        (&["junk", &*expired], 401),
        (&["", ""], 401),
        (&["junk", "junk", "junk", "junk", good], 401),
        (&[good, good, good, good, good], 401),
        (&["", "", "", "", "", "", "", good], 401),
    ] {
        for turn in 0..values.len() {
            let mut turned = values.to_vec();
            turned.rotate_left(turn);
            let pairs: Vec<_> = turned.iter().map(|value| format!("{NAME}={value}")).collect();
            let one = server.verify(&pairs.join("; "));
            let lines: Vec<_> = pairs.iter().map(String::as_bytes).collect();
            let several = server.ask_with("/verify/", &lines);
            assert_eq!((one.status, several.status), (status, status), "{turned:?}");
            if status == 200 {
                assert_eq!(one.header("x-session-subject"), Some("alice"));
                // The greatest (started, claims_at, sealed) gives the claims, wherever it stands.
                assert_eq!(one.header("x-session-roles"), Some("new"), "{turned:?}");
            }
        }
    }
}

#[test]
fn s26_what_only_looks_like_our_name_is_not_ours() {
    let server = Server::plain();
    let token = server.login("alice").token;
    for name in [
        &b"__%48ost-sealpass"[..],
        b"__Host%2Dsealpass",
        b"__host-sealpass",
        b"__HOST-SEALPASS",
        b"__Host-Sealpass",
        b"\xc2\xa0__Host-sealpass",
        b"\xe2\x80\x82__Host-sealpass",
        b"\xe3\x80\x80__Host-sealpass",
        b"\xef\xbb\xbf__Host-sealpass",
        b"\xa0__Host-sealpass",
        b"\x85__Host-sealpass",
        b"__Host-sealpass\xc2\xa0",
        b"\"__Host-sealpass\"",
        b"=__Host-sealpass",
        b"$__Host-sealpass",
        b"x__Host-sealpass",
        b"__Host-sealpass[]",
        b"",
    ] {
        let line = [name, b"=", token.as_bytes()].concat();
        let response = server.ask_with("/verify/", &[&line]);
        assert_eq!(response.status, 401, "{}", String::from_utf8_lossy(name));
    }
    assert_eq!(server.decided("missing"), 18, "none was even looked into");
    assert_eq!(server.verify(&token).status, 401, "no name at all");
}

#[test]
fn s27_a_value_has_one_spelling() {
    let server = Server::plain();
    let token = server.login("alice").token;
    let nobody = server.verify("").without_date();
    let encoded: String = token.bytes().map(|byte| format!("%{byte:02X}")).collect();
    for value in [
        format!("\"{token}\""),
        format!("'{token}'"),
        format!("{token}="),
        format!("{token}=="),
        format!("%{:02X}{}", token.as_bytes()[0], &token[1..]),
        encoded,
        format!("{token},"),
        format!("{token}.{token}"),
        token.replace(['-', '_'], "+").replacen(char::is_alphanumeric, "/", 1),
        token.to_ascii_lowercase(),
        format!("{token}A"),
        "A".repeat(3_801),
        "A".repeat(100_000),
    ] {
        let response = server.verify(&format!("{NAME}={value}"));
        assert_eq!(response.without_date(), nobody, "{value}");
    }
    assert_eq!(server.verify(&format!(" {NAME} =\t {token} \t; a=b")).status, 200, "SP and TAB around it do not count");
}

#[test]
fn s31_secure_is_set_whatever_the_proxy_says() {
    let server = Server::with("[realm.default]\npublic_origins = [\"https://app.example.com\"]\n");
    let session = server.login("alice");
    assert_eq!(
        session.set_cookie,
        format!("{}; Path=/; Secure; HttpOnly; SameSite=Lax", session.cookie()),
        "a session cookie has no Max-Age"
    );
    server.advance(Duration::from_secs(300));
    let cookie = session.cookie();
    for forwarded in [None, Some("http"), Some("https"), Some("ftp, https"), Some("")] {
        let mut headers = vec![("Cookie", &*cookie), ("Sec-Fetch-Site", "same-origin")];
        headers.extend(forwarded.map(|scheme| ("X-Forwarded-Proto", scheme)));
        headers.extend(forwarded.map(|scheme| ("X-Forwarded-Ssl", if scheme == "https" { "on" } else { "off" })));
        for (method, target) in [("GET", "/verify/"), ("GET", "/resolve"), ("POST", "/renew")] {
            let response = server.ask(method, target, &headers);
            assert_eq!(response.status, 200, "{target}");
            let line = response.header("set-cookie").expect("a renewal is due");
            assert!(line.ends_with("; Path=/; Secure; HttpOnly; SameSite=Lax"), "{line}");
        }
    }
    let response = server.ask("POST", "/logout", &[("Sec-Fetch-Site", "same-origin"), ("X-Forwarded-Proto", "http")]);
    assert_eq!(
        response.header("set-cookie"),
        Some("__Host-sealpass=; Max-Age=0; Path=/; Secure; HttpOnly; SameSite=Lax")
    );
}

#[test]
fn s30_what_is_set_is_cleared_from_a_real_jar() {
    for (config, name) in [
        ("", NAME),
        ("[realm.default.cookie]\nsame_site = \"strict\"\n", NAME),
        (
            "[realm.default.cookie]\nname = \"__Secure-s\"\ndomain = \"example.com\"\npath = \"/app\"\nsame_site = \"none\"\n[policy.default]\ncsrf = \"require\"\n",
            "__Secure-s",
        ),
    ] {
        let server = Server::with(config);
        let url = url::Url::parse("https://app.example.com/app/page").expect("a URL");
        for persistent in [false, true] {
            let session = server.issue(&json!({"subject": "alice", "persistent": persistent}));
            assert_eq!(
                session.set_cookie.contains("; Max-Age=1209600; "),
                persistent,
                "14 days: {}",
                session.set_cookie
            );
            let mut jar = CookieStore::default();
            jar.parse(&session.set_cookie, &url).expect("a jar takes it");
            let held: Vec<_> = jar.get_request_values(&url).collect();
            assert_eq!(held, [(name, &*session.token)]);
            let line = format!("{name}={}", session.token);
            let cleared = server.ask("POST", "/logout", &[("Cookie", &line), ("Sec-Fetch-Site", "same-origin")]);
            assert_eq!(cleared.status, 204);
            let _ = jar.parse(cleared.header("set-cookie").expect("always"), &url);
            assert_eq!(jar.iter_unexpired().count(), 0, "{config}, persistent: {persistent}");
            assert_eq!(jar.get_request_values(&url).count(), 0);
        }
    }
}

#[test]
fn s32_what_is_too_large_is_refused_by_how_much_and_the_largest_works() {
    let server = Server::plain();
    let asked = |size: usize| json!({"subject": "alice", "persistent": true, "data": {"a": "x".repeat(2_048), "b": "x".repeat(size)}});
    let fits = |size: usize| server.call("/v1/sessions", &asked(size)).status == 201;
    let (mut low, mut high) = (0, 2_048);
    assert!(fits(low) && !fits(high));
    while high - low > 1 {
        let middle = usize::midpoint(low, high);
        if fits(middle) { low = middle } else { high = middle }
    }
    for over in [1, 2, 100] {
        let response = server.call("/v1/sessions", &asked(low + over));
        let problem = response.json();
        assert_eq!(response.status, 422);
        let [limit, found] = ["limit", "found"].map(|name| problem[name].as_u64().expect("a number"));
        assert_eq!(found - limit, over as u64, "{problem}");
        let detail = problem["detail"].as_str().expect("text");
        assert!(detail.contains(&format!("{over} over the limit of {limit}")), "{detail}");
        assert!(response.header("set-cookie").is_none());
    }
    let largest = server.issue(&asked(low));
    assert!(largest.token.len() <= 3_800 && largest.set_cookie.len() <= 4_096, "{}", largest.set_cookie.len());
    let response = server.verify(&largest.cookie());
    assert_eq!(response.status, 200);
    assert!(response.header("x-session-data").expect("always").len() > 2_700);
    // It can be renewed: the next token is no longer than this one.
    let renewed = server.change("/v1/sessions/renew", &json!({"token": largest.token}));
    assert_eq!((renewed.token.len(), server.accepts(&renewed.token)), (largest.token.len(), true));
}

#[test]
fn s32_a_cookie_whose_attributes_make_it_too_large_is_refused_too() {
    let label = "d".repeat(60);
    let server = Server::with(&format!(
        "[realm.default.cookie]\nname = \"__Secure-{}\"\ndomain = \"{label}.{label}.{label}.example.com\"\n",
        "n".repeat(80)
    ));
    let asked = |size: usize| json!({"subject": "alice", "data": {"a": "x".repeat(2_048), "b": "x".repeat(size)}});
    let longest = (0..700).step_by(8).map(|size| server.call("/v1/sessions", &asked(size)));
    let mut refused = None;
    for response in longest {
        if response.status == 201 {
            assert!(response.header("set-cookie").expect("issued").len() <= 4_096);
        } else {
            refused = Some(response);
            break;
        }
    }
    let problem = refused.expect("some size is too large").json();
    assert_eq!((problem["status"].as_u64(), problem["limit"].as_u64()), (Some(422), Some(4_096)));
    let found = problem["found"].as_u64().expect("a number");
    let over = format!("the cookie would have {found} octets, {} over the limit of 4096", found - 4_096);
    assert_eq!(problem["detail"].as_str(), Some(&*over));
}

#[test]
fn s33_one_slot_renews_at_most_once() {
    let server = Server::plain();
    let session = server.issue(&json!({"subject": "alice", "authenticated_at": "2025-12-31T23:00:00Z"}));
    let before = server.introspect(&session.token);
    for _ in 0..100 {
        let response = server.verify(&session.cookie());
        assert_eq!((response.status, response.all("set-cookie").len()), (200, 0));
    }
    server.advance(Duration::from_secs(300)); // a sixth of the idle limit
    let mut renewed = String::new();
    for target in ["/verify/", "/verify", "/policy/default/", "/resolve"] {
        let response = server.ask("GET", target, &[("Cookie", &session.cookie())]);
        let lines = response.all("set-cookie");
        assert_eq!((response.status, lines.len()), (200, 1), "{target}");
        renewed = lines[0].split(';').next().expect("a pair").to_owned();
    }
    let token = renewed.strip_prefix("__Host-sealpass=").expect("our name");
    for _ in 0..100 {
        let response = server.verify(&renewed);
        assert_eq!((response.status, response.all("set-cookie").len()), (200, 0));
    }
    let after = server.introspect(token);
    for same in ["session_id", "subject", "started_at", "authenticated_at", "claims_at", "expires_at"] {
        assert_eq!(before[same], after[same], "{same}");
    }
    assert_ne!(before["sealed_at"], after["sealed_at"]);
    assert_ne!(before["idle_expires_at"], after["idle_expires_at"]);
    // The old one stays good until its own expiry, and not longer.
    server.clock.set(start_of_time().plus(Duration::from_millis(30 * 60 * 1_000 - 1)));
    assert!(server.accepts(&session.token) && server.accepts(token));
    server.advance(Duration::from_millis(1));
    assert!(!server.accepts(&session.token) && server.accepts(token));
}

#[test]
fn a_policy_may_answer_with_the_cookies_of_others() {
    let server = Server::with(
        "[policy.default]\npass_cookies = true\n[policy.open]\noptional = true\npass_cookies = true\n[policy.plain]\n\
         [policy.admin]\nrole = [\"admin\"]\npass_cookies = true\n[realm.default]\n[realm.b]\n[realm.b.cookie]\nname = \"__Secure-b\"\n",
    );
    let ours = server.login("alice").cookie();
    let passed = |target: &str, lines: &[&[u8]]| {
        let response = server.ask_with(target, lines);
        (response.status, response.all("cookie").into_iter().map(str::to_owned).collect::<Vec<_>>())
    };
    let line = format!("a=1; {ours}; b=\"2\"; __Secure-b=x");
    let lines: [&[u8]; 2] = [line.as_bytes(), b"c=3"];
    let left = vec!["a=1; b=\"2\"; c=3".to_owned()];
    assert_eq!(passed("/verify/", &lines), (200, left.clone()));
    assert_eq!(passed("/policy/open/", &lines), (200, left));
    assert_eq!(passed("/policy/open/", &[b"__Host-sealpass=junk; a=1"]), (200, vec!["a=1".to_owned()]));
    assert_eq!(passed("/verify/", &[ours.as_bytes()]), (200, vec![]));
    let removed = |lines: &[&[u8]]| server.ask_with("/verify/", lines).all("x-envoy-auth-headers-to-remove").join(",");
    assert_eq!((removed(&[ours.as_bytes()]), removed(&lines)), ("cookie".to_owned(), String::new()));
    for (target, status) in [("/policy/admin/", 403), ("/policy/plain/", 200)] {
        assert_eq!(passed(target, &lines), (status, vec![]), "{target}");
    }
    assert_eq!(passed("/verify/", &[b"a=1"]), (401, vec![]));
}
