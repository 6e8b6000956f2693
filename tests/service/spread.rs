//! One replica among others, which hold what they are told late or never, and may not answer.

use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use sealpass::claims::RealmId;
use sealpass::clock::{Clock, ManualClock, Timestamp};
use sealpass::http::Readiness;
use sealpass::replica::{ClusterReport, Replica};
use sealpass::revocation::{
    AT_ONCE, Fact, FactStore, Learned, Question, Recorded, SessionFacts, SessionKey, Spread, Spreading, TagFacts,
    TagKey, Uninformed, Wait,
};
use sealpass::store::CachedFacts;
use serde_json::{Value, json};

use crate::common::{Response, Server, Session, start_of_time, wait_for};

/// Every ending, as a call of the control API.
fn endings(session: &Session) -> Vec<(&'static str, Value)> {
    vec![
        ("/v1/sessions/revoke", json!({"token": session.token})),
        ("/v1/sessions/revoke", json!({"cookie": session.cookie()})),
        ("/v1/sessions/revoke", json!({"session_id": session.id})),
        ("/v1/sessions/revoke", json!({"session_ids": [session.id]})),
        ("/v1/subjects/revoke", json!({"subject": "alice"})),
        ("/v1/subjects/revoke", json!({"subjects": ["alice", "bob"]})),
        ("/v1/handles/revoke", json!({"handle": "h"})),
        ("/v1/handles/revoke", json!({"handles": ["h"]})),
        ("/v1/subjects/stale", json!({"subject": "alice"})),
        ("/v1/subjects/stale", json!({"subjects": ["alice"]})),
        ("/v1/floor", json!({"realm": "default"})),
        ("/v1/floor", json!({"all": true})),
    ]
}

fn with(body: &Value, more: &Value) -> Value {
    let mut body = body.clone();
    body.as_object_mut().expect("one").extend(more.as_object().expect("one").clone());
    body
}

/// The status, and how far it came.
fn spread(response: &Response) -> (u16, u64, u64) {
    let answer = response.json();
    assert!(answer["waited_ms"].is_u64(), "{answer}");
    (response.status, answer["applied"].as_u64().expect("applied"), answer["core"].as_u64().expect("core"))
}

#[test]
fn an_ending_says_how_far_it_came_and_waits_for_as_much_as_is_asked() {
    let others = Others::holding(2);
    let server = others.server();
    for (path, body) in endings(&server.login("alice")) {
        let call = |more: Value| spread(&server.call(path, &with(&body, &more)));
        assert_eq!(call(json!({})), (200, 2, 3), "{path} {body}");
        assert_eq!(call(json!({"wait": "local"})), (200, 2, 3), "{path} {body}");
        assert_eq!(call(json!({"wait": "majority", "timeout_ms": 30_000})), (200, 2, 3), "{path} {body}");
        assert_eq!(call(json!({"wait": "all", "timeout_ms": 1})), (202, 2, 3), "{path} {body}");
        others.hold(3);
        assert_eq!(call(json!({"wait": "all"})), (200, 3, 3), "{path} {body}");
        others.hold(2);
    }
}

#[test]
fn an_ending_that_reaches_nobody_is_taken_and_said_to_be_late() {
    let others = Others::holding(1);
    others.answer(None);
    let server = others.server();
    for (path, body) in endings(&server.login_alone(&others)) {
        let call = |more: Value| spread(&server.call(path, &with(&body, &more)));
        assert_eq!(call(json!({"timeout_ms": 1})), (202, 1, 3), "{path} {body}");
        assert_eq!(call(json!({"wait": "local", "timeout_ms": 1})), (200, 1, 3), "{path} {body}");
    }
    others.answer(Some(Err(Uninformed)));
    let session = server.login_alone(&others);
    let late = server.call("/v1/subjects/revoke", &json!({"subject": "alice", "timeout_ms": 1}));
    assert_eq!(late.status, 202);
    assert!(!server.accepts(&session.token), "it is in force here");
}

#[test]
fn an_ending_is_taken_while_the_replica_is_not_ready() {
    let others = Others::holding(1);
    let server = others.server();
    let session = server.issue(&json!({"subject": "alice"}));
    server.service.readiness.confirm_ring(Duration::ZERO);
    for (path, body) in endings(&session) {
        assert_eq!(server.call(path, &with(&body, &json!({"timeout_ms": 1}))).status, 202, "{path} {body}");
    }
    server.service.readiness.confirm_ring(Duration::from_secs(600));
    assert!(!server.accepts(&session.token));
}

