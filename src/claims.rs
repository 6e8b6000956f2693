//! What a session says: ids, names, claims, and the limits on each.
//!
//! A [`RealmName`], a [`CookieName`] and [`Tags`] can't exist invalid; text from outside passes [`check_name`] or
//! [`check_text`], which name the limit. How claims look in bytes is in [`crate::token`].

mod bound;
mod names;

pub(crate) use bound::MARK_LEN;
pub(crate) use bound::are_readable;
pub use bound::{MARK, Mark, PUBLIC_KEY, PublicKey, Registration};
pub use names::Names;

use std::fmt;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};

use crate::clock::Timestamp;
use crate::secret::sha256;

/// Longest subject, handle, role, authentication method and data key: 128 bytes of UTF-8.
pub const MAX_TEXT: usize = 128;
/// Longest data value: 2,048 bytes of UTF-8 (the token's own limit comes first if there are several).
pub const MAX_VALUE: usize = 2_048;
/// Most handles of one session.
pub const MAX_HANDLES: usize = 4;
/// Most roles, methods or data entries of one session.
pub const MAX_ENTRIES: usize = 256;

/// Claims as they are sealed, borrowed from where they stand: the caller's request or the opened token.
#[derive(Clone, PartialEq, Eq)]
pub struct Claims<'a> {
    /// The session's id, the same through all renewals.
    pub sid: SessionId,
    /// Who it is; `None` in an anonymous session.
    pub subject: Option<&'a str>,
    /// Logical start. Never changes; endings compare it.
    pub started: Timestamp,
    /// When the user last authenticated. Renewal never moves it.
    pub authenticated: Timestamp,
    /// When the application last gave roles and data.
    pub claims_at: Timestamp,
    /// When this very token was sealed.
    pub sealed: Timestamp,
    /// Absolute expiry. Renewal never moves it.
    pub expires: Timestamp,
    /// How long the token lives unless it is renewed, in whole seconds.
    pub idle: Duration,
    /// Authentication methods, as RFC 8176 names them.
    pub amr: Names<'a>,
    /// Authentication assurance level, 1 to 3 (NIST SP 800-63B); 0 if the application gave none.
    pub aal: u8,
    /// What the user may do, in the application's words.
    pub roles: Names<'a>,
    /// The application's own data, keys ascending and unique.
    pub data: Vec<(&'a str, &'a str)>,
    /// Whether the cookie outlives the browser.
    pub persistent: bool,
    /// Keyed tags by which endings find this session.
    pub tags: Tags<'a>,
    /// Extensions: that the session is bound to a device (see [`Claims::mark`]), and what this version does not know and
    /// need not know.
    pub ext: Vec<Extension<'a>>,
}

impl Claims<'_> {
    /// When this token dies by itself: its idle limit or the absolute expiry, whichever is first.
    pub fn dies(&self) -> Timestamp {
        self.sealed.plus(self.idle).min(self.expires)
    }

    /// The tag of its subject; `None` in an anonymous session, which bears one that all such sessions have.
    pub fn subject_tag(&self) -> Option<Tag> {
        self.subject.and(self.tags.iter().next())
    }

    /// By what an ending of the session folds into a cut-off with others: its first tag, which anonymous sessions share, and
    /// its start.
    pub(crate) fn folds_by(&self) -> Option<(Tag, Timestamp)> {
        self.tags.iter().next().map(|tag| (tag, self.started))
    }
}

impl fmt::Debug for Claims<'_> {
    /// Times only: who it is and which session stays out of logs.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { started, sealed, expires, .. } = self;
        write!(f, "Claims(started {started:?}, sealed {sealed:?}, expires {expires:?}, the rest redacted)")
    }
}

/// A field that not every token has. One of a later version is carried along unread. Its bytes are part of the token
/// format.
#[derive(Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Extension<'a> {
    /// Which one.
    pub tag: u16,
    /// Whether a reader that does not know it has to refuse the token.
    pub critical: bool,
    /// Its content.
    pub data: &'a [u8],
}

/// The id of a session: 16 bytes that say nothing by themselves.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SessionId(pub [u8; 16]);

impl SessionId {
    /// As it stands in headers and in the API: 22 characters of base64url. On purpose no `Display`: an id belongs into
    /// no log.
    pub fn encode(&self) -> String {
        URL_SAFE_NO_PAD.encode(self.0)
    }

    /// Reads [`SessionId::encode`]'s spelling and no other.
    pub fn decode(text: &str) -> Option<Self> {
        let bytes = URL_SAFE_NO_PAD.decode(text).ok()?;
        bytes.try_into().ok().map(Self)
    }
}

impl fmt::Debug for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SessionId(redacted)")
    }
}

/// A keyed tag: stands for a subject, a handle or all anonymous sessions of a realm without naming them.
pub type Tag = [u8; 8];

/// The tags of a session: the subject's first (or the anonymous one), then those of its handles.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Tags<'a>(&'a [u8]);

impl<'a> Tags<'a> {
    /// `None` unless `bytes` are one to five whole tags.
    pub fn from_bytes(bytes: &'a [u8]) -> Option<Self> {
        let whole = bytes.len().is_multiple_of(8);
        (whole && (1..=1 + MAX_HANDLES).contains(&(bytes.len() / 8))).then_some(Self(bytes))
    }

