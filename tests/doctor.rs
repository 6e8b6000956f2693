//! `sealpass doctor` against a chain that is right, and against one that is wrong in one way at a time: it finds that,
//! and says what to do. The real `sealpass` is behind a small proxy, and `sealpass echo` stands in for the application.
#![cfg(feature = "server")]

#[expect(dead_code, unused_imports, reason = "each test crate uses its part")]
mod common;
#[path = "doctor/faults.rs"]
mod faults;
#[path = "doctor/proxy.rs"]
mod proxy;
#[path = "doctor/rig.rs"]
mod rig;
#[path = "doctor/tls.rs"]
mod tls;
#[path = "proxies/wire.rs"]
#[expect(dead_code, reason = "shared with the tests of proxies")]
mod wire;

use faults::Fault;
use rig::Rig;
use sealpass::clock::{Clock as _, SystemClock};
use serde_json::{Value, json};
use wire::Wire;

#[test]
fn a_right_chain_is_right_in_all_that_is_checked() {
    let rig = Rig::start(Fault::None);
    let begun = SystemClock.now().rfc3339();
    let (code, report) = rig.doctor(&[]);
    assert_eq!(ids(&report, "wrong"), [""; 0], "{report:#}");
    // There is no TLS here.
    assert_eq!(ids(&report, "not-checked"), ["tls", "plain-http"], "{report:#}");
    assert_eq!(code, 0);
    let subject = report["subject"].as_str().expect("text");
    for of_doctor in [subject, &format!("{subject}-müller 山田")] {
        assert_eq!(rig.standing(of_doctor, &begun), "ended", "the doctor leaves no session behind");
    }
    assert_eq!(rig.standing("alice", &begun), "live", "it ends nobody else's");
}

/// One test for each fault: exactly these checks find it, and each says what to do.
macro_rules! found {
    ($($name:ident: $fault:ident => $($id:literal),+;)+) => {$(
        #[test]
        fn $name() {
            let rig = Rig::start(Fault::$fault);
            let (code, report) = rig.doctor(&[]);
            let wrong: Vec<_> = lines(&report).filter(|line| line["verdict"] == "wrong").collect();
            assert_eq!(ids(&report, "wrong"), [$($id),+], "{wrong:#?}");
            assert_eq!(code, 1);
            for line in wrong {
                assert!(line["remedy"].as_str().is_some_and(|remedy| remedy.len() > 20), "{line}");
            }
        }
    )+};
}

found! {
    headers_that_sealpass_leaves_empty_are_kept: KeepsEmptied => "forged-identity", "forged-optional", "forged-session-path";
    identity_is_added_to_a_clients: Appends => "forged-identity", "forged-optional", "forged-session-path";
    identity_is_taken_out_by_one_spelling: OneCase => "forged-identity", "forged-optional", "forged-session-path";
    underscores_get_through: Underscores => "forged-underscores", "forged-optional", "forged-session-path";
    optional_paths_are_not_stripped: OptionalUnstripped => "forged-optional";
    session_paths_are_not_stripped: LoginUnstripped => "forged-session-path";
    connection_headers_take_identity_out: HopByHopLast => "identity-not-removed";
    no_identity_is_handed_on: NoIdentity => "identity-arrives";
    names_are_mangled: MangledSubject => "non-ascii-subject";
    our_cookie_is_handed_on: KeepsCookie => "cookie-kept-from-app";
    no_cookie_is_handed_on: DropsCookies => "other-cookies-arrive";
    forwarded_headers_get_through: PassesForwarded => "client-forwarded";
    verdicts_are_cached: CachesVerdicts => "logout-by-api", "logout-by-browser";
    a_denial_becomes_a_redirect: Redirects => "no-cookie-denied";
    a_denial_becomes_a_page: SoftDenial => "no-cookie-denied", "role-demanded";
    a_403_becomes_a_401: ForbiddenAs401 => "role-demanded", "csrf-demanded";
    a_denial_may_be_cached: DropsNoStore => "denial-not-cached";
    a_renewal_is_dropped: DropsRenewal => "renewal-arrives";
    a_cookie_of_the_application_is_dropped: DropsAppCookie => "app-cookies-arrive";
    attributes_are_changed: RewritesCookie => "cookie-attributes";
    options_is_open: OptionsOpen => "methods-denied";
    preflights_are_open: PreflightsOpen => "preflight";
    only_get_is_guarded: OnlyGet => "methods-denied", "csrf-demanded";
    upgrades_are_open: UpgradeOpen => "upgrade-denied";
    sealpass_is_asked_with_the_clients_query: AsksWithQuery => "query-cannot-soften";
    paths_are_compared_raw: RawPaths => "path-cannot-soften", "path-lookalikes";
    paths_are_compared_with_two_slashes: TwoSlashes => "path-cannot-soften";
    capitals_are_other_paths: CaseMatters => "path-lookalikes";
    semicolons_get_through: Semicolons => "path-lookalikes";
    clocks_differ: WrongDate => "clocks";
    every_path_has_one_policy: OnePolicy =>
        "role-demanded", "csrf-demanded", "preflight", "page-redirect", "optional-passes";
    a_clients_method_is_believed: BelievesMethod => "method-not-believed";
    csrf_tokens_are_dropped: DropsCsrfToken => "csrf-demanded";
    a_body_is_waited_for: WaitsForBody => "announced-body";
    buffers_are_small: SmallBuffers => "large-session";
    many_cookies_break_it: Breaks => "foreign-cookies";
    the_cookie_does_not_reach_sealpass: CutsCookie => "session-passes";
    a_cookie_is_trusted: TrustsCookie => "tampered-denied", "logout-by-api", "logout-by-browser";
    an_optional_path_is_guarded: OptionalGuarded => "optional-passes";
    a_client_says_where_pages_lead_to: BelievesHost => "page-redirect";
    preflights_are_not_known_as_such: DropsOrigin => "preflight";
    logout_does_not_reach_sealpass: OwnLogout => "logout-by-browser";
    renew_does_not_reach_sealpass: NoRenew => "renew-path";
    verify_is_open: VerifyOpen => "verify-hidden";
    control_is_open: ControlOpen => "control-hidden";
}