#[test]
fn what_is_waited_for_is_checked_and_means_nothing_to_a_replica_that_is_alone() {
    let others = Others::holding(3);
    let (among, alone) = (others.server(), Server::plain());
    for server in [&among, &alone] {
        for (path, body) in endings(&server.login("alice")) {
            for (field, value) in
                [("wait", json!("some")), ("wait", json!("")), ("timeout_ms", json!(0)), ("timeout_ms", json!(30_001))]
            {
                let refused = server.call(path, &with(&body, &json!({field: value})));
                assert_eq!((refused.status, refused.json()["field"].as_str()), (422, Some(field)), "{path} {body}");
            }
            let refused = server.call(path, &with(&body, &json!({"timeout_ms": "1"})));
            assert_eq!(refused.status, 422, "{path} {body}");
        }
    }
    for (path, body) in endings(&alone.login("alice")) {
        let answer = alone.call(path, &with(&body, &json!({"wait": "all", "timeout_ms": 1})));
        let many = body.as_object().expect("one").values().any(Value::is_array);
        assert_eq!(answer.status, if many { 200 } else { 204 }, "{path} {body}");
        assert!(!String::from_utf8_lossy(&answer.body).contains("applied"), "{path} {body}");
    }
}

#[test]
fn nothing_is_handed_out_that_a_majority_does_not_answer_for() {
    for silent in [None, Some(Err(Uninformed))] {
        let others = Others::holding(3);
        let server = others.server();
        let session = server.login("alice");
        let token = json!({"token": session.token});
        others.answer(silent);
        for (path, body) in [
            ("/v1/sessions", json!({"subject": "alice"})),
            ("/v1/sessions/reseal", token.clone()),
            ("/v1/sessions/rotate", token.clone()),
            ("/v1/subjects/revoke", json!({"subject": "alice", "keep": token, "timeout_ms": 100})),
        ] {
            refused(&server.call(path, &body), path);
        }
        assert!(server.accepts(&session.token), "nothing was begun");
        assert_eq!(server.call("/v1/sessions/renew", &token).status, 200, "a renewal asks nobody");
        others.answer(Some(Ok(())));
        assert!(server.accepts(&server.login("alice").token));
    }
}

#[test]
fn nothing_is_handed_out_that_a_majority_does_not_hold() {
    let others = Others::holding(1);
    let server = others.server();
    for path in ["/v1/sessions/reseal", "/v1/sessions/rotate"] {
        let session = server.login("alice");
        refused(&server.call(path, &json!({"token": session.token})), path);
    }
    let session = server.login("alice");
    let keep = json!({"subject": "alice", "keep": {"token": session.token}, "timeout_ms": 1});
    refused(&server.call("/v1/subjects/revoke", &keep), "keep");
    let session = server.login("bob");
    let replaces = json!({"subject": "bob", "replaces": {"token": session.token}});
    refused(&server.call("/v1/sessions", &replaces), "replaces");
    assert!(!server.accepts(&session.token), "it is over all the same");
}

fn refused(response: &Response, what: &str) {
    assert_eq!(response.status, 503, "{what}");
    assert_eq!(response.json()["type"], "urn:problem-type:sealpass:not-ready", "{what}");
    assert_eq!((response.header("retry-after"), response.header("set-cookie")), (Some("1"), None), "{what}");
    assert!(!String::from_utf8_lossy(&response.body).contains("token"), "{what}");
}

#[test]
fn what_came_to_be_known_while_a_majority_was_asked_is_judged() {
    let others = Others::holding(3);
    let server = others.server();
    for path in ["/v1/sessions/reseal", "/v1/sessions/rotate"] {
        let session = server.login("alice");
        others.tell_when_asked(|question| {
            let session = question.session.expect("a change names its session");
            Fact::Deny { session, from: AT_ONCE, rotated: false, of: None, until: Timestamp::MAX }
        });
        let refused = server.call(path, &json!({"token": session.token}));
        assert_eq!((refused.status, refused.header("set-cookie")), (404, None), "{path}");
    }
    // A login goes behind what it hears of.
    others.tell_when_asked(|question| {
        let at = Timestamp::parse_rfc3339("2026-01-01T00:00:05Z").expect("a time");
        Fact::Floor { realm: Some(question.realm), at, until: Timestamp::MAX }
    });
    let session = server.login("alice");
    assert_eq!(session.answer["started_at"], "2026-01-01T00:00:05.001Z");
    assert!(server.accepts(&session.token));
}

