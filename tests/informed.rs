//! What a replica among others asks before it acts, and what it looks at again before it answers. The others are this test.

use std::future::Future;
use std::pin::pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use pollster::block_on;
use sealpass::claims::{CookieName, PublicKey, RealmId, RealmName, Registration};
use sealpass::clock::{ManualClock, Timestamp};
use sealpass::entropy::SystemEntropy;
use sealpass::keyring::{KeyRing, Keys};
use sealpass::revocation::{
    AT_ONCE, Fact, FactStore, Learned, MemoryFacts, Question, Recorded, SessionFacts, SessionKey, Spread, Spreading,
    TagFacts, TagKey, Uninformed, Wait,
};
use sealpass::sessions::{
    Change, Group, Import, Issued, Lifetimes, NewSession, Pending, Realm, Session, Sessions, Terms, Unsettled,
};
use sealpass::token::Scratch;

#[test]
fn what_rotation_made_of_an_ended_session_elsewhere_ends_with_it() {
    let one = One::new();
    let token = one.login();
    let first = one.key(&token);
    let second = SessionKey { sid: one.keys().rotated(first.sid), ..first };
    let third = SessionKey { sid: one.keys().rotated(second.sid), ..first };
    let mut ended = pin!(one.end(&token).settled());
    assert_eq!(look(ended.as_mut()), Poll::Pending);
    one.hears(rotated(first));
    assert_eq!(look(ended.as_mut()), Poll::Pending, "no majority yet");
    assert_eq!(one.others.facts.session(second), None);
    // A majority has it, and one of them told of the rotation.
    one.others.hold(1);
    assert_eq!(look(ended.as_mut()), Poll::Pending, "now the next one is on its way");
    assert!(one.others.facts.session(second).is_some_and(|known| known.over()));
    one.hears(rotated(second));
    one.others.hold(2);
    assert_eq!(look(ended.as_mut()), Poll::Pending);
    assert!(one.others.facts.session(third).is_some_and(|known| known.over()));
    one.others.hold(3);
    assert_eq!(look(ended.as_mut()), Poll::Ready(Ok(true)));
}

#[test]
fn a_session_that_is_over_already_is_followed_to_where_rotation_took_it() {
    let one = One::new();
    let token = one.login();
    let first = one.key(&token);
    let second = SessionKey { sid: one.keys().rotated(first.sid), ..first };
    one.hears(Fact::Deny { session: first, from: AT_ONCE, rotated: false, of: None, until: Timestamp::MAX });
    one.hears(rotated(first));
    drop(one.end(&token));
    assert!(one.others.facts.session(second).is_some_and(|known| known.over()));
}

#[test]
fn a_rotation_or_reseal_that_something_overtook_is_not_handed_out() {
    let until = Timestamp::MAX;
    let later = now().plus(Duration::from_secs(60));
    let overtaken: [(&str, Overtakes); 6] = [
        ("ended", |_, session| Fact::Deny { session, from: AT_ONCE, rotated: false, of: None, until: Timestamp::MAX }),
        ("resealed", |_, session| Fact::Superseded {
            session,
            at: now().plus(Duration::from_secs(60)),
            until: Timestamp::MAX,
        }),
        ("cut off", |one, _| Fact::Cutoff { tag: one.subject(), at: now(), until: Timestamp::MAX }),
        ("its realm ended", |one, _| Fact::Floor { realm: Some(one.realm.id()), at: now(), until: Timestamp::MAX }),
        ("all ended", |_, _| Fact::Floor { realm: None, at: now(), until: Timestamp::MAX }),
        ("bound to a device", |one, session| one.bound(session, later_at())),
    ];
    for rotates in [false, true] {
        for (what, fact) in overtaken {
            let one = One::new();
            let token = one.login();
            let mut changed = pin!(one.change(&token, rotates).settled());
            assert!(look(changed.as_mut()).is_pending());
            one.hears(fact(&one, one.key(&token)));
            one.others.hold(2);
            let found = look(changed.as_mut());
            assert!(matches!(found, Poll::Ready(Err(Unsettled::Conflict))), "{what}, rotates: {rotates}: {found:?}");
        }
        let one = One::new();
        let token = one.login();
        let changed = one.change(&token, rotates);
        // What does not touch it.
        one.hears(Fact::Stale { tag: one.subject(), at: later, until });
        one.hears(Fact::Cutoff { tag: TagKey { tag: [9; 8], ..one.subject() }, at: later, until });
        one.others.hold(2);
        assert!(block_on(changed.settled()).is_ok(), "rotates: {rotates}");
    }
}