#[test]
fn a_cache_of_pages_is_found_by_all_that_it_lets_through() {
    let rig = Rig::start(Fault::CachesPages);
    let (code, report) = rig.doctor(&[]);
    let wrong = ids(&report, "wrong");
    assert!(wrong.contains(&"answers-not-shared") && !wrong.contains(&"no-cookie-denied"), "{report:#}");
    assert_eq!(code, 1);
}

#[test]
fn a_session_path_of_another_name_is_tried() {
    let rig = Rig::start(Fault::SignupUnstripped);
    let (code, report) = rig.doctor(&[]);
    assert_eq!((code, ids(&report, "wrong")), (0, vec![]), "{report:#}");
    let (code, report) = rig.doctor(&["--session-path", "/signup"]);
    assert_eq!((code, ids(&report, "wrong")), (1, vec!["forged-session-path"]), "{report:#}");
}

#[test]
fn an_application_of_its_own_is_no_fault() {
    let rig = Rig::start(Fault::OwnApp);
    for more in [&[][..], &["--echo-path", "/echo"]] {
        let (code, report) = rig.doctor(more);
        assert_eq!((code, ids(&report, "wrong")), (0, vec![]), "{report:#}");
        for id in ["forged-optional", "forged-session-path"] {
            assert_eq!(line(&report, id)["verdict"], "not-checked", "{report:#}");
            assert!(seen(&report, id).contains("200 from something else"), "{report:#}");
        }
        let csrf = line(&report, "csrf-demanded");
        assert_eq!(csrf["verdict"], "right", "{csrf}");
        assert!(seen(&report, "csrf-demanded").contains("not tried"), "{csrf}");
        let identity = &line(&report, "forged-identity")["verdict"];
        assert_eq!(identity, if more.is_empty() { "not-checked" } else { "right" }, "{report:#}");
    }
}

#[test]
fn only_a_refused_connection_proves_that_nobody_listens() {
    let rig = Rig::start(Fault::None);
    let silent = std::net::TcpListener::bind("127.0.0.1:0").expect("a port on loopback");
    let silent = format!("http://{}/", silent.local_addr().expect("bound"));
    for (direct, why) in [(&format!("http://{}:8080/", nowhere()), "leads nowhere"), (&silent, "no answer within")] {
        let (code, report) = rig.doctor(&["--direct", direct]);
        assert_eq!((code, &line(&report, "app-behind-proxy")["verdict"]), (0, &json!("not-checked")), "{report:#}");
        assert!(seen(&report, "app-behind-proxy").contains(why), "{report:#}");
    }
}

