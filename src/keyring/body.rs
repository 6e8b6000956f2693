//! What is inside a ring file: all fields of the ring as postcard, append-only, strict on the way in.
//!
//! Secrets go straight from the wiped buffer of the file into [`Secret`]s and back, never over the stack: nothing would
//! wipe a copy there.

use std::fmt;
use std::time::Duration;

use serde::de::{Error as _, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};
use zeroize::Zeroizing;

use super::limits::LimitRecord;
use super::record::{KeyRecord, Kid};
use super::ring::{KeyRing, RingId};
use crate::clock::Timestamp;
use crate::secret::Secret;

/// The ring's fields as bytes.
pub fn encode(ring: &KeyRing) -> Zeroizing<Vec<u8>> {
    // So large that it never grows: a smaller buffer would be left behind unwiped.
    let room =
        256 + RECORD * ring.records.len() + LIMIT * ring.limits.len() + size_of::<RingId>() * ring.replaces.len();
    let mut bytes = Zeroizing::new(Vec::with_capacity(room));
    *bytes = postcard::to_extend(&Body::V1(BodyV1::of(ring)), std::mem::take(&mut *bytes))
        .expect("a growing buffer takes every ring");
    bytes
}

/// Reads [`encode`]'s bytes. `None` for anything else, and if they contradict themselves: a time out of range, an id that
/// is not its root's, ids not ascending, a root where there is a tombstone.
pub fn decode(bytes: &[u8]) -> Option<KeyRing> {
    let (Read::V1(body), []) = postcard::take_from_bytes(bytes).ok()? else { return None };
    body.into_ring()
}

/// Append-only, as the payload of a token.
#[derive(Serialize)]
enum Body<'a> {
    V1(BodyV1<'a>),
}

#[derive(Serialize)]
struct BodyV1<'a> {
    ring_id: RingId,
    epoch: u64,
    tag_secret: &'a [u8; 32],
    log_secret: &'a [u8; 32],
    records: Vec<RecordV1<&'a [u8; 32]>>,
    limits: Vec<LimitV1>,
    replaces: &'a [RingId],
}

/// [`Body`] on its way in.
#[derive(Deserialize)]
enum Read {
    V1(ReadV1),
}

#[derive(Deserialize)]
struct ReadV1 {
    ring_id: RingId,
    epoch: u64,
    tag_secret: Held,
    log_secret: Held,
    records: Vec<RecordV1<Held>>,
    limits: Vec<LimitV1>,
    replaces: Vec<RingId>,
}

#[derive(Serialize, Deserialize)]
struct RecordV1<Root> {
    kid: [u8; 4],
    root: Option<Root>,
    created: u64,
    not_before: Option<u64>,
    revoked: Option<u64>,
    destroyed: Option<u64>,
}

#[derive(Serialize, Deserialize)]
struct LimitV1 {
    lifetime_seconds: u64,
    idle_seconds: u64,
    since: u64,
    ended: Option<u64>,
}

/// A secret that is read where it will stay.
struct Held(Secret<32>);

impl<'de> Deserialize<'de> for Held {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_tuple(32, InPlace).map(Self)
    }
}

struct InPlace;

impl<'de> Visitor<'de> for InPlace {
    type Value = Secret<32>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("32 bytes")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut bytes: A) -> Result<Self::Value, A::Error> {
        Secret::fill_with(|place| {
            for byte in place.iter_mut() {
                *byte = bytes.next_element()?.ok_or_else(|| A::Error::invalid_length(0, &self))?;
            }
            Ok(())
        })
    }
}

impl<'a> BodyV1<'a> {
    fn of(ring: &'a KeyRing) -> Self {
        let record = |record: &'a KeyRecord| RecordV1 {
            kid: record.kid.0,
            root: record.root.as_ref().map(Secret::expose),
            created: record.created.as_millis(),
            not_before: record.not_before.map(Timestamp::as_millis),
            revoked: record.revoked.map(Timestamp::as_millis),
            destroyed: record.destroyed.map(Timestamp::as_millis),
        };
        let limit = |limit: &LimitRecord| LimitV1 {
            lifetime_seconds: limit.lifetime.as_secs(),
            idle_seconds: limit.idle.as_secs(),
            since: limit.since.as_millis(),
            ended: limit.ended.map(Timestamp::as_millis),
        };
        Self {
            ring_id: ring.ring_id,
            epoch: ring.epoch,
            tag_secret: ring.tag_secret.expose(),
            log_secret: ring.log_secret.expose(),
            records: ring.records.iter().map(record).collect(),
            limits: ring.limits.iter().map(limit).collect(),
            replaces: &ring.replaces,
        }
    }
}

impl ReadV1 {
    fn into_ring(self) -> Option<KeyRing> {
        let records: Vec<KeyRecord> = self.records.into_iter().map(RecordV1::check).collect::<Option<_>>()?;
        let limits = self.limits.iter().map(LimitV1::check).collect::<Option<_>>()?;
        records.is_sorted_by(|a, b| a.kid < b.kid).then_some(())?;
        Some(KeyRing {
            ring_id: self.ring_id,
            tag_secret: self.tag_secret.0,
            log_secret: self.log_secret.0,
            records,
            limits,
            epoch: self.epoch,
            replaces: self.replaces,
        })
    }
}

impl RecordV1<Held> {
    fn check(self) -> Option<KeyRecord> {
        let (root, kid) = (self.root.map(|held| held.0), Kid(self.kid));
        let own_id = root.as_ref().is_none_or(|root| Kid::of(root) == kid);
        let tombstone = self.destroyed.is_some() == root.is_none();
        (own_id && tombstone).then_some(())?;
        Some(KeyRecord {
            kid,
            root,
            created: Timestamp::from_millis(self.created)?,
            not_before: optional(self.not_before)?,
            revoked: optional(self.revoked)?,
            destroyed: optional(self.destroyed)?,
        })
    }
}

impl LimitV1 {
    fn check(&self) -> Option<LimitRecord> {
        Some(LimitRecord {
            lifetime: Duration::from_secs(self.lifetime_seconds),
            idle: Duration::from_secs(self.idle_seconds),
            since: Timestamp::from_millis(self.since)?,
            ended: optional(self.ended)?,
        })
    }
}

/// `None` if out of range, `Some(None)` if absent.
#[expect(clippy::option_option, reason = "the outer one is the check's result, the inner one the field's")]
fn optional(millis: Option<u64>) -> Option<Option<Timestamp>> {
    match millis {
        None => Some(None),
        Some(millis) => Timestamp::from_millis(millis).map(Some),
    }
}

/// Most bytes that a record takes: id, root and four times.
const RECORD: usize = 4 + 33 + 4 * 11;
/// Most bytes that a pair of limits takes.
const LIMIT: usize = 4 * 11;
