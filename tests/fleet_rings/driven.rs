//! The same over fleets that run: real time, a thread each, messages that take their way.

use std::sync::{Arc, Mutex, Weak, mpsc};
use std::time::{Duration, Instant};

use sealpass::claims::{RealmId, SessionId};
use sealpass::clock::{Clock, ManualClock, SystemClock, Timestamp};
use sealpass::cluster::custodian::{FleetCustodian, RingSharing};
use sealpass::cluster::fleet::Fleet;
use sealpass::cluster::link::{Deliver, Link};
use sealpass::cluster::member::ReplicaId;
use sealpass::cluster::node::To;
use sealpass::cluster::ports::{Facts, Rings};
use sealpass::custody::{Custodian, Patience, Task};
use sealpass::keyring::{Kid, Order};
use sealpass::revocation::{AT_ONCE, Fact, FactStore, SessionKey, Wait};
use sealpass::store::{CachedFacts, RingWatch};
use sealpass::telemetry::FactMetrics;

use super::rig::{NoFacts, dir, office, places, settings};

/// Ways to the others: each ends in a thread that delivers.
#[derive(Default)]
struct Wire(Mutex<Vec<(ReplicaId, mpsc::Sender<Vec<u8>>)>>);

impl Wire {
    fn add(&self, id: ReplicaId, deliver: Deliver) {
        let (ahead, arrives) = mpsc::channel::<Vec<u8>>();
        std::thread::spawn(move || arrives.iter().for_each(|message| deliver(&message)));
        self.0.lock().expect("no panic").push((id, ahead));
    }
}

/// What one sends by. The wires end with the test.
struct End {
    own: ReplicaId,
    wire: Weak<Wire>,
}

impl Link for End {
    fn send(&self, to: To, payload: Vec<u8>) {
        let Some(wire) = self.wire.upgrade() else { return };
        let meant = |id: ReplicaId| id != self.own && (matches!(to, To::All | To::Core) || to == To::One(id));
        for (_, way) in wire.0.lock().expect("no panic").iter().filter(|(id, _)| meant(*id)) {
            drop(way.send(payload.clone()));
        }
    }
}

/// As many fleets that run and hear each other as there are stores.
fn driven(clock: &Arc<ManualClock>, stores: Vec<(Arc<dyn Facts>, Arc<dyn Clock>)>) -> (Vec<Fleet>, Arc<Wire>) {
    let (places, wire) = (places(stores.len(), clock), Arc::new(Wire::default()));
    let (all, size) = (stores.into_iter().zip(&places).enumerate(), places.len());
    let fleets = all.map(|(n, ((facts, wall), place))| {
        let watch = RingWatch::new(office(place, clock), |_, _| (), |_| ()).in_fleet();
        watch.look().expect("a ring");
        let (settings, seed) = (settings(n, size), [u8::try_from(n).expect("few"); 32]);
        let own = settings.id;
        let fleet = Fleet::start(settings, facts, Arc::new(watch), seed, wall).expect("a thread");
        wire.add(own, fleet.deliver());
        fleet.connect(Arc::new(End { own, wire: Arc::downgrade(&wire) }));
        fleet
    });
    (fleets.collect(), Arc::clone(&wire))
}

/// The clock of the system, and ahead of it.
struct Ahead(Duration);

impl Clock for Ahead {
    fn now(&self) -> Timestamp {
        SystemClock.now().plus(self.0)
    }
}

#[test]
fn a_store_forgets_once_the_fleet_has_said_that_its_clock_agrees_and_not_where_it_does_not() {
    let past = SystemClock.now().minus(Duration::from_secs(3_600));
    let session = SessionKey { realm: RealmId([1; 8]), sid: SessionId([1; 16]) };
    let stores: Vec<_> = [0, 0, 7_200]
        .map(|seconds| {
            let clock: Arc<dyn Clock> = Arc::new(Ahead(Duration::from_secs(seconds)));
            let store = Arc::new(CachedFacts::in_fleet(Arc::clone(&clock), None, [], FactMetrics::default()));
            let over = Fact::Deny { session, from: AT_ONCE, rotated: false, of: None, until: past };
            assert!(store.record(over, clock.now()).raised);
            (store, clock)
        })
        .into();
    let holds = |n: usize| {
        let store: &Arc<CachedFacts> = &stores[n].0;
        store.maintain();
        FactStore::session(&**store, session).is_some()
    };
    assert!((0..3).all(holds), "nobody has compared clocks yet");
    let with_clocks = stores.iter().map(|(store, clock)| (Arc::clone(store) as Arc<dyn Facts>, Arc::clone(clock)));
    let (fleets, _wire) = driven(&Arc::new(ManualClock::at(SystemClock.now())), with_clocks.collect());
    let off = || fleets[2].view().offset.is_some_and(|offset| offset > 7_000_000);
    let begun = Instant::now();
    while holds(0) || holds(1) || !off() {
        assert!(begun.elapsed() < Duration::from_secs(60), "{fleets:?}");
        std::thread::sleep(Duration::from_millis(20));
    }
    assert!(holds(2), "its clock is off");
    for fleet in &fleets {
        let (dated, now) = (fleet.date(), SystemClock.now());
        let off = dated.since(now).max(now.since(dated));
        assert!(off < Duration::from_secs(600), "an emergency is not dated by a clock that is off: {off:?}");
    }
}

