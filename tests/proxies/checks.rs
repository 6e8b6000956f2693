//! What has to hold behind a proxy, whichever it is. Each check is told the deployment and nothing else.

use std::fmt::Write as _;
use std::fs;

use serde_json::json;

use crate::rig::{Reached, Rig, until};
use crate::tls;
use crate::wire::{Answer, Wire};

pub type Check = (&'static str, fn(&Rig));

/// On sessions of a usual life.
pub const CHECKS: &[Check] = &[
    ("no cookie: 401, not cached, with a challenge", no_cookie),
    ("a session: 200, the application sees who it is", a_session),
    ("s37 forged identity headers never reach the application", forged_headers),
    ("s37 nor do names that CGI takes for theirs", aliases),
    ("identity headers are for the application, not for clients", denial),
    ("logged out: 401; logout is passed to Sealpass, with its origin check", logged_out),
    ("renew is passed to Sealpass", renewed_by_hand),
    ("tampered: 401", tampered),
    ("every bad token of the vectors: 401, never 500", bad_tokens),
    ("s23, s28 odd and many cookies of others: never 500, never matter", odd_cookies),
    ("the application gets all cookies but ours; on its login path ours too", cookies_passed_on),
    ("optional: everybody passes, X-Session-Valid tells", optional),
    ("a stricter policy: 403 without the role, 200 with it", stricter),
    ("csrf: what may change something needs a token, and no header of a client excuses it", csrf),
    ("s49 path and query of a client choose and soften nothing", path_and_query),
    ("a page for people: without a session, on to the login page", on_to_login),
    ("s41 a CORS preflight passes where its policy says so, as nobody; nothing else does", preflight),
    ("the application's own 500 stays one", own_500),
    ("s34 HEAD, OPTIONS, made-up methods: the same decision", methods),
    ("s35 conditional and range requests: the same decision", conditional),
    ("s36 1,000 requests on one connection, with and without bodies", keep_alive),
    ("s36 a body that is announced and never sent: 401 at once", announced_body),
    ("a WebSocket reaches the application, h2c does not; without session: 401", web_socket),
    ("s42 sealpass hangs: 503 within seconds, and all is well behind it", hung),
    ("s38, s39 subjects and roles of every language", languages),
];

/// On sessions that are renewed after a second.
pub const RENEWAL: &[Check] =
    &[("s40 a renewal reaches the browser, and is good", renewal), ("s54 the largest session, with renewal", largest)];

fn no_cookie(rig: &Rig) {
    let before = rig.app.reached();
    let answer = rig.ask("GET / HTTP/1.1");
    assert_eq!(answer.status, 401);
    assert_eq!(answer.all("cache-control"), ["no-store"]);
    assert_eq!(answer.all("www-authenticate"), ["Cookie realm=\"default\""]);
    assert_eq!(answer.header("location"), None);
    assert_eq!(answer.header("set-cookie"), None);
    assert_eq!(rig.app.reached(), before, "the application was asked");
}

fn a_session(rig: &Rig) {
    let session = json!({"subject": "alice", "roles": ["editor", "billing"], "amr": ["pwd", "otp"], "aal": 2,
                         "data": {"plan": "gold"}});
    let cookie = rig.log_in(&session);
    let forged = "X-Forwarded-For: 192.0.2.1\r\nX-Forwarded-Proto: https";
    let answer = rig.ask(format!("GET /some/page?page=2 HTTP/1.1\r\nCookie: {cookie}\r\n{forged}"));
    assert_eq!((answer.header("cache-control"), answer.header("set-cookie")), (None, None));
    let reached = Reached::of(&answer);
    for (name, value) in [
        ("x-session-valid", "true"),
        ("x-session-subject", "alice"),
        ("x-session-roles", "editor,billing"),
        ("x-session-amr", "pwd,otp"),
        ("x-session-aal", "2"),
        ("x-session-fresh", "true"),
        ("x-session-anonymous", "false"),
        ("x-session-realm", "default"),
        ("x-session-data", "eyJwbGFuIjoiZ29sZCJ9"),
    ] {
        assert_eq!(reached.all(name), [value], "{name}");
    }
    for name in ["x-session-id", "x-session-auth-time", "x-session-started", "x-session-expires"] {
        assert!(reached.all(name).len() == 1 && !reached.all(name)[0].is_empty(), "{name}");
    }
    assert_eq!(reached.said("x-session-reason"), [""; 0]);
    assert_eq!(reached.all("connection"), [""; 0], "connections to the application are kept");
    for (name, value) in [("host", "app.example.com"), ("x-forwarded-for", "127.0.0.1"), ("x-forwarded-proto", "http")]
    {
        assert_eq!(reached.all(name), [value], "{name}");
    }
    assert!(reached.line().starts_with("GET /some/page?page=2 "), "{}", reached.line());
}

/// Every name there is, in every spelling, before and behind the cookie; on guarded, optional and open paths.
fn forged_headers(rig: &Rig) {
    let mut forged = String::new();
    for name in IDENTITY {
        let upper = name.to_ascii_uppercase();
        for spelling in [
            name.to_owned(),
            upper,
            name.replace('-', "_"),
            name.replacen('-', "_", 1),
            name.replace('-', "."),
            format!("{name} "),
        ] {
            let line = format!("{spelling}: forged");
            // A name with a space behind is no HTTP; whether it is refused or dropped, it must not get through.
            if !spelling.ends_with(' ') {
                let _ = write!(forged, "\r\n{line}\r\n{line}");
            }
        }
    }
    let anonymous = "Cookie: a=1".to_owned();
    let with_session = format!("Cookie: {}", rig.alice());
    for (path, cookie) in
        [("/", &with_session), ("/news", &with_session), ("/news", &anonymous), ("/login", &anonymous)]
    {
        for head in [format!("{forged}\r\n{cookie}"), format!("\r\n{cookie}{forged}")] {
            let reached = Reached::of(&rig.ask(format!("GET {path} HTTP/1.1{head}")));
            let got: Vec<_> = reached.headers().filter(|(_, value)| value.contains("forged")).collect();
            assert!(got.is_empty(), "{path}: {got:?}");
            assert!(IDENTITY.iter().all(|name| reached.all(name).len() <= 1), "{path}: one twice");
        }
    }
    // A client can't have the proxy take them out either, as what concerns one connection alone (RFC 9110, section 7.6.1).
    for named in ["X-Session-Subject", "x-session-roles, X-Session-Anonymous, close", "Upgrade, X-Session-Subject"] {
        let answer = rig.ask(format!("GET / HTTP/1.1\r\n{with_session}\r\nConnection: {named}"));
        if answer.status == 400 {
            continue;
        }
        let reached = Reached::of(&answer);
        for (name, value) in [("subject", "alice"), ("roles", "editor"), ("anonymous", "false")] {
            assert_eq!(reached.all(&format!("x-session-{name}")), [value], "{named}");
        }
    }
    let answer = rig.ask(format!("GET / HTTP/1.1\r\n{with_session}\r\nX-Session-Subject : forged"));
    assert!(answer.status == 400 || !Reached::of(&answer).all("x-session-subject").contains(&"forged"));
}

/// Every sign that a name may have (RFC 9110, section 5.6.2) is one and the same in a variable of CGI.
fn aliases(rig: &Rig) {
    let signs = "!#$%&'*+.^_`|~".chars();
    let names = signs.flat_map(|sign| [format!("X{sign}Session{sign}Subject"), format!("X-Session{sign}Subject")]);
    let lines: String = names.map(|name| format!("\r\n{name}: forged")).collect();
    for (path, cookie) in [("/", rig.alice()), ("/news", "a=1".to_owned()), ("/login", "a=1".to_owned())] {
        let reached = Reached::of(&rig.ask(format!("GET {path} HTTP/1.1\r\nCookie: {cookie}{lines}")));
        assert!(!reached.whole().contains("forged"), "{path}: {}", reached.whole());
    }
}

fn denial(rig: &Rig) {
    for (path, cookie, status) in [("/", "a=1".to_owned(), 401), ("/admin", rig.alice(), 403)] {
        let answer = rig.get(path, cookie);
        assert_eq!(answer.status, status);
        // But for the one that says what a page can do about it.
        let told = |name: &str| name.starts_with("x-session-") && name != "x-session-reason";
        assert!(!answer.headers.iter().any(|(name, _)| told(&name.to_ascii_lowercase())), "{answer:?}");
    }
}

fn logged_out(rig: &Rig) {
    let cookie = rig.alice();
    let head = |origin: &str| format!("POST /logout HTTP/1.1\r\nCookie: a=1; {cookie}\r\nContent-Length: 3{origin}");
    let ask = |origin: &str| {
        let mut wire = Wire::open(rig.proxy).expect("connected");
        wire.send(format!("{}\r\nHost: app.example.com\r\n\r\na=b", head(origin)).as_bytes()).expect("sent");
        wire.answer(false).expect("answered")
    };
    assert_eq!(ask("\r\nOrigin: https://evil.example").status, 403);
    assert_eq!(rig.get("/", &cookie).status, 200, "not logged out by another site");
    let answer = ask("\r\nOrigin: https://app.example.com");
    assert_eq!(answer.status, 204);
    assert!(answer.header("set-cookie").is_some_and(|line| line.contains("Max-Age=0")), "{answer:?}");
    assert_eq!(answer.header("clear-site-data"), Some("\"storage\""));
    assert_eq!(rig.get("/", &cookie).status, 401);
    assert_eq!(rig.get("/admin", &cookie).status, 401);
    // Again, and with what is no session: there is still a cookie to clear.
    assert_eq!(ask("\r\nOrigin: https://app.example.com").status, 204);
    let other = "POST /logout HTTP/1.1\r\nSec-Fetch-Site: same-origin\r\nCookie: ";
    assert_eq!(rig.ask(format!("{other}__Host-sealpass=junk")).status, 204);
    let kept = rig.alice();
    assert_eq!(rig.ask(format!("{other}{kept}; a=\x01")).status, 400, "not acknowledged");
    assert_eq!(rig.get("/", kept).status, 200);
    assert_eq!(Reached::of(&rig.get("/news", &cookie)).all("x-session-valid"), ["false"]);
}

fn renewed_by_hand(rig: &Rig) {
    let cookie = rig.alice();
    let answer = rig.ask(format!("POST /renew HTTP/1.1\r\nCookie: {cookie}\r\nSec-Fetch-Site: same-origin"));
    assert_eq!(answer.status, 200, "{answer:?}");
    let renewed = answer.cookie().expect("a cookie");
    assert_ne!(renewed, cookie);
    assert_eq!(rig.get("/", renewed).status, 200);
    let by_other = "Cookie: __Host-sealpass=junk\r\nOrigin: https://evil.example";
    assert_eq!(
        rig.ask(format!("POST /renew HTTP/1.1\r\n{by_other}")).status,
        403,
        "Sealpass answers, not auth_request"
    );
}

fn tampered(rig: &Rig) {
    let cookie = rig.alice();
    let (name, value) = cookie.split_once('=').expect("a cookie");
    for at in [0, 1, 5, 8, 40, value.len() / 2, value.len() - 1] {
        let mut changed = value.as_bytes().to_vec();
        changed[at] = if changed[at] == b'A' { b'Q' } else { b'A' };
        assert_eq!(rig.get("/", [name.as_bytes(), b"=", &changed].concat()).status, 401, "character {at}");
    }
    assert_eq!(rig.get("/", &cookie[..cookie.len() - 1]).status, 401);
    assert_eq!(rig.get("/", cookie.repeat(2)).status, 401);
}

fn bad_tokens(rig: &Rig) {
    let mut asked = 0;
    for file in fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/vectors")).expect("vectors") {
        let text = fs::read_to_string(file.expect("a file").path()).expect("text");
        let token = text.lines().find_map(|line| match line.split_once(": ") {
            Some(("token", token)) => Some(token.as_bytes().to_vec()),
            Some(("token-hex", digits)) => Some(unhex(digits)),
            _ => None,
        });
        // CR, LF and NUL in a header are no HTTP, and nginx answers 400 itself. An empty token has no line.
        let token = token.unwrap_or_default();
        if token.iter().any(|byte| matches!(byte, b'\r' | b'\n' | 0)) {
            continue;
        }
        let answer = rig.get("/", [b"__Host-sealpass=", token.as_slice()].concat());
        assert_eq!(answer.status, 401, "{text}");
        asked += 1;
    }
    assert!(asked >= 60, "{asked} vectors");
    for value in [
        &b"\""[..],
        b"\"x\"",
        b"\xff\xfe",
        b"caf\xc3\xa9",
        b"%00",
        b"%",
        b"=",
        b"==",
        b",",
        b"\t",
        b"\x01",
        b"\x7f",
        b"a\x1fb",
        b"\\",
        b"{}",
    ] {
        let answer = rig.get("/", [b"__Host-sealpass=", value].concat());
        // A control character is no HTTP (RFC 9110, section 5.5), and may be refused as that.
        let control = value.iter().any(|byte| *byte != b'\t' && byte.is_ascii_control());
        assert!(answer.status == 401 || control && answer.status == 400, "{}: {answer:?}", value.escape_ascii());
    }
    for count in [5, 100] {
        let many = format!("{}; ", rig.alice()).repeat(count);
        assert_eq!(rig.get("/", &many[..many.len() - 2]).status, 401, "{count} of them");
    }
}

