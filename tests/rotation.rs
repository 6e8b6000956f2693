//! Rotation on a fake clock: the timing rules as an exhaustive small model, and what sessions see of it.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use proptest::prelude::*;
use proptest::test_runner::RngSeed;
use sealpass::claims::{CookieName, RealmName};
use sealpass::clock::{Clock, ManualClock, Timestamp};
use sealpass::entropy::SystemEntropy;
use sealpass::keyring::{Done, KeyRecord, KeyRing, KeyState, Keys, Kid, Order, Outcome, Refused, Timing, file};
use sealpass::revocation::{CLOCK_ERROR, Longest, MemoryFacts, SEALED_AHEAD};
use sealpass::secret::Secret;
use sealpass::sessions::{Lifetimes, NewSession, Realm, Refusal, Sessions};
use sealpass::token::{Scratch, Unopenable};

const ROTATE: Order = Order::Rotate { after: None };

/// One key is written at 0. Every replica's clock is off by up to e, and every ready one has read the file by P. A replica
/// seals with the key when it has it and its own clock says so; another one gets the token at once.
#[test]
fn no_fresh_token_is_refused_and_with_a_millisecond_less_one_is() {
    let timing = Timing::new(Duration::from_secs(1)).expect("sensible");
    assert_eq!(refused(timing, timing.notice()), 0);
    let hasty = timing.notice().checked_sub(MILLISECOND).expect("positive");
    assert!(refused(timing, hasty) > 0, "the model finds nothing");
    assert_eq!(refused(timing, timing.activation()), 0);
}

/// How many tokens another replica refuses, when the key seals `activation` after it is written.
fn refused(timing: Timing, activation: Duration) -> usize {
    let offsets = [-1_000, -999, -1, 0, 1, 999, 1_000_i64];
    assert_eq!(u128::from(offsets[6].unsigned_abs()), CLOCK_ERROR.as_millis(), "e");
    let confirm = millis(timing.confirm());
    let loads = [0, 1, confirm / 2, confirm - 1, confirm];
    let mut refused = 0;
    for writer in offsets {
        let (ring, old, new) = rotated_ring(off(BASE, writer).plus(activation));
        for sealer in offsets {
            for loaded in loads {
                let sealing = |after: u64| ring.sealing(off(BASE + after, sealer));
                let first = first_where(30_000, |after| after >= loaded && sealing(after) == Some(new));
                assert_eq!(ring.sealing(off(BASE - 1, sealer)), Some(old));
                refused += loads.iter().filter(|verifier| first < **verifier).count();
            }
        }
    }
    refused
}

/// The least of `0..end` from which on `holds` does.
fn first_where(end: u64, holds: impl Fn(u64) -> bool) -> u64 {
    let (mut low, mut high) = (0, end);
    while low < high {
        let middle = low.midpoint(high);
        if holds(middle) { high = middle } else { low = middle + 1 }
    }
    assert!(holds(low), "never");
    low
}

/// The last token of the old key is sealed by the slowest clock, `sealed` as far ahead as another one may have put it, and
/// shown to the fastest clock when it is all but idle.
#[test]
fn the_last_token_of_a_key_is_never_refused_for_its_key() {
    let idle = Lifetimes::DEFAULT.longest().idle;
    let (mut ring, old, _) = rotated_ring(at(BASE));
    ring.note_limits(Longest { lifetime: idle * 2, idle }, at(0));
    let until = ring.opens_until(record(&ring, old)).expect("it was succeeded");
    let sealed = at(BASE).plus(SEALED_AHEAD);
    let shown = sealed.plus(idle).plus(2 * CLOCK_ERROR);
    assert!(until > shown, "{until:?} {shown:?}");
    assert!(until.since(shown) <= Duration::from_secs(60), "and not kept much longer");
}

#[test]
fn s14_a_key_seals_when_its_time_comes_and_not_before_and_opens_everywhere() {
    let world = World::new();
    let first = world.active();
    let done = world.order(ROTATE).expect("carried out");
    let Outcome::Rotating { kid, from } = done.outcome else { panic!("{done:?}") };
    assert_eq!(from, world.clock.now().plus(Timing::DEFAULT.activation()));
    let others = [world.replica(), world.replica()];
    for (to, sealing) in [(from.minus(MILLISECOND), first), (from, kid)] {
        world.clock.set(to);
        let token = world.login();
        assert_eq!(kid_of(&token), sealing);
        assert!(others.iter().all(|other| world.verify_by(other, &token).is_ok()));
    }
}

