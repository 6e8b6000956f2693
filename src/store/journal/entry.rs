//! An entry of the journal: what it stands under, and how two facts become one.

use crate::clock::Timestamp;
use crate::keyring::RingId;
use crate::revocation::{Fact, SessionFacts, TagFacts, encoding};

/// Under what a fact stands: ring, kind, key.
pub type Key = Box<[u8]>;

/// Under what `fact` stands in the entries of `ring`.
pub fn key(ring: RingId, fact: &Fact) -> Key {
    [&ring[..], &place(fact)].concat().into()
}

/// Under what it stands that `fact` is pinned.
pub fn pin_key(ring: RingId, fact: &Fact) -> Key {
    [&ring[..], &[PIN], &place(fact)].concat().into()
}

/// Where the pins of a ring begin, one behind the other.
pub fn pins_of(ring: RingId) -> Key {
    [&ring[..], &[PIN]].concat().into()
}

/// Whether that is said under `place`, a key without its ring.
pub fn is_pin(place: &[u8]) -> bool {
    place.first() == Some(&PIN)
}

/// That a fact is pinned, and since when: the time in 8 bytes, then the fact's own.
pub fn encode_pin(fact: &Fact, dated: Timestamp) -> Vec<u8> {
    [&dated.as_millis().to_be_bytes()[..], &encoding::encode(fact)].concat()
}

/// What [`encode_pin`] made, under the key where it belongs; `None` for anything else.
pub fn decode_pin(place_of_pin: &[u8], bytes: &[u8]) -> Option<(Fact, Timestamp)> {
    let (dated, fact) = bytes.split_first_chunk()?;
    let fact = encoding::decode(fact).filter(|fact| place_of_pin.get(1..) == Some(&*place(fact)))?;
    Some((fact, Timestamp::from_millis(u64::from_be_bytes(*dated))?))
}

/// The same without the ring. That a session was rotated stands apart from its ending, which would make one forget the
/// other.
pub fn place(fact: &Fact) -> Vec<u8> {
    let (kind, realm, name): (u8, _, &[u8]) = match fact {
        Fact::Deny { session, rotated: false, .. } => (DENY, Some(session.realm), &session.sid.0),
        Fact::Deny { session, rotated: true, .. } => (ROTATED, Some(session.realm), &session.sid.0),
        Fact::Superseded { session, .. } => (1, Some(session.realm), &session.sid.0),
        Fact::Bound { session, .. } => (BOUND, Some(session.realm), &session.sid.0),
        Fact::Cutoff { tag, .. } => (2, Some(tag.realm), &tag.tag),
        Fact::Stale { tag, .. } => (3, Some(tag.realm), &tag.tag),
        Fact::Floor { realm, .. } => (4, *realm, &[]),
    };
    let mut place = vec![kind];
    place.extend(realm.map(|realm| realm.0).into_iter().flatten());
    place.extend(name);
    place
}

/// Whether `place` is where `fact` stands, or where the first release put it: that one had one place for both kinds of
/// denies.
pub fn stands_under(fact: &Fact, found: &[u8]) -> bool {
    let mut place = place(fact);
    if place[0] == ROTATED && found.first() == Some(&DENY) {
        place[0] = DENY;
    }
    place == found
}

/// Two facts of one kind and key made one.
pub fn joined(known: Option<Fact>, new: &Fact) -> Fact {
    let Some(known) = known.filter(|known| place(known) == place(new)) else { return *new };
    match (known, *new) {
        (Fact::Floor { at, until, .. }, Fact::Floor { realm, at: other, until: later }) => {
            Fact::Floor { realm, at: at.max(other), until: until.max(later) }
        }
        (
            Fact::Deny { .. } | Fact::Superseded { .. } | Fact::Bound { .. },
            Fact::Deny { session, .. } | Fact::Superseded { session, .. } | Fact::Bound { session, .. },
        ) => {
            let SessionFacts { deny, superseded, bound, until } = SessionFacts::default().with(&known).with(new);
            match (deny, superseded, bound) {
                (Some(deny), ..) => Fact::Deny { session, from: deny.from, rotated: deny.rotated, of: deny.of, until },
                (_, Some(at), _) => Fact::Superseded { session, at, until },
                (.., Some(bound)) => Fact::Bound { session, by: bound.by, of: bound.of, until },
                (None, None, None) => *new,
            }
        }
        (Fact::Cutoff { .. } | Fact::Stale { .. }, Fact::Cutoff { tag, .. } | Fact::Stale { tag, .. }) => {
            let TagFacts { cutoff, stale, until } = TagFacts::default().with(&known).with(new);
            match (cutoff, stale) {
                (Some(at), _) => Fact::Cutoff { tag, at, until },
                (None, Some(at)) => Fact::Stale { tag, at, until },
                (None, None) => *new,
            }
        }
        _ => *new,
    }
}

const DENY: u8 = 0;
/// Behind the kinds of the first release, which refuses a journal that holds one of these.
const ROTATED: u8 = 5;
const PIN: u8 = 6;
/// As [`ROTATED`], of the releases before device-bound sessions.
const BOUND: u8 = 7;
