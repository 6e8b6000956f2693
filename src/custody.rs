//! What operators see of the key ring and do with it: the port between the service and whoever asks, and its words.
//!
//! The same words are the JSON of the control API and what the command line reads from it. No secret is among them.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::clock::{Timestamp, rfc3339};
pub use crate::keyring::Refused;
use crate::keyring::{Done, KeyRecord, KeyRing, KeyState, Kid, LimitRecord, Order, Outcome, Timing};

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
    /// In one word: `rotating`, `revoked`, `destroyed`, `replaced`.
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
    /// The ring after it.
    pub ring: Report,
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
            ring,
        }
    }
}

/// The body of `POST /v1/keys/rotate`.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct AskedRotate {
    /// When the key is to seal, if later than it could.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub after_seconds: Option<u64>,
    /// Only say what it would come to.
    pub dry_run: bool,
}

/// The body of `POST /v1/keys/postpone`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AskedPostpone {
    /// Until when, as RFC 3339 spells it.
    pub until: String,
    /// Only say what it would come to.
    #[serde(default)]
    pub dry_run: bool,
}

/// The body of `POST /v1/keys/revoke` and `/destroy`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AskedOfKey {
    /// Which key.
    pub key: String,
    /// To destroy it although sessions under it may be alive.
    #[serde(default)]
    pub force: bool,
    /// Only say what it would come to.
    #[serde(default)]
    pub dry_run: bool,
}

/// The body of `POST /v1/keys/replace-ring`: nothing but that it is meant.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct AskedReplace {
    /// Only say what it would come to.
    pub dry_run: bool,
}

impl Task {
    /// Put the next key off.
    pub fn postpone(until: Timestamp) -> Self {
        Self::Order(Order::Postpone { until })
    }

    /// End every session under a key. `None` if that is no key id.
    pub fn revoke(key: &str) -> Option<Self> {
        Some(Self::Order(Order::Revoke { kid: Kid::parse(key)? }))
    }

    /// Wipe a key. `None` if that is no key id.
    pub fn destroy(key: &str, force: bool) -> Option<Self> {
        Some(Self::Order(Order::Destroy { kid: Kid::parse(key)?, force }))
    }
}

impl AskedRotate {
    /// As an order.
    pub fn task(&self) -> Task {
        Task::Order(Order::Rotate { after: self.after_seconds.map(Duration::from_secs) })
    }
}