#[test]
fn over_running_fleets_a_rotation_is_answered_when_a_majority_has_it_dated_and_files_are_followed_up() {
    let clock = Arc::new(ManualClock::at(SystemClock.now()));
    let (places, wire) = (places(3, &clock), Arc::new(Wire::default()));
    let replicas: Vec<_> = (0..3)
        .map(|n| {
            let watch = RingWatch::new(office(&places[n], &clock), |_, _| (), |_| ()).in_fleet();
            watch.look().expect("a ring");
            let (watch, settings) = (Arc::new(watch), settings(n, 3));
            let (own, seed) = (settings.id, [u8::try_from(n).expect("few"); 32]);
            let rings = Arc::clone(&watch) as Arc<dyn Rings>;
            let fleet =
                Fleet::start(settings, Arc::new(NoFacts), rings, seed, Arc::new(SystemClock)).expect("a thread");
            wire.add(own, fleet.deliver());
            fleet.connect(Arc::new(End { own, wire: Arc::downgrade(&wire) }));
            let fleet = Arc::new(fleet) as Arc<dyn RingSharing>;
            (Arc::new(FleetCustodian::new(Arc::clone(&watch) as Arc<dyn Custodian>, fleet)), watch)
        })
        .collect();
    let patience = Patience { wait: Wait::All, at_most: Duration::from_secs(30) };
    let order = |n: usize, order| replicas[n].0.carry_out_among(Task::Order(order), false, patience).expect("done");
    let state = |n: usize, key: &str| replicas[n].0.report().expect("a ring").key(key).map(|key| key.state.clone());

    let rotated = order(1, Order::Rotate { after: None });
    assert_eq!(rotated.outcome, "rotating", "{rotated:?}");
    assert!(rotated.among.is_some_and(|among| (among.applied, among.core, among.reached) == (3, 3, true)));
    for n in 0..3 {
        assert_eq!(state(n, &rotated.key).as_deref(), Some("pending"), "{n}");
    }
    let kid = Kid::parse(&rotated.key).expect("a key");
    assert!(order(2, Order::Revoke { kid }).among.is_some_and(|among| among.reached));

    for (custodian, _) in &replicas {
        custodian.keep_ticking().expect("a thread");
    }
    let proposed = office(&places[0], &clock).of_many().carry_out(Task::Order(Order::Rotate { after: None }), false);
    let proposed = proposed.expect("carried out");
    assert_eq!(proposed.outcome, "proposed");
    replicas[0].1.look().expect("ours");
    let begun = Instant::now();
    while (0..3).any(|n| state(n, &proposed.key).as_deref() != Some("pending")) {
        assert!(begun.elapsed() < Duration::from_secs(60), "nobody dates it");
        std::thread::sleep(Duration::from_millis(20));
    }
    for place in &places {
        let digest = dir(place).load().expect("written").digest();
        assert_eq!(digest, replicas[0].1.digest().expect("a ring").digest);
    }
}

#[test]
fn a_revocation_where_the_clock_is_ahead_makes_a_key_that_seals_from_now_on() {
    let right = Arc::new(ManualClock::at(SystemClock.now()));
    let places = places(1, &right);
    let ahead = Arc::new(ManualClock::at(right.now().plus(Duration::from_secs(900))));
    let office = office(&places[0], &ahead).of_many().revoking_by(Arc::clone(&right) as Arc<dyn Clock>);
    let kid = dir(&places[0]).load().expect("a ring").sealing(right.now()).expect("one is active");
    let receipt = office.carry_out(Task::Order(Order::Revoke { kid }), false).expect("carried out");
    let fresh = receipt.fresh_key.expect("the active one was revoked");
    let from = receipt.ring.key(&fresh).and_then(|key| key.seals_from).expect("it is dated");
    assert!(from.since(right.now()) < Duration::from_secs(1), "{from:?}");
}