#[test]
fn plain_http_is_asked_where_the_name_is_said_to_lead() {
    let rig = Rig::start(Fault::None);
    let (at, _) = tls::start(rig.proxy);
    let (through, connect) = (format!("https://app.invalid:{}/", at.port()), at.to_string());
    let plain = |host: &str| {
        let url = format!("http://{host}:{}/", rig.app().port());
        rig.doctor(&["--through", &through, "--connect", &connect, "--insecure", "--plain-http", &url])
    };
    let (code, report) = plain("app.invalid");
    assert_eq!((code, ids(&report, "wrong")), (1, vec!["plain-http"]), "{report:#}");
    let (code, report) = plain(&nowhere());
    assert_eq!((code, &line(&report, "plain-http")["verdict"]), (0, &json!("not-checked")), "{report:#}");
}

#[test]
fn a_path_that_sealpass_does_not_know_is_told_from_one_of_the_application() {
    let rig = Rig::start(Fault::AsksElsewhere);
    let (_, report) = rig.doctor(&[]);
    assert_eq!(line(&report, "session-passes")["verdict"], "wrong");
    assert!(seen(&report, "session-passes").contains("/policy/NAME/"), "{report:#}");
}

#[test]
fn a_page_that_leads_nowhere_has_its_remedy_in_sealpass_toml() {
    let rig = Rig::start(Fault::OnePolicy);
    let text = String::from_utf8(rig.run(&[]).stdout).expect("text");
    let origin = format!("(here: http://{})", rig.proxy);
    for part in [": /account: 401, no Location\n", "login_url", "trusted_proxies", "public_origins", &origin] {
        assert!(text.contains(part), "{part}\n{text}");
    }
    assert!(text.contains("`--proxy NAME` shows the remedies of one proxy alone."), "{text}");
}

#[test]
fn a_ca_in_place_of_a_servers_certificate_is_told() {
    let rig = Rig::start(Fault::None);
    let (at, certificate) = tls::start_as_ca(rig.proxy);
    std::fs::write(rig.place.path("ca.pem"), certificate).expect("writable");
    let (through, address) = (format!("https://localhost:{}/", at.port()), at.to_string());
    let (code, report) = rig.doctor(&["--through", &through, "--connect", &address, "--ca", "ca.pem"]);
    assert_eq!((code, ids(&report, "wrong")), (1, vec!["tls"]), "{report:#}");
    assert!(seen(&report, "tls").contains("basicConstraints=critical,CA:FALSE"), "{report:#}");
}

#[test]
fn an_application_that_answers_around_the_proxy_is_found() {
    let rig = Rig::start(Fault::None);
    let (code, report) = rig.doctor(&["--direct", &format!("http://{}/", rig.app())]);
    assert_eq!((code, ids(&report, "wrong")), (1, vec!["app-behind-proxy"]), "{report:#}");
}

#[test]
fn tls_is_judged_and_spoken() {
    let rig = Rig::start(Fault::None);
    let (at, certificate) = tls::start(rig.proxy);
    std::fs::write(rig.place.path("ca.pem"), certificate).expect("writable");
    let through = format!("https://localhost:{}/", at.port());
    let (address, closed) = (at.to_string(), format!("http://{}/", free()));
    let usual = ["--through", &through, "--connect", &address, "--plain-http"];
    let with = |more: &[&str]| rig.doctor(&[&usual[..], more].concat());
    let (code, report) = with(&[&closed, "--ca", "ca.pem"]);
    let noted = |line: &Value| line["seen"].as_str().is_some_and(|seen| seen.starts_with("note: no Strict"));
    assert!(lines(&report).any(noted), "{report:#}");
    assert_eq!((code, ids(&report, "not-checked"), ids(&report, "wrong")), (0, vec![], vec![]), "{report:#}");
    let (code, report) = with(&[&closed]);
    assert_eq!((code, ids(&report, "wrong")), (1, vec!["tls"]), "{report:#}");
    let (code, report) = with(&[&closed, "--insecure"]);
    assert_eq!((code, ids(&report, "not-checked"), ids(&report, "wrong")), (0, vec!["tls"], vec![]), "{report:#}");
    let (code, report) = with(&[&format!("http://{}/", rig.app()), "--ca", "ca.pem"]);
    assert_eq!((code, ids(&report, "wrong")), (1, vec!["plain-http"]), "{report:#}");
}

#[test]
fn people_get_a_table_with_remedies_for_their_proxy() {
    let rig = Rig::start(Fault::DropsNoStore);
    let output = rig.run(&["--proxy", "nginx"]);
    let text = String::from_utf8(output.stdout).expect("text");
    for part in [
        "\n✓ session-passes",
        "\n✗ denial-not-cached     a denial says Cache-Control: no-store: Cache-Control: \"\"\n",
        "→ Hand Cache-Control: no-store of Sealpass on with its denials.\n",
        "nginx: add_header Cache-Control no-store always",
        "\n– tls ",
        " 1 wrong, 2 not checked. `sealpass proxy-config nginx` ",
    ] {
        assert!(text.contains(part), "{part}\n{text}");
    }
    assert!(!text.contains("envoy:"), "{text}");
    assert_eq!(String::from_utf8_lossy(&output.stderr), "sealpass: one check found a fault\n");
}

