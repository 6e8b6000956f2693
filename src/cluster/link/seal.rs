//! What one replica says to others, sealed under a key from the cluster secret.
//!
//! ```text
//! 0x01 ‖ sender(16) ‖ nonce(24) ‖ ciphertext ‖ tag(16)
//! additional data: 0x01 ‖ deployment tag(8) ‖ destination: 0x00 for all, 0x01 ‖ id(16) for one, 0x02 for the core ‖ sender(16)
//! ```
//! So what was said to one replica can't be said again to another, and no replica speaks in the name of another life of
//! itself by accident. A replay opens; the protocol ignores it.

use super::super::member::ReplicaId;
use super::super::node::To;
use crate::entropy::{Entropy, EntropyError};
use crate::keyring::file::ClusterSecret;
use crate::seal::{NONCE_LEN, PurposeKey, TAG_LEN};
use crate::secret::Secret;

/// Tells deployments apart where messages are addressed. It is not secret.
pub type DeploymentTag = [u8; 8];

/// The keys of all cluster secrets that are accepted. While the secret is changed these are two.
pub struct PeerKeys {
    /// Never empty; the first seals.
    keys: Vec<Keys>,
}

struct Keys {
    tag: DeploymentTag,
    sealing: PurposeKey,
    ca_seed: Secret<32>,
}

impl PeerKeys {
    /// Derives the keys of `secrets`: all are accepted, the first is presented. `None` if there is none.
    pub fn new(secrets: &[&ClusterSecret]) -> Option<Self> {
        let keys = secrets.iter().map(|secret| Keys {
            tag: secret.derive_public(b"peer deployment tag"),
            sealing: PurposeKey::of_peers(secret),
            ca_seed: secret.derive(b"peer certificate authority"),
        });
        let keys: Vec<_> = keys.collect();
        (!keys.is_empty()).then_some(Self { keys })
    }

    /// Seals `plaintext` under the first secret.
    ///
    /// # Errors
    /// [`EntropyError`] if there are no random bytes.
    pub fn seal(
        &self,
        to: To,
        sender: ReplicaId,
        plaintext: &[u8],
        entropy: &dyn Entropy,
    ) -> Result<Vec<u8>, EntropyError> {
        let keys = &self.keys[0];
        let aad = additional_data(keys.tag, to, sender);
        let nonce = keys.sealing.nonce(entropy, &aad, plaintext)?;
        let mut sealed = Vec::with_capacity(HEAD_LEN + plaintext.len() + TAG_LEN);
        sealed.push(VERSION);
        sealed.extend_from_slice(&sender.0);
        sealed.extend_from_slice(&nonce);
        sealed.extend_from_slice(plaintext);
        let tag = keys.sealing.cipher().seal_in_place(&nonce, &aad, &mut sealed[HEAD_LEN..]);
        sealed.extend_from_slice(&tag);
        Ok(sealed)
    }

    /// Who sealed it, and what; `None` unless it was sealed for `to` under one of the secrets.
    pub fn open(&self, to: To, sealed: &[u8]) -> Option<(ReplicaId, Vec<u8>)> {
        let ([version], rest) = sealed.split_first_chunk()?;
        let (sender, rest) = rest.split_first_chunk()?;
        let (nonce, ciphertext) = rest.split_first_chunk::<NONCE_LEN>()?;
        // Longer ones are refused before any work: nobody of ours sends them.
        if *version != VERSION || ciphertext.len() > MAX_PLAINTEXT + TAG_LEN {
            return None;
        }
        let sender = ReplicaId(*sender);
        self.keys.iter().find_map(|keys| {
            let mut buffer = ciphertext.to_vec();
            let aad = additional_data(keys.tag, to, sender);
            let length = keys.sealing.cipher().open_in_place(nonce, &aad, &mut buffer).ok()?.len();
            buffer.truncate(length);
            Some((sender, buffer))
        })
    }

    /// The tags under which messages come in. Ours go out under the first.
    pub fn tags(&self) -> impl Iterator<Item = DeploymentTag> {
        self.keys.iter().map(|keys| keys.tag)
    }

    /// The seeds of the certificate authorities that are trusted. Our certificate is of the first.
    pub(super) fn ca_seeds(&self) -> impl Iterator<Item = &Secret<32>> {
        self.keys.iter().map(|keys| &keys.ca_seed)
    }
}