fn odd_cookies(rig: &Rig) {
    let cookie = rig.alice();
    let large = [
        format!("x={}", "y".repeat(64 << 10)),
        "a=b; ".repeat(13_000),
        ";".repeat(64 << 10),
        format!("x={}", " ".repeat(64 << 10)),
        // What a pattern with two ways to take a space would be busy with for seconds.
        format!("x={}y", " ".repeat(64 << 10)),
        format!("__Host-sealpassx{}y", " ".repeat(64 << 10)),
    ];
    let small = ["a", "=a", "x=%db", "x=\"", "x={\"a\":1}", "x=a,b", ";", "__host-sealpass=x", "__Host-sealpass2=x"];
    let latin1 = b"x=caf\xe9".to_vec();
    let all = large.into_iter().chain(small.map(str::to_owned)).map(String::into_bytes).chain([latin1]);
    for other in all {
        let shown = other[..other.len().min(20)].escape_ascii().to_string();
        let (before, behind) =
            ([&other[..], b"; ", cookie.as_bytes()].concat(), [cookie.as_bytes(), b"; ", &other].concat());
        for line in [before, behind] {
            let answer = rig.get("/", line);
            assert_eq!(answer.status, 200, "{shown}");
            assert!(!String::from_utf8_lossy(&answer.body).contains(&cookie), "{shown}: passed on");
        }
        let lines = [b"GET / HTTP/1.1\r\nCookie: ", &other[..], b"\r\nCookie: ", cookie.as_bytes()].concat();
        assert_eq!(rig.ask(lines).status, 200, "{shown}, two lines");
        assert_eq!(rig.get("/", &other).status, 401, "{shown}, alone");
        assert_eq!(rig.get("/login", &other).status, 200, "{shown}, where no session is needed");
    }
    // Two lines of 80 KB are more than Sealpass takes: as if there were none, or too much for the proxy too.
    let line = format!("Cookie: x={}", "y".repeat(80_000));
    for (path, status) in [("/", 401), ("/news", 200)] {
        let request = format!("GET {path} HTTP/1.1\r\n{line}\r\n{line}\r\nCookie: {cookie}");
        let answer = rig.ask(request);
        assert!(answer.status == status || answer.status == 431, "{path}: {answer:?}");
    }
    // Requests that come at once, each with as much as fits.
    let request = format!("GET / HTTP/1.1\r\nHost: app.example.com\r\n{line}; {cookie}\r\n\r\n");
    let mut wire = Wire::open(rig.proxy).expect("connected");
    wire.send(request.repeat(3).as_bytes()).expect("sent");
    for _ in 0..3 {
        assert_eq!(wire.answer(false).expect("answered").status, 200);
    }
    // Past the proxy's own limit the proxy answers; that is no 500 either.
    let answer = rig.get("/", "x".repeat(200 << 10));
    assert!(matches!(answer.status, 400 | 431), "{answer:?}");
    // Sealpass takes no more than 96 headers; most proxies send it a few.
    let headers: String = (0..300).map(|at| format!("\r\nX-{at}: {at}")).collect();
    let status = if rig.quirks.hands_on_every_header { 431 } else { 200 };
    assert_eq!(rig.ask(format!("GET / HTTP/1.1\r\nCookie: {cookie}{headers}")).status, status);
}

