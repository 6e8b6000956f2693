//! Where a session stands, asked without its token: for open sockets, jobs and lists of devices.

use super::issue::{check_list, named, tags_of};
use super::{IssueError, Realm, Sessions, retention};
use crate::claims::{MAX_HANDLES, SessionId, check_name};
use crate::clock::Timestamp;
use crate::revocation::{CLOCK_ERROR, reaches};

/// What an application remembers of a session.
#[derive(Clone, Debug)]
pub struct Checked<'a> {
    /// Its id.
    pub sid: SessionId,
    /// Whose it is; `None` for an anonymous one.
    pub subject: Option<&'a str>,
    /// The handles that it was issued with.
    pub handles: &'a [String],
    /// When it started.
    pub started: Timestamp,
    /// When it was last given claims; `None` for when it started.
    pub claims_at: Option<Timestamp>,
}

/// Where a session stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// Nothing ended it. It may have expired by being idle, which only its token tells.
    Live,
    /// It lives, and what it says is out of date.
    Stale,
    /// It is over, or goes on under another id.
    Ended,
}

impl Sessions {
    /// Where a session stands, by what is known of it.
    ///
    /// # Errors
    /// [`IssueError`] names a subject or a handle that no session can have.
    pub fn check(&self, realm: &Realm, asked: &Checked<'_>) -> Result<Standing, IssueError> {
        asked.subject.map_or(Ok(()), |subject| named("subject", check_name(subject)))?;
        check_list("handles", asked.handles, MAX_HANDLES)?;
        let (keys, now) = (self.keys.load(), self.now());
        let own = self.facts.session(realm.key(asked.sid)).unwrap_or_default();
        let floored = self.facts.floor(realm.id()).is_some_and(|at| reaches(at, asked.started));
        let longest = retention(&keys, realm).longest.lifetime;
        let expired = now >= asked.started.plus(longest).plus(2 * CLOCK_ERROR);
        if own.ended(now) || floored || expired {
            return Ok(Standing::Ended);
        }
        let tags = tags_of(&keys, realm, asked.subject, asked.handles);
        // Claims that came with a reseal are as new as what that outdated.
        let claims_at = asked.claims_at.unwrap_or(asked.started).max(own.superseded.unwrap_or_default());
        let mut standing = Standing::Live;
        for facts in tags.into_iter().filter_map(|tag| self.facts.tag(realm.tag_key(tag))) {
            if facts.cuts_off(asked.started) {
                return Ok(Standing::Ended);
            }
            if facts.outdates(claims_at) {
                standing = Standing::Stale;
            }
        }
        Ok(standing)
    }
}