#[test]
fn a_registration_that_something_overtook_is_not_handed_out() {
    let earlier = now().plus(TERMS.tolerance).minus(Duration::from_millis(1));
    let of = |one: &One| one.subject();
    for (what, fact) in [
        ("ended", Box::new(|_: &One, session| rotated(session)) as Box<dyn Fn(&One, SessionKey) -> Fact>),
        ("cut off", Box::new(move |one, _| Fact::Cutoff { tag: of(one), at: now(), until: Timestamp::MAX })),
        (
            "its realm ended",
            Box::new(|one, _| Fact::Floor { realm: Some(one.realm.id()), at: now(), until: Timestamp::MAX }),
        ),
        ("resealed", Box::new(|_, session| Fact::Superseded { session, at: later_at(), until: Timestamp::MAX })),
        ("bound to another device", Box::new(move |one, session| one.bound(session, earlier))),
    ] {
        let one = One::new();
        let (token, registered) = one.registers();
        let mut registered = pin!(registered.settled());
        assert!(look(registered.as_mut()).is_pending(), "no majority holds it");
        one.hears(fact(&one, one.key(&token)));
        one.others.hold(1);
        let found = look(registered.as_mut());
        assert!(matches!(found, Poll::Ready(Err(Unsettled::Conflict))), "{what}: {found:?}");
    }
    let one = One::new();
    let (token, registered) = one.registers();
    one.hears(one.bound(one.key(&token), later_at().plus(TERMS.tolerance)));
    one.others.hold(1);
    assert!(block_on(registered.settled()).is_ok(), "the later one is told by whoever made it");
}

#[test]
fn of_two_replicas_that_change_a_session_at_one_moment_the_later_claims_hold() {
    for rotates in [false, true] {
        let claims_at = (0..64).map(|_| {
            let one = One::new();
            let changed = one.change(&one.login(), rotates);
            one.others.hold(2);
            block_on(changed.settled()).expect("nobody else changed it").claims_at
        });
        let found: std::collections::BTreeSet<_> = claims_at.collect();
        assert!(found.len() > 48, "rotates: {rotates}: {found:?}");
        let one = One::new();
        let token = one.login();
        let session = one.key(&token);
        let changed = one.change(&token, rotates);
        let sid = if rotates { one.keys().rotated(session.sid) } else { session.sid };
        let at = now().plus(Duration::from_secs(2));
        one.hears(Fact::Superseded { session: SessionKey { sid, ..session }, at, until: Timestamp::MAX });
        one.others.hold(2);
        assert_eq!(block_on(changed.settled()).err(), Some(Unsettled::Conflict), "rotates: {rotates}");
    }
}

#[test]
fn a_reseal_of_what_another_replica_rotated_is_not_handed_out() {
    let one = One::new();
    let token = one.login();
    let changed = one.change(&token, false);
    one.hears(rotated(one.key(&token)));
    one.others.hold(1);
    assert_eq!(block_on(changed.settled()).err(), Some(Unsettled::Conflict));
}