fn cookies_passed_on(rig: &Rig) {
    let ours = rig.alice();
    for (sent, passed_on) in [
        (ours.clone(), ""),
        (format!("{ours};"), ""),
        (format!("a=1; {ours}"), "a=1"),
        (format!("{ours}; a=1"), "a=1"),
        (format!("a=1; {ours}; b=2"), "a=1; b=2"),
        (format!("a=1;{ours};b=2"), "a=1;b=2"),
        (format!("a=1; b=2; {ours}; c=\"3\"; d"), "a=1; b=2; c=\"3\"; d"),
        (format!("a=1; \t{} \t; b=2", ours.replacen('=', " = ", 1)), "a=1; b=2"),
        (format!("x__Host-sealpass=1; {ours}"), "x__Host-sealpass=1"),
        (format!("a=__Host-sealpass; {ours}"), "a=__Host-sealpass"),
        (format!("{ours}; __host-sealpass=1"), "__host-sealpass=1"),
        // Those of another realm are ours too.
        (format!("a=1; __Host-staff.1=x; {ours}; b=2"), "a=1; b=2"),
        (format!("{ours}; a=1; __Host-staff-1=2; __Host-staff.1=x"), "a=1; __Host-staff-1=2"),
    ] {
        let reached = Reached::of(&rig.get("/", &sent));
        let cookies = reached.all("cookie").join("; ").replace('\t', "");
        assert_eq!(cookies.trim().replace("; ", ";"), passed_on.replace("; ", ";"), "{sent}");
        assert!(!reached.whole().contains(&ours), "{sent}: it is somewhere else");
    }
    // No browser sends ours twice: then the application may get none at all.
    for (sent, others) in [
        (format!("a=1; {ours}; __Host-sealpass=junk; b=2"), "a=1; b=2"),
        (format!("__Host-sealpass=; a=1; {ours}"), "a=1"),
    ] {
        let reached = Reached::of(&rig.get("/", &sent));
        assert!([others, ""].contains(&reached.all("cookie").join("; ").as_str()), "{sent}: {}", reached.whole());
    }
    let two = Reached::of(&rig.ask(format!("GET / HTTP/1.1\r\nCookie: a=1\r\nCookie: {ours}\r\nCookie: b=2")));
    assert_eq!(two.said("cookie").join("; "), "a=1; b=2");
    let all = format!("a=1; {ours}; b=2");
    assert_eq!(Reached::of(&rig.get("/login", &all)).all("cookie"), [all.as_str()]);
    assert_eq!(Reached::of(&rig.get("/news", &all)).all("cookie"), ["a=1; b=2"]);
    assert_eq!(Reached::of(&rig.get("/news", "a=1; b=2")).all("cookie"), ["a=1; b=2"]);
}

