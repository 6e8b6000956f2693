//! By what replicas find out whether they know the same: digests of facts.
//!
//! What is known under one key (of a session, of a tag, of a realm's floor) is an entry. Its key's hash says in which
//! of 256 buckets it lies and in which of 256 leaves of that one. A digest is the sum of the values of its entries, so
//! that it can be kept up entry by entry, in any order. Which entries count is told by whole minutes, so that replicas
//! that drop what has expired at somewhat different times agree all the same.

use std::time::Duration;

use super::{Fact, SessionKey, TagKey, encoding};
use crate::claims::RealmId;
use crate::clock::Timestamp;
use crate::secret::sha256;

/// What facts are about: those about the same are one entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum About {
    /// A session: that it is over, that older claims are out of date, that it is bound to a device.
    Session(SessionKey),
    /// All that bear a tag: up to which start they are over, before when their claims are out of date.
    Tag(TagKey),
    /// Up to which start all of a realm are over, or all there are.
    Floor(Option<RealmId>),
}

impl About {
    /// What `fact` is about.
    pub fn of(fact: &Fact) -> Self {
        match *fact {
            Fact::Deny { session, .. } | Fact::Superseded { session, .. } | Fact::Bound { session, .. } => {
                Self::Session(session)
            }
            Fact::Cutoff { tag, .. } | Fact::Stale { tag, .. } => Self::Tag(tag),
            Fact::Floor { realm, .. } => Self::Floor(realm),
        }
    }

    /// Where its entry lies: in which bucket, and in which leaf of that.
    pub fn place(&self) -> (u8, u8) {
        let [bucket, leaf, ..] = sha256(&[PREFIX, &*self.bytes()].concat());
        (bucket, leaf)
    }

    /// Kind, realm, name. The length tells with or without a realm.
    fn bytes(&self) -> Vec<u8> {
        match self {
            Self::Session(key) => [&[0][..], &key.realm.0, &key.sid.0].concat(),
            Self::Tag(key) => [&[1][..], &key.realm.0, &key.tag].concat(),
            Self::Floor(Some(realm)) => [&[2][..], &realm.0].concat(),
            Self::Floor(None) => vec![2],
        }
    }
}

/// What the entry of `about` adds to the digests that it is in: `facts` are all that is known about it, as
/// [`SessionFacts::facts`](super::SessionFacts::facts) and [`TagFacts::facts`](super::TagFacts::facts) list them. For
/// how long a floor is kept is no part of it: floors are always in.
pub fn value(about: &About, facts: impl IntoIterator<Item = Fact>) -> u64 {
    let mut bytes = about.bytes();
    for fact in facts {
        let timeless = match fact {
            Fact::Floor { realm, at, .. } => Fact::Floor { realm, at, until: Timestamp::EPOCH },
            other => other,
        };
        bytes.extend(encoding::encode(&timeless));
    }
    u64::from_be_bytes(*sha256(&bytes).first_chunk().expect("a hash has 32 bytes"))
}

/// The whole minute by which an entry that is kept until `until` is known: it is in the digest of what matters beyond a
/// minute if this one is later. A floor's is [`Timestamp::MAX`].
pub fn minute(until: Timestamp) -> Timestamp {
    let millis = until.as_millis().next_multiple_of(MINUTE_MILLIS);
    Timestamp::from_millis(millis).unwrap_or(Timestamp::MAX)
}

/// How long a replica that others compare themselves with goes on handing over an entry that is kept until `until`:
/// longer than any of them, its clock behind and its question late, still counts it.
pub fn handed_over_until(until: Timestamp) -> Timestamp {
    minute(until).plus(HAND_OVER)
}

/// Beyond which whole minute facts matter to a replica that compares itself with others at `now`.
pub fn beyond(now: Timestamp) -> Timestamp {
    let millis = now.minus(super::CLOCK_ERROR * 2).as_millis();
    Timestamp::EPOCH.plus(Duration::from_millis(millis - millis % MINUTE_MILLIS))
}

