//! Names for sessions and subjects in the audit trail: an operator can follow one, and nobody learns who it is.
//!
//! They are keyed by the ring's log secret, so that they stay the same through renewals and through every rotation of keys.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use super::Sessions;
use crate::claims::{Claims, SessionId, Tag};

/// A short keyed tag that stands for a session or a subject. Unlike the tags of claims, it may be written down.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Pseudonym([u8; 8]);

impl Sessions {
    /// What the audit trail calls a session.
    pub fn session_pseudonym(&self, sid: SessionId) -> Pseudonym {
        Pseudonym(self.keys.load().session_pseudonym(sid))
    }

    /// What it calls the subject that a tag stands for.
    pub fn subject_pseudonym(&self, subject: Tag) -> Pseudonym {
        Pseudonym(self.keys.load().subject_pseudonym(subject))
    }

    /// What it calls the session and the subject of claims; an anonymous session has none.
    pub fn pseudonyms(&self, claims: &Claims<'_>) -> (Pseudonym, Option<Pseudonym>) {
        (self.session_pseudonym(claims.sid), claims.subject_tag().map(|tag| self.subject_pseudonym(tag)))
    }
}

impl fmt::Display for Pseudonym {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", u64::from_be_bytes(self.0))
    }
}

impl fmt::Debug for Pseudonym {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Serialize for Pseudonym {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Pseudonym {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let text = String::deserialize(from)?;
        let digits = text.len() == 16 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
        let number = u64::from_str_radix(&text, 16).ok().filter(|_| digits);
        number.map(|number| Self(number.to_be_bytes())).ok_or_else(|| de::Error::custom("not a pseudonym"))
    }
}