#[test]
fn s15_two_rotations_at_one_moment_end_in_one_active_key() {
    let world = World::new();
    let (mut a, mut b) = (world.ring(), world.ring());
    for ring in [&mut a, &mut b] {
        carry_out(ring, ROTATE, world.clock.now()).expect("carried out");
    }
    let (copy_a, copy_b) = (copy(&a), copy(&b));
    a.merge(copy_b).expect("one ring");
    b.merge(copy_a).expect("one ring");
    let later = world.clock.now().plus(Timing::DEFAULT.activation());
    assert_eq!(a.sealing(later), b.sealing(later));
    for ring in [&a, &b] {
        assert_eq!(ring.states(later).filter(|(_, state)| *state == KeyState::Active).count(), 1);
    }
}

#[test]
fn s18_twenty_rotations_and_no_user_notices() {
    let world = World::new();
    let Longest { lifetime, idle } = Lifetimes::DEFAULT.longest();
    let (first, begun) = (world.login(), world.clock.now());
    let (first_key, length) = (kid_of(&first), first.len());
    let mut renewed = first.clone();
    for _ in 0..20 {
        world.order(ROTATE).expect("carried out");
        world.clock.advance(Timing::DEFAULT.activation());
        world.reload();
        renewed = world.renew(&renewed);
        assert_eq!((kid_of(&renewed), renewed.len()), (world.active(), length));
        assert!(world.verify(&first).is_ok(), "the first cookie lives as long as its own limits say");
    }
    world.clock.set(begun.plus(Lifetimes::DEFAULT.of(true).0).minus(MILLISECOND));
    world.reload();
    assert!(world.verify(&first).is_ok(), "to the last moment");
    world.clock.advance(MILLISECOND);
    assert_eq!(world.verify(&first), Err(Refusal::ExpiredIdle));

    assert_eq!(world.state(first_key), KeyState::VerifyOnly);
    world.clock.set(begun.plus(lifetime.min(idle)).plus(Duration::from_secs(3_600)));
    assert_eq!(world.state(first_key), KeyState::Retired);
    world.reload();
    assert_eq!(world.verify(&first), Err(Refusal::Unopenable(Unopenable::UnknownKey)));
    let done = world.order(ROTATE).expect("carried out");
    assert!(done.destroyed.contains(&first_key), "{done:?}");
    assert_eq!(world.state(first_key), KeyState::Destroyed);
}

#[test]
fn s19_a_key_that_a_session_may_need_is_not_destroyed_unless_by_force() {
    let world = World::new();
    let (token, old) = (world.login(), world.active());
    let destroy = |force| world.order(Order::Destroy { kid: old, force });
    assert_eq!(destroy(true).err(), Some(Refused::InUse { kid: old, state: KeyState::Active }));
    world.order(ROTATE).expect("carried out");
    world.clock.advance(Timing::DEFAULT.activation());
    let Some(Refused::Needed { kid, until }) = destroy(false).err() else { panic!("not refused") };
    let Longest { lifetime, idle } = Lifetimes::DEFAULT.longest();
    assert_eq!(kid, old);
    assert!(until.since(world.clock.now()) >= lifetime.min(idle), "it says until when");
    assert!(world.verify(&token).is_ok());
    destroy(true).expect("forced");
    assert_eq!(world.verify(&token), Err(Refusal::Unopenable(Unopenable::UnknownKey)));
}