impl std::fmt::Debug for PeerKeys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("PeerKeys(redacted)")
    }
}

fn additional_data(tag: DeploymentTag, to: To, sender: ReplicaId) -> Vec<u8> {
    let mut aad = vec![VERSION];
    aad.extend_from_slice(&tag);
    match to {
        To::All => aad.push(0),
        To::One(id) => {
            aad.push(1);
            aad.extend_from_slice(&id.0);
        }
        To::Core => aad.push(2),
    }
    aad.extend_from_slice(&sender.0);
    aad
}

/// A message is at most 1 MiB; see [`MAX_MESSAGE`](super::super::message::MAX_MESSAGE).
pub const MAX_PLAINTEXT: usize = super::super::message::MAX_MESSAGE;
const VERSION: u8 = 1;
const HEAD_LEN: usize = 1 + 16 + NONCE_LEN;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::entropy::SystemEntropy;

    const A: ReplicaId = ReplicaId([0xa; 16]);
    const B: ReplicaId = ReplicaId([0xb; 16]);

    fn keys(bytes: &[u8]) -> PeerKeys {
        let secrets: Vec<ClusterSecret> =
            bytes.iter().map(|b| Secret::from_slice(&[*b; 32]).expect("32 bytes")).collect();
        PeerKeys::new(&secrets.iter().collect::<Vec<_>>()).expect("at least one")
    }

    fn seal(keys: &PeerKeys, to: To) -> Vec<u8> {
        keys.seal(to, A, b"said", &SystemEntropy::new()).expect("random bytes")
    }

    #[test]
    fn what_is_sealed_opens_where_it_was_sent_and_nowhere_else() {
        let keys = keys(&[1]);
        let (all, one) = (seal(&keys, To::All), seal(&keys, To::One(B)));
        assert_eq!(keys.open(To::All, &all), Some((A, b"said".to_vec())));
        assert_eq!(keys.open(To::One(B), &one), Some((A, b"said".to_vec())));
        for (to, sealed) in [(To::One(B), &all), (To::One(A), &one), (To::All, &one)] {
            assert_eq!(keys.open(to, sealed), None, "{to:?}");
        }
    }

    #[test]
    fn no_other_sender_can_be_written_on_it() {
        let keys = keys(&[1]);
        let mut sealed = seal(&keys, To::All);
        sealed[1..17].copy_from_slice(&B.0);
        assert_eq!(keys.open(To::All, &sealed), None);
    }

    #[test]
    fn every_prefix_and_every_flipped_bit_is_refused() {
        let keys = keys(&[1]);
        let sealed = seal(&keys, To::All);
        for length in 0..sealed.len() {
            assert_eq!(keys.open(To::All, &sealed[..length]), None, "the first {length} bytes");
        }
        for bit in 0..sealed.len() * 8 {
            let mut changed = sealed.clone();
            changed[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(keys.open(To::All, &changed), None, "bit {bit}");
        }
    }

    #[test]
    fn the_longest_message_opens_and_a_longer_one_does_not() {
        let keys = keys(&[1]);
        for (length, opens) in [(0, true), (MAX_PLAINTEXT, true), (MAX_PLAINTEXT + 1, false)] {
            let sealed = keys.seal(To::All, A, &vec![7; length], &SystemEntropy::new()).expect("random bytes");
            assert_eq!(keys.open(To::All, &sealed).is_some(), opens, "{length}");
        }
    }

    #[test]
    fn a_secret_is_changed_in_three_steps_without_a_moment_in_which_one_is_not_heard() {
        let steps = [keys(&[1]), keys(&[1, 2]), keys(&[2, 1]), keys(&[2])];
        for pair in steps.windows(2) {
            for (from, to) in [(&pair[0], &pair[1]), (&pair[1], &pair[0])] {
                assert!(to.open(To::All, &seal(from, To::All)).is_some());
                let out = from.tags().next().expect("the first");
                assert!(to.tags().any(|tag| tag == out), "it listens there");
            }
        }
        assert_eq!(keys(&[2]).open(To::All, &seal(&keys(&[1]), To::All)), None);
    }

    #[test]
    fn without_a_secret_there_are_no_keys() {
        assert!(PeerKeys::new(&[]).is_none());
    }
}
