//! XAES-256-GCM, and the key of one purpose.
//!
//! [`Cipher`] is XAES-256-GCM as C2SP specifies it (<https://c2sp.org/XAES-256-GCM>): for each 192-bit nonce a key for
//! AES-256-GCM is derived with two AES blocks. The derivation runs on the `aes` crate, the sealing on `ring`. Random
//! 192-bit nonces have no practical limit a key, where 96-bit ones end at 2^32 (NIST SP 800-38D, section 8.3).
//! [`PurposeKey`] adds nonces that survive a broken random generator.

use std::fmt;

use aes::Aes256Enc;
use aes::cipher::{Array, BlockCipherEncrypt, KeyInit};
use ring::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use zeroize::{Zeroize, Zeroizing};

use crate::entropy::{Entropy, EntropyError, random};
use crate::secret::{MacKey, Secret};

/// Bytes of a nonce.
pub const NONCE_LEN: usize = 24;
/// Bytes of an authentication tag.
pub const TAG_LEN: usize = 16;

/// The tag does not fit: another key, another binding, or a byte was changed. Which, nobody can tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not sealed under this key and binding")]
pub struct BadTag;

/// XAES-256-GCM under one key.
pub struct Cipher {
    aes: Aes256Enc,
    k1: [u8; 16],
}

impl Cipher {
    /// Prepares `key`: `L = AES(K, 0)` and `K1`, `L` doubled.
    pub fn new(key: &Secret<32>) -> Self {
        let aes = Aes256Enc::new(&Array(*key.expose()));
        let mut l = Array([0; 16]);
        aes.encrypt_block(&mut l);
        Self { aes, k1: double(l.0) }
    }

    /// Encrypts `buffer` in place and returns the tag. `aad` is authenticated and not encrypted.
    pub fn seal_in_place(&self, nonce: &[u8; NONCE_LEN], aad: &[u8], buffer: &mut [u8]) -> [u8; TAG_LEN] {
        let mut key = Zeroizing::new([0; 32]);
        let nonce = self.derive(nonce, &mut key);
        let tag = gcm_key(&key)
            .seal_in_place_separate_tag(nonce, Aad::from(aad), buffer)
            .expect("AES-GCM refuses only messages of 64 GiB and more");
        std::array::from_fn(|i| tag.as_ref()[i])
    }

    /// Decrypts `buffer`, ciphertext and behind it the tag, in place, and returns the plaintext at its front.
    ///
    /// # Errors
    /// [`BadTag`] unless it was sealed under this key, nonce and `aad`, and not a bit was changed. What then stands in
    /// `buffer` means nothing.
    pub fn open_in_place<'b>(
        &self,
        nonce: &[u8; NONCE_LEN],
        aad: &[u8],
        buffer: &'b mut [u8],
    ) -> Result<&'b mut [u8], BadTag> {
        let mut key = Zeroizing::new([0; 32]);
        let nonce = self.derive(nonce, &mut key);
        gcm_key(&key).open_in_place(nonce, Aad::from(aad), buffer).map_err(|_| BadTag)
    }

    /// The nonce `Nx` of one message, and into `key` its key `Kx`, which is moved nowhere from there:
    /// `Kx = AES(K, M1 ^ K1) ‖ AES(K, M2 ^ K1)` and `Nx = nonce[12..]`, with
    /// `M1, M2 = 00 01 58 00 | 00 02 58 00 ‖ nonce[..12]`.
    fn derive(&self, nonce: &[u8; NONCE_LEN], key: &mut [u8; 32]) -> Nonce {
        let (for_key, rest) = nonce.split_first_chunk::<12>().expect("24 bytes");
        let mut blocks: [aes::Block; 2] = [Array([0, 1, 0x58, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]), Array([0; 16])];
        blocks[0].0[4..].copy_from_slice(for_key);
        blocks[1] = blocks[0];
        blocks[1].0[1] = 2;
        for block in &mut blocks {
            for (byte, k1) in block.0.iter_mut().zip(self.k1) {
                *byte ^= k1;
            }
        }
        self.aes.encrypt_blocks(&mut blocks);
        key[..16].copy_from_slice(&blocks[0]);
        key[16..].copy_from_slice(&blocks[1]);
        for block in &mut blocks {
            block.0.zeroize();
        }
        Nonce::try_assume_unique_for_key(rest).expect("12 bytes")
    }
}

impl Drop for Cipher {
    fn drop(&mut self) {
        self.k1.zeroize(); // the round keys are wiped by `aes`
    }
}

impl fmt::Debug for Cipher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Cipher(redacted)")
    }
}

/// The key made ready. A function of its own, so that its half a kilobyte is not moved about.
fn gcm_key(key: &[u8; 32]) -> LessSafeKey {
    LessSafeKey::new(UnboundKey::new(&AES_256_GCM, key).expect("32 bytes are a key of AES-256"))
}

