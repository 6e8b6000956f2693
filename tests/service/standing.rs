//! Whether one replica among others answers, what it says of itself and of them, and what goes on while it is cut off.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use sealpass::clock::Timestamp;
use sealpass::http::Readiness;
use sealpass::replica::{ClusterReport, Counters, Likeness, Member, Replica, Why};
use serde_json::json;

use crate::common::{NAME, Server};

#[test]
fn a_replica_alone_says_so() {
    let server = Server::plain();
    let report = server.cluster();
    assert_eq!((report["size"].as_u64(), report["ready"].as_bool()), (Some(1), Some(true)), "{report}");
    assert_eq!((report["members"].as_array().map(Vec::len), &report["why"]), (Some(1), &json!([])), "{report}");
    for line in ["sealpass_ready 1", "sealpass_cluster_size 1", "sealpass_cluster_view_age_seconds 0.0"] {
        assert!(server.metrics().lines().any(|said| said == line), "{line}: {}", server.metrics());
    }
    server.service.readiness.set_draining(true);
    let report = server.cluster();
    assert_eq!((report["ready"].as_bool(), report["why"][0]["code"].as_str()), (Some(false), Some("stopping")));
    assert_eq!(report["members"][0]["ready"].as_bool(), Some(false));
    assert_eq!(readyz(&server), (503, "stopping\n".to_owned()));
    assert!(server.metrics().contains("sealpass_ready 0\n"));
    assert!(server.metrics().contains("sealpass_not_ready{reason=\"stopping\"} 1\n"));
    server.service.readiness.set_draining(false);
    assert_eq!(readyz(&server), (200, String::new()));
    assert!(!server.metrics().contains("sealpass_not_ready{"), "{}", server.metrics());
}

#[test]
fn the_report_is_for_operators() {
    let server = Server::with_credentials("", &other_credential());
    let get = |header: Option<&str>| {
        let headers: Vec<_> = header.map(|value| ("Authorization", value)).into_iter().collect();
        crate::common::ask(server.control, "GET", "/v1/cluster", &headers, b"").status
    };
    assert_eq!(get(None), 401);
    assert_eq!(get(Some("Bearer wrong")), 401);
    assert_eq!(get(Some("Bearer application")), 403);
    assert_eq!(get(Some(&format!("Bearer {}", crate::common::CREDENTIAL))), 200);
}

#[test]
fn nothing_is_answered_before_it_is_known_whom_to_ask() {
    let server = Server::when("", Readiness::among(true));
    assert_eq!(server.verify("").status, 503);
    assert_eq!(readyz(&server), (503, "joining\n".to_owned()));
    assert_eq!(server.cluster()["why"][0]["code"].as_str(), Some("starting"));
}

#[test]
fn a_replica_that_is_not_fresh_answers_nothing_and_says_why() {
    let (stub, server) = Stub::server(false);
    let session = server.login("alice");
    let line = session.cookie();
    assert_eq!((server.verify(&line).status, readyz(&server).0), (200, 200));
    stub.fresh.store(false, Ordering::Relaxed);
    for cut_off in [false, true] {
        stub.cut_off.store(cut_off, Ordering::Relaxed);
        assert_eq!(server.verify(&line).status, 503);
        assert_eq!(server.ask("GET", "/resolve", &[("Cookie", &line)]).status, 503);
        assert_eq!(readyz(&server), (503, "cut off\n".to_owned()));
        refuses_to_change(&server, &session.token);
    }
    assert!(server.decided("not_ready") >= 4);
    let out = server.ask("POST", "/logout", &[("Cookie", &line), ("Sec-Fetch-Site", "same-origin")]);
    assert!(out.status == 204 && out.header("set-cookie").is_some());
    stub.fresh.store(true, Ordering::Relaxed);
    assert!(!server.accepts(&session.token), "the logout was taken");
}

#[test]
fn where_it_is_preferred_verify_alone_goes_on_while_it_is_cut_off() {
    let (stub, server) = Stub::server(true);
    let session = server.login("alice");
    let line = session.cookie();
    stub.fresh.store(false, Ordering::Relaxed);
    assert_eq!((server.verify(&line).status, readyz(&server).0), (503, 503), "not every reason is a cut");
    stub.cut_off.store(true, Ordering::Relaxed);
    // Past a slot of renewal.
    server.advance(Duration::from_secs(11 * 60));
    let answer = server.verify(&line);
    assert_eq!((answer.status, answer.header("set-cookie")), (200, None), "it judges, and renews nothing");
    let resolved = server.ask("GET", "/resolve", &[("Cookie", &line)]);
    assert_eq!((resolved.status, resolved.header("set-cookie")), (200, None));
    assert_eq!(readyz(&server), (200, "cut off\n".to_owned()));
    refuses_to_change(&server, &session.token);
    stub.fresh.store(true, Ordering::Relaxed);
    assert!(server.verify(&line).header("set-cookie").is_some(), "it was due");
    stub.fresh.store(false, Ordering::Relaxed);
    server.service.readiness.set_draining(true);
    assert_eq!(server.verify(&line).status, 200, "on its way down it answers whoever still asks");
    assert_eq!(readyz(&server).0, 503);
}

