//! What operators see of the key ring and do with it: the port between the service and whoever asks, and its words.
//!
//! The same words are the JSON of the control API and what the command line reads from it. No secret is among them.

mod asked;

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::clock::{Timestamp, rfc3339};
pub use crate::keyring::Refused;
use crate::keyring::{Done, KeyRecord, KeyRing, KeyState, Kid, LimitRecord, Order, Outcome, Timing};
use crate::revocation::{Spread, Wait};
pub use asked::{AskedOfKey, AskedPostpone, AskedReplace, AskedRotate, MAX_PATIENCE};

/// Whoever keeps the ring: reports on it and carries out orders, durably, before it answers.
///
/// A wrong answer costs: an order that is acknowledged and not kept leaves a leaked key in force.
pub trait Custodian: Send + Sync {
    /// What there is.
    ///
    /// # Errors
    /// [`CustodyError::Unavailable`] if the ring can't be read.
    fn report(&self) -> Result<Report, CustodyError>;

    /// Does what is asked, or with `dry_run` only says what it would come to.
    ///
    /// # Errors
    /// [`CustodyError`], and nothing was done, unless it is [`CustodyError::NotTakenUp`].
    fn carry_out(&self, task: Task, dry_run: bool) -> Result<Receipt, CustodyError>;

    /// As [`Custodian::carry_out`], and waits for the other replicas as far as `patience` goes; the receipt says how
    /// many have it. Whoever is alone has nobody to wait for.
    ///
    /// # Errors
    /// As [`Custodian::carry_out`]. That too few replicas answered is no error: it is done here, and they get it later.
    fn carry_out_among(&self, task: Task, dry_run: bool, patience: Patience) -> Result<Receipt, CustodyError> {
        let _ = patience;
        self.carry_out(task, dry_run)
    }
}

/// How far an order has to have come among the replicas before it is answered, and for how long that is waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Patience {
    /// How far.
    pub wait: Wait,
    /// For how long.
    pub at_most: Duration,
}

impl Default for Patience {
    /// A majority, within two seconds.
    fn default() -> Self {
        Self { wait: Wait::Majority, at_most: Duration::from_secs(2) }
    }
}

/// For a program whose ring is kept elsewhere: nothing can be seen or ordered through it.
#[derive(Clone, Copy, Debug, Default)]
pub struct Elsewhere;

impl Custodian for Elsewhere {
    fn report(&self) -> Result<Report, CustodyError> {
        Err(CustodyError::Unavailable("the key ring of this program is kept elsewhere; ask there".to_owned()))
    }

    fn carry_out(&self, _: Task, _: bool) -> Result<Receipt, CustodyError> {
        Err(CustodyError::Unavailable("the key ring of this program is kept elsewhere; order it there".to_owned()))
    }
}

/// Something to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Task {
    /// With the keys of the ring.
    Order(Order),
    /// Put a new ring in place of this one: everybody has to log in again.
    ReplaceRing,
}

/// An order or report that did not come about.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CustodyError {
    /// The ring is not in a state for it.
    #[error(transparent)]
    Refused(#[from] Refused),
    /// The ring can't be read or written; the text says which file, why, and what to do.
    #[error("{0}")]
    Unavailable(String),
    /// It is done and will last, but this service could not take it up; the text says why.
    #[error("the order is carried out on the files, and not in force in this service yet: {0}; don't repeat it")]
    NotTakenUp(String),
}

/// The ring at one moment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Report {
    /// Which ring it is, 32 hexadecimal digits.
    pub ring_id: String,
    /// How often it was written.
    pub epoch: u64,
    /// When this was so.
    #[serde(with = "rfc3339")]
    pub now: Timestamp,
    /// How long a replica is ready without having read the ring.
    pub confirm_within_seconds: u64,
    /// How long after it is made a new key seals.
    pub activation_seconds: u64,
    /// Every key, by the time from which it seals.
    pub keys: Vec<KeyReport>,
    /// The longest lifetimes that sessions were sealed with.
    pub limits: Vec<LimitReport>,
    /// Every replica of the core, and whether it has this very ring. Empty if there is one only.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub replicas: Vec<Holder>,
}

/// A replica of the core, as it was heard last.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Holder {
    /// What it is called.
    pub name: String,
    /// Whether it answers.
    pub up: bool,
    /// Whether it has this very ring.
    pub has_ring: bool,
}

/// A key at one moment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyReport {
    /// Its id, 8 hexadecimal digits.
    pub key: String,
    /// Its state, in one word.
    pub state: String,
    /// When it was made.
    #[serde(with = "rfc3339")]
    pub created_at: Timestamp,
    /// From when on it seals.
    #[serde(default, with = "rfc3339::option", skip_serializing_if = "Option::is_none")]
    pub seals_from: Option<Timestamp>,
    /// From when on another one seals.
    #[serde(default, with = "rfc3339::option", skip_serializing_if = "Option::is_none")]
    pub seals_until: Option<Timestamp>,
    /// Until when sessions under it may live.
    #[serde(default, with = "rfc3339::option", skip_serializing_if = "Option::is_none")]
    pub opens_until: Option<Timestamp>,
    /// When it was revoked.
    #[serde(default, with = "rfc3339::option", skip_serializing_if = "Option::is_none")]
    pub revoked_at: Option<Timestamp>,
    /// When it was destroyed.
    #[serde(default, with = "rfc3339::option", skip_serializing_if = "Option::is_none")]
    pub destroyed_at: Option<Timestamp>,
}

