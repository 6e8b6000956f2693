//! Endings across replicas and clocks: three instances in this process, each with a clock and facts of its own, which hand on
//! what they record before it is acknowledged. And one instance, where that is enough.

use std::sync::{Arc, Barrier};
use std::thread;
use std::time::Duration;

use pollster::block_on;
use sealpass::claims::{CookieName, RealmId, RealmName};
use sealpass::clock::{Clock, ManualClock, SteadyClock, Timestamp};
use sealpass::entropy::SystemEntropy;
use sealpass::keyring::{KeyRing, Keys};
use sealpass::revocation::{
    CLOCK_ERROR, Fact, FactStore, Kept, MemoryFacts, Recorded, SessionFacts, SessionKey, StoreError, TagFacts, TagKey,
};
use sealpass::sessions::{
    Change, ChangeError, Group, Import, IssueError, Issued, Lifetimes, NewSession, Pending, Realm, Sessions,
};
use sealpass::store::CachedFacts;
use sealpass::token::Scratch;

const MINUTE: Duration = Duration::from_secs(60);
const TAG: TagKey = TagKey { realm: RealmId([8; 8]), tag: [7; 8] };

#[test]
fn s04_of_two_cutoffs_that_race_the_larger_stands() {
    let clock = Arc::new(ManualClock::at(start()));
    let stores: [Arc<dyn FactStore>; 2] = [Arc::new(MemoryFacts::default()), Arc::new(CachedFacts::new(clock))];
    for store in stores {
        let (threads, rounds) = (3, 10_000);
        let barrier = Barrier::new(threads);
        let until = Timestamp::MAX;
        thread::scope(|scope| {
            for thread in 0..threads as u64 {
                let (store, barrier) = (&store, &barrier);
                scope.spawn(move || {
                    for round in 0..rounds {
                        let tag = TagKey { tag: u64::to_be_bytes(round), ..TAG };
                        // Who has the largest changes from round to round.
                        let at = start().plus(Duration::from_millis((thread + round) % threads as u64));
                        barrier.wait();
                        drop(store.record(Fact::Cutoff { tag, at, until }, start()));
                        barrier.wait();
                        let stands = store.tag(tag).and_then(|facts| facts.cutoff);
                        assert_eq!(stands, Some(start().plus(Duration::from_millis(threads as u64 - 1))), "{round}");
                    }
                });
            }
        });
    }
}

#[test]
fn s05_in_one_millisecond_the_old_session_goes_and_the_new_one_stays() {
    let one = Instance::alone(Arc::new(ManualClock::at(start())));
    for round in 0..1_000 {
        let old = one.login("alice");
        assert!(one.accepts(&old), "{round}");
        one.end_all_of("alice");
        let new = one.login("alice");
        assert!(!one.accepts(&old), "{round}: the first survived");
        assert!(one.accepts(&new), "{round}: the second was refused");
        one.end_all_of("alice");
        assert!(!one.accepts(&new), "{round}: a second cut-off right after");
    }
}

#[test]
fn s05_the_same_on_replicas_whose_clocks_differ() {
    let fleet = Instance::fleet(&[CLOCK_ERROR.as_millis(), 0, 2 * CLOCK_ERROR.as_millis()]);
    let everywhere = |token: &str, accepted: bool, what: &str| {
        for instance in &fleet {
            assert_eq!(instance.accepts(token), accepted, "{what}");
        }
    };
    for round in 0..1_000 {
        let at = |shift: usize| &fleet[(round / 3_usize.pow(u32::try_from(shift).expect("small"))) % 3];
        let old = at(0).login("alice");
        at(1).end_all_of("alice");
        let new = at(2).login("alice");
        everywhere(&old, false, "the first survived");
        everywhere(&new, true, "the second was refused");
        at(3).end_all_of("alice");
        everywhere(&new, false, "a second cut-off right after");
    }
}

#[test]
fn s05_a_cutoff_passes_one_that_only_who_acknowledges_it_knows() {
    // The first and the last reach the middle one alone, and the first one's clock is ahead.
    let fleet = Instance::fleet_where(&[2 * CLOCK_ERROR.as_millis(), 0, 0], |from, to| from != 1 && to == 1);
    for round in 0..100 {
        fleet[0].end_all_of("alice");
        let token = fleet[1].login("alice");
        fleet[2].end_all_of("alice");
        assert!(!fleet[1].accepts(&token) && !fleet[2].accepts(&token), "{round}");
        let fresh = fleet[1].login("alice");
        assert!(fleet.iter().all(|instance| instance.accepts(&fresh)), "{round}");
    }
}

