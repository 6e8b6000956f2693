//! `sealpass doctor` against a chain that is right, and against one that is wrong in one way at a time: it finds that, and says
//! what to do. The real `sealpass` is behind a small proxy, and `sealpass echo` stands in for the application.
#![cfg(feature = "server")]

#[expect(dead_code, unused_imports, reason = "each test crate uses its part")]
mod common;
#[path = "doctor/faults.rs"]
mod faults;
#[path = "doctor/proxy.rs"]
mod proxy;
#[path = "doctor/rig.rs"]
mod rig;
#[path = "proxies/wire.rs"]
#[expect(dead_code, reason = "shared with the tests of proxies")]
mod wire;

use faults::Fault;
use rig::Rig;
use sealpass::clock::{Clock as _, SystemClock};
use serde_json::Value;

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
    headers_that_sealpass_leaves_empty_are_kept: KeepsEmptied => "forged-identity", "forged-optional";
    identity_is_added_to_a_clients: Appends => "forged-identity", "forged-optional";
    identity_is_taken_out_by_one_spelling: OneCase => "forged-identity", "forged-optional";
    underscores_get_through: Underscores => "forged-underscores", "forged-optional";
    optional_paths_are_not_stripped: OptionalUnstripped => "forged-optional";
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
    paths_are_compared_raw: RawPaths => "path-cannot-soften";
    paths_are_compared_with_two_slashes: TwoSlashes => "path-cannot-soften";
    every_path_has_one_policy: OnePolicy => "role-demanded", "csrf-demanded", "optional-passes";
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
fn an_application_that_answers_around_the_proxy_is_found() {
    let rig = Rig::start(Fault::None);
    let (code, report) = rig.doctor(&["--direct", &format!("http://{}/", rig.app())]);
    assert_eq!((code, ids(&report, "wrong")), (1, vec!["app-behind-proxy"]), "{report:#}");
}

fn lines(report: &Value) -> impl Iterator<Item = &Value> {
    report["checks"].as_array().expect("a list").iter()
}

fn ids<'r>(report: &'r Value, verdict: &str) -> Vec<&'r str> {
    lines(report).filter(|line| line["verdict"] == verdict).map(|line| line["id"].as_str().expect("text")).collect()
}