fn optional(rig: &Rig) {
    for cookie in ["a=1", "__Host-sealpass=junk", "__Host-sealpass="] {
        let reached = Reached::of(&rig.get("/news/today", cookie));
        assert_eq!(reached.all("x-session-valid"), ["false"], "{cookie}");
        assert!(reached.said("x-session-subject").is_empty(), "{cookie}");
    }
    let reached = Reached::of(&rig.get("/news/today", rig.alice()));
    assert_eq!((reached.all("x-session-valid"), reached.all("x-session-subject")), (vec!["true"], vec!["alice"]));
}

fn stricter(rig: &Rig) {
    let admin = rig.log_in(&json!({"subject": "root", "roles": ["admin"]}));
    let answer = rig.get("/admin/users", rig.alice());
    assert_eq!((answer.status, answer.all("cache-control")), (403, vec!["no-store"]));
    assert_eq!(rig.ask("GET /admin/users HTTP/1.1").status, 401);
    assert_eq!(Reached::of(&rig.get("/admin/users", &admin)).all("x-session-roles"), ["admin"]);
}

fn csrf(rig: &Rig) {
    let cookie = rig.alice();
    let ask = |method: &str, lines: &str| rig.ask(format!("{method} /forms/new HTTP/1.1\r\nCookie: {cookie}{lines}"));
    let page = Reached::of(&ask("GET", "\r\nX-Session-Csrf: forged"));
    let [token] = page.all("x-session-csrf")[..] else { panic!("{}", page.whole()) };
    assert_eq!(token.len(), 103);
    let good = format!("\r\nX-CSRF-Token: {token}");
    let strangers = Reached::of(&rig.get("/forms/new", rig.log_in(&json!({"subject": "bob"}))));
    let strangers = strangers.all("x-session-csrf")[0].to_owned();
    let methods = ["POST", "PUT", "PATCH", "DELETE", "TICKLE"];
    for method in &methods[..if rig.quirks.known_methods_only { 4 } else { 5 }] {
        assert_eq!(Reached::of(&ask(method, &good)).all("x-session-subject"), ["alice"], "{method}");
        let before = rig.app.reached();
        for lines in [
            String::new(),
            "\r\nX-CSRF-Token:".to_owned(),
            "\r\nX-CSRF-Token: junk".to_owned(),
            "\r\nX-CSRF-Token: a\x01b".to_owned(),
            format!("\r\nX-CSRF-Token: {strangers}"),
            format!("\r\nX-CSRF-Token: junk{good}"),
            format!("\r\nX_CSRF_Token: {token}"),
            "\r\nX-Original-Method: GET\r\nX-Forwarded-Method: GET\r\nX-HTTP-Method-Override: GET".to_owned(),
        ] {
            let answer = ask(method, &lines);
            assert!(matches!(answer.status, 400 | 403), "{method} {lines}: {answer:?}");
        }
        assert_eq!(rig.app.reached(), before, "the application was asked");
    }
    for method in ["GET", "HEAD", "OPTIONS"] {
        assert_eq!(ask(method, "\r\nX-Original-Method: POST").status, 200, "{method}");
    }
    assert_eq!(rig.ask("POST /forms/new HTTP/1.1").status, 401);
    assert!(Reached::of(&rig.get("/", &cookie)).said("x-session-csrf").is_empty(), "not provided elsewhere");
}