#[test]
fn a_floor_ends_what_was_and_nothing_that_comes_in_one_realm_or_in_all() {
    let clock = Arc::new(ManualClock::at(start()));
    let one = Instance::alone(clock);
    let other = Instance { realm: realm("other"), ..one.clone() };
    for all in [false, true] {
        for _ in 0..100 {
            let (here, there) = (one.login("alice"), other.login("alice"));
            let raised = match all {
                true => one.sessions.end_all(&[&one.realm, &other.realm]),
                false => one.sessions.end_realm(&one.realm),
            };
            block_on(raised.settled()).expect("kept");
            assert!(!one.accepts(&here));
            assert_eq!(other.accepts(&there), !all, "another realm");
            let (here, there) = (one.login("alice"), other.login("alice"));
            assert!(one.accepts(&here) && other.accepts(&there), "a login after it");
        }
    }
}

#[test]
fn the_session_that_asks_goes_on_alone_and_as_it_was() {
    let clock = Arc::new(ManualClock::at(start()));
    let one = Instance::alone(Arc::clone(&clock) as Arc<dyn Clock>);
    let (asker, other) = (one.login("alice"), one.login("alice"));
    clock.advance(MINUTE);
    let before = one.session(&asker).expect("good");
    let kept = one.end_all_but("alice", &asker).expect("sealed");
    assert!(!one.accepts(&other) && !one.accepts(&asker), "and its own older token ends with the others");
    let after = one.session(kept.token.expose()).expect("good");
    assert_eq!((after.sid, after.expires, after.authenticated), (before.sid, before.expires, before.authenticated));
    assert_eq!((after.claims_at, after.roles), (before.claims_at, before.roles));
    assert!(after.started > before.started);
    let again = one.end_all_but("alice", kept.token.expose()).expect("sealed");
    assert!(!one.accepts(kept.token.expose()) && one.accepts(again.token.expose()), "within the same millisecond");
    one.end_all_of("alice");
    assert!(!one.accepts(again.token.expose()), "there is no list of exceptions");
    assert!(one.try_end_all_but("bob", &one.login("alice")).is_err(), "a session of somebody else");
}

#[test]
fn s08_what_a_replica_sealed_that_did_not_know_yet_is_refused() {
    let (a, b) = Instance::strangers();
    let token = a.login("alice");
    a.clock.advance(10 * MINUTE);
    b.clock.advance(10 * MINUTE);
    let renewed = a.renew(&token);
    let claims_of = |token: &str, then: &dyn Fn(&sealpass::claims::Claims<'_>)| {
        let mut scratch = Scratch::default();
        then(&a.sessions.recognise(&a.realm, token.as_bytes(), &mut scratch).expect("ours"));
    };
    claims_of(&token, &|claims| assert!(block_on(a.sessions.end(&a.realm, claims).settled()).expect("kept")));
    let uninformed = b.renew(&renewed);
    assert!(b.accepts(&uninformed), "it can't know");
    for token in [&token, &renewed, &uninformed] {
        assert!(!a.accepts(token));
    }
    b.learn_of(&a);
    for token in [&token, &renewed, &uninformed] {
        assert!(!b.accepts(token));
    }
}

#[test]
fn s09_a_renewed_cookie_that_arrives_after_its_cutoff_is_refused() {
    let (a, b) = Instance::strangers();
    let token = a.login("alice");
    for clock in [&a.clock, &b.clock] {
        clock.advance(10 * MINUTE);
    }
    a.end_all_of("alice");
    for clock in [&a.clock, &b.clock] {
        clock.advance(10 * MINUTE);
    }
    // Sealed long after the cut-off, by a replica that does not know of it: it is the start that counts.
    let slow = b.renew(&token);
    assert!(b.accepts(&slow));
    assert!(!a.accepts(&slow));
    b.learn_of(&a);
    assert!(!b.accepts(&slow));
}

#[test]
fn s10_an_older_cookie_that_is_written_back_is_refused_however_claims_were_lowered() {
    let one = Instance::alone(Arc::new(ManualClock::at(start())));
    for rotate in [false, true] {
        let token = one.login("alice");
        let late = one.renew(&token);
        let lowered = one.change(&token, Some(&[]), rotate.then_some(Duration::ZERO)).expect("good");
        assert_eq!(one.session(&lowered).expect("good").roles, [""; 0]);
        assert!(!one.accepts(&token) && !one.accepts(&late), "rotate: {rotate}");
    }
}

