//! Cross-site request forgery: a token that only a page of the application can have, bound to the visitor's session.
//!
//! It is good as long as the session and the key it was sealed under. A new session id (rotation) makes it worthless.

use super::{Realm, Sessions};
use crate::claims::SessionId;
use crate::secret::constant_time_eq;
use crate::token::{Scratch, SealError, Token, Unopenable, open_csrf, seal_csrf};

/// Why a CSRF token does not do. For logs; a client learns none of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum CsrfError {
    /// No CSRF token of ours for this realm.
    #[error(transparent)]
    Unopenable(#[from] Unopenable),
    /// Another session's: of somebody else, or of before a rotation.
    #[error("the CSRF token of another session")]
    OtherSession,
}

impl Sessions {
    /// A CSRF token for the session `sid`, another one each time.
    ///
    /// # Errors
    /// [`SealError`] if no key is active or there are no random bytes.
    pub fn csrf_token(&self, realm: &Realm, sid: SessionId) -> Result<Token, SealError> {
        seal_csrf(&self.keys.load(), realm.csrf(), sid, self.now(), &self.nonces)
    }

    /// Whether `text` is a CSRF token of the session `sid`. That the session is good is judged by [`Sessions::verify`].
    ///
    /// # Errors
    /// [`CsrfError`], and nothing a client should hear of it.
    pub fn check_csrf(&self, realm: &Realm, sid: SessionId, text: &[u8]) -> Result<(), CsrfError> {
        let sealed_for = open_csrf(&self.keys.load(), realm.csrf(), text, &mut Scratch::default())?;
        if constant_time_eq(&sealed_for.0, &sid.0) { Ok(()) } else { Err(CsrfError::OtherSession) }
    }
}
