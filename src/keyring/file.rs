//! The ring as bytes, sealed under the cluster secret.
//!
//! A file is [`MAGIC`], then postcard of an envelope: wrap slots, each with the data key sealed under one secret, and the
//! whole ring sealed under the data key. More than one slot lets the cluster secret be changed without a moment in
//! which some replica can't read the file. The format page has the bytes.

use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::limits::LimitRecord;
use super::record::{KeyRecord, Kid};
use super::ring::KeyRing;
use crate::clock::Timestamp;
use crate::entropy::{Entropy, EntropyError, random};
use crate::seal::{Cipher, NONCE_LEN};
use crate::secret::Secret;
use std::time::Duration;

/// How every ring file begins; the last digit is the version.
pub const MAGIC: &[u8; 16] = b"sealpass ring 1\n";
/// A ring file is far smaller; what is larger is none.
pub const MAX_FILE: usize = 1 << 20;

/// The cluster secret: all that an operator hands to a replica.
pub type ClusterSecret = Secret<32>;

/// Bytes are no ring file that can be read. Texts end with what to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RingFileError {
    /// No bytes at all.
    #[error("is empty: restore it from a backup or from another replica")]
    Empty,
    /// Something else.
    #[error("is not a ring file: give the file that `sealpass keys init` wrote")]
    NotARing,
    /// A ring file of another version.
    #[error("is a ring file of another version: use the release that wrote it, or a newer one")]
    OtherVersion,
    /// No slot of the file was made with this cluster secret.
    #[error("is sealed under another cluster secret: give the secret that belongs to it")]
    WrongSecret,
    /// Cut off, or changed.
    #[error("is cut off or damaged: restore it from a backup or from another replica")]
    Damaged,
}

/// Seals `ring` so that each of `secrets` opens it.
///
/// # Errors
/// [`EntropyError`] if there are no random bytes.
pub fn seal(ring: &KeyRing, secrets: &[&ClusterSecret], entropy: &dyn Entropy) -> Result<Vec<u8>, EntropyError> {
    let data_key = Secret::generate(entropy)?;
    let slots = secrets.iter().map(|secret| Slot::wrap(&data_key, secret, entropy)).collect::<Result<_, _>>()?;
    let mut body = Zeroizing::new(Vec::with_capacity(MAX_BODY_HINT));
    *body =
        postcard::to_extend(&Body::of(ring), std::mem::take(&mut *body)).expect("a growing buffer takes every ring");
    let nonce = random(entropy)?;
    let tag = Cipher::new(&data_key).seal_in_place(&nonce, MAGIC, &mut body);
    body.extend_from_slice(&tag);
    let envelope = Envelope { slots, nonce, sealed: &body };
    Ok(postcard::to_extend(&envelope, MAGIC.to_vec()).expect("a growing buffer takes every envelope"))
}

/// Opens a ring file with `secret`.
///
/// # Errors
/// [`RingFileError`] says what is wrong with the bytes and what to do.
pub fn open(bytes: &[u8], secret: &ClusterSecret) -> Result<KeyRing, RingFileError> {
    if bytes.is_empty() {
        return Err(RingFileError::Empty);
    }
    let Some(rest) = bytes.strip_prefix(MAGIC) else {
        let family = &MAGIC[..MAGIC.len() - 2];
        return Err(match bytes {
            _ if bytes.starts_with(family) => RingFileError::OtherVersion,
            _ if family.starts_with(bytes) => RingFileError::Damaged,
            _ => RingFileError::NotARing,
        });
    };
    let (envelope, rest): (Envelope<'_>, _) = postcard::take_from_bytes(rest).map_err(|_| RingFileError::Damaged)?;
    if !rest.is_empty() {
        return Err(RingFileError::Damaged);
    }
    let id = slot_id(secret);
    let slot = envelope.slots.iter().find(|slot| slot.id == id).ok_or(RingFileError::WrongSecret)?;
    let data_key = slot.unwrap(secret)?;
    let mut body = Zeroizing::new(envelope.sealed.to_vec());
    let body = Cipher::new(&data_key).open_in_place(&envelope.nonce, MAGIC, &mut body);
    let body = body.map_err(|_| RingFileError::Damaged)?;
    let (Body::V1(body), []) = postcard::take_from_bytes(body).map_err(|_| RingFileError::Damaged)? else {
        return Err(RingFileError::Damaged);
    };
    body.into_ring().ok_or(RingFileError::Damaged)
}

#[derive(Serialize, Deserialize)]
struct Envelope<'a> {
    slots: Vec<Slot>,
    nonce: [u8; NONCE_LEN],
    sealed: &'a [u8],
}