/// The longest lifetimes of a configuration.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LimitReport {
    /// The longest absolute lifetime.
    pub lifetime_seconds: u64,
    /// The longest idle limit.
    pub idle_seconds: u64,
    /// Since when they are known to be in force.
    #[serde(with = "rfc3339")]
    pub since: Timestamp,
    /// When they were known not to be any more.
    #[serde(default, with = "rfc3339::option", skip_serializing_if = "Option::is_none")]
    pub ended: Option<Timestamp>,
}

/// What an order came to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Receipt {
    /// In one word: `rotating`, `revoked`, `destroyed`, `replaced`; among several replicas `proposed`: the next key is
    /// made, and gets its time once a majority has it.
    pub outcome: String,
    /// The key that it is about; of a new ring, its first.
    pub key: String,
    /// From when on that key seals.
    #[serde(default, with = "rfc3339::option", skip_serializing_if = "Option::is_none")]
    pub seals_from: Option<Timestamp>,
    /// The key that seals in place of a revoked one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fresh_key: Option<String>,
    /// Whether anything changed; if not, it was so before.
    pub changed: bool,
    /// Whether it was only asked what it would come to.
    pub dry_run: bool,
    /// Retired keys that were destroyed with it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub destroyed: Vec<String>,
    /// How it came among the replicas, where there are several.
    #[serde(flatten, default, skip_serializing_if = "Option::is_none")]
    pub among: Option<Among>,
    /// The ring after it.
    pub ring: Report,
}

/// How far an order has come among several replicas.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Among {
    /// How many replicas of the core have it.
    pub applied: u16,
    /// How many there are.
    pub core: u16,
    /// Whether that is as far as was asked for. If not, the others get it when they can.
    pub reached: bool,
    /// How long that was waited for.
    pub waited_ms: u64,
}

impl Among {
    /// What `spread` comes to after a wait of `waited`, for whoever asked for `wait`.
    pub fn of(spread: Spread, wait: Wait, waited: Duration) -> Self {
        let waited_ms = u64::try_from(waited.as_millis()).unwrap_or(u64::MAX);
        Self { applied: spread.applied, core: spread.core, reached: spread.reaches(wait), waited_ms }
    }
}

impl Report {
    /// What `ring` is at `now`.
    pub fn of(ring: &KeyRing, now: Timestamp, timing: Timing) -> Self {
        let mut keys: Vec<_> = ring.states(now).map(|(record, state)| KeyReport::of(ring, record, state)).collect();
        keys.sort_by(|a, b| {
            (a.seals_from.is_none(), a.seals_from, &a.key).cmp(&(b.seals_from.is_none(), b.seals_from, &b.key))
        });
        Self {
            ring_id: ring.id().iter().map(|byte| format!("{byte:02x}")).collect(),
            epoch: ring.epoch(),
            now,
            confirm_within_seconds: timing.confirm().as_secs(),
            activation_seconds: timing.activation().as_secs(),
            keys,
            limits: ring.limits().iter().map(LimitReport::of).collect(),
            replicas: Vec::new(),
        }
    }

    /// The key with this id.
    pub fn key(&self, id: &str) -> Option<&KeyReport> {
        self.keys.iter().find(|key| key.key == id)
    }
}

impl KeyReport {
    fn of(ring: &KeyRing, record: &KeyRecord, state: KeyState) -> Self {
        let over = matches!(state, KeyState::Revoked | KeyState::Destroyed);
        Self {
            key: record.kid().to_string(),
            state: state.to_string(),
            created_at: record.created,
            seals_from: record.not_before,
            seals_until: ring.seals_until(record),
            opens_until: ring.opens_until(record).filter(|_| !over),
            revoked_at: record.revoked,
            destroyed_at: record.destroyed,
        }
    }
}

impl LimitReport {
    fn of(limit: &LimitRecord) -> Self {
        let LimitRecord { lifetime, idle, since, ended } = *limit;
        Self { lifetime_seconds: lifetime.as_secs(), idle_seconds: idle.as_secs(), since, ended }
    }
}

impl Receipt {
    /// What `done` came to, with the `ring` after it.
    pub fn of(done: &Done, dry_run: bool, ring: Report) -> Self {
        let (outcome, kid, seals_from, fresh) = match done.outcome {
            Outcome::Proposed { kid } => ("proposed", kid, None, None),
            Outcome::Rotating { kid, from } => ("rotating", kid, Some(from), None),
            Outcome::Revoked { kid, fresh } => ("revoked", kid, None, fresh),
            Outcome::Destroyed { kid } => ("destroyed", kid, None, None),
        };
        Self {
            outcome: outcome.to_owned(),
            key: kid.to_string(),
            seals_from,
            fresh_key: fresh.map(|kid: Kid| kid.to_string()),
            changed: done.changed,
            dry_run,
            destroyed: done.destroyed.iter().map(Kid::to_string).collect(),
            among: None,
            ring,
        }
    }

    /// That a new ring took the place of the old one.
    pub fn of_replacement(dry_run: bool, ring: Report) -> Self {
        let first = ring.keys.first();
        Self {
            outcome: "replaced".to_owned(),
            key: first.map(|key| key.key.clone()).unwrap_or_default(),
            seals_from: first.and_then(|key| key.seals_from),
            fresh_key: None,
            changed: true,
            dry_run,
            destroyed: Vec::new(),
            among: None,
            ring,
        }
    }
}
