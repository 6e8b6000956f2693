//! A replica among others: what it lacks comes from them, keys too, and it answers nobody before it knows what they
//! know.
//!
//! The order at start: read the journal and the ring, if there is one; take part; listen for others and look for them;
//! answer what they ask; learn; then be ready.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::thread;
use std::time::Duration;

use sealpass::clock::{Clock, Timestamp};
use sealpass::cluster::custodian::FleetCustodian;
use sealpass::cluster::facts::FleetFacts;
use sealpass::cluster::fleet::Fleet;
use sealpass::cluster::link::zenoh::{LinkSettings, ZenohLink};
use sealpass::cluster::member::ReplicaId;
use sealpass::cluster::node::NodeSettings;
use sealpass::cluster::status::{Own, Status};
use sealpass::config::Membership;
use sealpass::custody::Custodian;
use sealpass::entropy::random;
use sealpass::keyring::{KeyRing, Keys};
use sealpass::revocation::{FactStore, Kept};
use sealpass::sessions::Sessions;
use sealpass::store::{Begin, RingWatch};

use super::super::{Failure, facts};
use super::parts::Parts;

/// A replica that takes part. It leaves when it is dropped.
pub struct Joined {
    custodian: Arc<FleetCustodian>,
    watch: Arc<RingWatch>,
    started: Started,
    link: Arc<ZenohLink>,
    // Last, so that the link is closed before.
    _fleet: Arc<Fleet>,
}

/// The sessions, and what has to be kept before anybody is answered; or why there are none.
type Started = Arc<OnceLock<Result<(Arc<Sessions>, Mutex<Option<Kept>>), String>>>;

/// The time by which the fleet dates, once there is one.
struct Dating {
    fleet: Arc<OnceLock<Arc<Fleet>>>,
    own: Arc<dyn Clock>,
}

impl Clock for Dating {
    fn now(&self) -> Timestamp {
        self.fleet.get().map_or_else(|| self.own.now(), |fleet| fleet.date())
    }
}

/// How a replica begins.
#[derive(Clone, Copy, Debug)]
pub struct How {
    /// It is the first of a new fleet, and waits for nobody to tell it what ended before.
    pub bootstrap: bool,
    /// Its ring or journal come from a backup.
    pub restored: bool,
}

impl Joined {
    /// Takes part. `ring`: what its own files hold; without one it waits for that of the others.
    pub fn start(parts: &Parts, membership: &Membership, ring: Option<&KeyRing>, how: How) -> Result<Self, Failure> {
        let complete = is_complete(parts, ring, how)?;
        let (started, cell) = (Started::default(), Arc::new(OnceLock::<Arc<Fleet>>::new()));
        let take_up = take_up(parts, Arc::clone(&started), Arc::clone(&cell), how.restored);
        let dating = Dating { fleet: Arc::clone(&cell), own: Arc::clone(&parts.clock) };
        let office = parts.office().of_many().revoking_by(Arc::new(dating));
        let watch = Arc::new(RingWatch::new(office, take_up, parts.confirm()).in_fleet());
        let id = ReplicaId(random(&*parts.entropy)?);
        let settings = node_settings(parts, membership, id, complete);
        let (own_facts, rings) = (Arc::clone(&parts.facts), Arc::clone(&watch));
        let (seed, clock) = (random(&*parts.entropy)?, Arc::clone(&parts.clock));
        let fleet = Fleet::start(settings, own_facts, rings, seed, clock).map_err(refused)?;
        let fleet = Arc::clone(cell.get_or_init(|| Arc::new(fleet)));
        let held = Arc::clone(&parts.facts);
        fleet.on_released(move |facts| held.release(facts));
        watch.look()?;
        Arc::clone(&watch).keep_looking();
        facts::keep_clean(Arc::clone(&parts.facts))?;
        let link = Arc::new(open_link(parts, membership, id, &fleet)?);
        fleet.connect(Arc::clone(&link) as Arc<_>);
        for (fact, dated) in parts.facts.pins() {
            fleet.resume(vec![fact], dated);
        }
        let custodian = Arc::new(FleetCustodian::new(Arc::clone(&watch) as Arc<_>, Arc::clone(&fleet) as Arc<_>));
        custodian.keep_ticking().map_err(no_thread)?;
        follow(parts, membership, &fleet, &link, &started)?;
        Ok(Self { custodian, watch, started, link, _fleet: fleet })
    }

    /// The sessions once there are keys, and what has to be kept before anybody is answered. `None` while it waits for
    /// the ring of the others.
    pub fn sessions(&self) -> Option<Result<(Arc<Sessions>, Kept), Failure>> {
        Some(match self.started.get()? {
            Ok((sessions, kept)) => {
                let kept = kept.lock().unwrap_or_else(PoisonError::into_inner).take();
                Ok((Arc::clone(sessions), kept.unwrap_or_default()))
            }
            Err(why) => Err(Failure::Refused(why.clone())),
        })
    }

    /// Who looks at the ring's files.
    pub fn watch(&self) -> Arc<RingWatch> {
        Arc::clone(&self.watch)
    }

    /// Who keeps the ring.
    pub fn custodian(&self) -> Arc<dyn Custodian> {
        Arc::clone(&self.custodian) as Arc<dyn Custodian>
    }
}

impl Drop for Joined {
    fn drop(&mut self) {
        self.link.close();
    }
}

