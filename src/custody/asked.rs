//! What is asked of the key ring: the bodies of the calls, as the control API reads and the command line writes them.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{Patience, Task};
use crate::clock::Timestamp;
use crate::keyring::{Kid, Order};
use crate::revocation::Wait;

/// The body of `POST /v1/keys/rotate`.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct AskedRotate {
    /// When the key is to seal, if later than it could.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub after_seconds: Option<u64>,
    /// Only say what it would come to.
    pub dry_run: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    wait: Option<AskedWait>,
    #[serde(skip_serializing_if = "Option::is_none")]
    timeout_ms: Option<u64>,
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
    #[serde(default, skip_serializing_if = "Option::is_none")]
    wait: Option<AskedWait>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    timeout_ms: Option<u64>,
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
    #[serde(default, skip_serializing_if = "Option::is_none")]
    wait: Option<AskedWait>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    timeout_ms: Option<u64>,
}

/// The body of `POST /v1/keys/replace-ring`: nothing but that it is meant.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct AskedReplace {
    /// Only say what it would come to.
    pub dry_run: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    wait: Option<AskedWait>,
    #[serde(skip_serializing_if = "Option::is_none")]
    timeout_ms: Option<u64>,
}

/// [`Wait`] as it is spelt.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum AskedWait {
    Local,
    Majority,
    All,
}

/// The longest that an order waits for other replicas.
pub const MAX_PATIENCE: Duration = Duration::from_secs(30);

impl AskedRotate {
    /// With a key that seals after `after`, or as soon as it can.
    pub fn new(after: Option<Duration>, dry_run: bool) -> Self {
        Self { after_seconds: after.map(|after| after.as_secs()), dry_run, ..Self::default() }
    }

    /// As an order.
    pub fn task(&self) -> Task {
        Task::Order(Order::Rotate { after: self.after_seconds.map(Duration::from_secs) })
    }

    /// How long it waits for other replicas; `None` if that is over [`MAX_PATIENCE`].
    pub fn patience(&self) -> Option<Patience> {
        patience(self.wait, self.timeout_ms)
    }
}

impl AskedPostpone {
    /// Until `until`.
    pub fn new(until: Timestamp, dry_run: bool) -> Self {
        Self { until: until.rfc3339(), dry_run, wait: None, timeout_ms: None }
    }

    /// As [`AskedRotate::patience`].
    pub fn patience(&self) -> Option<Patience> {
        patience(self.wait, self.timeout_ms)
    }
}

impl AskedOfKey {
    /// Of the key with this id.
    pub fn new(key: String, force: bool, dry_run: bool) -> Self {
        Self { key, force, dry_run, wait: None, timeout_ms: None }
    }

    /// As [`AskedRotate::patience`].
    pub fn patience(&self) -> Option<Patience> {
        patience(self.wait, self.timeout_ms)
    }
}

impl AskedReplace {
    /// That it is meant.
    pub fn new(dry_run: bool) -> Self {
        Self { dry_run, ..Self::default() }
    }

    /// As [`AskedRotate::patience`].
    pub fn patience(&self) -> Option<Patience> {
        patience(self.wait, self.timeout_ms)
    }
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

fn patience(wait: Option<AskedWait>, timeout_ms: Option<u64>) -> Option<Patience> {
    let usual = Patience::default();
    let at_most = timeout_ms.map_or(usual.at_most, Duration::from_millis);
    let wait = wait.map_or(usual.wait, |wait| match wait {
        AskedWait::Local => Wait::Local,
        AskedWait::Majority => Wait::Majority,
        AskedWait::All => Wait::All,
    });
    (at_most <= MAX_PATIENCE).then_some(Patience { wait, at_most })
}
