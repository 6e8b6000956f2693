//! The audit trail: one JSON line for each thing that happened to a session. It names nobody: sessions and subjects stand
//! there as pseudonyms.
//!
//! A thread of its own writes, and a request never waits for it. What can't be written is counted and given up: a full disk
//! must not keep anybody from being verified or logged out.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TryRecvError, sync_channel};
use std::time::{Duration, Instant};

use prometheus_client::metrics::counter::Counter;
use serde::{Serialize, Serializer};

use super::audit_file::Sink;
use super::{Metrics, RequestId};
use crate::clock::Timestamp;
use crate::config::AuditTo;
use crate::sessions::Pseudonym;

/// Where events go. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct Audit(Option<Trail>);

/// What happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Kind {
    /// A session began.
    Issued,
    /// It was sealed anew, and nothing else changed.
    Renewed,
    /// It has new claims.
    Resealed,
    /// It goes on under another id, `next`.
    Rotated,
    /// It is bound to a device from here on.
    Bound,
    /// It is over.
    Ended,
    /// All sessions of a subject, a handle or a realm are over.
    EndedTogether,
    /// The claims of all sessions of a subject are out of date.
    Outdated,
    /// Somebody came with a session that had been ended.
    Refused,
    /// The endings of many sessions became one of all of a subject or a realm, to save memory.
    Folded,
    /// An operator asked what is in force about a session or a subject.
    Explained,
}

/// Who made it happen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum By<'a> {
    /// An application or operator, with the credential of this name.
    Credential(&'a str),
    /// A browser or other client, at `/logout`.
    Logout,
    /// The same at `/renew`.
    Renew,
    /// The same through a reverse proxy.
    Verify,
    /// A browser that proves that it holds the key of its device.
    Dbsc,
    /// Whoever clicked on the page of the dev mode.
    Dev,
    /// Nobody: the service itself.
    Service,
}

/// One event. Only what applies is written.
#[derive(Clone, Debug, Serialize)]
pub struct Event<'a> {
    pub(super) event: Kind,
    pub(super) realm: &'a str,
    pub(super) by: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) credential: Option<&'a str>,
    /// Which session.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub session: Option<Pseudonym>,
    /// Which one it goes on as.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next: Option<Pseudonym>,
    /// Whose.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub subject: Option<Pseudonym>,
    /// Why: a short, stable name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<&'static str>,
    /// In which request, if that is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) request_id: Option<RequestId>,
    /// How many endings were folded.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub count: Option<u64>,
}

impl<'a> Event<'a> {
    /// An event in a realm, about nobody yet.
    pub fn new(event: Kind, realm: &'a str, by: By<'a>) -> Self {
        let credential = if let By::Credential(name) = by { Some(name) } else { None };
        Self {
            event,
            realm,
            by: by.name(),
            credential,
            session: None,
            next: None,
            subject: None,
            reason: None,
            request_id: RequestId::current(),
            count: None,
        }
    }

    /// Whether it is kept for whoever asks by the id of the request: what ended or changed a session, and who asked. What
    /// begins one or goes on with one refuses nobody, and is too much.
    pub fn is_kept(&self) -> bool {
        let tells = !matches!(self.event, Kind::Issued | Kind::Renewed | Kind::Refused | Kind::Folded);
        tells && self.request_id.is_some()
    }
}

impl Kind {
    /// What it is called.
    pub fn name(self) -> &'static str {
        match self {
            Self::Issued => "issued",
            Self::Renewed => "renewed",
            Self::Resealed => "resealed",
            Self::Rotated => "rotated",
            Self::Bound => "bound",
            Self::Ended => "ended",
            Self::EndedTogether => "ended_together",
            Self::Outdated => "outdated",
            Self::Refused => "refused",
            Self::Folded => "folded",
            Self::Explained => "explained",
        }
    }
}

impl Serialize for Kind {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}

impl By<'_> {
    /// What the trail calls it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Credential(_) => "control",
            Self::Logout => "logout",
            Self::Renew => "renew",
            Self::Verify => "verify",
            Self::Dbsc => "dbsc",
            Self::Dev => "dev",
            Self::Service => "service",
        }
    }
}

impl Audit {
    /// Nowhere.
    pub fn none() -> Self {
        Self(None)
    }

    /// Begins to write where the configuration says.
    ///
    /// # Errors
    /// What the operating system says if the file can't be opened, or there is no thread to be had.
    pub fn start(to: &AuditTo, metrics: &Metrics) -> io::Result<Self> {
        let sink = match to {
            AuditTo::None => return Ok(Self::none()),
            AuditTo::Stdout => Sink::Stdout,
            AuditTo::File(path) => Sink::file(path)?,
        };
        let (queue, waiting) = sync_channel(QUEUE);
        let losses = Arc::new(Losses { lost: metrics.audit_lost(), losing: AtomicBool::new(false) });
        let trail = Trail { queue, losses: Arc::clone(&losses) };
        std::thread::Builder::new().name("audit".to_owned()).spawn(move || write_all(sink, &waiting, &losses))?;
        Ok(Self(Some(trail)))
    }