#[test]
fn a_rotation_is_begun_once_and_may_be_put_off_in_time() {
    let world = World::new();
    let postpone = |until| world.order(Order::Postpone { until });
    assert_eq!(postpone(world.clock.now()).err(), Some(Refused::NothingPending));
    let first = world.order(ROTATE).expect("carried out");
    let Outcome::Rotating { kid, from } = first.outcome else { panic!("{first:?}") };
    world.clock.advance(Duration::from_secs(5));
    let again = world.order(ROTATE).expect("carried out");
    assert_eq!((again.outcome, again.changed), (first.outcome, false));
    assert_eq!(world.ring().records().len(), 2);

    assert_eq!(postpone(from.minus(MILLISECOND)).err(), Some(Refused::NotLater { kid, from }));
    let later = from.plus(Duration::from_secs(3_600));
    assert_eq!(postpone(later).expect("in time").outcome, Outcome::Rotating { kid, from: later });
    let notice = Timing::DEFAULT.notice();
    world.clock.set(later.minus(notice).minus(MILLISECOND));
    let later = later.plus(Duration::from_secs(3_600));
    postpone(later).expect("just in time");
    world.clock.set(later.minus(notice));
    assert_eq!(postpone(Timestamp::MAX).err(), Some(Refused::TooFar));
    let too_late = postpone(later.plus(MILLISECOND)).err();
    assert_eq!(too_late, Some(Refused::TooLate { kid, from: later, notice }));
    let least = Timing::DEFAULT.activation();
    let hasty = Order::Rotate { after: Some(least.checked_sub(MILLISECOND).expect("positive")) };
    assert_eq!(world.order(hasty).err(), Some(Refused::TooSoon { least }));
}

#[test]
fn an_emergency_ends_what_the_key_sealed_and_logins_go_on_at_once() {
    let world = World::new();
    let (token, old) = (world.login(), world.active());
    world.order(ROTATE).expect("a rotation is pending meanwhile");
    let done = world.order(Order::Revoke { kid: old }).expect("carried out");
    let Outcome::Revoked { fresh: Some(fresh), .. } = done.outcome else { panic!("{done:?}") };
    assert_eq!(world.verify(&token), Err(Refusal::Unopenable(Unopenable::UnknownKey)));
    let token = world.login();
    assert_eq!(kid_of(&token), fresh, "without a gap");
    assert!(world.verify(&token).is_ok());
    let again = world.order(Order::Revoke { kid: old }).expect("no harm");
    assert_eq!((again.outcome, again.changed), (Outcome::Revoked { kid: old, fresh: None }, false));
    world.clock.advance(Timing::DEFAULT.activation());
    assert_ne!(world.active(), fresh, "the rotation that was pending goes on");
    assert!(world.verify(&token).is_ok());
}

#[test]
fn a_pending_key_that_is_revoked_calls_the_rotation_off() {
    let world = World::new();
    let (token, old) = (world.login(), world.active());
    let Outcome::Rotating { kid, .. } = world.order(ROTATE).expect("carried out").outcome else { panic!() };
    let done = world.order(Order::Revoke { kid }).expect("carried out");
    assert_eq!(done.outcome, Outcome::Revoked { kid, fresh: None });
    world.clock.advance(2 * Timing::DEFAULT.activation());
    world.reload();
    assert_eq!(world.active(), old);
    assert!(world.verify(&token).is_ok());
    let unknown = Kid([0; 4]);
    assert_eq!(world.order(Order::Revoke { kid: unknown }).err(), Some(Refused::Unknown(unknown)));
}

/// Two rotations of one moment leave two pending keys: neither may begin while the rotation is put off.
#[test]
fn s15_two_pending_keys_are_put_off_together() {
    let world = World::new();
    let (mut ring, mut other, now) = (world.ring(), world.ring(), world.clock.now());
    carry_out(&mut ring, ROTATE, now).expect("carried out");
    carry_out(&mut other, ROTATE, now.plus(MILLISECOND)).expect("carried out");
    ring.merge(other).expect("one ring");
    let until = now.plus(Duration::from_secs(7_200));
    let done = carry_out(&mut ring, Order::Postpone { until }, now).expect("in time");
    assert_eq!(ring.sealing(until.minus(MILLISECOND)), Some(world.active()), "the key before seals till then");
    assert_eq!(done.outcome, Outcome::Rotating { kid: ring.sealing(until).expect("one"), from: until });
}

