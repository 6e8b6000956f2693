//! Facts as bytes: postcard of an append-only enum. The journal keeps them so.

use serde::{Deserialize, Serialize};

use super::{Fact, SessionKey, TagKey};
use crate::claims::{RealmId, Registration, SessionId};
use crate::clock::Timestamp;

/// The bytes of `fact`.
pub fn encode(fact: &Fact) -> Vec<u8> {
    postcard::to_extend(&Encoded::of(fact), Vec::with_capacity(64)).expect("a growing buffer takes every fact")
}

/// The fact that `bytes` are, and nothing else; `None` if this release can't read them.
pub fn decode(bytes: &[u8]) -> Option<Fact> {
    // `from_bytes` would ignore whatever stands behind the fact, so: take, and look at the rest.
    let (encoded, []) = postcard::take_from_bytes::<Encoded>(bytes).ok()? else { return None };
    let fact = encoded.into_fact()?;
    // A number has longer spellings too, and what is compared or hashed as bytes must have one.
    (encode(&fact) == bytes).then_some(fact)
}

/// Append-only: a variant, once released, keeps its place and its fields for ever (as the payload of a token).
#[derive(Serialize, Deserialize)]
enum Encoded {
    Deny { session: Session, from: u64, rotated: bool, of: Option<([u8; 8], u64)>, until: u64 },
    Superseded { session: Session, at: u64, until: u64 },
    Cutoff { tag: Tagged, at: u64, until: u64 },
    Stale { tag: Tagged, at: u64, until: u64 },
    Floor { realm: Option<[u8; 8]>, at: u64, until: u64 },
    Bound { session: Session, at: u64, key: [u8; 8], of: ([u8; 8], u64), until: u64 },
}

#[derive(Serialize, Deserialize)]
struct Session {
    realm: [u8; 8],
    sid: [u8; 16],
}

#[derive(Serialize, Deserialize)]
struct Tagged {
    realm: [u8; 8],
    tag: [u8; 8],
}

impl Encoded {
    fn of(fact: &Fact) -> Self {
        let session = |key: SessionKey| Session { realm: key.realm.0, sid: key.sid.0 };
        let tagged = |key: TagKey| Tagged { realm: key.realm.0, tag: key.tag };
        let millis = Timestamp::as_millis;
        match *fact {
            Fact::Deny { session: key, from, rotated, of, until } => Self::Deny {
                session: session(key),
                from: millis(from),
                rotated,
                of: of.map(|(tag, started)| (tag, millis(started))),
                until: millis(until),
            },
            Fact::Superseded { session: key, at, until } => {
                Self::Superseded { session: session(key), at: millis(at), until: millis(until) }
            }
            Fact::Bound { session: key, by, of: (tag, started), until } => Self::Bound {
                session: session(key),
                at: millis(by.at),
                key: by.key,
                of: (tag, millis(started)),
                until: millis(until),
            },
            Fact::Cutoff { tag, at, until } => Self::Cutoff { tag: tagged(tag), at: millis(at), until: millis(until) },
            Fact::Stale { tag, at, until } => Self::Stale { tag: tagged(tag), at: millis(at), until: millis(until) },
            Fact::Floor { realm, at, until } => {
                Self::Floor { realm: realm.map(|realm| realm.0), at: millis(at), until: millis(until) }
            }
        }
    }

    /// `None` if a time is out of range.
    fn into_fact(self) -> Option<Fact> {
        let at = Timestamp::from_millis;
        Some(match self {
            Self::Deny { session, from, rotated, of, until } => {
                let of = match of {
                    Some((tag, started)) => Some((tag, at(started)?)),
                    None => None,
                };
                Fact::Deny { session: session.key(), from: at(from)?, rotated, of, until: at(until)? }
            }
            Self::Superseded { session, at: since, until } => {
                Fact::Superseded { session: session.key(), at: at(since)?, until: at(until)? }
            }
            Self::Bound { session, at: from, key, of: (tag, started), until } => Fact::Bound {
                session: session.key(),
                by: Registration { at: at(from)?, key },
                of: (tag, at(started)?),
                until: at(until)?,
            },
            Self::Cutoff { tag, at: upto, until } => Fact::Cutoff { tag: tag.key(), at: at(upto)?, until: at(until)? },
            Self::Stale { tag, at: since, until } => Fact::Stale { tag: tag.key(), at: at(since)?, until: at(until)? },
            Self::Floor { realm, at: upto, until } => {
                Fact::Floor { realm: realm.map(RealmId), at: at(upto)?, until: at(until)? }
            }
        })
    }
}

