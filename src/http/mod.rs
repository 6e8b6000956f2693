//! The HTTP adapter: two listeners around [`Sessions`].
//!
//! The public one answers reverse proxies and browsers, the control one applications and operators. Nothing here knows
//! cryptography or the ring: it translates requests into calls of [`Sessions`] and their results into answers.

mod answer;
mod asked;
mod browser;
mod call;
mod control;
mod cookie;
mod credentials;
mod csrf;
mod demands;
mod dev;
mod echo;
mod explained;
mod forwarded;
mod identity;
mod keys;
mod login;
mod patience;
mod preflight;
mod presented;
mod problems;
mod public;
mod readiness;
mod trail;
mod verify;
mod visitor;
mod waiting;

pub use cookie::values as cookie_values;
pub use credentials::{
    CredentialFile, CredentialTerms, CredentialWatch, Credentials, CredentialsError, Grant, NewCredential, Scope,
};
pub use demands::{Added as QueryDemands, NotUnderstood};
pub use echo::echo;
pub use explained::Explained;
pub use identity::names as identity_headers;
pub use readiness::Readiness;
pub use waiting::wait_for;

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::Duration;

use actix_web::dev::{Server, ServerHandle};
use actix_web::{App, HttpServer, web};

use crate::clock::Timestamp;
use crate::config::{Settings, Site};
use crate::custody::Custodian;
use crate::replica::{ClusterReport, Why};
use crate::sessions::Sessions;
use crate::telemetry::{Audit, Metrics};

/// All that the listeners share.
pub struct Service {
    /// The core.
    pub sessions: Arc<Sessions>,
    /// Who keeps the key ring.
    pub custodian: Arc<dyn Custodian>,
    /// Whether it can tell who is calling.
    pub readiness: Arc<Readiness>,
    /// Realms and policies.
    pub site: Site,
    /// Who may use the control listener.
    pub credentials: Arc<CredentialWatch>,
    /// What is counted.
    pub metrics: Arc<Metrics>,
    /// Where it is written what happened to sessions.
    pub audit: Audit,
    /// Whether the page at `/` and its helpers are served.
    pub dev: bool,
}

impl Service {
    /// Whether it can tell who is calling, and may issue, renew and change sessions. If not, it answers 503.
    pub fn is_ready(&self) -> bool {
        self.is_ready_at(|| self.sessions.now())
    }

    /// The same by a time that was taken before.
    fn is_ready_at(&self, now: impl FnOnce() -> Timestamp) -> bool {
        self.readiness.holds(now) && self.sessions.can_seal()
    }

    /// Whether verify may answer. If not, it answers 503: neither yes nor no.
    pub fn may_verify(&self) -> bool {
        self.readiness.lets_verify(|| self.sessions.now()) && self.sessions.can_seal()
    }

    /// What this replica knows of itself and of the others.
    pub fn report(&self) -> ClusterReport {
        let mut report = self.readiness.report();
        if !self.sessions.can_seal() && report.why.is_empty() {
            report.add(Why::new("no-active-key", "no key of the ring seals now; look at `sealpass keys list`"));
        }
        report
    }
}

impl std::fmt::Debug for Service {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Service").field("site", &self.site).field("readiness", &self.readiness).finish_non_exhaustive()
    }
}

/// The listeners, bound; they answer while [`Running::until_stopped`] is awaited.
pub struct Running {
    /// Where the public one listens.
    pub public: SocketAddr,
    /// Where the control one listens.
    pub control: SocketAddr,
    servers: [Server; 2],
}

impl Running {
    /// Handles with which to stop both.
    pub fn handles(&self) -> [ServerHandle; 2] {
        [self.servers[0].handle(), self.servers[1].handle()]
    }

    /// Answers requests until a signal or a handle stops both.
    ///
    /// # Errors
    /// What the operating system says if a listener fails.
    pub async fn until_stopped(self) -> io::Result<()> {
        let [for_public, for_control] = self.handles();
        let [public, control] = self.servers;
        let public = actix_web::rt::spawn(together(public, for_control));
        let control = actix_web::rt::spawn(together(control, for_public));
        public.await.map_err(io::Error::other)??;
        control.await.map_err(io::Error::other)?
    }
}

/// Runs `server`, and stops the other one when it ends. Each listens for signals from its own start on, so one that
/// comes between the two starts reaches the first alone, and the service would never end.
async fn together(server: Server, other: ServerHandle) -> io::Result<()> {
    let ended = server.await;
    other.stop(true).await;
    ended
}

/// Binds both listeners. Call it inside an actix system.
///
/// # Errors
/// What the operating system says if an address can't be bound.
pub fn start(service: Arc<Service>, settings: &Settings) -> io::Result<Running> {
    let (public, control) = (TcpListener::bind(settings.public.listen)?, TcpListener::bind(settings.control.listen)?);
    let (public_at, control_at) = (public.local_addr()?, control.local_addr()?);
    let shared = Arc::clone(&service);
    let for_public = HttpServer::new(move || {
        App::new().app_data(web::Data::from(Arc::clone(&shared))).default_service(web::to(public::dispatch))
    });
    let for_control =
        HttpServer::new(move || App::new().app_data(web::Data::from(Arc::clone(&service))).configure(control::routes));
    let for_public = for_public
        .workers(workers(settings.public.workers))
        .keep_alive(KEEP_ALIVE)
        .client_request_timeout(HEAD_TIMEOUT)
        .shutdown_timeout(SHUTDOWN_SECONDS)
        .listen(public)?;
    let for_control = for_control
        .workers(workers(settings.control.workers))
        .keep_alive(KEEP_ALIVE)
        .client_request_timeout(HEAD_TIMEOUT)
        .shutdown_timeout(SHUTDOWN_SECONDS)
        .listen(control)?;
    Ok(Running { public: public_at, control: control_at, servers: [for_public.run(), for_control.run()] })
}

fn workers(configured: usize) -> usize {
    match configured {
        0 => std::thread::available_parallelism().map_or(1, usize::from),
        some => some,
    }
}

/// Longer than the 60 s for which nginx keeps an idle connection, so that it is never us who close it under a request.
const KEEP_ALIVE: Duration = Duration::from_secs(75);
/// How long a client may take to send a request's head.
const HEAD_TIMEOUT: Duration = Duration::from_secs(5);
/// How long requests in flight may take when the service stops.
const SHUTDOWN_SECONDS: u64 = 5;