/// The data key under one secret.
#[derive(Serialize, Deserialize)]
struct Slot {
    kind: SlotKind,
    /// Tells which secret it takes, so that a wrong secret and a damaged file are told apart.
    id: [u8; 8],
    nonce: [u8; NONCE_LEN],
    data_key: [u8; 32],
    tag: [u8; 16],
}

/// Append-only.
#[derive(Clone, Copy, Serialize, Deserialize)]
enum SlotKind {
    ClusterSecret,
    /// Reserved: a key that a key management service unwraps.
    Kms,
}

impl Slot {
    fn wrap(data_key: &Secret<32>, secret: &ClusterSecret, entropy: &dyn Entropy) -> Result<Self, EntropyError> {
        let (id, nonce) = (slot_id(secret), random(entropy)?);
        let mut wrapped = *data_key.expose();
        let tag = wrapping(secret).seal_in_place(&nonce, &id, &mut wrapped);
        Ok(Self { kind: SlotKind::ClusterSecret, id, nonce, data_key: wrapped, tag })
    }

    fn unwrap(&self, secret: &ClusterSecret) -> Result<Secret<32>, RingFileError> {
        let SlotKind::ClusterSecret = self.kind else { return Err(RingFileError::WrongSecret) };
        let mut wrapped = Zeroizing::new([0; 48]);
        wrapped[..32].copy_from_slice(&self.data_key);
        wrapped[32..].copy_from_slice(&self.tag);
        let key = wrapping(secret).open_in_place(&self.nonce, &self.id, &mut *wrapped);
        let key = key.map_err(|_| RingFileError::Damaged)?;
        Secret::from_slice(key).map_err(|_| RingFileError::Damaged)
    }
}

fn slot_id(secret: &ClusterSecret) -> [u8; 8] {
    secret.derive_public(b"ring slot id")
}

fn wrapping(secret: &ClusterSecret) -> Cipher {
    Cipher::new(&secret.derive(b"ring wrap"))
}

/// Append-only, as the payload of a token.
#[derive(Serialize, Deserialize)]
enum Body {
    V1(BodyV1),
}

#[derive(Serialize, Deserialize)]
struct BodyV1 {
    ring_id: [u8; 16],
    epoch: u64,
    tag_secret: Zeroizing<[u8; 32]>,
    log_secret: Zeroizing<[u8; 32]>,
    records: Vec<RecordV1>,
    limits: Vec<LimitV1>,
    replaces: Option<[u8; 16]>,
}