#[test]
fn nothing_is_handed_out_by_a_clock_that_stepped_while_a_majority_was_asked() {
    let others = Others::holding(3);
    let (server, _) = others.fresh_server();
    let session = server.login("alice");
    others.state().steps = Some(Arc::clone(&server.clock));
    for (path, body) in handing_out(&session) {
        refused(&server.call(path, &body), path);
        assert!(server.clock.now() > start_of_time(), "{path} asked nobody");
        server.clock.set(start_of_time());
        assert!(server.accepts(&session.token), "{path} changed something");
    }
}

#[test]
fn nothing_is_handed_out_by_a_clock_that_stepped_at_the_last_moment() {
    let others = Others::holding(3);
    let (server, fresh) = others.fresh_server();
    for n in 0..4 {
        let session = server.login("alice");
        let (path, body) = handing_out(&session).swap_remove(n);
        // After it was judged for the second time.
        *fresh.steps.lock().expect("no panic") = Some((Arc::clone(&server.clock), 2));
        refused(&server.call(path, &body), path);
        assert!(server.clock.now() > start_of_time(), "{path} was judged once");
        server.clock.set(start_of_time());
    }
}

/// Every call that hands out a token which a majority has to be asked for.
fn handing_out(session: &Session) -> Vec<(&'static str, Value)> {
    let token = json!({"token": session.token});
    vec![
        ("/v1/sessions", json!({"subject": "alice"})),
        ("/v1/sessions/reseal", token.clone()),
        ("/v1/sessions/rotate", token.clone()),
        ("/v1/subjects/revoke", json!({"subject": "alice", "keep": token})),
    ]
}

/// A replica that may answer until five seconds from the start by its wall clock.
#[derive(Default)]
struct Fresh {
    /// What steps after it was asked so often.
    steps: Mutex<Option<(Arc<ManualClock>, u8)>>,
}

impl Replica for Fresh {
    fn is_fresh(&self, now: Timestamp) -> bool {
        let mut steps = self.steps.lock().expect("no panic");
        if let Some((clock, left)) = &mut *steps {
            *left -= 1;
            if *left == 0 {
                clock.advance(Duration::from_secs(10));
                *steps = None;
            }
        }
        now < start_of_time().plus(Duration::from_secs(5))
    }

    fn is_cut_off(&self) -> bool {
        false
    }

    fn report(&self) -> ClusterReport {
        ClusterReport::alone("here", "1")
    }
}

#[test]
fn a_logout_always_clears_the_cookie_and_says_when_it_is_late() {
    let others = Others::holding(2);
    let server = others.server();
    let log_out = |session: &Session| {
        let headers =
            [("Cookie", &*session.cookie()), ("Sec-Fetch-Site", "same-origin")].map(|(n, v)| (n, v.to_owned()));
        let headers = headers.each_ref().map(|(name, value)| (*name, &**value));
        let answer = server.ask("POST", "/logout", &headers);
        assert!(answer.header("set-cookie").is_some_and(|line| line.contains("Max-Age=0")), "{:?}", answer.headers);
        assert!(!server.accepts(&session.token));
        (answer.status, answer.body.len())
    };
    assert_eq!(log_out(&server.login("alice")), (204, 0));
    let session = server.login("alice");
    others.hold(1);
    assert_eq!(log_out(&session), (202, 0));
    assert_eq!(log_out(&session), (202, 0), "once more, and late again");
    server.service.readiness.confirm_ring(Duration::ZERO);
    let answer = server.ask("POST", "/logout", &[("Sec-Fetch-Site", "same-origin")]);
    assert_eq!(answer.status, 204, "nothing to end");
}

#[test]
fn an_ending_that_nobody_waits_for_any_more_still_ends_what_followed() {
    let others = Others::holding(1);
    let server = others.server();
    for wait in ["local", "majority"] {
        let session = server.login("alice");
        let ended = json!({"session_id": session.id, "wait": wait, "timeout_ms": 1});
        assert!(matches!(server.call("/v1/sessions/revoke", &ended).status, 200 | 202));
        let denied = others.last_deny();
        let rotated = Fact::Deny { session: denied, from: AT_ONCE, rotated: true, of: None, until: Timestamp::MAX };
        others.hear(rotated);
        others.hold(2);
        wait_for("the session that it went on as is over", || others.last_deny() != denied);
        others.hold(1);
    }
}

/// Two other replicas.
struct Others {
    state: Mutex<State>,
}