#[test]
fn a_token_that_starts_ahead_is_handed_out_when_others_heard_of_it_and_else_not() {
    let one = One::new();
    let started = now().plus(Duration::from_secs(9));
    let new = NewSession { subject: Some("alice"), ..NewSession::default() };
    drop(block_on(one.sessions.begin(&one.realm, &new).expect("it fits").settled()).expect("nothing to tell"));
    assert_eq!(one.others.told.lock().expect("no panic").len(), 0, "starts by the clock");
    one.hears(Fact::Cutoff { tag: one.subject(), at: started, until: Timestamp::MAX });
    for heard in [Ok(()), Err(Uninformed)] {
        *one.others.answers.lock().expect("no panic") = heard;
        let begun = block_on(one.sessions.begin(&one.realm, &new).expect("it fits").settled());
        assert_eq!(begun.map(|issued| issued.started > started), heard.map(|()| true).map_err(Unsettled::from));
    }
    let told = one.others.told.lock().expect("no panic").clone();
    assert_eq!(told.len(), 2);
    assert!(told.iter().all(|(tags, at)| *at > started && *tags == [one.subject(), TagKey::all_of(one.realm.id())]));
    // So is a session that is kept at the ending of the others.
    *one.others.answers.lock().expect("no panic") = Err(Uninformed);
    let token = one.login_at(started.plus(Duration::from_millis(1)));
    one.others.hold(100);
    let kept = one.with(&token, |session| {
        one.sessions.end_group(&one.realm, Group::Subject("alice"), Some(session)).expect("one of them")
    });
    assert_eq!(block_on(kept.settled()).err(), Some(Unsettled::Uninformed(Uninformed)));
}

#[test]
fn whoever_acts_asks_for_all_that_could_speak_against_it() {
    let one = One::new();
    let all = TagKey::all_of(one.realm.id());
    let question = |tags: &[TagKey], session| Question { realm: one.realm.id(), tags: tags.to_vec(), session };
    let new = NewSession { subject: Some("alice"), ..NewSession::default() };
    drop(one.sessions.ask_before_issue(&one.realm, &new));
    let key = SessionKey { realm: one.realm.id(), sid: one.keys().imported(one.realm.name(), "old") };
    let import = NewSession { import: Some(Import { key: "old", started: now() }), ..new };
    drop(one.sessions.ask_before_issue(&one.realm, &import));
    let token = one.login();
    one.with(&token, |session| drop(one.sessions.ask_before_change(&one.realm, &session.claims)));
    drop(one.sessions.ask_before_ending(&one.realm, Group::Subject("alice")));
    drop(one.sessions.ask_before_ending(&one.realm, Group::Subject("")));
    assert_eq!(block_on(one.sessions.ask_before_floor(&[&one.realm])), Ok(()));
    let asked = one.others.asked.lock().expect("no panic").clone();
    let both = [one.subject(), all];
    assert_eq!(
        asked,
        [
            question(&both, None),
            question(&both, Some(key)),
            question(&both, Some(one.key(&token))),
            question(&both, None),
            question(&[all], None),
        ]
    );
    *one.others.answers.lock().expect("no panic") = Err(Uninformed);
    assert_eq!(block_on(one.sessions.ask_before_issue(&one.realm, &new)), Err(Uninformed));
    assert_eq!(block_on(one.sessions.ask_before_floor(&[&one.realm])), Err(Uninformed));
}

#[test]
fn a_replica_that_is_alone_asks_nobody() {
    let (facts, entropy) = (Arc::new(MemoryFacts::default()), Arc::new(SystemEntropy::new()));
    let keys = Keys::new(&ring(), &*entropy).expect("random bytes");
    let alone = Sessions::new(keys, facts, Arc::new(ManualClock::at(now())), entropy);
    let realm = realm();
    let new = NewSession { subject: Some("alice"), ..NewSession::default() };
    assert!(alone.ask_before_issue(&realm, &new).is_now());
    assert!(alone.ask_before_ending(&realm, Group::Subject("alice")).is_now());
    assert!(alone.ask_before_floor(&[&realm]).is_now());
    assert_eq!(alone.fleet(), None);
    assert_eq!(alone.end_id(&realm, sealpass::claims::SessionId([1; 16])).spread(), None);
}

