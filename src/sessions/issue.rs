//! A new session: what the application says is checked at the edge, then sealed.

use std::collections::BTreeMap;

use super::{Realm, Sessions};
use crate::claims::{
    Claims, InvalidText, MAX_ENTRIES, MAX_HANDLES, MAX_TEXT, MAX_VALUE, SessionId, Tag, Tags, check_name, check_text,
};
use crate::clock::Timestamp;
use crate::entropy::random;
use crate::keyring::Keys;
use crate::revocation::SEALED_AHEAD;
use crate::token::{SealError, Token, seal};

/// What the application says about a session at login.
#[derive(Clone, Debug, Default)]
pub struct NewSession<'a> {
    /// Who it is; `None` for an anonymous session, which has no roles and is never persistent.
    pub subject: Option<&'a str>,
    /// Up to 4 names by which this session can be ended with others: an identity provider's session, a device.
    pub handles: &'a [String],
    /// What the user may do.
    pub roles: &'a [String],
    /// The application's own data.
    pub data: Option<&'a BTreeMap<String, String>>,
    /// How the user authenticated (RFC 8176).
    pub amr: &'a [String],
    /// Authentication assurance level, 1 to 3; 0 for none.
    pub aal: u8,
    /// When the user authenticated; `None` for now.
    pub authenticated_at: Option<Timestamp>,
    /// Whether the cookie outlives the browser.
    pub persistent: bool,
}

/// A sealed session on its way to the browser.
#[derive(Debug)]
pub struct Issued {
    /// Its id.
    pub sid: SessionId,
    /// The tag of its subject; `None` if it is anonymous.
    pub subject: Option<Tag>,
    /// The cookie's value.
    pub token: Token,
    /// Logical start.
    pub started: Timestamp,
    /// Absolute expiry.
    pub expires: Timestamp,
    /// When this token dies unless renewed.
    pub idle_expires: Timestamp,
    /// Whether the cookie outlives the browser.
    pub persistent: bool,
}