struct State {
    facts: Option<Arc<CachedFacts>>,
    /// How many replicas hold what was recorded.
    held: u16,
    waiting: Vec<Waker>,
    /// What whoever asks is told, if anything.
    answer: Option<Result<(), Uninformed>>,
    tells: Option<fn(&Question) -> Fact>,
    last_deny: Option<SessionKey>,
    /// What steps by an hour while they are asked.
    steps: Option<Arc<ManualClock>>,
}

impl Others {
    fn holding(held: u16) -> Arc<Self> {
        let answer = Some(Ok(()));
        let state = State { facts: None, held, waiting: Vec::new(), answer, tells: None, last_deny: None, steps: None };
        Arc::new(Self { state: Mutex::new(state) })
    }

    fn server(self: &Arc<Self>) -> Server {
        Server::among("", |facts| {
            self.state().facts = Some(Arc::new(facts));
            Arc::new(Among(Arc::clone(self)))
        })
    }

    fn fresh_server(self: &Arc<Self>) -> (Server, Arc<Fresh>) {
        let (readiness, fresh) = (Readiness::among(false), Arc::new(Fresh::default()));
        readiness.follow(Arc::clone(&fresh) as Arc<dyn Replica>);
        let server = Server::among_when(readiness, |facts| {
            self.state().facts = Some(Arc::new(facts));
            Arc::new(Among(Arc::clone(self)))
        });
        (server, fresh)
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().expect("no panic")
    }

    fn facts(&self) -> Arc<CachedFacts> {
        Arc::clone(self.state().facts.as_ref().expect("it runs"))
    }

    fn hold(&self, held: u16) {
        let mut state = self.state();
        state.held = held;
        state.waiting.drain(..).for_each(Waker::wake);
    }

    fn answer(&self, answer: Option<Result<(), Uninformed>>) {
        self.state().answer = answer;
    }

    fn tell_when_asked(&self, fact: fn(&Question) -> Fact) {
        self.state().tells = Some(fact);
    }

    fn hear(&self, fact: Fact) {
        drop(self.facts().record(fact, Timestamp::EPOCH));
    }

    fn last_deny(&self) -> SessionKey {
        self.state().last_deny.expect("something ended")
    }

    fn learned(&self) -> Learned {
        match self.state().answer {
            Some(answer) => Learned::when(std::future::ready(answer)),
            None => Learned::when(std::future::pending()),
        }
    }
}

trait LoginAlone {
    fn login_alone(&self, others: &Others) -> Session;
}

impl LoginAlone for Server {
    /// A login of before the others fell silent.
    fn login_alone(&self, others: &Others) -> Session {
        let silent = others.state().answer;
        others.answer(Some(Ok(())));
        let session = self.login("alice");
        others.answer(silent);
        session
    }
}

struct Among(Arc<Others>);

impl FactStore for Among {
    fn session(&self, session: SessionKey) -> Option<SessionFacts> {
        self.0.facts().session(session)
    }

    fn tag(&self, tag: TagKey) -> Option<TagFacts> {
        self.0.facts().tag(tag)
    }

    fn floor(&self, realm: RealmId) -> Option<Timestamp> {
        self.0.facts().floor(realm)
    }

    fn fleet(&self) -> Option<u16> {
        Some(3)
    }

    fn learn(&self, question: Question) -> Learned {
        if let Some(clock) = &self.0.state().steps {
            clock.advance(HOUR);
        }
        let tells = self.0.state().tells.take();
        if let Some(tells) = tells {
            self.0.hear(tells(&question));
        }
        self.0.learned()
    }

    fn pass(&self, tags: &[TagKey], at: Timestamp) -> Learned {
        drop(self.0.facts().pass(tags, at));
        self.0.learned()
    }

    fn passed(&self, tags: &[TagKey]) -> Option<Timestamp> {
        self.0.facts().passed(tags)
    }

    fn record(&self, fact: Fact, now: Timestamp) -> Recorded {
        if let Fact::Deny { session, .. } = fact {
            self.0.state().last_deny = Some(session);
        }
        let mut recorded = self.0.facts().record(fact, now);
        recorded.kept = recorded.kept.spreading(Arc::clone(&self.0) as Arc<dyn Spreading>);
        recorded
    }
}

impl Spreading for Others {
    fn poll_reached(&self, wait: Wait, context: &mut Context<'_>) -> Poll<()> {
        let mut state = self.state();
        state.waiting.push(context.waker().clone());
        if (Spread { applied: state.held, core: 3 }).reaches(wait) { Poll::Ready(()) } else { Poll::Pending }
    }

    fn spread(&self) -> Spread {
        Spread { applied: self.state().held, core: 3 }
    }
}

const HOUR: Duration = Duration::from_secs(3_600);
