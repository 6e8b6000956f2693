//! The ring as bytes, sealed under the cluster secret.
//!
//! A file is [`MAGIC`], then postcard of an envelope: wrap slots, each with the data key sealed under one secret, and the
//! whole ring sealed under the data key. More than one slot lets the cluster secret be changed without a moment in
//! which some replica can't read the file. The format page has the bytes.

use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::body;
use super::ring::KeyRing;
use crate::entropy::{Entropy, EntropyError, random};
use crate::seal::{Cipher, NONCE_LEN};
use crate::secret::Secret;

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

/// Seals `ring` under a new data key, so that each of `secrets` opens it and no other one does.
///
/// # Errors
/// [`EntropyError`] if there are no random bytes.
pub fn seal(ring: &KeyRing, secrets: &[&ClusterSecret], entropy: &dyn Entropy) -> Result<Vec<u8>, EntropyError> {
    let data_key = Secret::generate(entropy)?;
    let slots = secrets.iter().map(|secret| Slot::wrap(&data_key, secret, entropy)).collect::<Result<_, _>>()?;
    seal_under(ring, slots, &data_key, entropy)
}

/// Opens a ring file with `secret`.
///
/// # Errors
/// [`RingFileError`] says what is wrong with the bytes and what to do.
pub fn open(bytes: &[u8], secret: &ClusterSecret) -> Result<KeyRing, RingFileError> {
    let envelope = Envelope::parse(bytes)?;
    let data_key = envelope.data_key(secret)?;
    let mut body = Zeroizing::new(envelope.sealed.to_vec());
    let body = Cipher::new(&data_key).open_in_place(&envelope.nonce, MAGIC, &mut body);
    body::decode(body.map_err(|_| RingFileError::Damaged)?).ok_or(RingFileError::Damaged)
}

/// Seals `ring` in place of what is in `bytes`: every secret that opened that opens this.
///
/// # Errors
/// [`ResealError`]: `secret` does not open `bytes`, or there are no random bytes.
pub fn reseal(
    bytes: &[u8],
    secret: &ClusterSecret,
    ring: &KeyRing,
    entropy: &dyn Entropy,
) -> Result<Vec<u8>, ResealError> {
    let envelope = Envelope::parse(bytes)?;
    let data_key = envelope.data_key(secret)?;
    Ok(seal_under(ring, envelope.slots, &data_key, entropy)?)
}

/// The same ring, which `other` opens as well from here on.
///
/// # Errors
/// As [`reseal`].
pub fn accept(
    bytes: &[u8],
    secret: &ClusterSecret,
    other: &ClusterSecret,
    entropy: &dyn Entropy,
) -> Result<Vec<u8>, ResealError> {
    let mut envelope = Envelope::parse(bytes)?;
    let data_key = envelope.data_key(secret)?;
    let slot = Slot::wrap(&data_key, other, entropy)?;
    envelope.slots.retain(|known| known.id != slot.id);
    envelope.slots.push(slot);
    Ok(envelope.encode())
}

/// Which secret it is, without telling it: what the slots of a file are found by.
pub fn secret_id(secret: &ClusterSecret) -> [u8; 8] {
    slot_id(secret)
}

/// Whether `secret` is the one that was accepted last.
///
/// # Errors
/// [`RingFileError`] if the bytes are no ring file, or it does not open them.
pub fn is_newest(bytes: &[u8], secret: &ClusterSecret) -> Result<bool, RingFileError> {
    let envelope = Envelope::parse(bytes)?;
    envelope.data_key(secret)?;
    Ok(envelope.slots.last().is_some_and(|slot| slot.id == slot_id(secret)))
}

/// How many secrets open the file, as far as can be told without one of them.
///
/// # Errors
/// [`RingFileError`] if the bytes are no ring file.
pub fn untrusted_slots(bytes: &[u8]) -> Result<usize, RingFileError> {
    Ok(Envelope::parse(bytes)?.slots.len())
}

/// A ring file can't be sealed in place of another one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ResealError {
    /// The one that is there can't be opened.
    #[error(transparent)]
    File(#[from] RingFileError),
    /// No random bytes.
    #[error(transparent)]
    Entropy(#[from] EntropyError),
}

fn seal_under(
    ring: &KeyRing,
    slots: Vec<Slot>,
    data_key: &Secret<32>,
    entropy: &dyn Entropy,
) -> Result<Vec<u8>, EntropyError> {
    let nonce = random(entropy)?;
    let mut body = body::encode(ring);
    let tag = Cipher::new(data_key).seal_in_place(&nonce, MAGIC, &mut body);
    body.extend_from_slice(&tag);
    Ok(Envelope { slots, nonce, sealed: &body }.encode())
}

#[derive(Serialize, Deserialize)]
struct Envelope<'a> {
    slots: Vec<Slot>,
    nonce: [u8; NONCE_LEN],
    sealed: &'a [u8],
}

impl<'a> Envelope<'a> {
    fn parse(bytes: &'a [u8]) -> Result<Self, RingFileError> {
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
        match postcard::take_from_bytes(rest) {
            Ok((envelope, [])) => Ok(envelope),
            _ => Err(RingFileError::Damaged),
        }
    }

    fn data_key(&self, secret: &ClusterSecret) -> Result<Secret<32>, RingFileError> {
        let id = slot_id(secret);
        let slot = self.slots.iter().find(|slot| slot.id == id).ok_or(RingFileError::WrongSecret)?;
        slot.unwrap(secret)
    }

    fn encode(&self) -> Vec<u8> {
        postcard::to_extend(self, MAGIC.to_vec()).expect("a growing buffer takes every envelope")
    }
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Timestamp;
    use crate::entropy::SystemEntropy;
    use crate::revocation::Longest;
    use std::time::Duration;

    fn secret(byte: u8) -> ClusterSecret {
        Secret::from_slice(&[byte; 32]).expect("32 bytes")
    }

    fn sample() -> (KeyRing, Vec<u8>) {
        let entropy = SystemEntropy::new();
        let now = Timestamp::from_millis(1_000).expect("in range");
        let mut ring = KeyRing::init(&entropy, now).expect("random bytes");
        let longest = Longest { lifetime: Duration::from_secs(60), idle: Duration::from_secs(6) };
        ring.note_limits(longest, now);
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
    fn the_cluster_secret_is_changed_in_three_steps_without_a_moment_in_which_one_fails() {
        let entropy = SystemEntropy::new();
        let (old, new, (ring, bytes)) = (secret(1), secret(2), sample());
        let both = accept(&bytes, &old, &new, &entropy).expect("ours");
        assert!(open(&both, &old).is_ok() && open(&both, &new).is_ok());
        assert_eq!(untrusted_slots(&accept(&both, &new, &new, &entropy).expect("ours")), Ok(2), "once is enough");
        let written = reseal(&both, &new, &ring, &entropy).expect("ours");
        assert!(open(&written, &old).is_ok() && open(&written, &new).is_ok(), "a write locks nobody out");
        let only = seal(&ring, &[&new], &entropy).expect("random bytes");
        assert_eq!(open(&only, &old).err(), Some(RingFileError::WrongSecret));
        assert_eq!(reseal(&only, &old, &ring, &entropy).err(), Some(ResealError::File(RingFileError::WrongSecret)));
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