/// Among replicas: the key is made, all have it, then it is dated.
#[test]
fn a_proposed_key_opens_and_does_not_seal_until_it_is_dated() {
    let world = World::new();
    let first = world.active();
    let done = world.order(Order::Propose).expect("carried out");
    let Outcome::Proposed { kid } = done.outcome else { panic!("{done:?}") };
    let undated = world.replica();
    let again = world.order(Order::Propose).expect("carried out");
    assert_eq!((again.outcome, again.changed), (Outcome::Proposed { kid }, false), "one is on its way");
    world.clock.advance(Timing::DEFAULT.activation() * 2);
    assert_eq!(kid_of(&world.login()), first, "not dated");
    let hasty = Order::Date { kid, after: Some(Timing::DEFAULT.notice()) };
    assert_eq!(world.order(hasty).expect_err("too soon"), Refused::TooSoon { least: Timing::DEFAULT.activation() });
    let from = world.clock.now().plus(Timing::DEFAULT.activation());
    for changed in [true, false] {
        let done = world.order(Order::Date { kid, after: None }).expect("carried out");
        assert_eq!((done.outcome, done.changed), (Outcome::Rotating { kid, from }, changed));
        world.clock.advance(MILLISECOND);
    }
    let proposed = world.order(Order::Propose).expect("carried out");
    assert_eq!((proposed.outcome, proposed.changed), (Outcome::Rotating { kid, from }, false), "it still is");
    world.clock.set(from);
    let token = world.login();
    assert_eq!(kid_of(&token), kid);
    assert!(world.verify_by(&undated, &token).is_ok(), "whoever does not know the date yet opens it");
}

#[test]
fn a_proposed_key_that_is_revoked_is_dated_no_more_and_one_seals_whoever_dated_it_before() {
    let world = World::new();
    let old = world.active();
    let mut one = world.ring();
    let Ok(Done { outcome: Outcome::Proposed { kid }, .. }) = carry_out(&mut one, Order::Propose, world.clock.now())
    else {
        panic!("no key")
    };
    let (mut other, mut early) = (copy(&one), copy(&one));
    let date = Order::Date { kid, after: None };
    let done = carry_out(&mut early, Order::Revoke { kid }, world.clock.now()).expect("done");
    assert_eq!(done.outcome, Outcome::Revoked { kid, fresh: None }, "it seals nowhere");
    assert_eq!(carry_out(&mut early, date, world.clock.now()), Err(Refused::NothingPending));
    carry_out(&mut other, date, world.clock.now()).expect("done");
    let late = world.clock.now().plus(Timing::DEFAULT.activation() * 2);
    carry_out(&mut one, Order::Revoke { kid }, late).expect("done");
    other.merge(one).expect("one ring");
    let sealing = other.sealing(late).expect("one seals");
    assert!(sealing != kid && sealing != old, "a fresh one: it may have sealed somewhere");
}

/// A pending key is revoked on one copy just before it seals, and on another copy, just after, the key that it succeeded.
#[test]
fn a_key_seals_whatever_two_copies_revoke_around_an_activation() {
    let world = World::new();
    let old = world.active();
    let mut one = world.ring();
    let Outcome::Rotating { kid, from } = carry_out(&mut one, ROTATE, world.clock.now()).expect("done").outcome else {
        panic!("no rotation")
    };
    let mut other = copy(&one);
    carry_out(&mut one, Order::Revoke { kid }, from.minus(MILLISECOND)).expect("done");
    carry_out(&mut other, Order::Revoke { kid: old }, from.plus(MILLISECOND)).expect("done");
    assert_eq!(one.sealing(from.minus(MILLISECOND)), Some(old), "which is still in force there");
    one.merge(other).expect("one ring");
    let sealing = one.sealing(from.plus(Duration::from_secs(1))).expect("one seals");
    assert!(sealing != old && sealing != kid);
}