/// Makes what overtakes a change of a session.
type Overtakes = fn(&One, SessionKey) -> Fact;

/// Two other replicas, which say and hold what a test wants.
struct Others {
    facts: MemoryFacts,
    /// How many of the facts that were recorded a majority holds.
    held: Mutex<usize>,
    recorded: Mutex<usize>,
    answers: Mutex<Result<(), Uninformed>>,
    asked: Mutex<Vec<Question>>,
    told: Mutex<Vec<(Vec<TagKey>, Timestamp)>>,
}

impl Others {
    fn hold(&self, facts: usize) {
        *self.held.lock().expect("no panic") = facts;
    }

    fn answer(&self) -> Learned {
        Learned::when(std::future::ready(*self.answers.lock().expect("no panic")))
    }
}

struct Shared(Arc<Others>);

/// One fact on its way.
struct Way(Arc<Others>, usize);

impl Spreading for Way {
    fn poll_reached(&self, wait: Wait, _: &mut Context<'_>) -> Poll<()> {
        if self.spread().reaches(wait) { Poll::Ready(()) } else { Poll::Pending }
    }

    fn spread(&self) -> Spread {
        let held = *self.0.held.lock().expect("no panic") > self.1;
        Spread { applied: if held { 2 } else { 1 }, core: 3 }
    }
}

impl FactStore for Shared {
    fn session(&self, session: SessionKey) -> Option<SessionFacts> {
        self.0.facts.session(session)
    }

    fn tag(&self, tag: TagKey) -> Option<TagFacts> {
        self.0.facts.tag(tag)
    }

    fn floor(&self, realm: RealmId) -> Option<Timestamp> {
        self.0.facts.floor(realm)
    }

    fn fleet(&self) -> Option<u16> {
        Some(3)
    }

    fn learn(&self, question: Question) -> Learned {
        self.0.asked.lock().expect("no panic").push(question);
        self.0.answer()
    }

    fn pass(&self, tags: &[TagKey], at: Timestamp) -> Learned {
        self.0.told.lock().expect("no panic").push((tags.to_vec(), at));
        drop(self.0.facts.pass(tags, at));
        self.0.answer()
    }

    fn passed(&self, tags: &[TagKey]) -> Option<Timestamp> {
        self.0.facts.passed(tags)
    }

    fn record(&self, fact: Fact, now: Timestamp) -> Recorded {
        let mut recorded = self.0.facts.record(fact, now);
        let mut count = self.0.recorded.lock().expect("no panic");
        recorded.kept = recorded.kept.spreading(Arc::new(Way(Arc::clone(&self.0), *count)));
        *count += 1;
        recorded
    }
}

struct One {
    sessions: Sessions,
    others: Arc<Others>,
    realm: Realm,
    ring: KeyRing,
}

impl One {
    fn new() -> Self {
        let others = Arc::new(Others {
            facts: MemoryFacts::default(),
            held: Mutex::default(),
            recorded: Mutex::default(),
            answers: Mutex::new(Ok(())),
            asked: Mutex::default(),
            told: Mutex::default(),
        });
        let (ring, entropy) = (ring(), Arc::new(SystemEntropy::new()));
        let keys = Keys::new(&ring, &*entropy).expect("random bytes");
        let facts = Arc::new(Shared(Arc::clone(&others)));
        let sessions = Sessions::new(keys, facts, Arc::new(ManualClock::at(now())), entropy);
        Self { sessions, others, realm: realm(), ring }
    }

    fn keys(&self) -> Keys {
        Keys::new(&self.ring, &SystemEntropy::new()).expect("random bytes")
    }

    fn subject(&self) -> TagKey {
        let tag = self.sessions.tag_of(&self.realm, Group::Subject("alice")).expect("a name");
        TagKey { realm: self.realm.id(), tag }
    }

