//! What was refused lately, and what ended or changed sessions, by the id of the request: so that an operator who has the id
//! of somebody's request learns why it was refused.
//!
//! It is in memory alone, of this replica alone, and bounded in number and age. Nobody is named in it: sessions and subjects
//! stand there as pseudonyms, and the subject's tag beside them. Requests that were let through leave nothing here and cost
//! nothing.

use std::borrow::Cow;
use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{Event, RequestId};
use crate::claims::Tag;
use crate::clock::{Timestamp, rfc3339};
use crate::sessions::Pseudonym;

/// What was decided lately.
#[derive(Debug)]
pub struct Recent {
    /// Requests of browsers that were refused: anybody can make as many as they like, and so they have room of their own.
    refused: Mutex<Lately>,
    /// Endings, changes, and calls that were refused.
    happened: Mutex<Lately>,
    begun: Timestamp,
}

/// One thing that was decided.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Decided {
    /// When.
    #[serde(with = "rfc3339")]
    pub at: Timestamp,
    /// In which request.
    pub request_id: String,
    /// `refused`, or what the audit trail calls it: `ended`, `ended_together`, `rotated`, `resealed`, `outdated`, `explained`.
    pub event: Word,
    /// Who was asked, or who did it: `verify`, `renew`, `logout`, `control`.
    pub by: Word,
    /// The name of the credential, if there was one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub credential: Option<String>,
    /// In which realm, if that was known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub realm: Option<String>,
    /// By which policy.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub policy: Option<String>,
    /// Which call of the control API.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// With which status that was answered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
    /// Why: as verify counts it, or the name of the problem.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<Word>,
    /// What the audit trail calls the session.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session: Option<Pseudonym>,
    /// What it calls the one that it goes on as.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<Pseudonym>,
    /// What it calls the subject.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject: Option<Pseudonym>,
    /// For what is in force about the subject. It is told to nobody.
    #[serde(skip)]
    pub tag: Option<Tag>,
}

/// A word of ours, which needs no room of its own here; what reads an answer makes it one.
type Word = Cow<'static, str>;

/// How much is kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Kept {
    /// How many refusals at the most, and as many endings, changes and refused calls.
    pub entries: usize,
    /// For how long at the most.
    pub seconds: u64,
    /// Since when nothing was dropped: a request of before then may have been refused, and is forgotten.
    #[serde(with = "rfc3339")]
    pub since: Timestamp,
}

impl Recent {
    /// Nothing yet.
    pub fn new(now: Timestamp) -> Self {
        Self { refused: Mutex::default(), happened: Mutex::default(), begun: now }
    }

    /// A request of the public listener was refused.
    pub fn refused(&self, decided: Decided) {
        lock(&self.refused).push(decided);
    }

    /// Something ended or changed, or a call was refused.
    pub fn happened(&self, decided: Decided) {
        lock(&self.happened).push(decided);
    }

    /// What was decided in a request, in its order, as far as `shown`.
    pub fn of(&self, request: &RequestId, now: Timestamp, shown: impl Fn(&Decided) -> bool) -> Vec<Decided> {
        self.all(now, |decided| decided.request_id == request.as_str() && shown(decided))
    }

    /// What else ended or changed one of these sessions, or all of the subject's, as far as `shown`: the latest.
    pub fn about(
        &self,
        request: &RequestId,
        sessions: &[Pseudonym],
        subject: Option<Pseudonym>,
        now: Timestamp,
        shown: impl Fn(&Decided) -> bool,
    ) -> Vec<Decided> {
        let of_one = |named: Option<Pseudonym>| named.is_some_and(|named| sessions.contains(&named));
        let mut about = self.all(now, |decided| {
            let changed = decided.event != REFUSED && decided.event != EXPLAINED;
            let of_all = decided.session.is_none() && decided.subject.is_some() && decided.subject == subject;
            let related = of_one(decided.session) || of_one(decided.next) || of_all;
            changed && related && decided.request_id != request.as_str() && shown(decided)
        });
        about.drain(..about.len().saturating_sub(MAX_RELATED));
        about
    }

    /// How much is kept.
    pub fn kept(&self, now: Timestamp) -> Kept {
        let dropped = [&self.refused, &self.happened].map(|lately| lock(lately).dropped);
        let since = dropped.into_iter().flatten().max().unwrap_or(self.begun);
        let since = since.max(self.begun).max(now.minus(MAX_AGE));
        Kept { entries: MAX_ENTRIES, seconds: MAX_AGE.as_secs(), since }
    }

    fn all(&self, now: Timestamp, is: impl Fn(&Decided) -> bool) -> Vec<Decided> {
        let mut all = Vec::new();
        for lately in [&self.refused, &self.happened] {
            let mut lately = lock(lately);
            lately.forget(now);
            all.extend(lately.entries.iter().filter(|decided| is(decided)).cloned());
        }
        all.sort_by_key(|decided| decided.at);
        all
    }
}

