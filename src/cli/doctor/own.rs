//! Sessions of the doctor's own: made through the control API, and all ended when it is done.

use std::cell::Cell;
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sealpass::clock::Timestamp;
use serde_json::{Map, Value, json};

use super::super::remote::{Answered, Remote};

/// Who makes them.
pub struct Own {
    remote: Remote,
    /// What every session is issued with.
    base: Map<String, Value>,
    realm: String,
    /// Nobody else's: so that all of them can be ended at once.
    pub subject: String,
    /// The Date header of the last answer, and when it came.
    date: Cell<Option<(Timestamp, Instant)>>,
}

/// A session, as an application is given it.
#[derive(Clone, Debug)]
pub struct Session {
    /// The name of the cookie.
    pub name: String,
    pub token: String,
    pub id: String,
    pub csrf: String,
    /// The whole Set-Cookie line.
    pub set_cookie: String,
    /// When it was made, by our clock.
    made: Instant,
    /// When it was sealed, by the clock of Sealpass, and its idle limit.
    slots: Option<(Timestamp, Duration)>,
}

/// It was not made.
#[derive(Clone, Debug, thiserror::Error)]
pub enum NotMade {
    #[error("{0}")]
    Unreachable(String),
    #[error("it answers {status}: {detail}")]
    Refused { status: u16, detail: String },
}

impl Own {
    pub fn new(remote: Remote, realm: &str, mark: &str, claims: &Claims) -> Self {
        let base = json!({"realm": realm, "roles": claims.role, "amr": claims.amr, "aal": claims.aal});
        let base = base.as_object().cloned().unwrap_or_default();
        let subject = format!("sealpass-doctor-{mark}");
        Self { remote, base, realm: realm.to_owned(), subject, date: Cell::new(None) }
    }

    /// A session of the usual kind.
    pub fn issue(&self) -> Result<Session, NotMade> {
        self.issue_with(&self.subject, &json!({}))
    }

    /// The same of another subject, with more in it.
    pub fn issue_with(&self, subject: &str, more: &Value) -> Result<Session, NotMade> {
        let mut asked = self.base.clone();
        asked.insert("subject".to_owned(), subject.into());
        asked.extend(more.as_object().cloned().unwrap_or_default());
        let made = Instant::now();
        let answer = self.call("sessions", &Value::Object(asked))?;
        let refused = || refused(&answer);
        if answer.status != 201 {
            return Err(refused());
        }
        let text = |name: &str| answer.body[name].as_str().map(str::to_owned).ok_or_else(refused);
        let time = |name: &str| Timestamp::parse_rfc3339(&text(name)?).ok_or_else(refused);
        let set_cookie = text("set_cookie")?;
        let name = set_cookie.split('=').next().unwrap_or_default().to_owned();
        let (claimed, dies, expires) = (time("claims_at")?, time("idle_expires_at")?, time("expires_at")?);
        // Limits are whole seconds. Where the absolute expiry comes first, it tells nothing of the idle limit.
        let idle = Duration::from_secs((dies.since(claimed) + HALF_A_SECOND).as_secs());
        let slots = (dies < expires).then(|| (dies.minus(idle), idle));
        let csrf = answer.body["csrf_token"].as_str().unwrap_or_default().to_owned();
        Ok(Session { name, token: text("token")?, id: text("session_id")?, csrf, set_cookie, made, slots })
    }

    /// Ends one.
    pub fn end(&self, session: &Session) -> Result<(), NotMade> {
        self.done("sessions/revoke", &json!({"realm": self.realm, "session_id": session.id}))
    }

    /// Ends all of a subject's.
    pub fn end_all_of(&self, subject: &str) -> Result<(), NotMade> {
        self.done("subjects/revoke", &json!({"realm": self.realm, "subject": subject}))
    }

    /// The same with letters of several languages.
    pub fn foreign_subject(&self) -> String {
        format!("{}-müller 山田", self.subject)
    }

    /// All whose sessions have to be ended.
    pub fn subjects(&self) -> [String; 2] {
        [self.subject.clone(), self.foreign_subject()]
    }

    /// What the clock of Sealpass showed, and when it did.
    pub fn date(&self) -> Option<(Timestamp, Instant)> {
        self.date.get()
    }

    fn done(&self, call: &str, body: &Value) -> Result<(), NotMade> {
        let answer = self.call(call, body)?;
        // 202: it holds at the replica that was asked, and reaches the others as soon as they can be reached.
        if matches!(answer.status, 200 | 202 | 204) { Ok(()) } else { Err(refused(&answer)) }
    }

    fn call(&self, call: &str, body: &Value) -> Result<Answered, NotMade> {
        let answer = self.remote.answer(call, body).map_err(|error| NotMade::Unreachable(error.to_string()))?;
        let date = answer.date.as_deref().and_then(http_date);
        self.date.set(date.map(|date| (date, Instant::now())));
        Ok(answer)
    }
}

/// What a session of the doctor's claims.
#[derive(Debug, clap::Args)]
pub struct Claims {
    /// A role of the doctor's sessions, if the guarded path demands one; not the one that --policy-path demands
    #[arg(long, value_name = "ROLE")]
    role: Vec<String>,
    /// An authentication method of theirs, if one is demanded
    #[arg(long, value_name = "METHOD")]
    amr: Vec<String>,
    /// Their assurance level, if one is demanded
    #[arg(long, value_name = "LEVEL", default_value_t = 0, value_parser = clap::value_parser!(u8).range(0..=3))]
    aal: u8,
}

impl Session {
    /// `name=token`.
    pub fn cookie(&self) -> String {
        format!("{}={}", self.name, self.token)
    }

    /// In how long its next renewal is due. Slots are as in the core's `verify`: a sixth of the idle limit wide, and
    /// shifted by the first eight bytes of the session's id.
    pub fn due_in(&self) -> Option<Duration> {
        let (sealed, idle) = self.slots?;
        let width = u64::try_from(idle.as_millis() / 6).ok().filter(|width| *width > 0)?;
        let id = URL_SAFE_NO_PAD.decode(&self.id).ok()?;
        let shift = u64::from_be_bytes(id.get(..8)?.try_into().ok()?) % width;
        let due = Duration::from_millis(width - (sealed.as_millis() + shift) % width);
        Some(due.saturating_sub(self.made.elapsed()))
    }
}

fn refused(answer: &Answered) -> NotMade {
    let detail = answer.body["detail"].as_str().unwrap_or("without saying why; is that the control listener?");
    NotMade::Refused { status: answer.status, detail: detail.chars().filter(|c| !c.is_control()).collect() }
}

/// A Date header (RFC 9110, section 5.6.7).
pub fn http_date(text: &str) -> Option<Timestamp> {
    let at = time::OffsetDateTime::parse(text, &time::format_description::well_known::Rfc2822).ok()?;
    Timestamp::parse_rfc3339(&at.format(&time::format_description::well_known::Rfc3339).ok()?)
}

const HALF_A_SECOND: Duration = Duration::from_millis(500);
