//! Sessions that start ahead of the clock, because an ending that is known of one of their tags lies there, and endings of
//! another of their tags in the same millisecond: none is missed, and no fresh login is refused.

use std::sync::Arc;
use std::time::Duration;

use pollster::block_on;
use sealpass::claims::{CookieName, RealmName};
use sealpass::clock::{Clock, ManualClock, Timestamp};
use sealpass::entropy::SystemEntropy;
use sealpass::keyring::{KeyRing, Keys};
use sealpass::revocation::{FactStore, MemoryFacts};
use sealpass::sessions::{Group, Import, Lifetimes, NewSession, Realm, Sessions};
use sealpass::store::CachedFacts;
use sealpass::token::Scratch;

#[test]
fn an_ending_of_the_subject_reaches_a_session_that_starts_just_behind_one_of_its_handle() {
    for one in both() {
        one.end(Group::Handle("laptop"));
        let token = one.login();
        assert!(one.accepts(&token), "fresh");
        one.end(Group::Subject("alice"));
        assert!(!one.accepts(&token), "ended after it began");
        assert!(one.accepts(&one.login()), "and the next login is fresh again");
    }
}

#[test]
fn an_ending_of_a_handle_reaches_one_that_starts_just_behind_one_of_the_subject() {
    for one in both() {
        one.end(Group::Subject("alice"));
        let token = one.login();
        one.end(Group::Handle("laptop"));
        assert!(!one.accepts(&token));
        assert!(one.accepts(&one.login()));
    }
}

#[test]
fn an_ending_reaches_a_session_that_was_kept_at_one_of_another_tag() {
    for one in both() {
        for (first, second) in
            [(Group::Handle("laptop"), Group::Subject("alice")), (Group::Subject("alice"), Group::Handle("laptop"))]
        {
            let token = one.end_but(first, &one.login());
            assert!(one.accepts(&token), "kept at {first:?}");
            one.end(second);
            assert!(!one.accepts(&token), "after {second:?}");
        }
    }
}

#[test]
fn the_end_of_all_of_a_realm_or_of_all_realms_reaches_what_starts_ahead() {
    for one in both() {
        one.end(Group::Handle("laptop"));
        let token = one.login();
        block_on(one.sessions.end_realm(&one.realm).settled()).expect("kept");
        assert!(!one.accepts(&token), "after the floor of its realm");
        let token = one.login();
        assert!(one.accepts(&token));
        let token = one.end_but(Group::Subject("alice"), &token);
        block_on(one.sessions.end_all(&[&one.realm]).settled()).expect("kept");
        assert!(!one.accepts(&token), "after the floor of all");
        assert!(one.accepts(&one.login()));
    }
}

#[test]
fn an_ending_reaches_an_import_that_started_ahead_of_the_clock() {
    for one in both() {
        let import = Import { key: "old", started: one.clock.now().plus(Duration::from_secs(4)) };
        let new = NewSession { subject: Some("alice"), import: Some(import), ..NewSession::default() };
        let token = one.sessions.issue(&one.realm, &new).expect("it fits").token;
        assert!(one.accepts(token.expose()));
        one.end(Group::Subject("alice"));
        assert!(!one.accepts(token.expose()));
    }
}

#[test]
fn what_is_said_to_be_out_of_date_reaches_claims_that_lie_ahead() {
    for one in both() {
        one.end(Group::Subject("alice"));
        let token = one.login();
        assert!(one.is_fresh(&token));
        block_on(one.sessions.outdate_group(&one.realm, Group::Subject("alice")).expect("a name").settled())
            .expect("kept");
        assert!(!one.is_fresh(&token), "given before it was said");
        assert!(one.is_fresh(&one.login()), "given after");
    }
}

struct One {
    sessions: Sessions,
    realm: Realm,
    clock: Arc<ManualClock>,
}

/// With either store, and a clock that stands still.
fn both() -> [One; 2] {
    let now = Timestamp::from_millis(1_790_000_000_000).expect("in range");
    let ring = KeyRing::init(&SystemEntropy::new(), now.minus(Duration::from_secs(86_400))).expect("random bytes");
    let cookie = CookieName::new("__Host-a").expect("a name");
    let realm =
        || Realm::new(RealmName::new("a").expect("a name"), cookie.clone(), Lifetimes::DEFAULT).with_imports(true);
    [false, true].map(|cached| {
        let clock = Arc::new(ManualClock::at(now));
        let shared = || Arc::clone(&clock) as Arc<dyn Clock>;
        let facts: Arc<dyn FactStore> =
            if cached { Arc::new(CachedFacts::new(shared())) } else { Arc::new(MemoryFacts::default()) };
        let entropy = Arc::new(SystemEntropy::new());
        let keys = Keys::new(&ring, &*entropy).expect("random bytes");
        One { sessions: Sessions::new(keys, facts, shared(), entropy), realm: realm(), clock }
    })
}

impl One {
    fn login(&self) -> String {
        let new = NewSession { subject: Some("alice"), handles: &["laptop".to_owned()], ..NewSession::default() };
        self.sessions.issue(&self.realm, &new).expect("it fits").token.expose().to_owned()
    }

    fn accepts(&self, token: &str) -> bool {
        self.sessions.verify(&self.realm, &[token.as_bytes()], &mut Scratch::default()).is_ok()
    }

    fn is_fresh(&self, token: &str) -> bool {
        let mut scratch = Scratch::default();
        !self.sessions.verify(&self.realm, &[token.as_bytes()], &mut scratch).expect("it lives").stale
    }

    fn end(&self, group: Group<'_>) {
        let ended = self.sessions.end_group(&self.realm, group, None).expect("a name");
        assert!(block_on(ended.settled()).expect("kept").is_none());
    }

    fn end_but(&self, group: Group<'_>, keep: &str) -> String {
        let mut scratch = Scratch::default();
        let session = self.sessions.verify(&self.realm, &[keep.as_bytes()], &mut scratch).expect("it lives");
        let ended = self.sessions.end_group(&self.realm, group, Some(&session)).expect("one of them");
        block_on(ended.settled()).expect("kept").expect("it lives on").token.expose().to_owned()
    }
}