fn path_and_query(rig: &Rig) {
    let alice = rig.alice();
    for query in
        ["role=", "optional=true", "anonymous=true", "realm=other", "policy=optional", "role=editor&role=admin"]
    {
        for path in
            ["/", "/verify", "/policy/optional", "/policy/optional/", "/x/../policy/optional", "//", "/news/%2e%2e/"]
        {
            let refused = |status| status == 400 && (path.contains("/.") || path.contains('%'));
            let without = rig.ask(format!("GET {path}?{query} HTTP/1.1")).status;
            assert!(without == 401 || refused(without), "{path}?{query}: {without}");
            let with = rig.get(&format!("{path}?{query}"), &alice).status;
            assert!(with == 200 || refused(with), "{path}?{query}: {with}");
        }
        assert_eq!(rig.get(&format!("/admin?{query}"), &alice).status, 403, "{query}");
    }
    // However it is spelt, the path that is compared is the one that was resolved; or it is refused.
    for path in ["/admin", "/admin/", "//admin", "/%61dmin"] {
        assert_eq!(rig.get(path, &alice).status, 403, "{path}");
    }
    for path in [
        "/./admin",
        "/x/../admin",
        "/x/%2e%2e/admin",
        "/news/../admin",
        "/news/%2e%2e/admin",
        "/news%2f..%2fadmin",
        "/login/../admin",
    ] {
        let answer = rig.get(path, &alice);
        assert!(matches!(answer.status, 400 | 403), "{path}: {answer:?}");
    }
    for (path, status) in [("/ADMIN", 403), ("/Admin/users", 403), ("/administrator", 200), ("/LOGIN", 200)] {
        assert_eq!(rig.get(path, &alice).status, status, "{path}");
    }
    // What an application could read as another path than the proxy does is compared as that one, or refused.
    for path in
        ["/admin;x=1", "/Admin;x=1/users", "/news/..;/admin", "/news/..%3b/admin", "/news/..%5cadmin", "/\\admin"]
    {
        let answer = rig.get(path, &alice);
        assert!(matches!(answer.status, 400 | 403), "{path}: {answer:?}");
    }
    // Nor does the application get a path that begins as one that was not compared.
    for path in [
        "/admin/../login",
        "/admin/../news",
        "/admin/%2e%2E/news",
        "/admin/./../news",
        "//admin/../login",
        "/admin%2f..%2fnews",
        "/admin;/../news",
        "/news/;/../admin",
        "/news%2fx",
        "/news#/../admin",
    ] {
        let answer = rig.get(path, "a=1");
        let resolved =
            || ["/news", "/login", "/news/admin"].map(|path| format!("GET {path} HTTP/1.1")).contains(&line(&answer));
        assert!(matches!(answer.status, 400 | 401 | 404) || resolved(), "{path}: {answer:?}");
    }
    assert_eq!(rig.get("/LOGIN", "a=1").status, 401, "open to nobody but in the spelling that was given");
    assert_eq!(rig.get("/?page=2", &alice).status, 200);
    // The host that counts is the one of the target (RFC 9112, section 3.2.2); there may be none of that name.
    let answer = rig.ask("GET http://elsewhere.example/news/../policy/optional HTTP/1.1");
    assert!(matches!(answer.status, 400 | 401 | 404 | 421), "{answer:?}");
}