#[test]
fn grace_lets_the_old_token_pass_for_a_while_and_no_longer() {
    let clock = Arc::new(ManualClock::at(start()));
    let one = Instance::alone(Arc::clone(&clock) as Arc<dyn Clock>);
    let old = one.login("alice");
    clock.advance(10 * MINUTE);
    let more = ["editor".to_owned(), "admin".to_owned()];
    let new = one.change(&old, Some(&more), Some(Duration::from_secs(10))).expect("nothing is taken away");
    clock.advance(Duration::from_millis(9_999));
    assert!(one.accepts(&old) && one.accepts(&new));
    let mut scratch = Scratch::default();
    let session = one.sessions.verify(&one.realm, &[old.as_bytes()], &mut scratch).expect("good");
    assert!(session.ending && !session.renewal_due, "a renewed old cookie would take the new one's place");
    assert_eq!(one.sessions.renew(&one.realm, &session).err(), Some(ChangeError::Conflict));
    assert_eq!(one.change(&old, None, None).err(), Some(ChangeError::Conflict));
    assert_eq!(one.change(&old, None, Some(Duration::ZERO)).err(), Some(ChangeError::Conflict));
    clock.advance(Duration::from_millis(1));
    assert!(!one.accepts(&old) && one.accepts(&new));
    // Its end ends the grace as well.
    let newest = one.change(&new, None, Some(Duration::from_secs(10))).expect("good");
    one.end(&new);
    assert!(!one.accepts(&new) && !one.accepts(&newest));
}

#[test]
fn there_is_no_grace_for_what_takes_something_away() {
    let one = Instance::alone(Arc::new(ManualClock::at(start())));
    let token = one.login("alice");
    let data = std::collections::BTreeMap::new();
    let lowering = [
        (Change { roles: Some(&[]), ..Change::default() }, "roles"),
        (Change { data: Some(&data), ..Change::default() }, "data"),
        (Change { amr: Some(&[]), ..Change::default() }, "amr"),
        (Change { aal: Some(1), ..Change::default() }, "aal"),
        (Change { authenticated_at: Some(start().minus(MINUTE)), ..Change::default() }, "authenticated_at"),
    ];
    let mut scratch = Scratch::default();
    let session = one.sessions.verify(&one.realm, &[token.as_bytes()], &mut scratch).expect("good");
    for (change, field) in lowering {
        let refused = one.sessions.rotate(&one.realm, &session, &change, Duration::from_millis(1)).err();
        assert_eq!(refused, Some(IssueError::Lowering(field).into()));
    }
    let change = Change::default();
    let refused = one.sessions.rotate(&one.realm, &session, &change, Duration::from_secs(11)).err();
    assert_eq!(refused, Some(IssueError::Grace { limit: 10, found: 11 }.into()));
    assert!(one.accepts(&token), "nothing happened");
}

#[test]
fn claims_that_are_out_of_date_are_so_until_new_roles_are_given() {
    let clock = Arc::new(ManualClock::at(start()));
    let one = Instance::alone(Arc::clone(&clock) as Arc<dyn Clock>);
    let roles = ["viewer".to_owned()];
    for round in 0..100 {
        let token = one.login("alice");
        assert_eq!(one.is_stale(&token), Some(false), "{round}: a login behind the last one");
        one.outdate("alice");
        assert_eq!(one.is_stale(&token), Some(true), "{round}: and it lives");
        let renewed = one.renew(&token);
        assert_eq!(one.is_stale(&renewed), Some(true), "{round}: renewal gives no claims");
        let rotated = one.change(&renewed, None, Some(Duration::ZERO)).expect("good");
        assert_eq!(one.is_stale(&rotated), Some(true), "{round}: nor does a new id");
        let same = one.change(&rotated, None, None).expect("good");
        assert_eq!(one.is_stale(&same), Some(true), "{round}: nor a reseal that names no roles");
        let mut fresh = one.change(&same, Some(&roles), None).expect("good");
        assert_eq!(one.is_stale(&fresh), Some(false), "{round}: new roles");
        for _ in 0..10 {
            fresh = one.change(&fresh, Some(&roles), None).expect("good");
        }
        one.outdate("alice");
        assert_eq!(one.is_stale(&fresh), Some(true), "{round}: however often resealed in one millisecond");
        let fresh = one.change(&fresh, Some(&roles), Some(Duration::ZERO)).expect("good");
        assert_eq!(one.is_stale(&fresh), Some(false), "{round}: by rotation");
    }
}