#[test]
fn metrics_tell_how_old_the_view_is_and_who_is_there() {
    let (stub, server) = Stub::server(false);
    stub.fresh.store(false, Ordering::Relaxed);
    // Asked twice, nobody is there twice.
    let (_, metrics) = (server.metrics(), server.metrics());
    for line in [
        "sealpass_ready 0",
        "sealpass_not_ready{reason=\"stale\"} 1",
        "sealpass_cluster_size 3",
        "sealpass_cluster_view_age_seconds 7.25",
        "sealpass_cluster_clock_offset_seconds -0.004",
        "sealpass_cluster_members{role=\"core\",standing=\"self\"} 1",
        "sealpass_cluster_members{role=\"core\",standing=\"missing\"} 2",
        "sealpass_cluster_refused_total{reason=\"stranger\"} 5",
        "sealpass_cluster_facts_resent_total 6",
        "sealpass_cluster_facts_repaired_total 8",
        "sealpass_cluster_pushes_pending 9",
    ] {
        assert!(metrics.lines().any(|said| said == line), "{line}: {metrics}");
    }
}

/// Nothing that seals: not for applications, and not for browsers.
fn refuses_to_change(server: &Server, token: &str) {
    for (path, body) in [
        ("/v1/sessions", json!({"subject": "a"})),
        ("/v1/sessions/renew", json!({"token": token})),
        ("/v1/sessions/rotate", json!({"token": token})),
        ("/v1/sessions/reseal", json!({"token": token})),
    ] {
        assert_eq!(server.call(path, &body).status, 503, "{path}");
    }
    let line = format!("{NAME}={token}");
    assert_eq!(server.ask("POST", "/renew", &[("Cookie", &line), ("Sec-Fetch-Site", "same-origin")]).status, 503);
}

fn readyz(server: &Server) -> (u16, String) {
    let answer = server.ask("GET", "/readyz", &[]);
    (answer.status, String::from_utf8(answer.body).expect("text"))
}

fn other_credential() -> String {
    let hash = "1fe289205936c3fdb61158223892c7a8bee6ff4dfa085ea1c094ce0294e32114";
    format!("[[credential]]\nname = \"shop\"\nsha256 = \"{hash}\"\nscopes = [\"app\"]\nrealms = [\"*\"]\n")
}

/// Stands for the other replicas.
struct Stub {
    fresh: AtomicBool,
    cut_off: AtomicBool,
}

impl Stub {
    fn server(goes_on: bool) -> (Arc<Self>, Server) {
        let stub = Arc::new(Self { fresh: AtomicBool::new(true), cut_off: AtomicBool::new(false) });
        let readiness = Readiness::among(goes_on);
        readiness.follow(Arc::clone(&stub) as Arc<dyn Replica>);
        (stub, Server::when("", readiness))
    }
}

impl Replica for Stub {
    fn is_fresh(&self, _: Timestamp) -> bool {
        self.fresh.load(Ordering::Relaxed)
    }

    fn is_cut_off(&self) -> bool {
        self.cut_off.load(Ordering::Relaxed)
    }

    fn report(&self) -> ClusterReport {
        let ready = self.is_fresh(Timestamp::EPOCH);
        let why = if ready { Vec::new() } else { vec![Why::new("stale", "nobody answers; look at the network")] };
        let alone = ClusterReport::alone("s-0", "0.1.0");
        let missing = ["#1", "#2"].map(|name| Member { facts: Likeness::Unknown, ..Member::unheard(name, "core") });
        let members = alone.members.iter().cloned().chain(missing).collect();
        let counters = Counters { strangers: 5, resent: 6, repaired: 8, pending: 9, ..Counters::default() };
        let (view_age_ms, clock_offset_ms) = (Some(7_250), Some(-4));
        ClusterReport { size: 3, ready, why, view_age_ms, clock_offset_ms, members, counters, ..alone }
    }
}
