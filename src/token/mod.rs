//! The token: a session sealed into one line of base64url. The format page, [`crate::manual::format`], has the bytes
//! and the numbered steps; this module follows them.
//!
//! What is here decides whether a token is authentic and what it says. Whether it is still good (expiry, endings) is
//! judged in [`crate::sessions`].

mod challenge;
mod csrf;
mod payload;
mod text;

pub use challenge::{Challenge, open_challenge, seal_challenge};
pub use csrf::{open_csrf, seal_csrf};

pub use text::{MAX_CHARS, UnopenedToken};

use std::fmt;

use serde::Deserialize;

use crate::claims::{Claims, CookieName, RealmName};
use crate::clock::Timestamp;
use crate::entropy::{Entropy, EntropyError};
use crate::keyring::Keys;
use crate::seal::{NONCE_LEN, Purpose, TAG_LEN};
use crate::secret::length_prefix;

/// The first byte of every token of this version.
pub const VERSION: u8 = 1;
/// Version and key id: what stands in front of the nonce.
const HEADER_LEN: usize = 5;
/// Bytes of a token that are not payload.
const OVERHEAD: usize = HEADER_LEN + NONCE_LEN + TAG_LEN;
/// Most bytes of a token before base64url.
const MAX_BYTES: usize = MAX_CHARS / 4 * 3;
/// Payloads are padded with zeros to a multiple of this, so that their length tells little.
const BLOCK: usize = 32;
/// Most bytes of a padded payload: 2,784.
pub const MAX_PAYLOAD: usize = (MAX_BYTES - OVERHEAD) / BLOCK * BLOCK;
/// Most bytes of what a token is bound to.
const MAX_AAD: usize = 192;

/// What a token is bound to besides its key: purpose, cookie name and realm. Opens under no other.
#[derive(Clone, Debug)]
pub struct Binding {
    purpose: Purpose,
    /// The additional data, with room for the header in front.
    template: Box<[u8]>,
}

impl Binding {
    /// Binds to all three.
    pub fn new(purpose: Purpose, cookie: &CookieName, realm: &RealmName) -> Self {
        let mut template = vec![0; HEADER_LEN];
        for part in [purpose.name(), cookie.as_str(), realm.as_str()] {
            template.extend_from_slice(&length_prefix(part.as_bytes()));
            template.extend_from_slice(part.as_bytes());
        }
        debug_assert!(template.len() <= MAX_AAD, "names are limited so that it fits");
        Self { purpose, template: template.into() }
    }

    /// Lends `f` the additional data of a token with this `header`, put together on the stack.
    fn with_aad<T>(&self, header: &[u8], f: impl FnOnce(&[u8]) -> T) -> T {
        let mut aad = [0; MAX_AAD];
        let aad = &mut aad[..self.template.len()];
        aad.copy_from_slice(&self.template);
        aad[..HEADER_LEN].copy_from_slice(header);
        f(aad)
    }
}

/// A sealed token: a secret, since who has it is the user.
#[derive(Clone, PartialEq, Eq)]
pub struct Token(String);

impl Token {
    /// The text, as it goes into the cookie.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(redacted)")
    }
}

/// Room to open a token in. Make it once a thread and use it again: opening then allocates nothing for a token that is
/// refused.
pub struct Scratch([u8; MAX_BYTES]);

impl Default for Scratch {
    fn default() -> Self {
        Self([0; MAX_BYTES])
    }
}

impl fmt::Debug for Scratch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Scratch(redacted)")
    }
}

/// Why a text is no token of ours. For logs and metrics; a client learns none of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum Unopenable {
    /// Not the one spelling of a token: length, alphabet, padding, trailing bits. Found before any cryptography.
    #[error("not spelled as a token")]
    Malformed,
    /// A version that this release does not know.
    #[error("a version this release does not know")]
    UnknownVersion,
    /// No key of the ring has this id, or it may not open any more.
    #[error("no key with this id")]
    UnknownKey,
    /// Not sealed under this key, purpose, cookie name and realm, or changed.
    #[error("not sealed by us for this cookie and realm, or changed")]
    BadTag,
    /// Authentic, but not something that this release can read: a newer payload, or an unknown critical extension.
    #[error("sealed by a newer release, or damaged before sealing")]
    BadPayload,
}