#[test]
fn a_change_without_roles_makes_none_fresh_that_are_known_elsewhere_to_be_out_of_date() {
    let (a, b) = Instance::strangers();
    let token = a.login("alice");
    b.outdate("alice");
    for clock in [&a.clock, &b.clock] {
        clock.advance(MINUTE);
    }
    let rotated = a.change(&token, None, Some(Duration::ZERO)).expect("it can't know");
    let resealed = a.change(&rotated, None, None).expect("it can't know");
    a.learn_of(&b);
    assert_eq!(a.is_stale(&resealed), Some(true));
}

#[test]
fn a_chain_of_rotations_is_ended_from_its_end_so_that_it_can_be_tried_again() {
    for fails_at in 0..4 {
        let own = Arc::new(MemoryFacts::default());
        let store = Arc::new(Failing { own, left: std::sync::Mutex::new(None) });
        let clock = Arc::new(ManualClock::at(start()));
        let facts = Arc::clone(&store) as Arc<dyn FactStore>;
        let one = Instance::new(clock, facts, &ring());
        let first = one.login("alice");
        let mut chain = vec![first.clone()];
        for _ in 0..3 {
            let next = one.change(&chain[chain.len() - 1], None, Some(Duration::ZERO)).expect("good");
            chain.push(next);
        }
        *store.left.lock().expect("no panic") = Some(fails_at);
        let ended = |token: &str| {
            let mut scratch = Scratch::default();
            let claims = one.sessions.recognise(&one.realm, token.as_bytes(), &mut scratch).expect("ours");
            block_on(one.sessions.end(&one.realm, &claims).settled())
        };
        assert_eq!(ended(&first), Err(StoreError), "it says so");
        *store.left.lock().expect("no panic") = None;
        assert!(ended(&first).is_ok());
        assert_eq!(chain.iter().filter(|token| one.accepts(token)).count(), 0, "after {fails_at} were kept");
    }
}

#[test]
fn s13_a_replica_that_was_away_brings_nothing_back() {
    let (here, away) = Instance::strangers();
    let mut tokens: Vec<_> = (0..5).map(|n| here.login(&format!("user{n}"))).collect();
    // Both know early endings, and then one of them is away.
    here.end(&tokens[0]);
    here.end_all_of("user2");
    away.learn_of(&here);
    tokens[2] = here.login("user2");
    let rotated = away.change(&tokens[4], None, Some(Duration::ZERO)).expect("good");
    here.end(&tokens[1]);
    here.end_all_of("user2");
    here.outdate("user3");
    here.end(&tokens[4]);
    for clock in [&here.clock, &away.clock] {
        clock.advance(20 * MINUTE);
    }
    let state = || tokens.iter().chain([&rotated]).map(|token| (here.accepts(token), here.is_stale(token)));
    let before: Vec<_> = state().collect();
    here.learn_of(&away);
    let after: Vec<_> = state().collect();
    assert_eq!(before[..5], after[..5], "what it brings is old");
    away.learn_of(&here);
    for token in tokens.iter().chain([&rotated]) {
        assert_eq!(away.accepts(token), here.accepts(token));
        assert_eq!(away.is_stale(token), here.is_stale(token));
    }
    assert_eq!(
        after.iter().map(|(accepted, _)| *accepted).collect::<Vec<_>>()[..5],
        [false, false, false, true, false]
    );
}

#[test]
fn s44_renewed_every_minute_on_any_replica_it_is_over_at_the_absolute_limit() {
    let fleet = Instance::fleet(&[CLOCK_ERROR.as_millis(), 0, 2 * CLOCK_ERROR.as_millis()]);
    let new = NewSession { subject: Some("alice"), persistent: true, ..NewSession::default() };
    let mut token = fleet[0].sessions.issue(&fleet[0].realm, &new).expect("fits").token.expose().to_owned();
    let first = fleet[0].session(&token).expect("good");
    let minutes = 31 * 24 * 60;
    let mut over = None;
    for minute in 1..=minutes {
        for instance in &fleet {
            instance.clock.advance(MINUTE);
        }
        match (fleet[minute % 3].session(&token), over) {
            (Some(claims), None) => {
                assert_eq!(claims.authenticated, first.authenticated);
                assert_eq!((claims.started, claims.expires), (first.started, first.expires));
                token = fleet[minute % 3].renew(&token);
            }
            (None, None) => over = Some(minute),
            (None, Some(_)) => {}
            (Some(_), Some(_)) => panic!("it came back"),
        }
    }
    assert_eq!(over, Some(30 * 24 * 60), "30 days");
}