    fn login(&self) -> String {
        let new = NewSession { subject: Some("alice"), ..NewSession::default() };
        self.sessions.issue(&self.realm, &new).expect("it fits").token.expose().to_owned()
    }

    /// A session that starts by the facts at `at` at the earliest.
    fn login_at(&self, at: Timestamp) -> String {
        let token = self.login();
        self.with(&token, |session| assert!(session.claims.started >= at));
        token
    }

    fn with<T>(&self, token: &str, then: impl FnOnce(&Session<'_>) -> T) -> T {
        let mut scratch = Scratch::default();
        then(&self.sessions.verify(&self.realm, &[token.as_bytes()], &mut scratch).expect("good"))
    }

    fn key(&self, token: &str) -> SessionKey {
        let mut scratch = Scratch::default();
        let sid = self.sessions.recognise(&self.realm, token.as_bytes(), &mut scratch).expect("ours").sid;
        SessionKey { realm: self.realm.id(), sid }
    }

    fn end(&self, token: &str) -> Pending<bool> {
        let mut scratch = Scratch::default();
        let claims = self.sessions.recognise(&self.realm, token.as_bytes(), &mut scratch).expect("ours");
        self.sessions.end(&self.realm, &claims)
    }

    /// A login whose device registers.
    fn registers(&self) -> (String, Pending<Issued>) {
        let new = NewSession { subject: Some("alice"), ..NewSession::default() };
        let issued = self.sessions.issue(&self.realm, &new).expect("it fits");
        let anchor = self.sessions.anchor_for(&self.realm, &issued).expect("it fits");
        let mut scratch = Scratch::default();
        let anchor = self.sessions.judge_anchor(&self.realm, &[anchor.token.expose().as_bytes()], &mut scratch);
        let key = PublicKey::from_coordinates(&[1; 32], &[1; 32]);
        let registered = self.sessions.register(&self.realm, &anchor.expect("good"), key, TERMS).expect("it is new");
        (issued.token.expose().to_owned(), registered)
    }

    /// That another replica has bound it.
    fn bound(&self, session: SessionKey, at: Timestamp) -> Fact {
        let by = Registration { at, key: [9; 8] };
        Fact::Bound { session, by, of: (self.subject().tag, now()), until: Timestamp::MAX }
    }

    fn change(&self, token: &str, rotates: bool) -> Pending<Issued> {
        let change = Change::default();
        self.with(token, |session| match rotates {
            true => self.sessions.rotate(&self.realm, session, &change, Duration::ZERO).expect("good"),
            false => self.sessions.reseal(&self.realm, session, &change).expect("good"),
        })
    }

    /// Word from another replica.
    fn hears(&self, fact: Fact) {
        drop(self.others.facts.record(fact, now()));
    }
}

fn look<F: Future>(future: std::pin::Pin<&mut F>) -> Poll<F::Output> {
    future.poll(&mut Context::from_waker(Waker::noop()))
}

const TERMS: Terms = Terms { tolerance: Duration::from_secs(300), life: Duration::from_secs(600) };

fn later_at() -> Timestamp {
    now().plus(Duration::from_secs(60))
}

fn rotated(session: SessionKey) -> Fact {
    Fact::Deny { session, from: AT_ONCE, rotated: true, of: None, until: Timestamp::MAX }
}

fn now() -> Timestamp {
    Timestamp::from_millis(1_790_000_000_000).expect("in range")
}

fn ring() -> KeyRing {
    KeyRing::init(&SystemEntropy::new(), now().minus(Duration::from_secs(86_400))).expect("random bytes")
}

fn realm() -> Realm {
    let cookie = CookieName::new("__Host-a").expect("a name");
    Realm::new(RealmName::new("a").expect("a name"), cookie, Lifetimes::DEFAULT).with_imports(true)
}
