//! A token as text: one spelling only, everything else refused before any cryptography.

use std::sync::LazyLock;

use base64::Engine as _;
use base64::engine::{DecodePaddingMode, GeneralPurposeConfig};

use super::{BLOCK, HEADER_LEN, MAX_BYTES, NONCE_LEN, OVERHEAD, TAG_LEN, Unopenable, VERSION};
use crate::keyring::Kid;

/// Most characters of a token.
pub const MAX_CHARS: usize = 3_800;

/// A token that nobody has authenticated: what it says may be an attacker's word.
pub struct UnopenedToken<'s> {
    pub(super) header: &'s [u8; HEADER_LEN],
    pub(super) nonce: &'s [u8; NONCE_LEN],
    pub(super) sealed: &'s mut [u8],
}

impl<'s> UnopenedToken<'s> {
    /// Takes `text` apart into `room`.
    pub(super) fn parse(text: &[u8], room: &'s mut [u8; MAX_BYTES]) -> Result<Self, Unopenable> {
        // 1. Lengths first: an attacker's megabyte costs one comparison.
        if text.len() > MAX_CHARS || text.len() < MIN_CHARS || text.len() % 4 == 1 {
            return Err(Unopenable::Malformed);
        }
        // 2. Alphabet, no padding, no trailing bits: else one token had several spellings, and whoever compares
        //    tokens as text (a cache, a deny list in a proxy) could be passed by.
        let len = BASE64URL.decode_slice(text, room).map_err(|_| Unopenable::Malformed)?;
        // 3. The parts.
        let (header, rest) = room[..len].split_first_chunk_mut().ok_or(Unopenable::Malformed)?;
        let (nonce, sealed) = rest.split_first_chunk_mut().ok_or(Unopenable::Malformed)?;
        if header[0] != VERSION {
            return Err(Unopenable::UnknownVersion);
        }
        if sealed.len() < BLOCK + TAG_LEN || !(sealed.len() - TAG_LEN).is_multiple_of(BLOCK) {
            return Err(Unopenable::Malformed);
        }
        Ok(Self { header, nonce, sealed })
    }

    /// The key that it claims to be sealed under.
    pub fn untrusted_kid(&self) -> Kid {
        Kid([self.header[1], self.header[2], self.header[3], self.header[4]])
    }
}

/// The text of a sealed token.
pub(super) fn encode(raw: &[u8]) -> String {
    // `encode` would ask for memory that is zeroed, for which some allocators pass by what they keep at hand.
    let mut text = String::with_capacity(raw.len().div_ceil(3) * 4);
    BASE64URL.encode_string(raw, &mut text);
    text
}

const MIN_CHARS: usize = ((OVERHEAD + BLOCK) * 4).div_ceil(3);

/// The one with vector instructions, where the processor has them: it is a sixth of what opening costs otherwise.
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
static BASE64URL: LazyLock<base64::engine::Simd> = LazyLock::new(|| base64::engine::Simd::url_safe(STRICT));
#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
static BASE64URL: LazyLock<base64::engine::GeneralPurpose> =
    LazyLock::new(|| base64::engine::GeneralPurpose::new(&base64::alphabet::URL_SAFE, STRICT));

const STRICT: GeneralPurposeConfig = GeneralPurposeConfig::new()
    .with_encode_padding(false)
    .with_decode_padding_mode(DecodePaddingMode::RequireNone)
    .with_decode_allow_trailing_bits(false);

#[cfg(test)]
mod tests {
    use base64::alphabet::URL_SAFE;
    use base64::engine::GeneralPurpose;

    use super::*;

    #[test]
    fn vector_instructions_take_and_refuse_what_plain_ones_do() {
        let plain = GeneralPurpose::new(&URL_SAFE, STRICT);
        let raw: Vec<u8> = (0..=255).cycle().take(MAX_BYTES).collect();
        for length in [767, 768, 769, 1_537, MAX_BYTES] {
            assert_eq!(encode(&raw[..length]), plain.encode(&raw[..length]), "{length}");
        }
        for length in [45, 77, 96, 141, 300] {
            let text = encode(&raw[..length]).into_bytes();
            assert_eq!(text, plain.encode(&raw[..length]).into_bytes());
            for at in 0..text.len() {
                for byte in 0..=255 {
                    let mut text = text.clone();
                    text[at] = byte;
                    let (mut one, mut other) = ([0; MAX_BYTES], [0; MAX_BYTES]);
                    let found = BASE64URL.decode_slice(&text, &mut one);
                    assert_eq!(found, plain.decode_slice(&text, &mut other), "{byte} at {at} of {length}");
                    assert!(found.is_err() || one == other, "{byte} at {at} of {length}");
                }
            }
        }
    }
}