#[test]
fn what_can_not_be_checked_is_no_finding() {
    let rig = Rig::start(Fault::None);
    let (control, closed) = (format!("http://{}", rig.sealpass.control), format!("http://{}/", free()));
    let through = format!("http://{}/", rig.proxy);
    rig.place.private("wrong.credential", b"sealpass_nobody");
    let unresolved = format!("http://{}/", nowhere());
    for (through, control, credential, code) in [
        (&unresolved, &control, "app.credential", 3),
        (&through, &control, "missing.credential", 3),
        (&closed, &control, "app.credential", 3),
        (&through, &closed, "app.credential", 3),
        (&through, &control, "wrong.credential", 3),
        (&"ftp://app.example.com/".to_owned(), &control, "app.credential", 2),
    ] {
        let args = ["doctor", "--through", through, "--control", control, "--credential", credential];
        let output = rig.place.run(&args, b"");
        let error = String::from_utf8_lossy(&output.stderr);
        assert_eq!((output.status.code(), output.stdout.is_empty()), (Some(code), true), "{args:?}: {error}");
        assert!(!error.contains("sealpass_nobody"), "{error}");
        assert_eq!(
            error.contains("leads nowhere from here; --connect ADDRESS:PORT"),
            *through == unresolved,
            "{error}"
        );
    }
    let args = ["doctor", "--through", &through, "--control", &control, "--credential", "app.credential"];
    let output = rig.place.run(&[&args[..], &["--ca", "missing.pem"]].concat(), b"");
    assert_eq!(output.status.code(), Some(3), "{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn the_echo_shows_all_but_secrets() {
    let (mut child, at) = rig::echo();
    let mut wire = Wire::open(at).expect("connected");
    let head = "POST //a/%2e?b=1 HTTP/1.1\r\nHost: x\r\nX_Odd: 1\r\nx-two: b\r\nX-Two: a\r\nContent-Length: 3\r\n\
                Cookie: a=1; __Host-sealpass=SECRET\r\nAuthorization: Bearer SECRET\r\n\r\nabc";
    wire.send(head.as_bytes()).expect("sent");
    let answer = wire.answer(false).expect("answered");
    let shown: Value = serde_json::from_slice(&answer.body).expect("JSON");
    let headers = json!([
        ["authorization", "Bearer (6)"],
        ["content-length", "3"],
        ["cookie", "a=(1); __Host-sealpass=(6)"],
        ["host", "x"],
        ["x-two", "b"],
        ["x-two", "a"],
        ["x_odd", "1"],
    ]);
    let whole = json!({"sealpass_echo": 1, "request": "POST //a/%2e?b=1 HTTP/1.1", "headers": headers, "body": 3});
    assert_eq!(shown, whole);
    assert_eq!((answer.header("cache-control"), answer.header("set-cookie")), (Some("no-store"), None));
    let upgrade = "GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n";
    wire.send(upgrade.as_bytes()).expect("sent");
    assert_eq!(wire.answer(false).expect("answered").status, 101);
    wire.send(b"hello\n").expect("sent");
    assert_eq!(wire.line().expect("sent back"), "hello");
    let _ = (child.kill(), child.wait());
}

/// A name that resolves nowhere, and that no resolver asks anybody about: its label is longer than one may be.
fn nowhere() -> String {
    "x".repeat(64) + ".invalid"
}

fn free() -> std::net::SocketAddr {
    let free = std::net::TcpListener::bind("127.0.0.1:0").and_then(|free| free.local_addr());
    free.expect("a port on loopback")
}

fn lines(report: &Value) -> impl Iterator<Item = &Value> {
    report["checks"].as_array().expect("a list").iter()
}

fn line<'r>(report: &'r Value, id: &str) -> &'r Value {
    lines(report).find(|line| line["id"] == id).unwrap_or_else(|| panic!("no {id}: {report:#}"))
}

fn seen<'r>(report: &'r Value, id: &str) -> &'r str {
    line(report, id)["seen"].as_str().expect("text")
}

fn ids<'r>(report: &'r Value, verdict: &str) -> Vec<&'r str> {
    lines(report).filter(|line| line["verdict"] == verdict).map(|line| line["id"].as_str().expect("text")).collect()
}
