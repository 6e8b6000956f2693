//! The CSRF token: the id of a session, sealed for the purpose `csrf` as a session is for its own.
//!
//! Two tokens of one session differ from their seventh character on, so that guessing one by the length of a compressed page
//! gets nowhere. What a request has to show is judged in [`crate::sessions`].

use serde::{Deserialize, Serialize};

use super::{Binding, Scratch, SealError, Token, Unopenable, open_payload, seal_payload, unpadded};
use crate::claims::SessionId;
use crate::clock::Timestamp;
use crate::entropy::Entropy;
use crate::keyring::Keys;

/// Append-only, as the payload of a session.
#[derive(Serialize, Deserialize)]
enum Payload {
    V1 { sid: [u8; 16] },
}

/// Seals a token for the session `sid` under the key that is active at `now`. `binding` has the purpose `csrf`.
///
/// # Errors
/// [`SealError`]: no active key, no random bytes.
pub fn seal_csrf(
    keys: &Keys,
    binding: &Binding,
    sid: SessionId,
    now: Timestamp,
    entropy: &dyn Entropy,
) -> Result<Token, SealError> {
    let payload = Payload::V1 { sid: sid.0 };
    seal_payload(keys, binding, now, entropy, |raw| {
        postcard::to_extend(&payload, raw).expect("a growing buffer takes every payload")
    })
}

/// The session that `text` was sealed for.
///
/// # Errors
/// As [`super::open`], in the same order.
pub fn open_csrf(keys: &Keys, binding: &Binding, text: &[u8], scratch: &mut Scratch) -> Result<SessionId, Unopenable> {
    let payload = unpadded(open_payload(keys, binding, text, scratch)?);
    let Payload::V1 { sid } = payload.ok_or(Unopenable::BadPayload)?;
    Ok(SessionId(sid))
}