impl Session {
    fn key(&self) -> SessionKey {
        SessionKey { realm: RealmId(self.realm), sid: SessionId(self.sid) }
    }
}

impl Tagged {
    fn key(&self) -> TagKey {
        TagKey { realm: RealmId(self.realm), tag: self.tag }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: u64) -> Timestamp {
        Timestamp::from_millis(millis).expect("in range")
    }

    /// One of each kind, with its bytes in hexadecimal. A release that reads others, or writes others, is not the same
    /// format: these lines never change.
    fn samples() -> Vec<(Fact, &'static str)> {
        let realm = RealmId([1, 2, 3, 4, 5, 6, 7, 8]);
        let session =
            SessionKey { realm, sid: SessionId(std::array::from_fn(|i| 0x10 + u8::try_from(i).expect("16"))) };
        let tag = TagKey { realm, tag: [0x21, 0x22, 0x23, 0x24, 0x25, 0x26, 0x27, 0x28] };
        let (from, until) = (at(0), at(1_790_000_000_000));
        let of = Some((tag.tag, at(1_789_999_000_000)));
        vec![
            (
                Fact::Deny { session, from, rotated: false, of, until },
                "000102030405060708101112131415161718191a1b1c1d1e1f0000012122232425262728c0d384a28c3480d8c1a28c34",
            ),
            (
                Fact::Deny { session, from: at(300), rotated: true, of: None, until: at(301) },
                "000102030405060708101112131415161718191a1b1c1d1e1fac020100ad02",
            ),
            (
                Fact::Superseded { session, at: at(1), until },
                "010102030405060708101112131415161718191a1b1c1d1e1f0180d8c1a28c34",
            ),
            (Fact::Cutoff { tag, at: at(2), until }, "02010203040506070821222324252627280280d8c1a28c34"),
            (Fact::Stale { tag, at: at(3), until }, "03010203040506070821222324252627280380d8c1a28c34"),
            (Fact::Floor { realm: Some(realm), at: at(4), until }, "040101020304050607080480d8c1a28c34"),
            (Fact::Floor { realm: None, at: at(5), until: Timestamp::MAX }, "040005ffb7ff90fdce39"),
            (
                Fact::Bound {
                    session,
                    by: Registration { at: at(6), key: *b"a device" },
                    of: (tag.tag, at(1_789_999_000_000)),
                    until,
                },
                "050102030405060708101112131415161718191a1b1c1d1e1f06612064657669636521222324\
                    25262728c0d384a28c3480d8c1a28c34",
            ),
        ]
    }

    fn hex(bytes: &[u8]) -> String {
        bytes.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    #[test]
    fn each_kind_has_its_bytes_and_comes_back() {
        for (fact, bytes) in samples() {
            assert_eq!(hex(&encode(&fact)), bytes, "{fact:?}");
            assert_eq!(decode(&encode(&fact)), Some(fact));
        }
    }

    #[test]
    fn no_prefix_and_nothing_longer_is_a_fact() {
        for (fact, _) in samples() {
            let bytes = encode(&fact);
            for len in 0..bytes.len() {
                assert_eq!(decode(&bytes[..len]), None, "{fact:?}: the first {len} bytes");
            }
            for more in [&[0][..], &[1], &bytes] {
                assert_eq!(decode(&[&bytes, more].concat()), None, "{fact:?} and more");
            }
        }
    }

    #[test]
    fn a_flipped_bit_is_refused_or_another_fact() {
        for (fact, _) in samples() {
            let bytes = encode(&fact);
            for bit in 0..bytes.len() * 8 {
                let mut changed = bytes.clone();
                changed[bit / 8] ^= 1 << (bit % 8);
                let read = decode(&changed);
                assert_ne!(read, Some(fact), "bit {bit}");
                assert!(read.is_none_or(|other| encode(&other) == changed), "bit {bit}: a second spelling");
            }
        }
    }

    #[test]
    fn what_no_release_writes_is_refused() {
        let floor = |at: &[u8]| [&[4, 0], at, &[5]].concat();
        assert!(decode(&floor(&[1])).is_some());
        assert_eq!(decode(&floor(&[0x81, 0])), None, "a longer spelling of 1");
        assert_eq!(decode(&[4, 2, 1, 5]), None, "an option that is neither there nor absent");
        assert_eq!(decode(&[6, 0, 1, 5]), None, "a kind of a later release");
        let mut late = Vec::new();
        late = postcard::to_extend(&(Timestamp::MAX.as_millis() + 1), late).expect("it grows");
        assert_eq!(decode(&floor(&late)), None, "a time that no calendar has");
    }
}