    /// All of them, one behind the other.
    pub fn as_bytes(&self) -> &'a [u8] {
        self.0
    }

    /// One by one.
    pub fn iter(&self) -> impl Iterator<Item = Tag> + 'a {
        self.0.chunks_exact(8).map(|tag| std::array::from_fn(|i| tag[i]))
    }
}

/// A name or value was refused. The texts name the field and the limit and never repeat the value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidText {
    /// Nothing was given where something has to be.
    #[error("must not be empty")]
    Empty,
    /// Too many bytes of UTF-8.
    #[error("has {found} bytes of UTF-8, {} over the limit of {limit}", found - limit)]
    TooLong {
        /// How many it may have.
        limit: usize,
        /// How many it has.
        found: usize,
    },
    /// A control character, which could not travel in a header.
    #[error("has a control character (such as CR, LF or NUL), which could not travel in a header")]
    Control,
    /// A character that the grammar of such names does not have.
    #[error("has a character that is not allowed here: {0}")]
    Grammar(&'static str),
}

/// Text that may be sealed into a session: no control characters, at most `limit` bytes of UTF-8.
///
/// # Errors
/// [`InvalidText`] says which of the rules is broken.
pub fn check_text(text: &str, limit: usize) -> Result<&str, InvalidText> {
    if text.len() > limit {
        return Err(InvalidText::TooLong { limit, found: text.len() });
    }
    if text.chars().any(char::is_control) {
        return Err(InvalidText::Control);
    }
    Ok(text)
}

/// As [`check_text`], and not empty: subjects, handles, roles, methods, keys.
///
/// # Errors
/// [`InvalidText`] says which of the rules is broken.
pub fn check_name(text: &str) -> Result<&str, InvalidText> {
    if text.is_empty() { Err(InvalidText::Empty) } else { check_text(text, MAX_TEXT) }
}

/// The name of a realm: 1 to 64 of `a-z`, `0-9`, `-`, `_`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RealmName(Box<str>);

impl RealmName {
    /// The realm of a plain configuration.
    pub const DEFAULT: &'static str = "default";

    /// Checks `name`.
    ///
    /// # Errors
    /// [`InvalidText`] says which of the rules is broken.
    pub fn new(name: &str) -> Result<Self, InvalidText> {
        check_grammar(name, 64, |c| matches!(c, b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_'), "a-z, 0-9, - and _ are")?;
        Ok(Self(name.into()))
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// A realm in few bytes: the first 8 of its name's SHA-256. Not secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RealmId(pub [u8; 8]);

impl RealmId {
    /// The id of the realm called `name`.
    pub fn of(name: &RealmName) -> Self {
        let hash = sha256(name.as_str().as_bytes());
        Self(std::array::from_fn(|i| hash[i]))
    }
}

/// The name of a cookie: 1 to 96 characters of a token (RFC 9110, section 5.6.2).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct CookieName(Box<str>);

impl CookieName {
    /// Checks `name`.
    ///
    /// # Errors
    /// [`InvalidText`] says which of the rules is broken.
    pub fn new(name: &str) -> Result<Self, InvalidText> {
        let token = |c: u8| c.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&c);
        check_grammar(name, 96, token, "letters, digits and !#$%&'*+-.^_`|~ are")?;
        Ok(Self(name.into()))
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The name of the cookie that has the anchors of sessions in this one. It may be longer than others.
    pub(crate) fn of_anchor(&self) -> Self {
        Self(format!("{}-anchor", self.0).into())
    }
}

fn check_grammar(
    name: &str,
    limit: usize,
    allowed: impl Fn(u8) -> bool,
    what: &'static str,
) -> Result<(), InvalidText> {
    if name.is_empty() {
        return Err(InvalidText::Empty);
    }
    if name.len() > limit {
        return Err(InvalidText::TooLong { limit, found: name.len() });
    }
    if name.bytes().all(allowed) { Ok(()) } else { Err(InvalidText::Grammar(what)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn s38_every_language_is_a_name_and_no_control_character_is() {
        for name in ["müller", "山田", "🦭", "\u{200f}שלום", "a,b", "x y"] {
            assert_eq!(check_name(name), Ok(name));
        }
        for name in ["a\rb", "a\nb", "a\0b", "\u{7f}", "\u{85}"] {
            assert_eq!(check_name(name), Err(InvalidText::Control), "{name:?}");
        }
    }

    #[test]
    fn limits_are_in_bytes_and_said() {
        assert!(check_name(&"é".repeat(64)).is_ok());
        let error = check_name(&"é".repeat(65)).expect_err("130 bytes");
        assert_eq!(error.to_string(), "has 130 bytes of UTF-8, 2 over the limit of 128");
        assert_eq!(check_name(""), Err(InvalidText::Empty));
    }

    #[test]
    fn names_keep_their_grammar() {
        assert!(CookieName::new("__Host-sealpass").is_ok());
        for name in ["", "a b", "a=b", "a;b", "ä", "a\"b"] {
            assert!(CookieName::new(name).is_err(), "{name}");
        }
        assert!(RealmName::new("default").is_ok());
        for name in ["", "Default", "a/b", "a.b", "ä"] {
            assert!(RealmName::new(name).is_err(), "{name}");
        }
    }

    #[test]
    fn a_session_id_has_one_spelling() {
        let sid = SessionId([0xff; 16]);
        assert_eq!(SessionId::decode(&sid.encode()), Some(sid));
        for text in ["", "_____________________w==", "_____________________x", "////////////////////_w"] {
            assert_eq!(SessionId::decode(text), None, "{text}");
        }
    }
}