/// Whether the replica knows by itself all that it ever acknowledged.
fn is_complete(parts: &Parts, ring: Option<&KeyRing>, how: How) -> Result<bool, Failure> {
    let Some(ring) = ring else {
        let first = "--bootstrap is for the replica with the first key ring; make that with `sealpass keys init`";
        return if how.bootstrap { Err(Failure::Refused(first.to_owned())) } else { Ok(false) };
    };
    let unserved = note_limits(parts);
    let seen = parts.facts.has_seen(ring.id())?;
    if how.bootstrap && !seen && !unserved {
        tracing::warn!(
            "--bootstrap counts at the first start of a key ring alone, and this one was served: what ended comes from the others"
        );
    }
    Ok(seen || how.bootstrap && unserved)
}

/// Notes in the ring how long sessions live. Returns whether nobody served it before.
fn note_limits(parts: &Parts) -> bool {
    parts.office().note_limits().unwrap_or_else(|error| {
        tracing::warn!(
            "how long sessions live can't be noted in the key ring, so its keys are kept by this configuration alone: {error}"
        );
        false
    })
}

/// What is done with a ring: the first one makes the sessions, later ones change their keys. It runs under the lock of
/// whoever watches the ring, so that none is lost in between.
fn take_up(
    parts: &Parts,
    started: Started,
    fleet: Arc<OnceLock<Arc<Fleet>>>,
    restored: bool,
) -> impl Fn(&KeyRing, Keys) + Send + Sync + 'static {
    let (facts, changes, make) = (Arc::clone(&parts.facts), Arc::clone(&parts.metrics), parts.sessions());
    let begin = if restored { Begin::Restored } else { Begin::InFleet };
    move |ring, keys| match started.get() {
        Some(Ok((sessions, _))) => {
            if let Err(error) = facts.use_ring(ring, &keys) {
                tracing::error!("the journal did not take note of the key ring in use: {error}");
            }
            sessions.replace_keys(keys);
            changes.ring_changed();
        }
        Some(Err(_)) => {}
        None => {
            let first = facts.start(ring, &keys, begin).map_err(|error| error.to_string()).map(|kept| {
                let fleet = fleet.get().expect("the fleet is started before the ring is looked at");
                let spread = Arc::new(FleetFacts::new(Arc::clone(&facts), Arc::clone(fleet)));
                (make(keys, spread as Arc<dyn FactStore>), Mutex::new(Some(kept)))
            });
            drop(started.set(first));
        }
    }
}

fn node_settings(parts: &Parts, membership: &Membership, id: ReplicaId, complete: bool) -> NodeSettings {
    NodeSettings {
        name: membership.name.clone(),
        role: membership.role,
        core: membership.core.clone(),
        id,
        realms: parts.site.digest(),
        release: RELEASE.to_owned(),
        complete,
        journal: parts.has_journal(),
        confirm: parts.site.timing().confirm(),
    }
}

fn open_link(parts: &Parts, membership: &Membership, id: ReplicaId, fleet: &Fleet) -> Result<ZenohLink, Failure> {
    let settings = LinkSettings {
        listen: membership.listen,
        peers: membership.peers.clone(),
        secrets: parts.dir.cluster_secrets(&membership.accept_secrets)?,
        id,
        role: membership.role,
        now: parts.clock.now(),
        entropy: Arc::clone(&parts.entropy),
    };
    let link = ZenohLink::open(settings, fleet.deliver()).map_err(refused)?;
    tracing::info!(name = %membership.name, listens = %link.local_address(), "takes part in the fleet");
    Ok(link)
}

/// Readiness follows the fleet; and the journal is whole once what the others knew is in it.
fn follow(
    parts: &Parts,
    membership: &Membership,
    fleet: &Arc<Fleet>,
    link: &Arc<ZenohLink>,
    started: &Started,
) -> Result<(), Failure> {
    let own = Own {
        name: membership.name.clone(),
        role: membership.role,
        core: membership.core.clone(),
        release: RELEASE.to_owned(),
    };
    let counted = Arc::clone(link);
    let settled = Arc::new(AtomicBool::new(false));
    let status = Status::new(own, Arc::clone(fleet), Arc::clone(&settled), move || counted.counts().strangers);
    parts.readiness.follow(Arc::new(status));
    let (fleet, facts, started) = (Arc::downgrade(fleet), Arc::clone(&parts.facts), Arc::clone(started));
    let settle = move || {
        while let Some(fleet) = fleet.upgrade() {
            let view = fleet.view();
            drop(fleet);
            let mut pause = LOOK;
            if view.complete && view.settled && started.get().is_some() {
                if durable(facts.settled()) {
                    return settled.store(true, Ordering::Release);
                }
                pause = AGAIN;
            }
            thread::sleep(pause);
        }
    };
    thread::Builder::new().name("settling".to_owned()).spawn(settle).map(drop).map_err(no_thread)
}

/// Waits for it, on a thread that has nothing else to do.
fn durable(kept: Kept) -> bool {
    let waiting = tokio::runtime::Builder::new_current_thread().build();
    waiting.is_ok_and(|waiting| waiting.block_on(kept).is_ok())
}

fn refused(error: impl std::fmt::Display) -> Failure {
    Failure::Refused(error.to_string())
}

fn no_thread(error: std::io::Error) -> Failure {
    Failure::Io { what: "can't start a thread".to_owned(), error }
}

const RELEASE: &str = env!("CARGO_PKG_VERSION");
/// How often it is looked whether the journal can be whole. The replica is not ready before, so: often.
const LOOK: Duration = Duration::from_millis(50);
/// How long a journal that can't be written is left alone: each look is an attempt to write it.
const AGAIN: Duration = Duration::from_secs(1);
