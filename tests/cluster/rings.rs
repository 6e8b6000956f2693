//! The key ring of a simulated replica, and what is done with it: ids of keys, from when on each seals, which are revoked.

use std::collections::BTreeMap;
use std::future::poll_fn;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::sync::{Mutex, MutexGuard};
use std::task::Poll;
use std::time::Duration;

use sealpass::clock::Timestamp;
use sealpass::cluster::ports::{RingDigest, RingRefused, Rings};
use sealpass::revocation::CLOCK_ERROR;

use super::replica::Moment;
use super::sessions::{Answer, At};

/// The number of a key.
pub type KeyId = u8;

/// Keys by their ids; `None` in a replica that has no ring yet.
#[derive(Debug, Default)]
pub struct SimulatedRings {
    keys: Mutex<Option<Keys>>,
    /// What every message is headed by.
    digest: Mutex<Option<RingDigest>>,
}

type Keys = BTreeMap<KeyId, Key>;

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
struct Key {
    /// From when on it seals.
    not_before: Option<Timestamp>,
    revoked: bool,
}

/// For how long a replica may answer without having confirmed its ring.
pub const CONFIRM: Duration = Duration::from_secs(10);

impl SimulatedRings {
    /// One with a first key that seals.
    pub fn first() -> Self {
        let first = Key { not_before: Some(Timestamp::EPOCH), revoked: false };
        Self::of(Some(BTreeMap::from([(0, first)])))
    }

    /// The key that seals at `now`.
    pub fn sealing(&self, now: Timestamp) -> Option<KeyId> {
        let keys = self.keys();
        let active =
            keys.as_ref()?.iter().filter(|(_, key)| !key.revoked && key.not_before.is_some_and(|at| at <= now));
        active.max_by_key(|(id, key)| (key.not_before, **id)).map(|(id, _)| *id)
    }

    /// Whether tokens under a key open.
    pub fn opens(&self, id: KeyId) -> bool {
        self.keys().as_ref().and_then(|keys| keys.get(&id)).is_some_and(|key| !key.revoked)
    }

    fn change(&self, id: KeyId, change: impl FnOnce(&mut Key)) {
        let mut keys = self.keys();
        change(keys.get_or_insert_default().entry(id).or_default());
        *self.digest.lock().expect("no thread panics with it") = keys.as_ref().map(digest_of);
    }

    fn of(keys: Option<Keys>) -> Self {
        Self { digest: Mutex::new(keys.as_ref().map(digest_of)), keys: Mutex::new(keys) }
    }

    fn keys(&self) -> MutexGuard<'_, Option<Keys>> {
        self.keys.lock().expect("no thread panics with it")
    }
}

impl Clone for SimulatedRings {
    fn clone(&self) -> Self {
        Self::of(self.keys().clone())
    }
}

impl Rings for SimulatedRings {
    fn digest(&self) -> Option<RingDigest> {
        *self.digest.lock().expect("no thread panics with it")
    }

    fn bytes(&self) -> Option<Vec<u8>> {
        let spelt = |(id, key): (&KeyId, &Key)| {
            let at = key.not_before.map_or(u64::MAX, Timestamp::as_millis);
            [&[*id, u8::from(key.revoked)][..], &at.to_be_bytes()].concat()
        };
        Some(self.keys().as_ref()?.iter().flat_map(spelt).collect())
    }

    fn merge(&self, bytes: &[u8]) -> Result<(), RingRefused> {
        let (all, []) = bytes.as_chunks::<10>() else { return Err(RingRefused::Unreadable) };
        for [id, revoked, at @ ..] in all {
            self.change(*id, |key| {
                key.revoked |= *revoked != 0;
                key.not_before = key.not_before.max(Timestamp::from_millis(u64::from_be_bytes(*at)));
            });
        }
        Ok(())
    }

    fn confirmed(&self, _: Duration) {}
}

impl At {
    /// A fresh key: made known to a majority, and only then given a time from which it seals.
    pub async fn rotate_key(self, majority: usize, id: KeyId) -> Answer {
        if !self.0.borrow().is_ready(majority) {
            return Answer::Refused;
        }
        self.ring(|rings| rings.change(id, |_| {}));
        if !self.share().await {
            return Answer::Refused;
        }
        let from = self.0.borrow().clock().plus(CONFIRM + 2 * CLOCK_ERROR);
        self.ring(|rings| rings.change(id, |key| key.not_before = Some(from)));
        if self.share().await { Answer::Ended } else { Answer::Taken }
    }

    /// The end of a key, with a fresh one that seals at once.
    pub async fn revoke_key(self, revoked: KeyId, fresh: KeyId) -> Answer {
        // By the core's time: a clock that is ahead would leave all without a key that seals.
        let clock = self.0.borrow().clock();
        let now = self.0.borrow().view().date(clock);
        self.ring(|rings| {
            rings.change(revoked, |key| key.revoked = true);
            rings.change(fresh, |key| key.not_before = Some(now));
        });
        if self.share().await { Answer::Ended } else { Answer::Taken }
    }

    /// The key that seals.
    pub fn sealing(&self) -> Option<KeyId> {
        let now = self.0.borrow().clock();
        self.0.borrow().process().rings.sealing(now)
    }

    fn ring(&self, change: impl FnOnce(&SimulatedRings)) {
        change(&self.0.borrow().process().rings);
    }

    /// Whether a majority has the ring in time.
    async fn share(&self) -> bool {
        let begun = self.0.borrow().moment;
        let share = self.0.borrow_mut().with(sealpass::cluster::node::Node::share_ring);
        poll_fn(|_| {
            let replica = self.0.borrow();
            let (held, late) = (replica.process().is_held(share), replica.moment >= begun + PATIENCE);
            if held || late { Poll::Ready(held) } else { Poll::Pending }
        })
        .await
    }
}

fn digest_of(keys: &Keys) -> RingDigest {
    let mut hasher = DefaultHasher::new();
    keys.hash(&mut hasher);
    let mut digest = [0; 32];
    digest[..8].copy_from_slice(&hasher.finish().to_be_bytes());
    RingDigest { ring: [1; 16], digest }
}

const PATIENCE: Moment = 10_000_000;