#[test]
fn s45_verified_at_once_on_three_replicas_every_token_is_good() {
    let fleet = Instance::fleet(&[CLOCK_ERROR.as_millis(), 0, 2 * CLOCK_ERROR.as_millis()]);
    let token = fleet[0].login("alice");
    for instance in &fleet {
        instance.clock.advance(14 * MINUTE);
    }
    let barrier = Barrier::new(50);
    let renewed: Vec<_> = thread::scope(|scope| {
        let ask = |n: usize| {
            let (fleet, token, barrier) = (&fleet, &token, &barrier);
            scope.spawn(move || {
                barrier.wait();
                let mut scratch = Scratch::default();
                let one = &fleet[n % 3];
                let session = one.sessions.verify(&one.realm, &[token.as_bytes()], &mut scratch).expect("good");
                assert!(session.renewal_due, "14 minutes are over two slots");
                one.sessions.renew(&one.realm, &session).expect("a key").token.expose().to_owned()
            })
        };
        let asked: Vec<_> = (0..50).map(ask).collect();
        asked.into_iter().map(|asked| asked.join().expect("no panic")).collect()
    });
    for token in renewed.iter().chain([&token]) {
        assert!(fleet.iter().all(|instance| instance.accepts(token)));
    }
}

#[test]
fn s46_when_the_clock_jumps_nothing_that_is_over_lives_again() {
    let hour = Duration::from_secs(3_600);
    for jump in [hour, 24 * hour] {
        let wall = Arc::new(ManualClock::at(start()));
        let one = Instance::alone(Arc::new(SteadyClock::new(Arc::clone(&wall) as Arc<dyn Clock>)));
        let (expires, ended) = (one.login("alice"), one.login("bob"));
        one.end(&ended);
        wall.advance(jump);
        assert!(!one.accepts(&expires), "idle for longer than it may");
        let ahead = one.login("carol");
        one.end(&ahead);
        let cut = one.login("dave");
        one.end_all_of("dave");
        // Set right again; and step by step to the time that the ending was given by.
        for _ in 0..3 {
            wall.set(wall.now().minus(jump / 3));
            for (token, what) in [(&expires, "expired"), (&ended, "ended"), (&ahead, "ended ahead"), (&cut, "cut off")]
            {
                assert!(!one.accepts(token), "{what}");
            }
            let fresh = one.login("erin");
            assert!(one.accepts(&fresh), "and the service works on");
        }
        for _ in 0..8 {
            wall.advance(jump / 6);
            for (token, what) in [(&expires, "expired"), (&ended, "ended"), (&ahead, "ended ahead"), (&cut, "cut off")]
            {
                assert!(!one.accepts(token), "{what}");
            }
        }
    }
}

#[test]
fn s46_an_ending_by_a_clock_that_is_behind_is_kept_for_as_long_as_the_token_lives() {
    let (right, behind) = Instance::strangers();
    let token = right.login("alice");
    // Such a clock as a replica may begin with; it verifies nothing that was sealed meanwhile, and ends it all the same.
    behind.clock.set(start().minus(60 * MINUTE));
    behind.end(&token);
    let key = SessionKey { realm: behind.realm.id(), sid: behind.recognised(&token) };
    let kept = behind.facts.session(key).expect("known").until;
    assert!(kept >= start().plus(30 * MINUTE), "the token lives for so long");
}

