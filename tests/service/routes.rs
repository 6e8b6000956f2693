//! What a path, a query and a method decide, and what an answer says of the visitor.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sealpass::entropy::SystemEntropy;
use sealpass::keyring::{KeyRing, Keys, Order, Outcome, Timing, file};
use sealpass::secret::Secret;
use serde_json::{Value, json};

use crate::common::{Connection, NAME, Response, Server, head, start_of_time};

/// A policy of each kind.
const POLICIES: &str = "
[policy.open]
optional = true
[policy.guests]
anonymous = true
[policy.admin]
role = [\"admin\", \"a,b\", \"größe\"]
[policy.recent]
max_age = \"15m\"
[policy.strong]
aal = 2
amr = [\"otp\"]
[policy.names]
headers = [\"sealpass\", \"x-auth-request\", \"remote\", \"authgear\"]
[policy.open-names]
optional = true
headers = [\"sealpass\", \"x-auth-request\", \"remote\", \"authgear\"]
";

#[test]
fn s34_every_method_and_sub_path_gets_the_same_decision() {
    let server = Server::with(POLICIES);
    let ours = server.login("alice").cookie();
    let reference = server.ask("GET", "/verify/", &[("Cookie", &ours)]).sorted();
    let nobody = server.ask("GET", "/verify/", &[]).sorted();
    for method in [
        "GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "PROPFIND", "M-SEARCH", "BREW", "get",
        "X", "A-1_B.C",
    ] {
        for target in [
            "/verify",
            "/verify/",
            "/verify/a",
            "/verify/a/b/c.php",
            "/verify//",
            "/verify/?",
            "/verify/..",
            "/verify/logout",
            "/verify/%00",
            "/verify/%0d%0aX-Session-Subject:%20root",
            "/verify/;a=b",
            "/policy/default",
            "/policy/default/",
            "/policy/default/a",
        ] {
            let yes = server.ask(method, target, &[("Cookie", &ours)]);
            assert_eq!((yes.status, yes.body.len()), (200, 0), "{method} {target}");
            assert_eq!(yes.sorted(), reference, "{method} {target}");
            let no = server.ask(method, target, &[]);
            assert_eq!((no.status, no.sorted()), (401, nobody.clone()), "{method} {target}");
        }
        for (target, status) in [("/policy/open/", 200), ("/policy/none/", 403), ("/policy/admin/", 403)] {
            assert_eq!(server.ask(method, target, &[("Cookie", &ours)]).status, status, "{method} {target}");
        }
    }
}

#[test]
fn s34_connect_gets_the_same_decision_and_opens_no_tunnel() {
    let server = Server::plain();
    let ours = server.login("alice").cookie();
    for (cookie, status) in [(&*ours, 200), ("", 401)] {
        let mut connection = Connection::open(server.public);
        connection.send(&head("CONNECT", "/verify/", &[("Cookie", cookie)]));
        assert_eq!(connection.answer().status, status);
        connection.send_if_open(&head("GET", "/verify/", &[("Cookie", &ours)]));
        let after = connection.rest();
        assert!(after.is_empty(), "{}", String::from_utf8_lossy(&after));
    }
}

#[test]
fn the_401_is_the_same_for_everybody_who_has_no_session() {
    let server = Server::with(
        "[realm.default]\n[realm.other.cookie]\nname = \"__Host-other\"\n[policy.names]\nheaders = [\"sealpass\", \"x-auth-request\", \"remote\", \"authgear\"]\n",
    );
    let stranger = Server::plain();
    let persistent = server.issue(&json!({"subject": "alice", "persistent": true})).token;
    server.clock.set(start_of_time().plus(Duration::from_secs(30 * 86_400 - 1_800)));
    let idle = server.login("alice").token;
    server.clock.set(start_of_time().plus(Duration::from_secs(30 * 86_400)));
    let (ended, outdated, rotated, bob, good) = (
        server.login("alice"),
        server.login("alice"),
        server.login("alice"),
        server.login("bob").token,
        server.login("alice").token,
    );
    server.revoke(&json!({"session_id": ended.id}));
    server.change("/v1/sessions/reseal", &json!({"token": outdated.token}));
    server.change("/v1/sessions/rotate", &json!({"token": rotated.token}));
    let anonymous = server.issue(&json!({})).token;
    let other = server.issue(&json!({"realm": "other", "subject": "alice"})).token;
    server.advance(Duration::from_secs(600));
    let ahead = server.login("alice").token;
    server.clock.set(start_of_time().plus(Duration::from_secs(30 * 86_400)));
    let flipped = format!("{}{}", &good[..100], if good.as_bytes()[100] == b'A' { "B" } else { "A" }) + &good[101..];
    let of_version_2 = format!("Ag{}", &good[2..]);
    for target in ["/verify", "/verify/", "/policy/names/", "/policy/names"] {
        let expected = server.ask("GET", target, &[]);
        assert_eq!(expected.status, 401);
        for (why, line) in [
            ("an empty line", String::new()),
            ("another cookie", "a=b".to_owned()),
            ("an empty value", format!("{NAME}=")),
            ("junk", format!("{NAME}=junk")),
            ("far too long", format!("{NAME}={}", "A".repeat(50_000))),
            ("another version", format!("{NAME}={of_version_2}")),
            ("a stranger's ring", stranger.login("alice").cookie()),
            ("one character changed", format!("{NAME}={flipped}")),
            ("cut off", format!("{NAME}={}", &good[..good.len() - 4])),
            ("idle too long", format!("{NAME}={idle}")),
            ("past the absolute limit", format!("{NAME}={persistent}")),
            ("ended", ended.cookie()),
            ("outdated by a reseal", outdated.cookie()),
            ("rotated", rotated.cookie()),
            ("sealed ahead", format!("{NAME}={ahead}")),
            ("two subjects", format!("{NAME}={good}; {NAME}={bob}")),
            ("ended beside a good one", format!("{}; {NAME}={good}", ended.cookie())),
            ("five", format!("{NAME}={good}; ").repeat(5)),
            ("of another realm", format!("{NAME}={other}")),
            ("anonymous", format!("{NAME}={anonymous}")),
        ] {
            let response = server.ask_with(target, &[line.as_bytes()]);
            assert_eq!(response.without_date(), expected.without_date(), "{why}");
        }
        let bearer = server.ask("GET", target, &[("Authorization", &format!("Bearer {good}"))]);
        assert_eq!(bearer.without_date(), expected.without_date(), "a bearer token where only the cookie counts");
    }
    for (reason, times) in [
        ("expired_idle", 4),
        ("expired_absolute", 4),
        ("clock", 4),
        ("subjects_differ", 4),
        ("too_many", 4),
        ("superseded", 4),
        ("unknown_version", 4),
        ("unknown_key", 4),
        ("anonymous", 4),
        ("ended", 12),
    ] {
        assert_eq!(server.decided(reason), times, "{reason}: the reasons are told apart in the metrics");
    }
}

#[test]
fn s38_every_name_travels_as_visible_ascii() {
    let server = Server::with(POLICIES);
    for (name, sent) in [
        ("müller", "m%C3%BCller"),
        ("山田", "%E5%B1%B1%E7%94%B0"),
        ("🦭", "%F0%9F%A6%AD"),
        ("\u{200f}שלום", "%E2%80%8F%D7%A9%D7%9C%D7%95%D7%9D"),
        ("a b", "a%20b"),
        ("100%", "100%25"),
        ("a;b=\"c\"", "a;b=\"c\""),
        ("\u{2028}x", "%E2%80%A8x"),
        (" padded ", "%20padded%20"),
    ] {
        let session = server.issue(&json!({"subject": name, "roles": [name], "amr": [name], "data": {"email": name, "name": name, "preferred_username": name}}));
        let response = server.ask_with("/policy/names/", &[session.cookie().as_bytes()]);
        assert_eq!(response.status, 200);
        for header in [
            "x-session-subject",
            "x-session-roles",
            "x-session-amr",
            "x-auth-request-user",
            "x-auth-request-email",
            "x-auth-request-groups",
            "x-auth-request-preferred-username",
            "remote-user",
            "remote-groups",
            "remote-name",
            "remote-email",
            "x-authgear-user-id",
            "x-authgear-session-amr",
        ] {
            assert_eq!(response.header(header), Some(sent), "{header}");
        }
        let data = URL_SAFE_NO_PAD.decode(response.header("x-session-data").expect("always")).expect("base64url");
        let data: Value = serde_json::from_slice(&data).expect("JSON");
        assert_eq!(data["email"], name);
        assert!(response.raw.iter().all(|byte| matches!(byte, b'\r' | b'\n' | b' '..=b'~')), "{name}");
        assert_eq!(server.introspect(&session.token)["subject"], name);
    }
}

#[test]
fn s38_what_could_break_a_header_is_refused_at_issue_and_at_change() {
    let server = Server::plain();
    let token = server.login("alice").token;
    for bad in ["a\rb", "a\nb", "a\r\nX-Session-Subject: root", "a\0b", "\u{7f}", "\u{85}", "\u{1b}[31m", "\n"] {
        for (fields, named) in [
            (json!({"subject": bad}), "subject"),
            (json!({"subject": "alice", "roles": ["fine", bad]}), "roles[1]"),
            (json!({"subject": "alice", "amr": [bad]}), "amr[0]"),
            (json!({"subject": "alice", "handles": [bad]}), "handles[0]"),
            (json!({"subject": "alice", "data": {bad: "x"}}), "data, key 1,"),
            (json!({"subject": "alice", "data": {"x": bad}}), "data, value 1,"),
        ] {
            let response = server.call("/v1/sessions", &fields);
            let problem = response.json();
            assert_eq!((response.status, problem["field"].as_str()), (422, Some(named)), "{problem}");
            assert!(response.header("set-cookie").is_none() && response.all("x-session-subject").is_empty());
        }
        for path in ["/v1/sessions/reseal", "/v1/sessions/rotate"] {
            for fields in [
                json!({"token": token, "roles": [bad]}),
                json!({"token": token, "amr": [bad]}),
                json!({"token": token, "data": {"x": bad}}),
            ] {
                assert_eq!(server.call(path, &fields).status, 422);
            }
        }
    }
    assert!(server.accepts(&token), "a refused change changes nothing");
}

#[test]
fn s39_a_comma_in_a_role_makes_no_second_one() {
    let server = Server::with(POLICIES);
    let session = server.issue(&json!({"subject": "alice", "roles": ["x,admin", "c"]}));
    let cookie = session.cookie();
    let response = server.ask_with("/policy/names/", &[cookie.as_bytes()]);
    for header in ["x-session-roles", "x-auth-request-groups", "remote-groups"] {
        assert_eq!(response.header(header), Some("x%2Cadmin,c"));
    }
    for (query, status) in
        [("x%2Cadmin", 200), ("x,admin", 200), ("c", 200), ("x", 403), ("admin", 403), ("x%2Cadmin,c", 403)]
    {
        assert_eq!(server.ask_with(&format!("/verify?role={query}"), &[cookie.as_bytes()]).status, status, "{query}");
    }
    assert_eq!(server.ask_with("/policy/admin/", &[cookie.as_bytes()]).status, 403);
    let own = server.issue(&json!({"subject": "alice", "roles": ["a,b"]})).cookie();
    assert_eq!(server.ask_with("/policy/admin/", &[own.as_bytes()]).status, 200);
}

#[test]
fn s42_without_a_ring_or_a_key_it_answers_503_and_still_logs_out() {
    let server = Server::with(POLICIES);
    let targets = [
        "/verify",
        "/verify/",
        "/verify/x",
        "/verify?role=admin",
        "/verify?nonsense",
        "/policy/open/",
        "/policy/none/",
        "/policy/admin",
        "/resolve",
    ];
    let refuses = |why: &str| {
        let (session, _) = (server.service.is_ready(), why);
        assert!(!session, "{why}");
        for target in targets {
            for cookie in ["", "__Host-sealpass=junk"] {
                assert_eq!(server.ask_with(target, &[cookie.as_bytes()]).status, 503, "{why}: {target}");
            }
        }
        for (method, target, status) in
            [("GET", "/readyz", 503), ("GET", "/healthz", 200), ("HEAD", "/verify/", 503), ("POST", "/renew", 503)]
        {
            assert_eq!(
                server.ask(method, target, &[("Sec-Fetch-Site", "same-origin")]).status,
                status,
                "{why}: {target}"
            );
        }
        for (path, body) in [
            ("/v1/sessions", json!({"subject": "a"})),
            ("/v1/sessions/introspect", json!({"token": "x"})),
            ("/v1/sessions/renew", json!({"token": "x"})),
        ] {
            let response = server.call(path, &body);
            assert_eq!((response.status, response.json()["status"].as_u64()), (503, Some(503)), "{why}: {path}");
        }
    };
    let (first, second) = (server.login("alice"), server.login("alice"));
    server.service.readiness.confirm_ring(Duration::ZERO);
    refuses("the ring is not confirmed");
    assert_eq!(server.verify(&first.cookie()).status, 503);
    let out = server.ask("POST", "/logout", &[("Cookie", &first.cookie()), ("Sec-Fetch-Site", "same-origin")]);
    assert_eq!(out.status, 204);
    assert!(out.header("set-cookie").expect("always").starts_with("__Host-sealpass=; Max-Age=0; "));
    server.service.readiness.confirm_ring(Duration::from_secs(600));
    assert!(!server.accepts(&first.token) && server.accepts(&second.token), "the logout holds");

    // A clock of before the only key, such as one that was set back, is no reason.
    server.clock.set(start_of_time().minus(Duration::from_secs(3_600)));
    assert!(server.service.is_ready());
    server.clock.set(start_of_time());

    let keys = |ring: &KeyRing| Keys::new(ring, &SystemEntropy::new()).expect("random bytes");
    server.service.sessions.replace_keys(keys(&ring_without_a_key()));
    refuses("no key is active");
    let out = server.ask("POST", "/logout", &[("Cookie", &second.cookie()), ("Sec-Fetch-Site", "same-origin")]);
    assert!(out.status == 204 && out.header("set-cookie").is_some());

    let ring = KeyRing::init(&SystemEntropy::new(), start_of_time()).expect("random bytes");
    server.service.sessions.replace_keys(keys(&ring));
    assert!(server.service.is_ready());
    assert_eq!(server.ask("GET", "/readyz", &[]).status, 200);
    assert!(server.decided("not_ready") > 0);
}

/// Two copies that never heard of one another: on one the rotation was called off, on the other the key before revoked.
fn ring_without_a_key() -> KeyRing {
    let (entropy, timing, now) =
        (SystemEntropy::new(), Timing::DEFAULT, start_of_time().minus(Duration::from_secs(3_600)));
    let mut one = KeyRing::init(&entropy, now).expect("random bytes");
    let old = one.records()[0].kid();
    let done = one.carry_out(Order::Rotate { after: None }, now, timing, &entropy).expect("done");
    let Outcome::Rotating { kid: new, from } = done.outcome else { panic!("{done:?}") };
    let secret = Secret::from_slice(&[7; 32]).expect("32 bytes");
    let bytes = file::seal(&one, &[&secret], &entropy).expect("random bytes");
    let mut other = file::open(&bytes, &secret).expect("ours");
    one.carry_out(Order::Revoke { kid: new }, now, timing, &entropy).expect("done");
    other.carry_out(Order::Revoke { kid: old }, from, timing, &entropy).expect("done");
    one.merge(other).expect("one ring");
    one
}

#[test]
fn s43_a_clock_ahead_is_allowed_five_seconds() {
    let server = Server::plain();
    let issued = [5_000, 5_001, 600_000].map(|ahead| {
        server.clock.set(start_of_time().plus(Duration::from_millis(ahead)));
        let token = server.login("alice").token;
        server.clock.set(start_of_time());
        token
    });
    assert!(server.accepts(&issued[0]), "5 s ahead");
    assert_eq!(server.decided("clock"), 0);
    assert!(!server.accepts(&issued[1]), "just over");
    assert!(!server.accepts(&issued[2]), "10 min ahead");
    assert_eq!(server.decided("clock"), 2);
    server.advance(Duration::from_millis(1));
    assert!(server.accepts(&issued[1]), "our clock has come closer");
}

/// What a client can put behind a proxy's `/verify/` or `/policy/NAME/`.
const CLIENTS_PATHS: &[&str] = &[
    "",
    "?",
    "?page=2",
    "?optional=true",
    "?role=nobody",
    "?role=",
    "?max_age=0",
    "?aal=3",
    "?amr=otp",
    "?fresh=true",
    "?csrf=require",
    "?bound=require",
    "?realm=other",
    "?anonymous=true",
    "?stale_roles=true",
    "?policy=open",
    "?optional",
    "?%",
    "?&&",
    "?a=b&a=b",
    "?role=a?role=b",
    "../policy/open",
    "../policy/open/",
    "..%2fpolicy%2fopen",
    "%2e%2e/policy/open",
    "%2E%2E/policy/open/",
    "..;/policy/open",
    "policy/open",
    "/policy/open",
    "//policy/open",
    "///",
    "./",
    "./../",
    "%2f",
    "%5c..%5cpolicy%5copen",
    "..%5cpolicy",
    "%00",
    "%ff",
    "verify",
    "verify?role=admin",
    "logout",
    "renew",
    "resolve",
    "healthz",
    "a/b?c=d/../policy/open",
    "?x=/policy/open/",
    "http://a/policy/open",
    "@a",
    ":80",
    "*",
    "\\policy\\open",
];

#[test]
fn s49_no_path_and_query_of_a_client_changes_the_decision() {
    let server = Server::with(POLICIES);
    let plain = server.login("alice").cookie();
    let admin = server.issue(&json!({"subject": "root", "roles": ["admin"]})).cookie();
    let guest = server.issue(&json!({})).cookie();
    for base in [
        "/verify/",
        "/policy/default/",
        "/policy/admin/",
        "/policy/open/",
        "/policy/guests/",
        "/policy/recent/",
        "/policy/strong/",
        "/policy/none/",
    ] {
        for cookie in ["", &*plain, &*admin, &*guest] {
            let expected = server.ask_with(base, &[cookie.as_bytes()]);
            for path in CLIENTS_PATHS {
                let response = server.ask_with(&format!("{base}{path}"), &[cookie.as_bytes()]);
                assert_eq!(response.without_date(), expected.without_date(), "{base}{path}");
            }
        }
    }
}

#[test]
fn s49_an_absolute_target_is_the_same_path() {
    let server = Server::with(POLICIES);
    let cookie = server.login("alice").cookie();
    for base in ["/verify/", "/policy/admin/", "/policy/none/", "/policy/open/"] {
        let expected = server.ask_with(base, &[cookie.as_bytes()]);
        for authority in [
            "http://app.example.com",
            "http://other.example",
            "https://other.example:1",
            "http://u:p@other.example",
            "ws://x",
        ] {
            for path in ["", "x", "?optional=true", "../policy/open", "?role=nobody"] {
                let response = server.ask_with(&format!("{authority}{base}{path}"), &[cookie.as_bytes()]);
                assert_eq!(response.without_date(), expected.without_date(), "{authority}{base}{path}");
            }
        }
    }
    assert_eq!(server.ask_with("http://a/verify?role=admin", &[cookie.as_bytes()]).status, 403);
    assert_eq!(server.ask_with("http://a/verify?rol=admin", &[cookie.as_bytes()]).status, 403);
}

#[test]
fn s49_a_policy_is_named_exactly() {
    let server = Server::with(POLICIES);
    let cookie = server.login("alice").cookie();
    assert_eq!(server.ask_with("/policy/open/", &[b""]).status, 200);
    for name in [
        "%6fpen",
        "op%65n",
        "Open",
        "OPEN",
        "open%20",
        "open.",
        "open;",
        "open;x=y",
        "open%2f",
        ".",
        "..",
        "",
        "none",
        "*",
        "%",
        "default%00",
        "open\u{7f}\u{7f}",
    ] {
        if name.bytes().any(|byte| byte == 0x7f) {
            continue; // no parser takes it
        }
        for end in ["", "/", "/x", "?role=a", "?"] {
            for line in ["", &*cookie] {
                assert_eq!(
                    server.ask_with(&format!("/policy/{name}{end}"), &[line.as_bytes()]).status,
                    403,
                    "{name}{end}"
                );
            }
        }
    }
    for target in ["/policy", "/verifyx", "/verify%2f", "/%76erify/", "//verify/", "/Verify/", "/", "/x/verify/", "*"] {
        assert_eq!(server.ask_with(target, &[cookie.as_bytes()]).status, 404, "{target}");
    }
}

#[test]
fn s50_what_is_not_understood_on_the_exact_path_is_403() {
    let server = Server::with(POLICIES);
    let cookie = server.issue(&json!({"subject": "root", "roles": ["admin"], "aal": 3, "amr": ["otp"]})).cookie();
    for query in [
        "rol=admin",
        "Role=admin",
        "role",
        "role=",
        "role=%",
        "role=%zz",
        "role=%ff",
        "role=a+b",
        "role=%00",
        "role=a%0d%0a",
        "role=admin&role=admin",
        "role=admin&",
        "&role=admin",
        "role=admin&&aal=1",
        "role[]=admin",
        "max_age=",
        "max_age=-1",
        "max_age=+1",
        "max_age=1.5",
        "max_age=5m",
        "max_age=0x10",
        "max_age=99999999999999999999",
        "max_age=1&max_age=1",
        "aal=0",
        "aal=4",
        "aal=02",
        "aal=two",
        "amr=",
        "amr=otp&amr=pwd",
        "fresh",
        "fresh=false",
        "fresh=1",
        "fresh=TRUE",
        "csrf",
        "csrf=",
        "csrf=true",
        "csrf=provide",
        "csrf=require&csrf=require",
        "bound",
        "bound=true",
        "bound=require&bound=require",
        "realm=default",
        "optional=true",
        "anonymous=true",
        "stale_roles=true",
        "page=2",
        "=",
        "&",
        "?",
        "?role=admin",
        "role%3Dadmin",
        "%72ole=admin",
    ] {
        for path in ["/verify", "/policy/default", "/policy/admin", "/policy/open", "/policy/none"] {
            for line in ["", &*cookie] {
                let response = server.ask_with(&format!("{path}?{query}"), &[line.as_bytes()]);
                assert_eq!(response.status, 403, "{path}?{query}");
                assert_eq!(response.header("x-session-valid"), Some("false"));
            }
        }
    }
    // Each of these is understood.
    for query in [
        "",
        "role=admin",
        "role=%61dmin",
        "max_age=60",
        "amr=otp",
        "aal=3",
        "fresh=true",
        "role=admin&max_age=1&amr=otp&aal=1&fresh=true",
    ] {
        assert_eq!(server.ask_with(&format!("/verify?{query}"), &[cookie.as_bytes()]).status, 200, "{query}");
    }
}

#[test]
fn s50_an_optional_policy_takes_no_demand() {
    let server = Server::with(POLICIES);
    let cookie = server.issue(&json!({"subject": "root", "roles": ["admin"]})).cookie();
    for line in ["", &*cookie] {
        for query in ["role=admin", "max_age=60", "aal=1", "fresh=true", "amr=otp"] {
            assert_eq!(server.ask_with(&format!("/policy/open?{query}"), &[line.as_bytes()]).status, 403, "{query}");
            assert_eq!(server.ask_with(&format!("/policy/open/?{query}"), &[line.as_bytes()]).status, 200, "{query}");
        }
        assert_eq!(server.ask_with("/policy/open?", &[line.as_bytes()]).status, 200);
    }
}

#[test]
fn what_a_login_can_mend_is_401_with_a_challenge_and_what_it_cannot_is_403() {
    let server = Server::with(POLICIES);
    let session = server.issue(&json!({"subject": "alice", "amr": ["pwd"], "aal": 1}));
    let ask = |target: &str| server.ask_with(target, &[session.cookie().as_bytes()]);
    let challenge = |target: &str| {
        let response = ask(target);
        assert_eq!((response.status, response.header("x-session-valid")), (401, Some("false")), "{target}");
        assert_eq!(response.header("x-session-subject"), Some(""), "{target}");
        response.header("www-authenticate").expect("a challenge").to_owned()
    };
    assert_eq!(ask("/policy/recent/").status, 200);
    server.advance(Duration::from_secs(15 * 60));
    assert_eq!(ask("/policy/recent/").status, 200, "exactly as old as allowed");
    server.advance(Duration::from_millis(1));
    assert!(challenge("/policy/recent/").contains("error=\"insufficient_user_authentication\""));
    assert!(challenge("/policy/recent/").ends_with("max_age=\"900\""));
    assert!(challenge("/policy/recent?max_age=60").ends_with("max_age=\"60\""), "the stricter of two");
    assert!(challenge("/policy/recent?max_age=6000").ends_with("max_age=\"900\""), "a query softens nothing");
    assert!(challenge("/policy/strong/").ends_with("acr_values=\"2\""));
    assert!(challenge("/policy/strong?aal=3").ends_with("acr_values=\"3\""));
    assert!(challenge("/policy/strong?aal=1").ends_with("acr_values=\"2\""), "a query softens nothing");
    assert!(challenge("/verify?amr=otp").contains("insufficient_user_authentication"));
    for target in ["/policy/admin/", "/verify?role=admin", "/policy/recent?role=admin", "/policy/strong?role=admin"] {
        let response = ask(target);
        assert_eq!((response.status, response.header("www-authenticate")), (403, None), "{target}");
        assert_eq!(
            (response.header("x-session-valid"), response.header("x-session-subject")),
            (Some("false"), Some(""))
        );
    }
    let nobody = server.ask("GET", "/policy/recent/", &[]);
    assert_eq!((nobody.status, nobody.header("www-authenticate")), (401, Some("Cookie realm=\"default\"")));
    assert_eq!(server.decided("step_up"), 8);
}

#[test]
fn s52_an_anonymous_session_passes_no_guarded_page() {
    let server = Server::with(POLICIES);
    let guest = server.issue(&json!({"data": {"cart": "7"}, "aal": 2, "amr": ["otp"]}));
    let ask = |target: &str| server.ask_with(target, &[guest.cookie().as_bytes()]);
    for target in [
        "/verify",
        "/verify/",
        "/verify?aal=1",
        "/policy/strong/",
        "/policy/admin/",
        "/policy/recent/",
        "/policy/names/",
    ] {
        let nobody = server.ask("GET", target, &[]);
        assert_eq!(nobody.status, 401);
        assert_eq!(ask(target).without_date(), nobody.without_date(), "{target}");
    }
    let welcome = ask("/policy/guests/");
    assert_eq!(welcome.status, 200);
    for (header, value) in [
        ("x-session-valid", "true"),
        ("x-session-anonymous", "true"),
        ("x-session-subject", ""),
        ("x-session-roles", ""),
        ("x-session-id", &*guest.id),
    ] {
        assert_eq!(welcome.header(header), Some(value), "{header}");
    }
    assert_eq!(ask("/policy/guests?role=admin").status, 403);
    let open = ask("/policy/open/");
    assert_eq!(
        (open.status, open.header("x-session-valid"), open.header("x-session-id")),
        (200, Some("false"), Some(""))
    );

    for (fields, named) in [
        (json!({"roles": ["admin"]}), "roles"),
        (json!({"persistent": true}), "persistent"),
        (json!({"subject": null, "roles": ["a"]}), "roles"),
        (json!({"subject": ""}), "subject"),
    ] {
        let response = server.call("/v1/sessions", &fields);
        assert_eq!((response.status, response.json()["field"].as_str()), (422, Some(named)), "{fields}");
    }
    for path in ["/v1/sessions/reseal", "/v1/sessions/rotate"] {
        let response = server.call(path, &json!({"token": guest.token, "roles": ["admin"]}));
        assert_eq!((response.status, response.json()["field"].as_str()), (422, Some("roles")));
    }
    assert!(!guest.set_cookie.contains("Max-Age"));
    server.revoke(&json!({"token": guest.token}));
    assert_eq!(ask("/policy/guests/").status, 401);
}

#[test]
#[expect(clippy::too_many_lines, reason = "a table of every header")]
fn every_header_of_every_preset_is_always_there() {
    const NAMES: [&str; 31] = [
        "x-session-valid",
        "x-session-subject",
        "x-session-id",
        "x-session-roles",
        "x-session-auth-time",
        "x-session-started",
        "x-session-amr",
        "x-session-aal",
        "x-session-expires",
        "x-session-fresh",
        "x-session-anonymous",
        "x-session-realm",
        "x-session-data",
        "x-session-reason",
        "x-session-csrf",
        "x-auth-request-user",
        "x-auth-request-email",
        "x-auth-request-groups",
        "x-auth-request-preferred-username",
        "remote-user",
        "remote-groups",
        "remote-name",
        "remote-email",
        "x-authgear-session-valid",
        "x-authgear-user-id",
        "x-authgear-user-anonymous",
        "x-authgear-user-verified",
        "x-authgear-session-acr",
        "x-authgear-session-amr",
        "x-authgear-session-authenticated-at",
        "x-authgear-user-can-reauthenticate",
    ];
    let server = Server::with(POLICIES);
    let session = server.issue(&json!({
        "subject": "alice", "roles": ["editor", "author"], "amr": ["pwd", "otp"], "aal": 2,
        "data": {"email": "a@example.com", "name": "Alice A.", "preferred_username": "ali"}
    }));
    let bare = server.login("bob").cookie();
    let cookie = session.cookie();
    let ended = server.login("carol");
    server.revoke(&json!({"session_id": ended.id}));
    let values = |response: &Response| {
        NAMES.map(|name| response.header(name).unwrap_or_else(|| panic!("{name} is missing")).to_owned())
    };

    let known = server.fetch("/policy/names/", &[("Cookie", &cookie)]);
    let started = start_of_time().as_secs().to_string();
    let expires = start_of_time().plus(Duration::from_secs(12 * 3_600)).as_secs().to_string();
    let data =
        URL_SAFE_NO_PAD.encode("{\"email\":\"a@example.com\",\"name\":\"Alice A.\",\"preferred_username\":\"ali\"}");
    assert_eq!(
        values(&known),
        [
            "true",
            "alice",
            &session.id,
            "editor,author",
            &started,
            &started,
            "pwd,otp",
            "2",
            &expires,
            "true",
            "false",
            "default",
            &data,
            "",
            "",
            "alice",
            "a@example.com",
            "editor,author",
            "ali",
            "alice",
            "editor,author",
            "Alice%20A.",
            "a@example.com",
            "true",
            "alice",
            "false",
            "",
            "2",
            "pwd,otp",
            "2026-01-01T00:00:00Z",
            "",
        ]
    );
    let sparse = values(&server.fetch("/policy/names/", &[("Cookie", &bare)]));
    assert_eq!((&*sparse[1], &*sparse[3], &*sparse[6], &*sparse[7], &*sparse[12]), ("bob", "", "", "", ""));

    for (what, target, line) in [
        ("nobody", "/policy/names/", ""),
        ("junk", "/policy/names/", "__Host-sealpass=junk"),
        ("ended", "/policy/names/", &*ended.cookie()),
        ("a missing role", "/policy/names?role=admin", &*cookie),
        ("a missing level", "/policy/names?aal=3", &*cookie),
        ("not understood", "/policy/names?nonsense", &*cookie),
        ("optional", "/policy/open-names/", ""),
        ("optional, junk", "/policy/open-names/", "__Host-sealpass=junk"),
        ("optional with a demand", "/policy/open-names?aal=1", &*cookie),
    ] {
        let response = server.fetch(target, &[("Cookie", line)]);
        for (name, value) in NAMES.iter().zip(values(&response)) {
            let valid = matches!(*name, "x-session-valid" | "x-authgear-session-valid");
            // Authgear's is empty where nothing was presented to an optional policy.
            assert!(value.is_empty() || valid && value == "false", "{what}: {name}: {value}");
        }
        assert_eq!(response.header("x-session-valid"), Some("false"), "{what}");
    }
    // Without them in the policy, none of the others.
    let own = server.fetch("/verify/", &[("Cookie", &cookie)]);
    assert_eq!(
        (own.all("remote-user").len(), own.all("x-auth-request-user").len(), own.all("x-authgear-user-id").len()),
        (0, 0, 0)
    );
    assert_eq!(own.header("cache-control"), Some("no-store"));
}

#[test]
fn resolve_answers_as_authgears_resolver_does() {
    let server = Server::plain();
    let session = server.issue(&json!({"subject": "alice", "amr": ["pwd"], "aal": 1}));
    let ended = server.login("bob");
    server.revoke(&json!({"session_id": ended.id}));
    for method in ["GET", "HEAD"] {
        for (what, line, valid, user) in [
            ("nothing", String::new(), None, Some("")),
            ("another cookie", "a=b".to_owned(), None, Some("")),
            ("junk", format!("{NAME}=junk"), Some("false"), Some("")),
            ("ended", ended.cookie(), Some("false"), Some("")),
            ("good", session.cookie(), Some("true"), Some("alice")),
        ] {
            let response = server.ask(method, "/resolve", &[("Cookie", &line)]);
            assert_eq!((response.status, response.header("x-authgear-session-valid")), (200, valid), "{what}");
            assert_eq!(response.header("x-authgear-user-id"), user, "{what}");
            assert_eq!(response.header("cache-control"), Some("no-store"), "{what}");
        }
    }
    for method in ["POST", "DELETE", "BREW"] {
        let refused = server.ask(method, "/resolve", &[("Cookie", &session.cookie())]);
        assert_eq!((refused.status, refused.header("allow")), (405, Some("GET, HEAD")), "{method}");
    }
    let good = server.ask("GET", "/resolve", &[("Cookie", &session.cookie())]);
    for (name, value) in [
        ("x-authgear-user-anonymous", "false"),
        ("x-authgear-session-acr", "1"),
        ("x-authgear-session-amr", "pwd"),
        ("x-authgear-session-authenticated-at", "2026-01-01T00:00:00Z"),
    ] {
        assert_eq!(good.header(name), Some(value));
    }
}

#[test]
fn probes_answer_and_other_paths_do_not() {
    let server = Server::plain();
    for (method, target, status) in [
        ("GET", "/healthz", 200),
        ("HEAD", "/healthz", 200),
        ("GET", "/readyz", 200),
        ("GET", "/", 404),
        ("GET", "/dev/login", 404),
        ("POST", "/dev/login", 404),
        ("GET", "/metrics", 404),
        ("POST", "/v1/sessions", 404),
        ("GET", "/logout", 405),
        ("GET", "/renew", 405),
        ("POST", "/logout/", 404),
        ("POST", "/renew?x", 401),
    ] {
        let response = server.ask(method, target, &[("Sec-Fetch-Site", "same-origin")]);
        assert_eq!(response.status, status, "{method} {target}");
    }
    let response = server.ask("GET", "/logout", &[]);
    assert_eq!((response.header("allow"), response.header("set-cookie")), (Some("POST"), None));
}