fn line(answer: &Answer) -> String {
    Reached::of(answer).line().to_owned()
}

fn on_to_login(rig: &Rig) {
    for cookie in ["a=1", "__Host-sealpass=junk"] {
        let answer = rig.ask(format!("GET /account?page=2 HTTP/1.1\r\nAccept: text/html\r\nCookie: {cookie}"));
        assert_eq!(answer.status, 302, "{cookie}");
        let location = answer.header("location").expect("where to");
        let back = "http://app.example.com/login?return_to=http%3A%2F%2Fapp.example.com%2Faccount%3Fpage%3D2";
        assert_eq!(location, if rig.quirks.own_login_redirect { "/login" } else { back }, "{cookie}");
        assert_eq!(answer.all("cache-control"), ["no-store"], "{cookie}");
    }
    assert_eq!(rig.get("/account", rig.alice()).status, 200);
    let ask = |method: &str, lines: &str| rig.ask(format!("{method} /account HTTP/1.1\r\nCookie: a=1\r\n{lines}"));
    let navigates = "Accept: text/html\r\nSec-Fetch-Mode: navigate\r\nSec-Fetch-Dest: document";
    assert_eq!(ask("GET", navigates).status, 302);
    assert_eq!(ask("POST", navigates).status, 303);
    for lines in
        ["Accept: application/json", "Accept: text/html\r\nSec-Fetch-Mode: cors\r\nSec-Fetch-Dest: empty", "X-A: b"]
    {
        let answer = ask("GET", lines);
        assert_eq!((answer.status, answer.header("location")), (401, None), "{lines}");
        assert_eq!(answer.all("www-authenticate"), ["Cookie realm=\"default\""], "{lines}");
    }
}

fn preflight(rig: &Rig) {
    let head = |method: &str, path: &str, lines: &str| format!("{method} {path} HTTP/1.1\r\nCookie: a=1{lines}");
    let (origin, asks) = ("\r\nOrigin: https://spa.example", "\r\nAccess-Control-Request-Method: PUT");
    let both = format!("{origin}{asks}\r\nSec-Fetch-Mode: cors");
    let reached =
        Reached::of(&rig.ask(head("OPTIONS", "/api/things", &format!("{both}\r\nX-Session-Subject: forged"))));
    assert!(reached.line().starts_with("OPTIONS /api/things "), "{}", reached.line());
    assert!(reached.said("x-session-subject").is_empty(), "{}", reached.whole());
    assert!(matches!(reached.said("x-session-valid")[..], [] | ["false"]), "{}", reached.whole());
    for (method, path, lines) in [
        ("OPTIONS", "/", both.clone()),
        ("OPTIONS", "/admin", both.clone()),
        ("OPTIONS", "/account", both.clone()),
        ("OPTIONS", "/api/things", origin.to_owned()),
        ("OPTIONS", "/api/things", asks.to_owned()),
        ("GET", "/api/things", both.clone()),
        ("GET", "/api/things", format!("{both}\r\nX-Forwarded-Method: OPTIONS\r\nX-Original-Method: OPTIONS")),
        ("DELETE", "/api/things", format!("{both}\r\nX-HTTP-Method-Override: OPTIONS")),
    ] {
        let answer = rig.ask(head(method, path, &lines));
        assert_eq!((answer.status, answer.header("location")), (401, None), "{method} {path} {lines}");
    }
    let reached = Reached::of(&rig.ask(format!("OPTIONS /api/things HTTP/1.1\r\nCookie: {}{both}", rig.alice())));
    assert_eq!(reached.all("x-session-subject"), ["alice"]);
}

fn own_500(rig: &Rig) {
    let answer = rig.get("/boom", rig.alice());
    assert_eq!((answer.status, answer.header("x-reached")), (500, Some("app")));
    assert_eq!(rig.ask("GET /boom HTTP/1.1").status, 401);
}

fn methods(rig: &Rig) {
    let alice = rig.alice();
    for method in ["GET", "HEAD", "OPTIONS", "POST", "PUT", "PATCH", "DELETE", "PROPFIND", "BREW", "FOO-BAR"] {
        let without = rig.ask(format!("{method} / HTTP/1.1"));
        let with = rig.ask(format!("{method} / HTTP/1.1\r\nCookie: {alice}"));
        if rig.quirks.known_methods_only && matches!(method, "BREW" | "FOO-BAR") {
            assert_eq!((without.status, with.status), (400, 400), "{method}");
            continue;
        }
        assert_eq!((without.status, with.status), (401, 200), "{method}");
        if method != "HEAD" {
            assert!(Reached::of(&with).line().starts_with(&format!("{method} / ")), "{method}");
        }
    }
}

fn conditional(rig: &Rig) {
    let alice = rig.alice();
    for line in [
        "If-None-Match: *",
        "If-Match: \"x\"",
        "If-Modified-Since: Tue, 01 Jan 2030 00:00:00 GMT",
        "Range: bytes=0-0",
        "If-Unmodified-Since: Sat, 01 Jan 2000 00:00:00 GMT",
        "Accept-Encoding: gzip, br",
        "Authorization: Bearer x",
    ] {
        assert_eq!(rig.ask(format!("GET / HTTP/1.1\r\n{line}")).status, 401, "{line}");
        assert_eq!(rig.ask(format!("GET / HTTP/1.1\r\n{line}\r\nCookie: {alice}")).status, 200, "{line}");
    }
}

