//! Secret bytes, and what is derived from them: HKDF, HMAC, digests. And the one signature that is checked.
//!
//! A [`Secret`] is wiped when dropped, is never cloned, printed or serialized, and gives its bytes only through
//! [`Secret::expose`]. The key objects of `ring` (inside [`MacKey`]) hold copies that `ring` does not wipe; the threat
//! page says so.

use std::fmt;

use ring::signature::{ECDSA_P256_SHA256_FIXED, UnparsedPublicKey};
use ring::{digest, hkdf, hmac};
use subtle::ConstantTimeEq;
use zeroize::ZeroizeOnDrop;

use crate::entropy::{Entropy, EntropyError};

/// `N` secret bytes, on the heap so that moving the value leaves no copy behind.
///
/// ```compile_fail
/// # use sealpass::secret::Secret;
/// fn must_be_clone<T: Clone>() {}
/// must_be_clone::<Secret<32>>(); // a second copy would be a second thing to wipe
/// ```
/// ```compile_fail
/// # use sealpass::secret::Secret;
/// fn must_be_serialize<T: serde::Serialize>() {}
/// must_be_serialize::<Secret<32>>(); // it leaves the process only sealed
/// ```
/// ```compile_fail
/// # use sealpass::secret::Secret;
/// fn must_be_display<T: std::fmt::Display>() {}
/// must_be_display::<Secret<32>>(); // never in a message or a log
/// ```
#[derive(ZeroizeOnDrop)]
pub struct Secret<const N: usize>(Box<[u8; N]>);

/// Secret bytes were given in the wrong number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected {expected} bytes, found {found}")]
pub struct WrongLength {
    /// How many bytes it takes.
    pub expected: usize,
    /// How many were given.
    pub found: usize,
}

impl<const N: usize> Secret<N> {
    /// Fresh random bytes.
    ///
    /// # Errors
    /// [`EntropyError`] if the source fails.
    pub fn generate(entropy: &dyn Entropy) -> Result<Self, EntropyError> {
        let mut secret = Self::zeroed();
        entropy.fill(&mut *secret.0)?;
        Ok(secret)
    }

    /// A copy of `bytes`; wiping the original is the caller's part.
    ///
    /// # Errors
    /// [`WrongLength`] unless there are exactly `N`.
    pub fn from_slice(bytes: &[u8]) -> Result<Self, WrongLength> {
        if bytes.len() != N {
            return Err(WrongLength { expected: N, found: bytes.len() });
        }
        let mut secret = Self::zeroed();
        secret.0.copy_from_slice(bytes);
        Ok(secret)
    }

    /// Bytes that `fill` puts in their place, so that no copy is left anywhere else.
    ///
    /// # Errors
    /// Those of `fill`.
    pub fn fill_with<E>(fill: impl FnOnce(&mut [u8; N]) -> Result<(), E>) -> Result<Self, E> {
        let mut secret = Self::zeroed();
        fill(&mut secret.0)?;
        Ok(secret)
    }

    /// HKDF-SHA256 (RFC 5869) of these bytes with an empty salt.
    #[must_use]
    pub fn derive<const M: usize>(&self, info: &[u8]) -> Secret<M> {
        let mut out = Secret::zeroed();
        self.derive_into(info, &mut *out.0);
        out
    }

    /// As [`Secret::derive`], for output that is not secret, such as a fingerprint.
    #[must_use]
    pub fn derive_public<const M: usize>(&self, info: &[u8]) -> [u8; M] {
        let mut out = [0; M];
        self.derive_into(info, &mut out);
        out
    }

    /// The bytes themselves.
    pub fn expose(&self) -> &[u8; N] {
        &self.0
    }

    fn zeroed() -> Self {
        Self(Box::new([0; N]))
    }

    fn derive_into(&self, info: &[u8], out: &mut [u8]) {
        let prk = hkdf::Salt::new(hkdf::HKDF_SHA256, &[]).extract(&*self.0);
        let info = [info];
        let okm = prk.expand(&info, OutputLen(out.len()));
        okm.and_then(|okm| okm.fill(out))
            .expect("HKDF-SHA256 gives up to 8,160 bytes, and each caller asks for at most 64");
    }
}

impl<const N: usize> fmt::Debug for Secret<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Secret<{N}>(redacted)")
    }
}

impl<const N: usize> PartialEq for Secret<N> {
    /// In constant time.
    fn eq(&self, other: &Self) -> bool {
        self.0.as_slice().ct_eq(other.0.as_slice()).into()
    }
}

impl<const N: usize> Eq for Secret<N> {}

/// A key for HMAC-SHA256 (RFC 2104).
pub struct MacKey(hmac::Key);

impl MacKey {
    /// The key made of `secret`.
    pub fn new(secret: &Secret<32>) -> Self {
        Self(hmac::Key::new(hmac::HMAC_SHA256, secret.expose()))
    }

    /// The first `N` (at most 32) bytes of the HMAC over all `parts`, one behind the other.
    ///
    /// Parts of variable length are ambiguous by themselves: see [`MacKey::tag`].
    #[must_use]
    pub fn mac<const N: usize>(&self, parts: &[&[u8]]) -> [u8; N] {
        let mut context = hmac::Context::with_key(&self.0);
        for part in parts {
            context.update(part);
        }
        truncate(context.sign().as_ref())
    }

    /// The first `N` (at most 32) bytes of the HMAC over all `parts`, each behind its length (2 bytes, big-endian), so
    /// that no two lists of parts give the same input. A part has at most 65,535 bytes.
    #[must_use]
    pub fn tag<const N: usize>(&self, parts: &[&[u8]]) -> [u8; N] {
        let mut context = hmac::Context::with_key(&self.0);
        for part in parts {
            context.update(&length_prefix(part));
            context.update(part);
        }
        truncate(context.sign().as_ref())
    }
}