#[test]
fn s53_imports_at_one_moment_on_three_replicas_are_one_session() {
    let mut fleet = Instance::fleet(&[CLOCK_ERROR.as_millis(), 0, 2 * CLOCK_ERROR.as_millis()]);
    for instance in &mut fleet {
        instance.realm = instance.realm.clone().with_imports(true);
        instance.clock.advance(60 * MINUTE);
    }
    let import = |instance: &Instance| instance.import("alice", "PHPSESSID-1", start());
    let barrier = Barrier::new(10);
    let issued: Vec<_> = thread::scope(|scope| {
        let ask = |n: usize| {
            let (instance, barrier) = (&fleet[n % 3], &barrier);
            scope.spawn(move || {
                barrier.wait();
                import(instance).expect("good")
            })
        };
        let asked: Vec<_> = (0..10).map(ask).collect();
        asked.into_iter().map(|asked| asked.join().expect("no panic")).collect()
    });
    for one in &issued {
        assert_eq!((one.sid, one.started, one.expires), (issued[0].sid, start(), start().plus(12 * 60 * MINUTE)));
        assert!(fleet.iter().all(|instance| instance.accepts(one.token.expose())));
    }
    fleet[1].end(issued[0].token.expose());
    for instance in &fleet {
        assert_eq!(import(instance).err(), Some(IssueError::ImportOver), "it was ended");
        assert!(issued.iter().all(|one| !instance.accepts(one.token.expose())));
    }
    // For as long as it might have lived, though no token of it lives by then.
    for instance in &fleet {
        let key = SessionKey { realm: instance.realm.id(), sid: issued[0].sid };
        assert!(instance.facts.session(key).expect("known").until > issued[0].expires);
        instance.clock.advance(10 * 60 * MINUTE);
        assert_eq!(import(instance).err(), Some(IssueError::ImportOver), "hours later");
    }
    for (ends, what) in [(true, "cut-off"), (false, "floor")] {
        let again = fleet[0].import(what, what, start()).expect("good");
        match ends {
            true => fleet[2].end_all_of(what),
            false => block_on(fleet[2].sessions.end_realm(&fleet[2].realm).settled()).expect("kept"),
        }
        assert!(!fleet[1].accepts(again.token.expose()));
        assert_eq!(fleet[1].import(what, what, start()).err(), Some(IssueError::ImportOver), "{what}");
    }
    let now = fleet[0].clock.now();
    let future = fleet[0].import("carol", "k", now.plus(Duration::from_secs(6))).err();
    assert_eq!(future, Some(IssueError::Future("import.started_at")));
    assert_eq!(
        fleet[0].import("carol", "k", now.minus(12 * 60 * MINUTE)).err(),
        Some(IssueError::ImportOver),
        "expired"
    );
    fleet[0].realm = fleet[0].realm.clone().with_imports(false);
    assert_eq!(fleet[0].import("carol", "k", now).err(), Some(IssueError::NoImports));
}

/// One replica.
#[derive(Clone)]
struct Instance {
    sessions: Arc<Sessions>,
    realm: Realm,
    facts: Arc<dyn FactStore>,
    /// Its own clock, where the test moves it.
    clock: Arc<ManualClock>,
    /// What it recorded, to be handed on later.
    journal: Option<Arc<Journal>>,
}

impl Instance {
    fn new(clock: Arc<dyn Clock>, facts: Arc<dyn FactStore>, ring: &KeyRing) -> Self {
        let entropy = Arc::new(SystemEntropy::new());
        let keys = Keys::new(ring, &*entropy).expect("random bytes");
        let sessions = Arc::new(Sessions::new(keys, Arc::clone(&facts), clock, entropy));
        Self { sessions, realm: realm("default"), facts, clock: Arc::default(), journal: None }
    }

    fn alone(clock: Arc<dyn Clock>) -> Self {
        Self::new(Arc::clone(&clock), Arc::new(CachedFacts::new(clock)), &ring())
    }

    /// Replicas whose clocks are ahead of the slowest by so many milliseconds, and who record what another one records.
    fn fleet(ahead: &[u128]) -> Vec<Self> {
        Self::fleet_where(ahead, |_, _| true)
    }

    /// The same, where not every one reaches every other one.
    fn fleet_where(ahead: &[u128], reached: impl Fn(usize, usize) -> bool) -> Vec<Self> {
        let clock = |ahead: &u128| {
            let ahead = Duration::from_millis(u64::try_from(*ahead).expect("small"));
            Arc::new(ManualClock::at(start().plus(ahead)))
        };
        let clocks: Vec<_> = ahead.iter().map(clock).collect();
        let stores = clocks.iter().map(|clock| CachedFacts::new(Arc::clone(clock) as Arc<dyn Clock>));
        let (stores, ring) = (Arc::new(stores.collect::<Vec<_>>()), ring());
        let instance = |(own, clock): (usize, &Arc<ManualClock>)| {
            let peers = (0..stores.len()).filter(|peer| *peer != own && reached(own, *peer)).collect();
            let facts = Arc::new(Shared { stores: Arc::clone(&stores), own, peers });
            let instance = Self::new(Arc::clone(clock) as Arc<dyn Clock>, facts, &ring);
            Self { clock: Arc::clone(clock), ..instance }
        };
        clocks.iter().enumerate().map(instance).collect()
    }

