//! One key of the ring: a root and times. Its state is computed from them and never stored.

use std::fmt;

use crate::clock::Timestamp;
use crate::entropy::{Entropy, EntropyError};
use crate::secret::Secret;

/// The public id of a key: a fingerprint of its root.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Kid(pub [u8; 4]);

impl Kid {
    /// `HKDF-SHA256(root, info = "kid")`, 4 bytes.
    pub fn of(root: &Secret<32>) -> Self {
        Self(root.derive_public(b"kid"))
    }

    /// Reads what [`Kid`] is printed as: 8 hexadecimal digits.
    pub fn parse(text: &str) -> Option<Self> {
        let plain = text.len() == 8 && text.bytes().all(|digit| digit.is_ascii_hexdigit());
        plain.then(|| u32::from_str_radix(text, 16).ok().map(|id| Self(id.to_be_bytes())))?
    }
}

impl fmt::Display for Kid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:08x}", u32::from_be_bytes(self.0))
    }
}

/// What the ring keeps of one key.
#[derive(Debug)]
pub struct KeyRecord {
    pub(super) kid: Kid,
    /// `None` once destroyed: the record then only keeps the id from being used again.
    pub(super) root: Option<Secret<32>>,
    /// When it was made.
    pub created: Timestamp,
    /// From when on it may seal; `None` while a majority is not known to have it.
    pub not_before: Option<Timestamp>,
    /// Since when nothing under it opens any more.
    pub revoked: Option<Timestamp>,
    /// Since when its root is gone.
    pub destroyed: Option<Timestamp>,
}

impl KeyRecord {
    /// A fresh key.
    ///
    /// # Errors
    /// [`EntropyError`] if there are no random bytes.
    pub fn generate(
        entropy: &dyn Entropy,
        created: Timestamp,
        not_before: Option<Timestamp>,
    ) -> Result<Self, EntropyError> {
        let root = Secret::generate(entropy)?;
        Ok(Self { kid: Kid::of(&root), root: Some(root), created, not_before, revoked: None, destroyed: None })
    }

    /// Its id.
    pub fn kid(&self) -> Kid {
        self.kid
    }

    /// Whether tokens under it may open at all.
    pub fn opens(&self) -> bool {
        self.root.is_some() && self.revoked.is_none()
    }

    /// Wipes the root and leaves what keeps the id from being used again.
    pub(super) fn destroy(&mut self, now: Timestamp) {
        self.root = None;
        self.destroyed = Some(now);
    }

    /// The times of both records of one key joined: some `not_before` beats none, then the later; revoked and destroyed
    /// win, the earlier of two.
    pub(super) fn join(&mut self, other: &Self) {
        self.created = self.created.min(other.created);
        self.not_before = self.not_before.max(other.not_before);
        self.revoked = earliest(self.revoked, other.revoked);
        self.destroyed = earliest(self.destroyed, other.destroyed);
        if self.destroyed.is_some() {
            self.root = None;
        }
    }
}

/// Where a key stands in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum KeyState {
    /// Known, not dated yet: opens, does not seal.
    Proposed,
    /// Dated: opens, seals from `not_before` on.
    Pending,
    /// The one that seals.
    Active,
    /// An earlier one: opens what it sealed.
    VerifyOnly,
    /// An earlier one whose last token can't be alive any more: opens nothing.
    Retired,
    /// Opens nothing from now on.
    Revoked,
    /// Its root is gone.
    Destroyed,
}

impl fmt::Display for KeyState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Proposed => "proposed",
            Self::Pending => "pending",
            Self::Active => "active",
            Self::VerifyOnly => "verify-only",
            Self::Retired => "retired",
            Self::Revoked => "revoked",
            Self::Destroyed => "destroyed",
        })
    }
}

fn earliest(a: Option<Timestamp>, b: Option<Timestamp>) -> Option<Timestamp> {
    a.into_iter().chain(b).min()
}