    /// Whether anything is written.
    pub fn is_on(&self) -> bool {
        self.0.is_some()
    }

    /// Notes what happened at `at`. Nothing is put together if nobody reads it.
    pub fn record<'e>(&self, at: Timestamp, event: impl FnOnce() -> Event<'e>) {
        let Some(trail) = &self.0 else { return };
        let line = serde_json::to_string(&Line { time: at.rfc3339(), event: event() });
        if let Ok(line) = line
            && trail.queue.try_send(Message::Line(line + "\n")).is_err()
        {
            trail.losses.add("they come faster than they can be written");
        }
    }

    /// Waits until what was noted before is written or given up, `limit` at the most: before the process ends.
    pub fn flush(&self, limit: Duration) {
        let Some(trail) = &self.0 else { return };
        let (begun, (done, told)) = (Instant::now(), sync_channel(1));
        while trail.queue.try_send(Message::Flush(done.clone())).is_err() {
            if begun.elapsed() > limit {
                return;
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        let _ = told.recv_timeout(limit.saturating_sub(begun.elapsed()));
    }
}

#[derive(Clone, Debug)]
struct Trail {
    queue: SyncSender<Message>,
    losses: Arc<Losses>,
}

#[derive(Debug)]
enum Message {
    Line(String),
    Flush(SyncSender<()>),
}

#[derive(Serialize)]
struct Line<'a> {
    time: String,
    #[serde(flatten)]
    event: Event<'a>,
}

/// What could not be written: each is counted, and a time of losses is logged once.
#[derive(Debug)]
struct Losses {
    lost: Counter,
    losing: AtomicBool,
}

impl Losses {
    fn add(&self, why: impl std::fmt::Display) {
        self.lost.inc();
        if !self.losing.swap(true, Ordering::Relaxed) {
            tracing::error!(
                "audit events are lost: {why}; look at what audit.to names, and at sealpass_audit_lost_total"
            );
        }
    }

    fn over(&self) {
        if self.losing.load(Ordering::Relaxed) && self.losing.swap(false, Ordering::Relaxed) {
            tracing::warn!("audit events are written again; {} were lost since the start", self.lost.get());
        }
    }
}

/// Until no sender is left.
fn write_all(mut sink: Sink, waiting: &Receiver<Message>, losses: &Losses) {
    let mut well = false;
    loop {
        let message = match waiting.try_recv() {
            Ok(message) => message,
            Err(TryRecvError::Empty) => {
                // Not after each line: under a load that is too high, losses and lines take turns.
                if well {
                    losses.over();
                }
                let Ok(message) = waiting.recv() else { return };
                message
            }
            Err(TryRecvError::Disconnected) => return,
        };
        match message {
            Message::Line(line) => {
                let written = sink.write(&line);
                well = written.is_ok();
                if let Err(error) = written {
                    losses.add(error);
                }
            }
            Message::Flush(done) => drop(done.send(())),
        }
    }
}

/// How many lines may wait: a second of a very busy replica, in about 2 MB.
const QUEUE: usize = 8_192;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_notes_an_event_never_waits() {
        let (queue, waiting) = sync_channel(2);
        let losses = Arc::new(Losses { lost: Counter::default(), losing: AtomicBool::new(false) });
        let audit = Audit(Some(Trail { queue, losses: Arc::clone(&losses) }));
        let note = || audit.record(Timestamp::EPOCH, || Event::new(Kind::Folded, "default", By::Service));
        for _ in 0..5 {
            note(); // nobody reads
        }
        assert_eq!((losses.lost.get(), losses.losing.load(Ordering::Relaxed)), (3, true));
        audit.flush(Duration::from_millis(1));
        let lines: Vec<_> = waiting.try_iter().collect();
        let expected =
            "{\"time\":\"1970-01-01T00:00:00Z\",\"event\":\"folded\",\"realm\":\"default\",\"by\":\"service\"}\n";
        assert_eq!(lines.len(), 2);
        assert!(lines.iter().all(|line| matches!(line, Message::Line(line) if line == expected)), "{lines:?}");
        drop(waiting);
        note();
        assert_eq!(losses.lost.get(), 4, "and nobody ever will");
    }

    #[test]
    fn nothing_is_put_together_that_nobody_reads() {
        Audit::none().record(Timestamp::EPOCH, || unreachable!("there is no trail"));
    }
}
