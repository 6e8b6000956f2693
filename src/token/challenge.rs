//! The challenge: what a device signs to show that it has the key that its session is bound to. Sealed for the purpose
//! `challenge` as a session is for its own, so that whoever gave it need not remember it.
//!
//! Any replica takes it, as often as it is shown until it expires: what narrows that is said in the manual.

use serde::{Deserialize, Serialize};

use super::{Binding, Scratch, SealError, Token, Unopenable, open_payload, seal_payload, unpadded};
use crate::claims::SessionId;
use crate::clock::Timestamp;
use crate::entropy::Entropy;
use crate::keyring::Keys;

/// What a challenge says.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Challenge {
    /// For which session it was given.
    pub sid: SessionId,
    /// From when on it is no good.
    pub expires: Timestamp,
}

impl std::fmt::Debug for Challenge {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Challenge(expires {:?}, session redacted)", self.expires)
    }
}

/// Append-only, as the payload of a session.
#[derive(Serialize, Deserialize)]
enum Payload {
    V1 { sid: [u8; 16], expires: u64 },
}

/// Seals `challenge` under the key that is active at `now`. `binding` has the purpose `challenge`.
///
/// # Errors
/// [`SealError`]: no active key, no random bytes.
pub fn seal_challenge(
    keys: &Keys,
    binding: &Binding,
    challenge: Challenge,
    now: Timestamp,
    entropy: &dyn Entropy,
) -> Result<Token, SealError> {
    let payload = Payload::V1 { sid: challenge.sid.0, expires: challenge.expires.as_millis() };
    seal_payload(keys, binding, now, entropy, |raw| {
        postcard::to_extend(&payload, raw).expect("a growing buffer takes every payload")
    })
}

/// What `text` says, whether or not it has expired.
///
/// # Errors
/// As [`super::open`], in the same order.
pub fn open_challenge(
    keys: &Keys,
    binding: &Binding,
    text: &[u8],
    scratch: &mut Scratch,
) -> Result<Challenge, Unopenable> {
    let payload = unpadded(open_payload(keys, binding, text, scratch)?);
    let Payload::V1 { sid, expires } = payload.ok_or(Unopenable::BadPayload)?;
    let expires = Timestamp::from_millis(expires).ok_or(Unopenable::BadPayload)?;
    Ok(Challenge { sid: SessionId(sid), expires })
}
