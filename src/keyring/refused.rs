//! Why an order was not carried out, and what to do instead.

use std::time::Duration;

use super::record::{KeyState, Kid};
use crate::clock::Timestamp;
use crate::entropy::EntropyError;

/// An order that is not carried out. Every text says what to do instead.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Refused {
    /// No such key.
    #[error("there is no key {0} in the ring; `keys list` shows those there are")]
    Unknown(Kid),
    /// Sooner than replicas may learn of the key.
    #[error(
        "a new key can't seal sooner than {least:?} after it is made, or a replica might not have it yet; ask for that or more"
    )]
    TooSoon {
        /// The least time.
        least: Duration,
    },
    /// Later than anybody means.
    #[error("a rotation is put off by 400 days at the most; give an earlier time")]
    TooFar,
    /// On the files of one replica of many.
    #[error(
        "among several replicas the next key gets its time once a majority has it; leave --after out, or ask a running service with --control"
    )]
    DatedByMajority,
    /// No key is on its way.
    #[error("no rotation is pending; `keys rotate` begins one")]
    NothingPending,
    /// Replicas may not hear of it in time.
    #[error("key {kid} seals from {} on, which is less than {notice:?} ahead: some replica might not hear of a change in time; let it begin", from.rfc3339())]
    TooLate {
        /// The key.
        kid: Kid,
        /// From when on it seals.
        from: Timestamp,
        /// How long before that it could still be changed.
        notice: Duration,
    },
    /// Not later than it is.
    #[error("key {kid} seals from {} on; a rotation is only put off to a later time", from.rfc3339())]
    NotLater {
        /// The key.
        kid: Kid,
        /// From when on it seals.
        from: Timestamp,
    },
    /// Sessions under it may be alive.
    #[error("sessions under key {kid} may be alive until {}; wait until then, or end them with --force", until.rfc3339())]
    Needed {
        /// The key.
        kid: Kid,
        /// Until when.
        until: Timestamp,
    },
    /// It seals, or will.
    #[error("key {kid} is {state}; `keys revoke {kid}` ends it and what it sealed, and then it can be destroyed")]
    InUse {
        /// The key.
        kid: Kid,
        /// Its state.
        state: KeyState,
    },
    /// No random bytes.
    #[error(transparent)]
    Entropy(#[from] EntropyError),
}