const PREFIX: &[u8] = b"sealpass facts";
const MINUTE_MILLIS: u64 = 60_000;
const HAND_OVER: Duration = Duration::from_secs(65);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::claims::SessionId;

    fn at(millis: u64) -> Timestamp {
        Timestamp::from_millis(millis).expect("in range")
    }

    fn samples() -> [(Fact, (u8, u8), u64); 4] {
        let realm = RealmId([1, 2, 3, 4, 5, 6, 7, 8]);
        let session = SessionKey { realm, sid: SessionId([9; 16]) };
        let tag = TagKey { realm, tag: [7; 8] };
        let until = at(1_790_000_000_000);
        [
            (Fact::Superseded { session, at: at(5), until }, SESSION.0, SESSION.1),
            (Fact::Cutoff { tag, at: at(5), until }, TAG.0, TAG.1),
            (Fact::Floor { realm: Some(realm), at: at(5), until }, FLOOR.0, FLOOR.1),
            (Fact::Floor { realm: None, at: at(5), until }, ALL.0, ALL.1),
        ]
    }

    /// Replicas of different releases compare these: they never change.
    #[test]
    fn each_kind_has_its_place_and_its_value() {
        for (fact, place, of) in samples() {
            let about = About::of(&fact);
            assert_eq!((about.place(), value(&about, [fact])), (place, of), "{fact:?}");
        }
    }

    #[test]
    fn what_is_known_changes_the_value_and_how_long_a_floor_is_kept_does_not() {
        let [(superseded, ..), (cutoff, ..), (floor, ..), _] = samples();
        let value = |facts: &[Fact]| value(&About::of(&facts[0]), facts.iter().copied());
        let Fact::Cutoff { tag, at: from, until } = cutoff else { unreachable!("it is one") };
        assert_ne!(value(&[cutoff]), value(&[Fact::Cutoff { tag, at: from, until: at(1) }]));
        assert_ne!(value(&[cutoff]), value(&[Fact::Stale { tag, at: from, until }]));
        assert_ne!(value(&[cutoff]), value(&[cutoff, Fact::Stale { tag, at: from, until }]));
        assert_ne!(value(&[superseded]), value(&[superseded, superseded]));
        let Fact::Floor { realm, at: from, .. } = floor else { unreachable!("it is one") };
        assert_eq!(value(&[floor]), value(&[Fact::Floor { realm, at: from, until: at(9) }]));
        assert_ne!(value(&[floor]), value(&[Fact::Floor { realm, at: next(from), until }]));
    }

    fn next(at: Timestamp) -> Timestamp {
        at.plus(Duration::from_millis(1))
    }

    #[test]
    fn minutes_are_whole_and_never_too_early() {
        for (until, whole) in [(0, 0), (1, 60_000), (60_000, 60_000), (60_001, 120_000)] {
            assert_eq!(minute(at(until)), at(whole), "{until}");
        }
        assert_eq!(minute(Timestamp::MAX), Timestamp::MAX);
        for (now, whole) in [(0, 0), (61_999, 0), (62_000, 60_000), (121_999, 60_000), (122_000, 120_000)] {
            assert_eq!(beyond(at(now)), at(whole), "{now}");
        }
    }

    #[test]
    fn whoever_counts_an_entry_can_have_it_from_whoever_is_two_clock_errors_ahead() {
        for until in [1, 59_999, 60_000, 60_001] {
            let last = (0..300_000).filter(|now| minute(at(until)) > beyond(at(*now))).max().expect("some");
            assert!(at(last).plus(super::super::CLOCK_ERROR * 2) < handed_over_until(at(until)), "{until}");
        }
    }

    const SESSION: ((u8, u8), u64) = ((213, 24), 0xcab1_bd10_413e_831c);
    const TAG: ((u8, u8), u64) = ((185, 146), 0xc0cc_1d38_492a_3b00);
    const FLOOR: ((u8, u8), u64) = ((227, 19), 0xf183_fe58_bbb6_ca82);
    const ALL: ((u8, u8), u64) = ((20, 238), 0x10ae_5bcb_65d7_3107);
}