/// A session can't be issued or changed as asked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum IssueError {
    /// A text breaks a rule.
    #[error("{field} {problem}")]
    Text {
        /// The field, with its place in a list.
        field: String,
        /// Which rule.
        problem: InvalidText,
    },
    /// More entries than a list may have.
    #[error("{field} has {found} entries, {} over the limit of {limit}", found - limit)]
    TooMany {
        /// The list.
        field: &'static str,
        /// How many it may have.
        limit: usize,
        /// How many it has.
        found: usize,
    },
    /// Not for an anonymous session.
    #[error("{0} is not for an anonymous session: name a subject, or leave it out")]
    Anonymous(&'static str),
    /// Not a level.
    #[error("aal is 1, 2 or 3 (NIST SP 800-63B)")]
    Level,
    /// An authentication in the future.
    #[error("authenticated_at lies in the future by this service's clock")]
    Future,
    /// It can't be sealed.
    #[error(transparent)]
    Seal(#[from] SealError),
}

impl Sessions {
    /// Issues a session.
    ///
    /// # Errors
    /// [`IssueError`] names the field and the limit.
    pub fn issue(&self, realm: &Realm, new: &NewSession<'_>) -> Result<Issued, IssueError> {
        new.check()?;
        let (keys, now) = (self.keys.load(), self.now());
        let tags = new.tags(&keys, realm);
        let started = self.start_after_endings(realm, &tags, now);
        let authenticated = new.authenticated_at.unwrap_or(now);
        if authenticated > now.plus(SEALED_AHEAD) {
            return Err(IssueError::Future);
        }
        let (idle, absolute) = realm.lifetimes().of(new.persistent);
        let tags = tags.concat();
        let claims = Claims {
            sid: SessionId(random(&*self.entropy).map_err(SealError::from)?),
            subject: new.subject,
            started,
            authenticated,
            claims_at: started,
            sealed: started,
            expires: started.plus(absolute),
            idle,
            amr: new.amr.iter().map(String::as_str).collect(),
            aal: new.aal,
            roles: new.roles.iter().map(String::as_str).collect(),
            data: new.data.into_iter().flatten().map(|(key, value)| (key.as_str(), value.as_str())).collect(),
            persistent: new.persistent,
            tags: Tags::from_bytes(&tags).expect("handles are at most four"),
            ext: Vec::new(),
        };
        Ok(self.seal(&keys, realm, &claims)?)
    }

    /// The start of a session that no known ending may hit: now, or just after the latest cut-off of its tags or floor of its realm.
    fn start_after_endings(&self, realm: &Realm, tags: &[Tag], now: Timestamp) -> Timestamp {
        let cutoffs = tags.iter().filter_map(|tag| self.facts.tag(realm.tag_key(*tag))?.cutoff);
        let endings = cutoffs.chain(self.facts.floor(realm.id()));
        endings.map(|at| at.plus(std::time::Duration::from_millis(1))).fold(now, Timestamp::max)
    }

    /// Seals claims that were checked.
    pub(super) fn seal(&self, keys: &Keys, realm: &Realm, claims: &Claims<'_>) -> Result<Issued, SealError> {
        let token = seal(keys, realm.session(), claims, &*self.entropy)?;
        realm.check_cookie(token.expose().len(), claims.persistent)?;
        Ok(Issued {
            sid: claims.sid,
            subject: claims.subject_tag(),
            token,
            started: claims.started,
            expires: claims.expires,
            idle_expires: claims.dies(),
            persistent: claims.persistent,
        })
    }
}

impl NewSession<'_> {
    fn check(&self) -> Result<(), IssueError> {
        match self.subject {
            Some(subject) => named("subject", check_name(subject))?,
            None if !self.roles.is_empty() => return Err(IssueError::Anonymous("roles")),
            None if self.persistent => return Err(IssueError::Anonymous("persistent")),
            None => {}
        }
        check_list("handles", self.handles, MAX_HANDLES)?;
        check_list("roles", self.roles, MAX_ENTRIES)?;
        check_list("amr", self.amr, MAX_ENTRIES)?;
        if let Some(data) = self.data {
            check_data(data)?;
        }
        check_level(self.aal)
    }

    /// The subject's tag, or that of all anonymous sessions; behind it those of the handles.
    fn tags(&self, keys: &Keys, realm: &Realm) -> Vec<Tag> {
        let first = match self.subject {
            Some(subject) => keys.subject_tag(realm.name(), subject),
            None => keys.anonymous_tag(realm.name()),
        };
        let handles = self.handles.iter().map(|handle| keys.handle_tag(realm.name(), handle));
        std::iter::once(first).chain(handles).collect()
    }
}

/// Whether every entry of the application's data may be sealed.
///
/// # Errors
/// [`IssueError`] names the entry's place and the limit.
pub fn check_data(data: &BTreeMap<String, String>) -> Result<(), IssueError> {
    check_count("data", data.len(), MAX_ENTRIES)?;
    for (place, (key, value)) in data.iter().enumerate() {
        named(&format!("data, key {},", place + 1), check_name(key))?;
        named(&format!("data, value {},", place + 1), check_text(value, MAX_VALUE))?;
    }
    Ok(())
}

/// Whether every entry of a list of names may be sealed.
pub(super) fn check_list(field: &'static str, list: &[String], limit: usize) -> Result<(), IssueError> {
    check_count(field, list.len(), limit)?;
    for (place, name) in list.iter().enumerate() {
        named(&format!("{field}[{place}]"), check_name(name))?;
    }
    Ok(())
}

pub(super) fn check_level(aal: u8) -> Result<(), IssueError> {
    if aal <= 3 { Ok(()) } else { Err(IssueError::Level) }
}

fn check_count(field: &'static str, found: usize, limit: usize) -> Result<(), IssueError> {
    if found > limit { Err(IssueError::TooMany { field, limit, found }) } else { Ok(()) }
}

fn named(field: &str, checked: Result<&str, InvalidText>) -> Result<(), IssueError> {
    checked.map(drop).map_err(|problem| IssueError::Text { field: field.to_owned(), problem })
}

const _: () = assert!(MAX_TEXT <= u16::MAX as usize, "what is tagged fits a length prefix");