/// What happens to three copies of a ring.
#[derive(Clone, Copy, Debug)]
enum Event {
    Order(usize, usize, usize),
    Merge(usize, usize),
    Seconds(u64),
    Hours(u64),
    /// On to this many milliseconds around the next change of a state.
    ToChange(i64),
    /// A replica starts with other limits.
    Limits(usize, u64),
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, rng_seed: RngSeed::Fixed(2), ..ProptestConfig::default() })]

    /// Replicas that confirm the ring within P agree on it, one key seals, and none that was over comes back: whatever is
    /// ordered, by clocks that are apart, while limits change.
    #[test]
    fn whatever_is_ordered_no_key_comes_back(
        events in prop::collection::vec(event(), 1..40),
        clocks in prop::array::uniform3(-1_000..=1_000_i64),
    ) {
        let (mut now, mut unconfirmed) = (at(BASE), Duration::ZERO);
        let first = KeyRing::init(&SystemEntropy::new(), now).expect("random bytes");
        let mut rings = [copy(&first), copy(&first), first];
        let longest = Longest { lifetime: Duration::from_secs(40_000), idle: Duration::from_secs(1_800) };
        for ring in &mut rings {
            ring.note_limits(longest, now);
        }
        let mut over = BTreeSet::new();
        for event in events {
            match event {
                Event::Order(ring, kind, key) => {
                    let kid = rings[ring].records()[key % rings[ring].records().len()].kid();
                    let order = match kind {
                        0 | 1 => ROTATE,
                        2 => Order::Postpone { until: now.plus(Duration::from_secs(4_000)) },
                        3 => Order::Revoke { kid },
                        6 => Order::Propose,
                        7 => Order::Date { kid, after: None },
                        _ => Order::Destroy { kid, force: kind == 5 },
                    };
                    drop(carry_out(&mut rings[ring], order, off(now.as_millis(), clocks[ring])));
                }
                Event::Merge(from, to) => {
                    let other = copy(&rings[from]);
                    rings[to].merge(other).expect("one ring");
                }
                Event::Seconds(seconds) => {
                    unconfirmed += Duration::from_secs(seconds);
                    if unconfirmed > Timing::DEFAULT.confirm() {
                        unconfirmed = Duration::ZERO;
                        confirm(&mut rings, now, &mut over)?;
                    }
                    now = now.plus(Duration::from_secs(seconds));
                }
                Event::Hours(hours) => {
                    confirm(&mut rings, now, &mut over)?;
                    (now, unconfirmed) = (now.plus(Duration::from_secs(3_600 * hours)), Duration::ZERO);
                }
                Event::ToChange(by) => {
                    confirm(&mut rings, now, &mut over)?;
                    let next = rings[0].next_change(now).map(|at| off(at.as_millis(), by));
                    (now, unconfirmed) = (next.unwrap_or(now).max(now), Duration::ZERO);
                }
                Event::Limits(ring, minutes) => {
                    let minute = Duration::from_secs(60);
                    let idle = minute * u32::try_from(minutes).expect("few");
                    let longest = Longest { lifetime: minute * 700, idle };
                    rings[ring].note_limits(longest, off(now.as_millis(), clocks[ring]));
                }
            }
        }
        confirm(&mut rings, now, &mut over)?;
    }
}

/// Every replica learns all; keys that were over still are. A second later, for whoever ordered something by a clock that
/// is ahead.
fn confirm(rings: &mut [KeyRing; 3], now: Timestamp, over: &mut BTreeSet<Kid>) -> Result<(), TestCaseError> {
    for (from, to) in [(0, 1), (1, 2), (2, 0), (2, 1)] {
        let other = copy(&rings[from]);
        rings[to].merge(other).expect("one ring");
    }
    let now = now.plus(CLOCK_ERROR);
    let told = |ring: &KeyRing| ring.states(now).map(|(record, state)| (record.kid(), state)).collect::<Vec<_>>();
    prop_assert_eq!(told(&rings[0]), told(&rings[1]));
    prop_assert_eq!(told(&rings[0]), told(&rings[2]));
    prop_assert!(rings[0].sealing(now).is_some(), "no key seals");
    let ended = |state| matches!(state, KeyState::Retired | KeyState::Revoked | KeyState::Destroyed);
    let now_over: BTreeSet<_> =
        told(&rings[0]).into_iter().filter(|(_, state)| ended(*state)).map(|(kid, _)| kid).collect();
    prop_assert!(over.is_subset(&now_over), "a key came back");
    *over = now_over;
    Ok(())
}

fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        (0..3_usize, 0..8_usize, 0..20_usize).prop_map(|(ring, kind, key)| Event::Order(ring, kind, key)),
        (0..3_usize, 0..3_usize).prop_map(|(from, to)| Event::Merge(from, to)),
        (0..120_u64).prop_map(Event::Seconds),
        (1..3_u64).prop_map(Event::Hours),
        (-2_000..2_000_i64).prop_map(Event::ToChange),
        (0..3_usize, prop::sample::select(vec![5, 30, 600])).prop_map(|(ring, minutes)| Event::Limits(ring, minutes)),
    ]
}

/// A service whose ring is ordered about, and its clock.
struct World {
    ring: std::cell::RefCell<KeyRing>,
    clock: Arc<ManualClock>,
    sessions: Sessions,
    realm: Realm,
}