fn keep_alive(rig: &Rig) {
    let alice = rig.alice();
    let mut wire = Wire::open(rig.proxy).expect("connected");
    for round in 0..1_000_u32 {
        let (cookie, status) = if round % 5 == 4 { ("a=1", 401) } else { (alice.as_str(), 200) };
        let (method, length) = if round % 2 == 0 { ("GET", 0) } else { ("POST", 77) };
        let announced = if length == 0 { String::new() } else { format!("Content-Length: {length}\r\n") };
        let body = "b".repeat(length);
        let request =
            format!("{method} /{round} HTTP/1.1\r\nHost: app.example.com\r\nCookie: {cookie}\r\n{announced}\r\n{body}");
        wire.send(request.as_bytes()).unwrap_or_else(|error| panic!("{round}: {error}"));
        let answer = wire.answer(false).unwrap_or_else(|error| panic!("{round}: {error}"));
        assert_eq!(answer.status, status, "{round}");
        if status == 200 {
            assert_eq!(Reached::of(&answer).body(), length as u64, "{round}");
        }
    }
}

fn announced_body(rig: &Rig) {
    let reached = rig.app.reached();
    for (length, body) in [("Content-Length: 77", "b".repeat(77)), ("Transfer-Encoding: chunked", "0\r\n\r\n".into())] {
        let mut wire = Wire::open(rig.proxy).expect("connected");
        let head = format!("GET / HTTP/1.1\r\nHost: app.example.com\r\n{length}\r\n\r\n");
        let body = if rig.quirks.reads_bodies_first { body } else { String::new() };
        wire.send(format!("{head}{body}").as_bytes()).expect("sent");
        assert_eq!(wire.answer(false).expect("answered").status, 401, "{length}");
    }
    // What follows a denied request's head is its body, not another request.
    let smuggled = "GET /smuggled HTTP/1.1\r\nHost: x\r\nCookie: a=1\r\n\r\n";
    let mut wire = Wire::open(rig.proxy).expect("connected");
    let length = smuggled.len();
    let head = format!("POST / HTTP/1.1\r\nHost: app.example.com\r\nContent-Length: {length}\r\n\r\n{smuggled}");
    wire.send(format!("{head}GET /news HTTP/1.1\r\nHost: app.example.com\r\n\r\n").as_bytes()).expect("sent");
    assert_eq!(wire.answer(false).expect("answered").status, 401);
    assert!(Reached::of(&wire.answer(false).expect("answered")).line().starts_with("GET /news "));
    assert_eq!(rig.app.reached(), reached + 1);
}

fn web_socket(rig: &Rig) {
    let upgrade = "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==";
    assert_eq!(rig.ask(format!("GET /live HTTP/1.1\r\n{upgrade}")).status, 401);
    let mut wire = Wire::open(rig.proxy).expect("connected");
    let alice = rig.alice();
    let head = format!("GET /live HTTP/1.1\r\nHost: app.example.com\r\nCookie: {alice}\r\n{upgrade}\r\n\r\n");
    wire.send(head.as_bytes()).expect("sent");
    assert_eq!(wire.answer(false).expect("answered").status, 101);
    wire.send(b"hello\n").expect("sent");
    assert_eq!(wire.line().expect("echoed"), "echo hello");
    let h2c = "Upgrade: h2c\r\nConnection: Upgrade, HTTP2-Settings\r\nHTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA";
    let reached = Reached::of(&rig.ask(format!("GET / HTTP/1.1\r\nCookie: {alice}\r\n{h2c}")));
    assert!(reached.all("upgrade").is_empty());
}

fn languages(rig: &Rig) {
    for (subject, sent) in
        [("müller", "m%C3%BCller"), ("山田", "%E5%B1%B1%E7%94%B0"), ("🦭", "%F0%9F%A6%AD"), ("a b,c%", "a%20b%2Cc%25")]
    {
        let cookie = rig.log_in(&json!({"subject": subject, "roles": ["a,b", subject]}));
        let reached = Reached::of(&rig.get("/", cookie));
        assert_eq!(reached.all("x-session-subject"), [sent]);
        assert_eq!(reached.all("x-session-roles"), [format!("a%2Cb,{sent}")]);
    }
}

fn renewal(rig: &Rig) {
    let first = rig.alice();
    let answer = until("a renewal", || Some(rig.get("/", &first)).filter(|answer| answer.cookie().is_some()));
    assert!(rig.quirks.renewals_cacheable || answer.all("cache-control").contains(&"no-store"), "{answer:?}");
    let renewed = answer.cookie().expect("a cookie");
    assert_ne!(renewed, first);
    for cookie in [&first, &renewed] {
        assert_eq!(Reached::of(&rig.get("/", cookie)).all("x-session-subject"), ["alice"]);
    }
    let lines = until("a renewal beside cookies of the application", || {
        let lines = rig.get("/cookies", &first).headers;
        let lines: Vec<_> = lines.into_iter().filter(|(name, _)| name.eq_ignore_ascii_case("set-cookie")).collect();
        lines.iter().any(|(_, line)| line.starts_with("__Host-sealpass=")).then_some(lines)
    });
    for own in ["a=1; Path=/", "b=2; HttpOnly"] {
        assert_eq!(lines.iter().filter(|(_, line)| line == own).count(), 1, "{lines:?}");
    }
    assert_eq!(lines.len(), 3, "{lines:?}");
    // And that one's turn comes too.
    let late = until("a second renewal", || rig.get("/", &renewed).cookie());
    assert!(late != first && late != renewed);
}