/// Claims cannot be sealed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SealError {
    /// More than a token can carry.
    #[error("the claims take {found} bytes sealed, {} over the limit of {limit}", found - limit)]
    TooLarge {
        /// Most bytes of a payload.
        limit: usize,
        /// What these claims take.
        found: usize,
    },
    /// More than the realm's cookie can carry, attributes counted.
    #[error("the cookie would have {found} octets, {} over the limit of {limit}", found - limit)]
    CookieTooLarge {
        /// Most octets of a cookie.
        limit: usize,
        /// What this one would have.
        found: usize,
    },
    /// The ring has no key that may seal now.
    #[error("no key is active")]
    NoActiveKey,
    /// No random bytes.
    #[error(transparent)]
    Entropy(#[from] EntropyError),
}

/// Seals `claims` under the key that is active when they are sealed. The steps are those of the format page, "Sealing".
///
/// # Errors
/// [`SealError`]: too large, no active key, no random bytes.
pub fn seal(keys: &Keys, binding: &Binding, claims: &Claims<'_>, entropy: &dyn Entropy) -> Result<Token, SealError> {
    seal_payload(keys, binding, claims.sealed, entropy, |raw| payload::encode(claims, raw))
}

/// Opens `text` if we sealed it for this `binding`, a session's or that of anchors. The steps are those of the format page, "Opening".
///
/// # Errors
/// [`Unopenable`], in the order of the steps. An unknown key costs what a known one does.
pub fn open<'s>(
    keys: &Keys,
    binding: &Binding,
    text: &[u8],
    scratch: &'s mut Scratch,
) -> Result<Claims<'s>, Unopenable> {
    let anchor = binding.purpose == Purpose::Anchor;
    payload::decode(open_payload(keys, binding, text, scratch)?, anchor).ok_or(Unopenable::BadPayload) // 6–8
}

/// Seals what `encode` appends, under the key that is active at `at`.
fn seal_payload(
    keys: &Keys,
    binding: &Binding,
    at: Timestamp,
    entropy: &dyn Entropy,
    encode: impl FnOnce(Vec<u8>) -> Vec<u8>,
) -> Result<Token, SealError> {
    let key = keys.sealing(at).ok_or(SealError::NoActiveKey)?; // 1
    let mut raw = Vec::with_capacity(256);
    raw.push(VERSION); // 2
    raw.extend_from_slice(&key.kid().0);
    raw.resize(HEADER_LEN + NONCE_LEN, 0);
    raw = encode(raw); // 3
    let found = raw.len() - HEADER_LEN - NONCE_LEN;
    if found > MAX_PAYLOAD {
        return Err(SealError::TooLarge { limit: MAX_PAYLOAD, found });
    }
    raw.resize(HEADER_LEN + NONCE_LEN + found.next_multiple_of(BLOCK), 0); // 4
    let (head, plaintext) = raw.split_at_mut(HEADER_LEN + NONCE_LEN);
    let (header, nonce_room) = head.split_at_mut(HEADER_LEN);
    let key = key.purpose(binding.purpose);
    let tag = binding.with_aad(header, |aad| {
        let nonce = key.nonce(entropy, aad, plaintext)?; // 5
        nonce_room.copy_from_slice(&nonce);
        Ok::<_, EntropyError>(key.cipher().seal_in_place(&nonce, aad, plaintext)) // 6
    })?;
    raw.extend_from_slice(&tag);
    Ok(Token(text::encode(&raw))) // 7
}

/// The authentic, padded payload of `text`.
fn open_payload<'s>(
    keys: &Keys,
    binding: &Binding,
    text: &[u8],
    scratch: &'s mut Scratch,
) -> Result<&'s [u8], Unopenable> {
    let token = UnopenedToken::parse(text, &mut scratch.0)?; // 1–3
    let (known, key) = keys.opening(token.untrusted_kid()); // 4
    let opened = binding.with_aad(token.header, |aad| {
        key.purpose(binding.purpose).cipher().open_in_place(token.nonce, aad, token.sealed) // 5
    });
    match opened {
        _ if !known => Err(Unopenable::UnknownKey),
        Err(_) => Err(Unopenable::BadTag),
        Ok(plaintext) => {
            key.count();
            Ok(plaintext)
        }
    }
}

/// What postcard reads at the front of a padded payload; `None` unless less than a block of zeros is behind it.
fn unpadded<'p, T: Deserialize<'p>>(plaintext: &'p [u8]) -> Option<T> {
    // `from_bytes` would ignore whatever stands behind the payload, so: take, and look at the rest.
    let (payload, rest) = postcard::take_from_bytes(plaintext).ok()?;
    // Less than a block of zeros: else one payload had several lengths.
    (rest.len() < BLOCK && rest.iter().all(|&byte| byte == 0)).then_some(payload)
}