impl World {
    fn new() -> Self {
        let clock = Arc::new(ManualClock::at(at(BASE)));
        let mut ring = KeyRing::init(&SystemEntropy::new(), clock.now()).expect("random bytes");
        ring.note_limits(Lifetimes::DEFAULT.longest(), clock.now());
        let name = CookieName::new("__Host-s").expect("a name");
        let realm = Realm::new(RealmName::new("default").expect("a name"), name, Lifetimes::DEFAULT);
        let sessions = replica(&ring, &clock);
        Self { ring: ring.into(), clock, sessions, realm }
    }

    fn ring(&self) -> KeyRing {
        copy(&self.ring.borrow())
    }

    fn order(&self, order: Order) -> Result<Done, Refused> {
        let done = carry_out(&mut self.ring.borrow_mut(), order, self.clock.now())?;
        self.reload();
        Ok(done)
    }

    fn reload(&self) {
        let keys = Keys::at(&self.ring.borrow(), self.clock.now(), &SystemEntropy::new());
        self.sessions.replace_keys(keys.expect("random bytes"));
    }

    fn replica(&self) -> Sessions {
        replica(&self.ring.borrow(), &self.clock)
    }

    fn active(&self) -> Kid {
        self.ring.borrow().sealing(self.clock.now()).expect("one seals")
    }

    fn state(&self, kid: Kid) -> KeyState {
        let ring = self.ring.borrow();
        ring.states(self.clock.now()).find(|(record, _)| record.kid() == kid).expect("there").1
    }

    fn login(&self) -> String {
        let new = NewSession { subject: Some("alice"), persistent: true, ..NewSession::default() };
        self.sessions.issue(&self.realm, &new).expect("fits").token.expose().to_owned()
    }

    fn renew(&self, token: &str) -> String {
        let mut scratch = Scratch::default();
        let session = self.sessions.verify(&self.realm, &[token.as_bytes()], &mut scratch).expect("good");
        self.sessions.renew(&self.realm, &session).expect("sealed").token.expose().to_owned()
    }

    fn verify(&self, token: &str) -> Result<(), Refusal> {
        self.verify_by(&self.sessions, token)
    }

    fn verify_by(&self, sessions: &Sessions, token: &str) -> Result<(), Refusal> {
        sessions.verify(&self.realm, &[token.as_bytes()], &mut Scratch::default()).map(drop)
    }
}

fn replica(ring: &KeyRing, clock: &Arc<ManualClock>) -> Sessions {
    let entropy = Arc::new(SystemEntropy::new());
    let keys = Keys::at(ring, clock.now(), &*entropy).expect("random bytes");
    Sessions::new(keys, Arc::new(MemoryFacts::default()), Arc::clone(clock) as Arc<dyn Clock>, entropy)
}

fn carry_out(ring: &mut KeyRing, order: Order, now: Timestamp) -> Result<Done, Refused> {
    ring.carry_out(order, now, Timing::DEFAULT, &SystemEntropy::new())
}

/// A ring whose second key seals from `from` on, the first and the second.
fn rotated_ring(from: Timestamp) -> (KeyRing, Kid, Kid) {
    let mut ring = KeyRing::init(&SystemEntropy::new(), at(0)).expect("random bytes");
    let old = ring.records()[0].kid();
    let made = from.minus(Timing::DEFAULT.activation());
    let Ok(Done { outcome: Outcome::Rotating { kid, .. }, .. }) = carry_out(&mut ring, ROTATE, made) else {
        panic!("refused")
    };
    (ring, old, kid)
}

fn record(ring: &KeyRing, kid: Kid) -> &KeyRecord {
    ring.records().iter().find(|record| record.kid() == kid).expect("it is there")
}

/// Through the bytes of a file: a ring has no other copy.
fn copy(ring: &KeyRing) -> KeyRing {
    let secret = Secret::from_slice(&[7; 32]).expect("32 bytes");
    let bytes = file::seal(ring, &[&secret], &SystemEntropy::new()).expect("random bytes");
    file::open(&bytes, &secret).expect("ours")
}

fn kid_of(token: &str) -> Kid {
    use base64::Engine as _;
    let bytes = base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(token).expect("a token");
    Kid(std::array::from_fn(|i| bytes[i + 1]))
}

fn at(millis: u64) -> Timestamp {
    Timestamp::from_millis(millis).expect("in range")
}

fn off(millis: u64, by: i64) -> Timestamp {
    at(millis.saturating_add_signed(by))
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).expect("short")
}

const MILLISECOND: Duration = Duration::from_millis(1);
const BASE: u64 = 1_790_000_000_000;
