//! A new session: what the application says is checked at the edge, then sealed.

use std::collections::BTreeMap;
use std::time::Duration;

use super::{Issued, Pending, Realm, Sessions};
use crate::claims::{
    Claims, InvalidText, MAX_ENTRIES, MAX_HANDLES, MAX_TEXT, MAX_VALUE, SessionId, Tag, Tags, check_name, check_text,
};
use crate::clock::Timestamp;
use crate::entropy::random;
use crate::keyring::Keys;
use crate::revocation::{SEALED_AHEAD, reaches, start_after};
use crate::token::{SealError, seal};

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
    /// When the user authenticated; `None` for now, or for when an imported session started.
    pub authenticated_at: Option<Timestamp>,
    /// Whether the cookie outlives the browser.
    pub persistent: bool,
    /// The session that it continues, if it began elsewhere.
    pub import: Option<Import<'a>>,
}

/// A session that began elsewhere, and goes on here.
#[derive(Clone, Copy)]
pub struct Import<'a> {
    /// What it was known by: the same key always gives the same session id.
    pub key: &'a str,
    /// When it started.
    pub started: Timestamp,
}

impl std::fmt::Debug for Import<'_> {
    /// Its key may be what still opens it elsewhere.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Import(started {:?}, key redacted)", self.started)
    }
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
    #[error("{0} lies in the future by this service's clock")]
    Future(&'static str),
    /// An import into a realm whose endings are not kept for long enough.
    #[error("import is only for a realm with `import = true`, whose endings are kept for longer")]
    NoImports,
    /// An import of a session that is over.
    #[error("the session to import is over: expired, or ended here")]
    ImportOver,
    /// More grace than there may be.
    #[error("grace_seconds is {found}, {} over the limit of {limit}", found - limit)]
    Grace {
        /// Most seconds.
        limit: u64,
        /// What was asked for.
        found: u64,
    },
    /// Grace for a change after which the earlier token could do more than the new one.
    #[error("{0} takes something away, so the earlier token can't be granted any grace; leave grace_seconds out")]
    Lowering(&'static str),
    /// It can't be sealed.
    #[error(transparent)]
    Seal(#[from] SealError),
}

impl Sessions {
    /// Issues a session, where this replica is alone. Where there are others, [`Sessions::begin`] does.
    ///
    /// # Errors
    /// [`IssueError`] names the field and the limit.
    pub fn issue(&self, realm: &Realm, new: &NewSession<'_>) -> Result<Issued, IssueError> {
        Ok(self.begin(realm, new)?.into_outcome())
    }

    /// Issues a session. Await [`Sessions::ask_before_issue`] first. Others may have to hear of it before its token is
    /// handed out: where it starts ahead of the clock, just behind an ending.
    ///
    /// # Errors
    /// [`IssueError`] names the field and the limit.
    pub fn begin(&self, realm: &Realm, new: &NewSession<'_>) -> Result<Pending<Issued>, IssueError> {
        new.check()?;
        let (keys, now) = (self.keys.load(), self.now());
        let authenticated = new.authenticated_at.or(new.import.map(|import| import.started)).unwrap_or(now);
        if new.authenticated_at.is_some_and(|at| at > now.plus(SEALED_AHEAD)) {
            return Err(IssueError::Future("authenticated_at"));
        }
        let tags = tags_of(&keys, realm, new.subject, new.handles);
        let (idle, absolute) = realm.lifetimes().of(new.persistent);
        let known = self.known(realm, &tags);
        let (sid, started) = match &new.import {
            Some(import) => self.imported(&keys, realm, import, absolute, known.ending)?,
            None => (SessionId(random(&*self.entropy).map_err(SealError::from)?), start_after(now, known.ending)),
        };
        // New claims: behind all that is known to be out of date.
        let outdated = known.stale.max(self.outdated_from(realm, sid));
        let tags = tags.concat();
        let claims = Claims {
            sid,
            subject: new.subject,
            started,
            authenticated,
            claims_at: start_after(started.max(now), outdated),
            sealed: now,
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
        let issued = self.seal(&keys, realm, &claims, now)?;
        // Claims are never of before the start.
        Ok(Pending::now(issued).told(self.pass(realm, claims.tags.iter(), claims.claims_at)))
    }

    /// Id and start of a session that began elsewhere. It starts when it did, so what ended it here ends it still.
    fn imported(
        &self,
        keys: &Keys,
        realm: &Realm,
        import: &Import<'_>,
        absolute: Duration,
        ended: Option<Timestamp>,
    ) -> Result<(SessionId, Timestamp), IssueError> {
        if !realm.imports() {
            return Err(IssueError::NoImports);
        }
        let empty = Some(InvalidText::Empty).filter(|_| import.key.is_empty());
        named("import.key", empty.map_or_else(|| check_text(import.key, MAX_VALUE), Err))?;
        let (now, sid) = (self.now(), keys.imported(realm.name(), import.key));
        if import.started > now.plus(SEALED_AHEAD) {
            return Err(IssueError::Future("import.started_at"));
        }
        // One that is bound to a device here is not to be had without it.
        let known = self.facts.session(realm.key(sid));
        let denied = known.is_some_and(|facts| facts.deny.is_some() || facts.bound.is_some());
        let ended = ended.is_some_and(|at| reaches(at, import.started));
        if denied || ended || now >= import.started.plus(absolute) {
            return Err(IssueError::ImportOver);
        }
        Ok((sid, import.started))
    }

    /// What is known of sessions with these tags: the latest cut-off or floor, and before when claims are out of date.
    pub(super) fn known(&self, realm: &Realm, tags: &[Tag]) -> Known {
        let facts: Vec<_> = tags.iter().filter_map(|tag| self.facts.tag(realm.tag_key(*tag))).collect();
        let ending = facts.iter().filter_map(|facts| facts.cutoff).chain(self.facts.floor(realm.id())).max();
        Known { ending, stale: facts.iter().filter_map(|facts| facts.stale).max() }
    }

    /// Seals claims that were checked, and dated by `now`.
    pub(super) fn seal(
        &self,
        keys: &Keys,
        realm: &Realm,
        claims: &Claims<'_>,
        now: Timestamp,
    ) -> Result<Issued, SealError> {
        let token = seal(keys, realm.session(), claims, &self.nonces)?;
        realm.check_cookie(token.expose().len(), claims.persistent)?;
        Ok(Issued {
            sid: claims.sid,
            subject: claims.subject_tag(),
            token,
            started: claims.started,
            expires: claims.expires,
            claims_at: claims.claims_at,
            idle_expires: claims.dies(),
            persistent: claims.persistent,
            anchor: None,
            dated_by: now,
        })
    }
}

/// What facts say of sessions with the same tags.
pub(super) struct Known {
    /// Up to which start they are over.
    pub ending: Option<Timestamp>,
    /// Before when their claims are out of date.
    pub stale: Option<Timestamp>,
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
}

/// The subject's tag, or that of all anonymous sessions; behind it those of the handles.
pub(super) fn tags_of(keys: &Keys, realm: &Realm, subject: Option<&str>, handles: &[String]) -> Vec<Tag> {
    let first = match subject {
        Some(subject) => keys.subject_tag(realm.name(), subject),
        None => keys.anonymous_tag(realm.name()),
    };
    let handles = handles.iter().map(|handle| keys.handle_tag(realm.name(), handle));
    std::iter::once(first).chain(handles).collect()
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

pub(super) fn named(field: &str, checked: Result<&str, InvalidText>) -> Result<(), IssueError> {
    checked.map(drop).map_err(|problem| IssueError::Text { field: field.to_owned(), problem })
}

const _: () = assert!(MAX_TEXT <= u16::MAX as usize, "what is tagged fits a length prefix");
