//! Why was somebody refused? What is in force about a subject or a session, told to operators without a name, an id or a
//! token: they stand there as the pseudonyms under which the audit trail has them.

use serde::{Deserialize, Serialize};

use super::{Group, Pseudonym, Realm, Sessions};
use crate::claims::{InvalidText, SessionId, Tag};
use crate::clock::{Timestamp, rfc3339};
use crate::revocation::AT_ONCE;

/// What is in force about a subject or a session.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Explanation {
    /// In which realm.
    pub realm: String,
    /// When this was so.
    #[serde(with = "rfc3339")]
    pub now: Timestamp,
    /// What the audit trail calls the subject, where it is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject: Option<Pseudonym>,
    /// What it calls the session, and what rotation made of it, one after the other.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub sessions: Vec<Pseudonym>,
    /// What is in force, that of the session first.
    pub facts: Vec<InForce>,
}

/// One thing that is in force.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct InForce {
    /// What it is: `ended`, `rotated`, `superseded`, `unbound`, `cut_off`, `stale`, `floored`. Refusals have the same names.
    pub kind: String,
    /// Of whom it says something: `session`, `subject`, `realm`.
    pub of: String,
    /// What the audit trail calls that one; a realm stands there by its name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pseudonym: Option<Pseudonym>,
    /// The time that it has in it. An ending of one session has none: its line in the audit trail does.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "rfc3339::option")]
    pub since: Option<Timestamp>,
    /// Until when it is kept: no session that it is about could be used any more by then. That of a realm is not told.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "rfc3339::option")]
    pub until: Option<Timestamp>,
    /// What it means, for people.
    pub meaning: String,
    /// The audit events by which it may have come about.
    pub events: Vec<String>,
}

impl Sessions {
    /// What is in force about all sessions of a subject. Endings of single ones are kept by their ids alone, and are not
    /// among it.
    ///
    /// # Errors
    /// [`InvalidText`] if no session can have that subject.
    pub fn explain_subject(&self, realm: &Realm, subject: &str) -> Result<Explanation, InvalidText> {
        let tag = self.tag_of(realm, Group::Subject(subject))?;
        let mut explained = self.explanation(realm);
        self.add_subject(&mut explained, realm, tag);
        self.add_floor(&mut explained, realm);
        Ok(explained)
    }

    /// What is in force about a session, about whatever rotation made of it, and about its subject if that is known.
    pub fn explain_session(&self, realm: &Realm, sid: SessionId) -> Explanation {
        let (keys, mut explained) = (self.keys.load(), self.explanation(realm));
        let (mut at, mut subject) = (sid, None);
        loop {
            let pseudonym = self.session_pseudonym(at);
            explained.sessions.push(pseudonym);
            let Some(facts) = self.facts.session(realm.key(at)) else { break };
            let about = |kind| InForce::of(kind, Some(pseudonym)).until(facts.until);
            if let Some(deny) = facts.deny {
                subject = subject.or(deny.of.map(|(tag, _)| tag));
                let since = Some(deny.from).filter(|from| *from != AT_ONCE);
                explained.facts.push(about(if deny.rotated { Kind::Rotated } else { Kind::Ended }).since(since));
            }
            explained.facts.extend(facts.superseded.map(|from| about(Kind::Superseded).since(Some(from))));
            explained.facts.extend(facts.bound.map(|bound| about(Kind::Unbound).since(Some(bound.by.at))));
            if !facts.succeeded() || explained.sessions.len() == MAX_STEPS {
                break;
            }
            at = keys.rotated(at);
        }
        if let Some(tag) = subject {
            self.add_subject(&mut explained, realm, tag);
        }
        self.add_floor(&mut explained, realm);
        explained
    }

    /// What is in force about a subject that is known by its tag, beside the names of sessions.
    pub fn explain_named(&self, realm: &Realm, sessions: Vec<Pseudonym>, subject: Option<Tag>) -> Explanation {
        let mut explained = Explanation { sessions, ..self.explanation(realm) };
        if let Some(tag) = subject {
            self.add_subject(&mut explained, realm, tag);
        }
        self.add_floor(&mut explained, realm);
        explained
    }

    fn explanation(&self, realm: &Realm) -> Explanation {
        let realm = realm.name().as_str().to_owned();
        Explanation { realm, now: self.now(), subject: None, sessions: Vec::new(), facts: Vec::new() }
    }

    fn add_subject(&self, explained: &mut Explanation, realm: &Realm, tag: Tag) {
        let pseudonym = self.subject_pseudonym(tag);
        explained.subject = Some(pseudonym);
        let Some(facts) = self.facts.tag(realm.tag_key(tag)) else { return };
        let of = |kind, at| InForce::of(kind, Some(pseudonym)).since(Some(at)).until(facts.until);
        explained.facts.extend(facts.cutoff.map(|at| of(Kind::CutOff, at)));
        explained.facts.extend(facts.stale.map(|at| of(Kind::Stale, at)));
    }

    fn add_floor(&self, explained: &mut Explanation, realm: &Realm) {
        let floor = self.facts.floor(realm.id());
        explained.facts.extend(floor.map(|at| InForce::of(Kind::Floored, None).since(Some(at))));
    }
}

/// The kinds of what can be in force.
#[derive(Clone, Copy)]
enum Kind {
    Ended,
    Rotated,
    Superseded,
    CutOff,
    Stale,
    Floored,
    Unbound,
}

impl InForce {
    fn of(kind: Kind, pseudonym: Option<Pseudonym>) -> Self {
        let (name, of, meaning, events): (_, _, _, &[&str]) = match kind {
            Kind::Ended => ("ended", "session", "the session is over", &["ended"]),
            Kind::Rotated => ("rotated", "session", "it goes on under another id; this one is over", &["rotated"]),
            Kind::Superseded => (
                "superseded",
                "session",
                "tokens with claims of before that time are refused",
                &["resealed", "rotated"],
            ),
            Kind::Unbound => {
                let meaning = "it is bound to a device: from that time on tokens that do not say so are refused";
                ("unbound", "session", meaning, &["bound"])
            }
            Kind::CutOff => {
                let meaning = "sessions of the subject that started by that time are over";
                ("cut_off", "subject", meaning, &["ended_together", "folded"])
            }
            Kind::Stale => {
                ("stale", "subject", "claims of before that time are out of date; the sessions live", &["outdated"])
            }
            Kind::Floored => {
                let meaning = "all sessions of the realm that started by that time are over";
                ("floored", "realm", meaning, &["ended_together", "folded"])
            }
        };
        Self {
            kind: name.to_owned(),
            of: of.to_owned(),
            pseudonym,
            since: None,
            until: None,
            meaning: meaning.to_owned(),
            events: events.iter().map(|&event| event.to_owned()).collect(),
        }
    }

    fn since(self, since: Option<Timestamp>) -> Self {
        Self { since, ..self }
    }

    fn until(self, until: Timestamp) -> Self {
        Self { until: Some(until), ..self }
    }
}

/// How far rotations are followed.
const MAX_STEPS: usize = 64;