#[derive(Serialize, Deserialize)]
struct RecordV1 {
    kid: [u8; 4],
    root: Option<Zeroizing<[u8; 32]>>,
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

impl Body {
    fn of(ring: &KeyRing) -> Self {
        let copy = |secret: &Secret<32>| Zeroizing::new(*secret.expose());
        let record = |record: &KeyRecord| RecordV1 {
            kid: record.kid.0,
            root: record.root.as_ref().map(copy),
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
        Self::V1(BodyV1 {
            ring_id: ring.ring_id,
            epoch: ring.epoch,
            tag_secret: copy(&ring.tag_secret),
            log_secret: copy(&ring.log_secret),
            records: ring.records.iter().map(record).collect(),
            limits: ring.limits.iter().map(limit).collect(),
            replaces: ring.replaces,
        })
    }
}

impl BodyV1 {
    /// `None` if it contradicts itself: a time out of range, an id that is not its root's, ids not ascending.
    fn into_ring(self) -> Option<KeyRing> {
        let records: Vec<KeyRecord> = self.records.iter().map(RecordV1::check).collect::<Option<_>>()?;
        let limits = self.limits.iter().map(LimitV1::check).collect::<Option<_>>()?;
        records.is_sorted_by(|a, b| a.kid < b.kid).then_some(())?;
        Some(KeyRing {
            ring_id: self.ring_id,
            tag_secret: Secret::from_slice(&*self.tag_secret).ok()?,
            log_secret: Secret::from_slice(&*self.log_secret).ok()?,
            records,
            limits,
            epoch: self.epoch,
            replaces: self.replaces,
        })
    }
}

impl RecordV1 {
    fn check(&self) -> Option<KeyRecord> {
        let root = match &self.root {
            Some(root) => Some(Secret::from_slice(&**root).ok()?),
            None => None,
        };
        let kid = Kid(self.kid);
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

/// Room for some dozens of keys, so that the plaintext is not copied, unwiped, from a smaller buffer to a larger one.
const MAX_BODY_HINT: usize = 16 << 10;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::entropy::SystemEntropy;

    fn secret(byte: u8) -> ClusterSecret {
        Secret::from_slice(&[byte; 32]).expect("32 bytes")
    }

    fn sample() -> (KeyRing, Vec<u8>) {
        let entropy = SystemEntropy::new();
        let now = Timestamp::from_millis(1_000).expect("in range");
        let mut ring = KeyRing::init(&entropy, now).expect("random bytes");
        ring.note_limits(Duration::from_secs(60), Duration::from_secs(6), now);
        let bytes = seal(&ring, &[&secret(1)], &entropy).expect("random bytes");
        (ring, bytes)
    }

    #[test]
    fn what_is_sealed_opens_the_same() {
        let (ring, bytes) = sample();
        let opened = open(&bytes, &secret(1)).expect("ours");
        assert_eq!(opened.ring_id, ring.ring_id);
        assert_eq!(opened.limits, ring.limits);
        assert_eq!(opened.tag_secret, ring.tag_secret);
        assert_eq!(opened.log_secret, ring.log_secret);
        assert_eq!(opened.records[0].root, ring.records[0].root);
        assert_eq!(opened.records[0].not_before, ring.records[0].not_before);
    }

    #[test]
    fn two_slots_open_with_either_secret() {
        let bytes = seal(&sample().0, &[&secret(1), &secret(2)], &SystemEntropy::new()).expect("random bytes");
        assert!(open(&bytes, &secret(1)).is_ok());
        assert!(open(&bytes, &secret(2)).is_ok());
        assert_eq!(open(&bytes, &secret(3)).err(), Some(RingFileError::WrongSecret));
    }

    #[test]
    fn every_prefix_and_every_flipped_bit_is_refused() {
        let (_, bytes) = sample();
        for len in 0..bytes.len() {
            assert!(open(&bytes[..len], &secret(1)).is_err(), "the first {len} bytes");
        }
        for bit in 0..bytes.len() * 8 {
            let mut changed = bytes.clone();
            changed[bit / 8] ^= 1 << (bit % 8);
            assert!(open(&changed, &secret(1)).is_err(), "bit {bit}");
        }
    }

    #[test]
    fn each_fault_has_its_name() {
        let (_, bytes) = sample();
        let of = |bytes: &[u8]| open(bytes, &secret(1)).err();
        assert_eq!(of(b""), Some(RingFileError::Empty));
        assert_eq!(of(b"-----BEGIN PRIVATE KEY-----"), Some(RingFileError::NotARing));
        assert_eq!(of(b"sealpass ring 2\nwhatever"), Some(RingFileError::OtherVersion));
        assert_eq!(of(&bytes[..8]), Some(RingFileError::Damaged));
        assert_eq!(of(&[bytes.as_slice(), b"\n"].concat()), Some(RingFileError::Damaged));
    }
}