impl Decided {
    /// A refusal.
    pub fn refused(at: Timestamp, request: &RequestId, by: &'static str, reason: &'static str) -> Self {
        Self { reason: Some(reason.into()), ..Self::blank(at, request, REFUSED, by) }
    }

    /// What the audit trail has, if it is known in which request it was.
    pub fn of(at: Timestamp, event: &Event<'_>) -> Option<Self> {
        let request = event.request_id.as_ref()?;
        Some(Self {
            credential: event.credential.map(str::to_owned),
            realm: Some(event.realm.to_owned()),
            reason: event.reason.map(Word::from),
            session: event.session,
            next: event.next,
            subject: event.subject,
            ..Self::blank(at, request, event.event.name(), event.by)
        })
    }

    fn blank(at: Timestamp, request: &RequestId, event: &'static str, by: &'static str) -> Self {
        Self {
            at,
            request_id: request.as_str().to_owned(),
            event: event.into(),
            by: by.into(),
            credential: None,
            realm: None,
            policy: None,
            path: None,
            status: None,
            reason: None,
            session: None,
            next: None,
            subject: None,
            tag: None,
        }
    }
}

/// The latest, oldest first.
#[derive(Debug, Default)]
struct Lately {
    entries: VecDeque<Decided>,
    /// When the last one happened that had to make room.
    dropped: Option<Timestamp>,
}

impl Lately {
    fn push(&mut self, decided: Decided) {
        self.forget(decided.at);
        if self.entries.len() == MAX_ENTRIES {
            self.dropped = self.entries.pop_front().map(|oldest| oldest.at).max(self.dropped);
        }
        self.entries.push_back(decided);
    }

    fn forget(&mut self, now: Timestamp) {
        while self.entries.front().is_some_and(|oldest| now.since(oldest.at) > MAX_AGE) {
            self.entries.pop_front();
        }
    }
}

/// Whoever panicked with it left it whole: each change is one.
fn lock(lately: &Mutex<Lately>) -> MutexGuard<'_, Lately> {
    lately.lock().unwrap_or_else(PoisonError::into_inner)
}

const REFUSED: &str = "refused";
const EXPLAINED: &str = "explained";
/// Of each of the two kinds: about 3 MB of both, since an entry has less than 400 bytes unless names are long.
const MAX_ENTRIES: usize = 4_096;
const MAX_AGE: Duration = Duration::from_secs(3_600);
const MAX_RELATED: usize = 20;

#[cfg(test)]
mod tests {
    use super::*;

    fn id(name: &str) -> RequestId {
        RequestId::said(name.as_bytes()).expect("wholesome")
    }

    fn at(seconds: u64) -> Timestamp {
        Timestamp::EPOCH.plus(Duration::from_secs(seconds))
    }

    fn refusal(seconds: u64, name: &str) -> Decided {
        Decided::refused(at(seconds), &id(name), "verify", "missing")
    }

    fn known(recent: &Recent, name: &str, now: u64) -> usize {
        recent.of(&id(name), at(now), |_| true).len()
    }

    #[test]
    fn it_is_bounded_in_number_and_says_since_when_it_is_whole() {
        let recent = Recent::new(at(5));
        assert_eq!(recent.kept(at(9)).since, at(5));
        recent.refused(refusal(10, "first"));
        recent.happened(refusal(10, "call"));
        for count in 1..MAX_ENTRIES {
            recent.refused(refusal(11, &count.to_string()));
        }
        assert_eq!((known(&recent, "first", 12), recent.kept(at(12)).since), (1, at(5)));
        recent.refused(refusal(12, "last"));
        assert_eq!((known(&recent, "first", 12), known(&recent, "1", 12), known(&recent, "last", 12)), (0, 1, 1));
        assert_eq!(known(&recent, "call", 12), 1, "refusals push no ending out");
        assert_eq!(recent.kept(at(12)).since, at(10));
    }

    #[test]
    fn it_is_bounded_in_age() {
        let recent = Recent::new(at(0));
        recent.refused(refusal(10, "r"));
        let hour = MAX_AGE.as_secs();
        assert_eq!((known(&recent, "r", 10 + hour), known(&recent, "r", 11 + hour)), (1, 0));
        assert_eq!(recent.kept(at(11 + hour)).since, at(11));
        // Also if nobody asks.
        recent.refused(refusal(20, "s"));
        recent.refused(refusal(22 + hour, "t"));
        assert_eq!(lock(&recent.refused).entries.len(), 1);
    }

    #[test]
    fn what_is_not_to_be_shown_is_not() {
        let recent = Recent::new(at(0));
        recent.refused(Decided { realm: Some("other".to_owned()), ..refusal(1, "r") });
        recent.refused(refusal(2, "r"));
        let shown = recent.of(&id("r"), at(3), |decided| decided.realm.is_none());
        assert_eq!(shown.iter().map(|decided| decided.at).collect::<Vec<_>>(), [at(2)]);
    }
}