    /// Two replicas of one ring that do not hear of each other until [`Instance::learn_of`].
    fn strangers() -> (Self, Self) {
        let ring = ring();
        let one = || {
            let clock = Arc::new(ManualClock::at(start()));
            let journal = Arc::new(Journal::default());
            let instance =
                Self::new(Arc::clone(&clock) as Arc<dyn Clock>, Arc::clone(&journal) as Arc<dyn FactStore>, &ring);
            Self { clock, journal: Some(journal), ..instance }
        };
        (one(), one())
    }

    /// Everything that the other one recorded, the newest first.
    fn learn_of(&self, other: &Self) {
        let facts = other.journal.as_ref().expect("a stranger").written.lock().expect("no panic").clone();
        for fact in facts.into_iter().rev() {
            drop(self.facts.record(fact, self.clock.now()));
        }
    }

    fn login(&self, subject: &str) -> String {
        let roles = ["editor".to_owned()];
        let amr = ["pwd".to_owned()];
        let data = std::collections::BTreeMap::from([("plan".to_owned(), "gold".to_owned())]);
        let new = NewSession {
            subject: Some(subject),
            roles: &roles,
            amr: &amr,
            data: Some(&data),
            aal: 2,
            ..NewSession::default()
        };
        self.sessions.issue(&self.realm, &new).expect("fits").token.expose().to_owned()
    }

    fn import(&self, subject: &str, key: &str, started: Timestamp) -> Result<Issued, IssueError> {
        let import = Some(Import { key, started });
        self.sessions.issue(&self.realm, &NewSession { subject: Some(subject), import, ..NewSession::default() })
    }

    fn accepts(&self, token: &str) -> bool {
        self.sessions.verify(&self.realm, &[token.as_bytes()], &mut Scratch::default()).is_ok()
    }

    fn is_stale(&self, token: &str) -> Option<bool> {
        let mut scratch = Scratch::default();
        self.sessions.verify(&self.realm, &[token.as_bytes()], &mut scratch).ok().map(|session| session.stale)
    }

    fn session(&self, token: &str) -> Option<Shown> {
        let mut scratch = Scratch::default();
        let claims = self.sessions.verify(&self.realm, &[token.as_bytes()], &mut scratch).ok()?.claims;
        Some(Shown {
            sid: claims.sid,
            started: claims.started,
            authenticated: claims.authenticated,
            claims_at: claims.claims_at,
            expires: claims.expires,
            roles: claims.roles.iter().map(|&role| role.to_owned()).collect(),
        })
    }

    fn recognised(&self, token: &str) -> sealpass::claims::SessionId {
        let mut scratch = Scratch::default();
        self.sessions.recognise(&self.realm, token.as_bytes(), &mut scratch).expect("ours").sid
    }

    fn renew(&self, token: &str) -> String {
        let mut scratch = Scratch::default();
        let session = self.sessions.verify(&self.realm, &[token.as_bytes()], &mut scratch).expect("good");
        self.sessions.renew(&self.realm, &session).expect("a key").token.expose().to_owned()
    }

    /// Reseals, or rotates with some grace.
    fn change(&self, token: &str, roles: Option<&[String]>, grace: Option<Duration>) -> Result<String, ChangeError> {
        let mut scratch = Scratch::default();
        let session = self.sessions.verify(&self.realm, &[token.as_bytes()], &mut scratch).expect("good");
        let change = Change { roles, ..Change::default() };
        let changed = match grace {
            Some(grace) => self.sessions.rotate(&self.realm, &session, &change, grace)?,
            None => self.sessions.reseal(&self.realm, &session, &change)?,
        };
        Ok(block_on(changed.settled()).expect("kept").token.expose().to_owned())
    }

    fn end(&self, token: &str) {
        let mut scratch = Scratch::default();
        let claims = self.sessions.recognise(&self.realm, token.as_bytes(), &mut scratch).expect("ours");
        block_on(self.sessions.end(&self.realm, &claims).settled()).expect("kept");
    }

    fn end_all_of(&self, subject: &str) {
        let ended = self.sessions.end_group(&self.realm, Group::Subject(subject), None).expect("a name");
        assert!(block_on(ended.settled()).expect("kept").is_none());
    }

    fn end_all_but(&self, subject: &str, keep: &str) -> Option<Issued> {
        block_on(self.try_end_all_but(subject, keep).expect("of that subject").settled()).expect("kept")
    }

    fn try_end_all_but(
        &self,
        subject: &str,
        keep: &str,
    ) -> Result<Pending<Option<Issued>>, sealpass::sessions::GroupError> {
        let mut scratch = Scratch::default();
        let session = self.sessions.verify(&self.realm, &[keep.as_bytes()], &mut scratch).expect("good");
        self.sessions.end_group(&self.realm, Group::Subject(subject), Some(&session))
    }