/// As large as the control listener lets it be: data to the limit, then roles that triple in size when encoded.
fn largest(rig: &Rig) {
    let with_data = |length: usize| json!({"subject": "alice", "data": {"a": "\"".repeat(length / 2), "b": "\"".repeat(length - length / 2)}});
    let with_roles = |length: usize| {
        let roles: Vec<_> = (0..length / 32).map(|at| format!("{at:03}{}", "山".repeat(9))).collect();
        json!({"subject": "alice", "roles": roles})
    };
    let cookies = [largest_of(rig, &with_data), largest_of(rig, &with_roles)];
    for (cookie, header) in cookies.iter().zip(["x-session-data", "x-session-roles"]) {
        assert!(cookie.len() > 3_700, "{} characters", cookie.len());
        let renewed = until("a renewal", || {
            let answer = rig.get("/", cookie);
            let reached = Reached::of(&answer);
            assert!(reached.all(header)[0].len() > 6_000, "{header}: {}", reached.all(header)[0].len());
            answer.cookie()
        });
        assert_eq!(rig.get("/", renewed).status, 200);
    }
}

/// The session with the greatest length that is issued.
fn largest_of(rig: &Rig, session: &dyn Fn(usize) -> serde_json::Value) -> String {
    let (mut fits, mut too_large) = (0, 4_000);
    let mut found = String::new();
    while too_large - fits > 1 {
        let middle = usize::midpoint(fits, too_large);
        match rig.try_log_in(&session(middle)) {
            Some(cookie) => (fits, found) = (middle, cookie),
            None => too_large = middle,
        }
    }
    found
}

fn hung(rig: &Rig) {
    let alice = rig.alice();
    rig.signal_sealpass("STOP");
    // Its threads stop one by one; a first request may still be answered.
    let unavailable = || until("503", || (rig.get("/", &alice).status == 503).then_some(()));
    let stopped = std::panic::catch_unwind(std::panic::AssertUnwindSafe(unavailable));
    rig.signal_sealpass("CONT");
    assert!(stopped.is_ok());
    assert_eq!(rig.get("/", &alice).status, 200);
}

/// Over TLS, with the echo as the application.
pub fn doctor(rig: &Rig, proxy: &str) {
    tls::wait(rig);
    let (code, report) = rig.doctor(proxy);
    let checks = report["checks"].as_array().unwrap_or_else(|| panic!("{report}"));
    // On a port of its own there is no plain HTTP that belongs to it.
    let odd = checks.iter().filter(|check| check["verdict"] != "right" && check["id"] != "plain-http");
    let odd: Vec<_> = odd.map(ToString::to_string).collect();
    assert!(code == 0 && odd.is_empty(), "exit code {code}:\n{}", odd.join("\n"));
    assert!(checks.len() > 20, "{} checks", checks.len());
}

/// Behind a proxy that refuses what an application may take for another path, and joins slashes.
pub fn other_paths(rig: &Rig) {
    let alice = rig.alice();
    for path in ["/admin;x=1", "/news/..;/admin", "/news/..%3b/admin", "/news/..%5cadmin", "/admin%00", "/\\admin"] {
        assert_eq!(rig.get(path, &alice).status, 400, "{path}");
    }
    assert_eq!(rig.get("/ADMIN/users", &alice).status, 403, "for applications that don't tell it from /admin");
    assert_eq!(rig.get("/administrator", &alice).status, 200, "another path");
    assert_eq!((rig.get("/v1.0/a", &alice).status, rig.get("/v1_0/a", &alice).status), (403, 200), "a dot is a dot");
    let slashes = Reached::of(&rig.get("/a//b", &alice));
    assert!(slashes.line().starts_with("GET /a/b "), "{}", slashes.line());
}

/// Nobody can tell who is calling: neither yes nor no, and above all not nginx's own 500.
pub fn stopped(rig: &mut Rig) {
    let alice = rig.alice();
    assert_eq!(rig.get("/", &alice).status, 200);
    rig.stop_sealpass();
    let reached = rig.app.reached();
    for path in ["/", "/admin", "/news", "/account", "/boom"] {
        let answer = rig.get(path, &alice);
        assert_eq!(answer.status, 503, "{path}");
        assert_eq!(answer.all("cache-control"), ["no-store"], "{path}");
        assert_eq!(answer.all("retry-after").is_empty(), rig.quirks.no_retry_after, "{path}");
    }
    assert_eq!(rig.app.reached(), reached, "the application was asked");
    assert_eq!(rig.get("/login", &alice).status, 200, "no session is needed there");
}

fn unhex(digits: &str) -> Vec<u8> {
    let digit = |at: usize| u8::from_str_radix(&digits[at..at + 2], 16).expect("hexadecimal");
    (0..digits.len()).step_by(2).map(digit).collect()
}

const IDENTITY: [&str; 15] = [
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
];