impl fmt::Debug for MacKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("MacKey(redacted)")
    }
}

/// What length-prefixed means everywhere in Sealpass: 2 bytes, big-endian, in front of the part.
///
/// # Panics
/// If the part has more than 65,535 bytes; all that is tagged or bound is limited to far less where it enters.
pub fn length_prefix(part: &[u8]) -> [u8; 2] {
    u16::try_from(part.len()).expect("parts are limited where they enter").to_be_bytes()
}

/// SHA-256: how secrets of high entropy (credentials) are stored, so that the file gives none away.
#[must_use]
pub fn sha256(bytes: &[u8]) -> [u8; 32] {
    truncate(digest::digest(&digest::SHA256, bytes).as_ref())
}

/// Whether both are equal, in a time that depends on their lengths alone.
#[must_use]
pub fn constant_time_eq(a: &[u8], b: &[u8]) -> bool {
    a.ct_eq(b).into()
}

/// Whether `signature` (`r ‖ s`, as JWS has it: RFC 7518, section 3.4) is one of ECDSA with P-256 and SHA-256 over
/// `message` by the key `public`, an uncompressed point (SEC 1, section 2.3.3). A key that is no point of the curve has
/// signed nothing.
///
/// Nothing here is secret, so that its time may tell what it is given.
#[must_use]
pub fn verify_es256(public: &[u8; 65], message: &[u8], signature: &[u8; 64]) -> bool {
    UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, public).verify(message, signature).is_ok()
}

fn truncate<const N: usize>(bytes: &[u8]) -> [u8; N] {
    std::array::from_fn(|i| bytes[i])
}

struct OutputLen(usize);

impl hkdf::KeyType for OutputLen {
    fn len(&self) -> usize {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use base64::Engine as _;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;

    use super::*;

    #[test]
    fn hkdf_as_rfc_5869_appendix_a3() {
        let secret = Secret::<22>::from_slice(&[0x0b; 22]).expect("22 bytes");
        let okm: [u8; 8] = secret.derive_public(b"");
        assert_eq!(okm, [0x8d, 0xa4, 0xe7, 0x75, 0xa5, 0x63, 0xc1, 0x8f]);
    }

    #[test]
    fn hmac_as_rfc_4231_case_2_with_the_key_padded() {
        let mut key = [0; 32]; // HMAC pads short keys with zeros, so "Jefe" and this are the same key.
        key[..4].copy_from_slice(b"Jefe");
        let key = MacKey::new(&Secret::from_slice(&key).expect("32 bytes"));
        let mac: [u8; 4] = key.mac(&[b"what do ya want ", b"for nothing?"]);
        assert_eq!(mac, [0x5b, 0xdc, 0xc1, 0x46]);
    }

    #[test]
    fn parts_of_a_tag_do_not_run_together() {
        let key = MacKey::new(&Secret::from_slice(&[7; 32]).expect("32 bytes"));
        let (a, b): ([u8; 8], [u8; 8]) = (key.tag(&[b"ab", b"c"]), key.tag(&[b"a", b"bc"]));
        assert_ne!(a, b);
    }

    /// The key, input and signature of RFC 7515, appendix A.3.
    fn jws_of_the_rfc() -> ([u8; 65], &'static [u8], [u8; 64]) {
        let decode = |text: &str| URL_SAFE_NO_PAD.decode(text).expect("base64url");
        let x = decode("f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU");
        let y = decode("x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0");
        let signature = "DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q";
        let message = b"eyJhbGciOiJFUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9\
            leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ";
        let public = [&[4][..], &x, &y].concat().try_into().expect("65 bytes");
        (public, message, decode(signature).try_into().expect("64 bytes"))
    }

    #[test]
    fn es256_as_rfc_7515_appendix_a3_and_nothing_near_it() {
        let (public, message, signature) = jws_of_the_rfc();
        assert!(verify_es256(&public, message, &signature));
        assert!(!verify_es256(&public, &message[1..], &signature));
        assert!(!verify_es256(&public, message, &[0; 64]), "r and s of zero fit every key where they are not refused");
        for bit in 0..signature.len() * 8 {
            let mut changed = signature;
            changed[bit / 8] ^= 1 << (bit % 8);
            assert!(!verify_es256(&public, message, &changed), "bit {bit} of the signature");
        }
        for bit in 0..public.len() * 8 {
            let mut changed = public;
            changed[bit / 8] ^= 1 << (bit % 8);
            assert!(!verify_es256(&changed, message, &signature), "bit {bit} of the key");
        }
    }

    #[test]
    fn what_is_no_point_of_the_curve_has_signed_nothing() {
        let (_, message, signature) = jws_of_the_rfc();
        let mut infinity = [0; 65];
        assert!(!verify_es256(&infinity, message, &signature));
        infinity[0] = 4;
        assert!(!verify_es256(&infinity, message, &signature));
    }

    #[test]
    fn debug_shows_no_byte() {
        let secret = Secret::<4>::from_slice(b"\xde\xad\xbe\xef").expect("4 bytes");
        assert_eq!(format!("{secret:?}"), "Secret<4>(redacted)");
    }

    #[test]
    fn wrong_length_names_both() {
        let error = Secret::<32>::from_slice(&[0; 31]).expect_err("one short");
        assert_eq!(error.to_string(), "expected 32 bytes, found 31");
    }
}
