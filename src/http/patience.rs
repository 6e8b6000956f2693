//! How long a call waits for the other replicas, and what it answers when they are late.
//!
//! A replica that is alone waits for its own disk and nobody else. Among others an ending is taken in any case, and the
//! answer says how far it has come; but no token is handed out before a majority holds what it rests on.

use std::time::{Duration, Instant};

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use actix_web::rt::time::timeout;

use super::answer::{Problem, empty, json as json_answer};
use super::answered::Acknowledged;
use super::{Service, problems};
use crate::revocation::{Learned, Spread, Wait};
use crate::sessions::{Pending, Unsettled};
use crate::telemetry::{Step, step};

/// What a call waits for, and until when.
#[derive(Clone, Copy)]
pub struct Patience {
    wait: Wait,
    begun: Instant,
    within: Duration,
}

impl Patience {
    /// Until a majority holds it, for as long as nobody said otherwise. The time runs from here on.
    pub fn usual(service: &Service) -> Self {
        Self { wait: Wait::Majority, begun: Instant::now(), within: service.site.wait_timeout() }
    }

    /// As the body of a call says.
    pub fn of(service: &Service, wait: Option<&str>, timeout_ms: Option<u64>) -> Result<Self, Problem> {
        let wait = match wait {
            None | Some("majority") => Wait::Majority,
            Some("local") => Wait::Local,
            Some("all") => Wait::All,
            Some(_) => return Err(problems::unusable("wait", "is local, majority or all")),
        };
        let within = match timeout_ms {
            None => service.site.wait_timeout(),
            Some(millis @ 1..=LONGEST_MS) => Duration::from_millis(millis),
            Some(_) => return Err(problems::unusable("timeout_ms", &format!("lies between 1 and {LONGEST_MS}"))),
        };
        Ok(Self { wait, within, ..Self::usual(service) })
    }

    /// Learns what others know before a session begins or changes.
    pub async fn learned(&self, asked: Learned) -> Result<(), Problem> {
        if asked.is_now() {
            return Ok(());
        }
        let _step = step("sealpass.cluster.ask");
        timeout(self.left(), asked).await.ok().and_then(Result::ok).ok_or_else(problems::no_majority)
    }

    /// The same before an ending, which is taken whether or not anybody answers.
    pub async fn heard(&self, asked: Learned) {
        if self.learned(asked).await.is_err() {
            tracing::info!("an ending is dated by what this replica knows, since no majority answered in time");
        }
    }

    /// What a token rests on is kept, here and by a majority; else nothing is handed out.
    pub async fn settled<T>(&self, service: &Service, begun: Result<Pending<T>, Problem>) -> Result<T, Problem> {
        let mut pending = begun?;
        if service.sessions.fleet().is_none() {
            return pending.settled().await.map_err(of_unsettled);
        }
        let step = step("sealpass.cluster.push");
        let settled = timeout(self.left(), pending.settled_by(Wait::Majority)).await;
        tell(step, pending.spread());
        service.metrics.calls.waited(self.begun.elapsed());
        if let Ok(settled) = settled {
            return settled.map(|()| pending.into_outcome()).map_err(of_unsettled);
        }
        go_on(pending.map(drop));
        Err(problems::no_majority())
    }

    /// Whether an ending came as far as was asked for in time, and how far it came: `None` if this replica is alone. It
    /// is durable here in any case.
    pub async fn reached(&self, service: &Service, mut pending: Pending<()>) -> Result<Option<Reached>, Problem> {
        let Some(core) = service.sessions.fleet() else {
            return pending.settled().await.map(|()| None).map_err(of_unsettled);
        };
        let step = step("sealpass.cluster.push");
        let in_time = match timeout(self.left(), pending.settled_by(self.wait)).await {
            Ok(settled) => settled.map(|()| true),
            Err(_) => pending.settled_by(Wait::Local).await.map(|()| false),
        };
        tell(step, pending.spread());
        service.metrics.calls.waited(self.begun.elapsed());
        let in_time = in_time.map_err(of_unsettled)?;
        // What ended nothing is no less known to others than here.
        let spread = pending.spread().unwrap_or(Spread { applied: core, core });
        if !spread.held() {
            go_on(pending);
        }
        Ok(Some(Reached { in_time, spread }))
    }

    /// Answers an ending: 204 if this replica is alone, else how far it has come.
    pub async fn acknowledged(
        &self,
        service: &Service,
        begun: Result<Pending<()>, Problem>,
    ) -> Result<HttpResponse, Problem> {
        Ok(match self.reached(service, begun?).await? {
            None => empty(StatusCode::NO_CONTENT),
            Some(reached) => json_answer(reached.status(), &self.told(reached)),
        })
    }

    /// What an answer says of how far an ending has come.
    pub fn told(&self, Reached { spread, .. }: Reached) -> Acknowledged {
        let waited_ms = u64::try_from(self.begun.elapsed().as_millis()).unwrap_or(u64::MAX);
        Acknowledged { applied: spread.applied, core: spread.core, waited_ms }
    }

    fn left(&self) -> Duration {
        self.within.saturating_sub(self.begun.elapsed())
    }
}

/// How far an ending has come.
#[derive(Clone, Copy)]
pub struct Reached {
    in_time: bool,
    spread: Spread,
}

impl Reached {
    /// 202 if it did not come as far as was asked for in time: it is in force here, and on its way.
    pub fn status(self) -> StatusCode {
        if self.in_time { StatusCode::OK } else { StatusCode::ACCEPTED }
    }

    /// Of several, as the one that has come least far.
    pub fn and(self, other: Self) -> Self {
        let spread = if other.spread.applied < self.spread.applied { other.spread } else { self.spread };
        Self { in_time: self.in_time && other.in_time, spread }
    }
}

/// Ends a step, with how far it has come.
fn tell(step: Option<Step>, spread: Option<Spread>) {
    if let (Some(step), Some(Spread { applied, core })) = (step, spread) {
        step.spread(applied, core);
    }
}

/// Nobody waits any more, and yet it has to be looked at again when a majority holds it: for what rotation made of the
/// session elsewhere meanwhile.
fn go_on(mut pending: Pending<()>) {
    actix_web::rt::spawn(async move {
        // A replica that was cut off may have given the session another id: then what it did is undone there.
        if let Err(error) = pending.settled_by(Wait::Majority).await {
            tracing::warn!("an ending or a change that nobody waited for any more: {error}");
        }
    });
}

/// What a client is told.
fn of_unsettled(error: Unsettled) -> Problem {
    match error {
        Unsettled::Conflict => problems::of_change(&crate::sessions::ChangeError::Conflict),
        Unsettled::Uninformed(_) => problems::no_majority(),
        error => {
            tracing::error!("an ending is not acknowledged: {error}");
            problems::not_kept()
        }
    }
}

const LONGEST_MS: u64 = 30_000;
