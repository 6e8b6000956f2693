//! The HTTP adapter: two listeners around [`Sessions`].
//!
//! The public one answers reverse proxies and browsers, the control one applications and operators. Nothing here knows
//! cryptography or the ring: it translates requests into calls of [`Sessions`] and their results into answers.

mod answer;
mod answered;
mod asked;
mod browser;
mod call;
mod console;
mod control;
mod cookie;
mod credentials;
mod csrf;
#[cfg(feature = "dbsc")]
mod dbsc;
mod demands;
mod dev;
mod direct;
mod echo;
mod explained;
mod forwarded;
mod head;
mod identity;
mod keys;
mod login;
mod observed;
mod openapi;
mod patience;
mod preflight;
mod presented;
mod problems;
mod public;
mod readiness;
mod running;
mod sockets;
mod tls;
mod traced;
mod trail;
mod verify;
mod visitor;
mod waiting;

pub use cookie::values as cookie_values;
pub use credentials::{
    CredentialFile, CredentialTerms, CredentialWatch, Credentials, CredentialsError, Grant, NewCredential, Scope,
};
pub use demands::{Added as QueryDemands, NotUnderstood};
pub use direct::public_service;
pub use echo::echo;
pub use explained::{Explained, ExplainedRequest};
pub use identity::names as identity_headers;
pub use readiness::Readiness;
pub use running::{Running, start};
pub use sockets::{Inherited, SocketError, Sockets};
pub use tls::{Certificate, CertificateError};
pub use waiting::wait_for;

use std::sync::Arc;

use crate::clock::Timestamp;
use crate::config::Site;
use crate::custody::Custodian;
use crate::replica::{ClusterReport, Why};
use crate::sessions::Sessions;
use crate::telemetry::{Audit, Metrics, Recent, Traces};

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
    /// Whether the page for operators is served at `/console` of the control listener.
    pub console: bool,
    /// What was refused, ended and changed lately.
    pub recent: Recent,
    /// Who makes traces.
    pub traces: Traces,
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