/// What a ring key is used for. A token of one purpose never opens as another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Purpose {
    /// The session in the cookie.
    Session,
    /// The token that a form carries against cross-site requests.
    Csrf,
    /// From what a device refreshes a session that is bound to it.
    Anchor,
    /// What a device signs, to show that it has the key.
    Challenge,
}

impl Purpose {
    /// All that are built. `handoff` is a reserved name.
    pub const ALL: [Self; 4] = [Self::Session, Self::Csrf, Self::Anchor, Self::Challenge];

    /// The name, as the derivation and the additional data use it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Session => "session",
            Self::Csrf => "csrf",
            Self::Anchor => "anchor",
            Self::Challenge => "challenge",
        }
    }
}

/// The key of one purpose, derived from the root of a ring key.
#[derive(Debug)]
pub struct PurposeKey {
    cipher: Cipher,
    hedge: MacKey,
}

impl PurposeKey {
    /// `HKDF-SHA256(root, info = purpose)` gives 64 bytes: the key that seals, then the key that hedges nonces.
    pub fn derive(root: &Secret<32>, purpose: Purpose) -> Self {
        Self::from_info(root, purpose.name())
    }

    /// The key of what one replica says to others. It comes from the cluster secret and never from a ring key, since a
    /// replica that joins has no ring yet.
    pub fn of_peers(cluster_secret: &Secret<32>) -> Self {
        Self::from_info(cluster_secret, "peer")
    }

    fn from_info(root: &Secret<32>, info: &str) -> Self {
        let both: Secret<64> = root.derive(info.as_bytes());
        let (seal, hedge) = both.expose().split_at(32);
        Self {
            cipher: Cipher::new(&Secret::from_slice(seal).expect("half of 64 bytes")),
            hedge: MacKey::new(&Secret::from_slice(hedge).expect("half of 64 bytes")),
        }
    }

    /// A nonce that is random, and differs for other content or other `aad` even if `entropy` repeats itself:
    /// `HMAC(hedge key, 24 random bytes ‖ length of aad (8 bytes, big-endian) ‖ aad ‖ plaintext)`, cut to 24 bytes.
    ///
    /// # Errors
    /// [`EntropyError`] if the source fails.
    pub fn nonce(&self, entropy: &dyn Entropy, aad: &[u8], plaintext: &[u8]) -> Result<[u8; NONCE_LEN], EntropyError> {
        let fresh: [u8; NONCE_LEN] = random(entropy)?;
        Ok(self.hedge.mac(&[&fresh, &(aad.len() as u64).to_be_bytes(), aad, plaintext]))
    }

    /// The cipher under the key that seals.
    pub fn cipher(&self) -> &Cipher {
        &self.cipher
    }
}

/// Multiplication by x in GF(2^128), as CMAC doubles (NIST SP 800-38B, section 6.1), without a branch on the secret.
fn double(block: [u8; 16]) -> [u8; 16] {
    let block = u128::from_be_bytes(block);
    let carry = (block >> 127) * 0b1000_0111;
    ((block << 1) ^ carry).to_be_bytes()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::entropy::Stock;

    /// Gives the same byte for ever: the broken generator that hedging is for.
    struct Stuck;

    impl Entropy for Stuck {
        fn fill(&self, out: &mut [u8]) -> Result<(), EntropyError> {
            out.fill(0x55);
            Ok(())
        }
    }

    #[test]
    fn doubling_reduces_only_on_carry() {
        assert_eq!(double([0; 16]), [0; 16]);
        let mut one = [0; 16];
        one[15] = 1;
        assert_eq!(double(one)[15], 2);
        let mut top = [0; 16];
        top[0] = 0x80;
        let mut reduced = [0; 16];
        reduced[15] = 0x87;
        assert_eq!(double(top), reduced);
    }

    #[test]
    fn a_stuck_generator_repeats_no_nonce_for_other_content() {
        let key = PurposeKey::derive(&Secret::from_slice(&[1; 32]).expect("32 bytes"), Purpose::Session);
        for source in [&Stuck as &dyn Entropy, &Stock::new(Arc::new(Stuck))] {
            let nonce = |aad: &[u8], text: &[u8]| key.nonce(source, aad, text).expect("never fails");
            assert_eq!(nonce(b"a", b"text"), nonce(b"a", b"text"));
            assert_ne!(nonce(b"a", b"text"), nonce(b"a", b"other"));
            assert_ne!(nonce(b"a", b"text"), nonce(b"b", b"text"));
            assert_ne!(nonce(b"at", b"ext"), nonce(b"a", b"text"), "where aad ends is part of it");
        }
    }

    #[test]
    fn purposes_have_keys_of_their_own() {
        let root = Secret::from_slice(&[1; 32]).expect("32 bytes");
        let seal = |purpose| PurposeKey::derive(&root, purpose).cipher.seal_in_place(&[0; 24], b"", &mut [0; 32]);
        let sealed = Purpose::ALL.map(seal);
        for (place, one) in sealed.iter().enumerate() {
            assert_eq!(sealed.iter().position(|other| other == one), Some(place), "{:?}", Purpose::ALL[place]);
        }
    }
}