    fn outdate(&self, subject: &str) {
        let outdated = self.sessions.outdate_group(&self.realm, Group::Subject(subject)).expect("a name");
        block_on(outdated.settled()).expect("kept");
    }
}

/// What a test looks at.
struct Shown {
    sid: sealpass::claims::SessionId,
    started: Timestamp,
    authenticated: Timestamp,
    claims_at: Timestamp,
    expires: Timestamp,
    roles: Vec<String>,
}

/// Facts of one of several replicas: what it records its peers have before it is acknowledged, and what they knew it has then.
struct Shared {
    stores: Arc<Vec<CachedFacts>>,
    own: usize,
    peers: Vec<usize>,
}

impl FactStore for Shared {
    fn session(&self, session: SessionKey) -> Option<SessionFacts> {
        self.stores[self.own].session(session)
    }

    fn tag(&self, tag: TagKey) -> Option<TagFacts> {
        self.stores[self.own].tag(tag)
    }

    fn floor(&self, realm: RealmId) -> Option<Timestamp> {
        self.stores[self.own].floor(realm)
    }

    fn record(&self, fact: Fact, now: Timestamp) -> Recorded {
        let mut all = self.stores[self.own].record(fact, now);
        for peer in self.peers.iter().map(|peer| &self.stores[*peer]) {
            let one = peer.record(fact, now);
            if let (false, Fact::Cutoff { tag, .. }) = (one.raised, fact) {
                let known = peer.tag(tag).unwrap_or_default();
                let at = known.cutoff.expect("it was just told of one");
                drop(self.stores[self.own].record(Fact::Cutoff { tag, at, until: known.until }, now));
            }
            all.raised &= one.raised;
            all.was_rotated |= one.was_rotated;
            all.succeeded |= one.succeeded;
            all.over |= one.over;
        }
        all
    }
}

/// Facts with a list of what was recorded, in its order.
#[derive(Default)]
struct Journal {
    facts: MemoryFacts,
    written: std::sync::Mutex<Vec<Fact>>,
}

impl FactStore for Journal {
    fn session(&self, session: SessionKey) -> Option<SessionFacts> {
        self.facts.session(session)
    }

    fn tag(&self, tag: TagKey) -> Option<TagFacts> {
        self.facts.tag(tag)
    }

    fn floor(&self, realm: RealmId) -> Option<Timestamp> {
        self.facts.floor(realm)
    }

    fn record(&self, fact: Fact, now: Timestamp) -> Recorded {
        self.written.lock().expect("no panic").push(fact);
        self.facts.record(fact, now)
    }
}

/// A store that keeps so many facts and then no more.
struct Failing {
    own: Arc<MemoryFacts>,
    left: std::sync::Mutex<Option<usize>>,
}

impl FactStore for Failing {
    fn session(&self, session: SessionKey) -> Option<SessionFacts> {
        self.own.session(session)
    }

    fn tag(&self, tag: TagKey) -> Option<TagFacts> {
        self.own.tag(tag)
    }

    fn floor(&self, realm: RealmId) -> Option<Timestamp> {
        self.own.floor(realm)
    }

    fn record(&self, fact: Fact, now: Timestamp) -> Recorded {
        match &mut *self.left.lock().expect("no panic") {
            Some(0) => {
                let known = match fact {
                    Fact::Deny { session, .. } => self.own.session(session).unwrap_or_default(),
                    _ => SessionFacts::default(),
                };
                let kept = Kept::when(std::future::ready(Err(StoreError)));
                Recorded {
                    raised: true,
                    was_rotated: known.rotated(),
                    succeeded: known.succeeded(),
                    over: known.over(),
                    kept,
                }
            }
            Some(left) => {
                *left -= 1;
                self.own.record(fact, now)
            }
            None => self.own.record(fact, now),
        }
    }
}

fn start() -> Timestamp {
    Timestamp::from_millis(1_790_000_000_000).expect("in range")
}

fn ring() -> KeyRing {
    KeyRing::init(&SystemEntropy::new(), start().minus(Duration::from_secs(7 * 86_400))).expect("random bytes")
}

fn realm(name: &str) -> Realm {
    let cookie = CookieName::new(&format!("__Host-{name}")).expect("a name");
    Realm::new(RealmName::new(name).expect("a name"), cookie, Lifetimes::DEFAULT)
}
