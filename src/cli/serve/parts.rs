//! What a replica is built of, whether it is alone or among others.

use std::sync::{Arc, OnceLock, Weak};
use std::time::Duration;

use sealpass::clock::{Clock, SteadyClock, SystemClock};
use sealpass::config::{Membership, Settings, Site, host_name};
use sealpass::custody::Custodian;
use sealpass::entropy::{Entropy, SystemEntropy};
use sealpass::http::{CredentialWatch, Readiness, Service};
use sealpass::keyring::Keys;
use sealpass::revocation::FactStore;
use sealpass::sessions::Sessions;
use sealpass::store::{Begin, CachedFacts, RingDir, RingOffice};
use sealpass::telemetry::{Audit, CredentialMetrics, Metrics, Recent, Traces};

use super::super::{Failure, facts};
use super::dev;

/// What there is before there are sessions.
pub struct Parts {
    pub settings: Settings,
    pub site: Site,
    pub dir: RingDir,
    pub clock: Arc<dyn Clock>,
    pub entropy: Arc<dyn Entropy>,
    pub metrics: Arc<Metrics>,
    pub facts: Arc<CachedFacts>,
    pub readiness: Arc<Readiness>,
    audit: Audit,
    traces: Traces,
    credentials: Arc<CredentialWatch>,
    /// For the audit trail, which knows pseudonyms only by them.
    known: Known,
    dev: bool,
}

/// Sessions that come to be later.
pub type Known = Arc<OnceLock<Weak<Sessions>>>;

impl Parts {
    pub fn new(
        settings: Settings,
        site: Site,
        dir: RingDir,
        membership: Option<&Membership>,
        dev: bool,
    ) -> Result<Self, Failure> {
        let metrics = Arc::new(Metrics::new());
        let audit = Audit::start(&settings.audit.to, &metrics).map_err(|error| {
            let to = &settings.audit.to;
            Failure::Refused(format!("audit.to: {to}: {error}; name a path that the service's user may write to"))
        })?;
        let known = Known::default();
        let on_fold = facts::note_folds(audit.clone(), &site, Arc::clone(&known));
        let clock: Arc<dyn Clock> = Arc::new(SteadyClock::new(Arc::new(SystemClock)));
        let among_others = membership.map(|_| Arc::clone(&clock));
        let facts = facts::open(&settings, &site, metrics.facts.clone(), among_others)?.on_fold(on_fold);
        Ok(Self {
            credentials: credentials(&settings, &metrics.credentials, dev)?,
            clock,
            entropy: Arc::new(SystemEntropy::new()),
            facts: Arc::new(facts),
            readiness: Arc::new(membership.map_or_else(Readiness::new, |member| Readiness::among(member.goes_on))),
            settings,
            site,
            dir,
            traces: Traces::start(metrics.traces.clone(), &called(membership)),
            metrics,
            audit,
            known,
            dev,
        })
    }

    /// Who changes the ring's files.
    pub fn office(&self) -> RingOffice {
        let (clock, entropy) = (Arc::clone(&self.clock), Arc::clone(&self.entropy));
        RingOffice::new(self.dir.clone(), self.site.timing(), self.site.longest(), clock, entropy)
    }

    /// What makes sessions once there are keys.
    pub fn sessions(&self) -> impl Fn(Keys, Arc<dyn FactStore>) -> Arc<Sessions> + Send + Sync + use<> {
        let (clock, entropy, known) = (Arc::clone(&self.clock), Arc::clone(&self.entropy), Arc::clone(&self.known));
        move |keys, facts| {
            let sessions = Arc::new(Sessions::new(keys, facts, Arc::clone(&clock), Arc::clone(&entropy)));
            known.get_or_init(|| Arc::downgrade(&sessions));
            sessions
        }
    }

    /// What is done when the ring is confirmed, with how long ago that was asked.
    pub fn confirm(&self) -> impl Fn(Duration) + Send + Sync + use<> {
        let (readiness, looks, time) =
            (Arc::clone(&self.readiness), Arc::clone(&self.metrics), Arc::clone(&self.clock));
        let within = self.site.timing().confirm();
        move |ago| {
            readiness.confirm_ring(within.saturating_sub(ago));
            let wall = SystemClock.now();
            looks.ring_read(wall);
            looks.clock_held(time.now().since(wall));
        }
    }

    /// Whether endings outlive a restart.
    pub fn has_journal(&self) -> bool {
        facts::has_journal(&self.settings)
    }

    /// Whether it is for trying out.
    pub fn is_dev(&self) -> bool {
        self.dev
    }

    /// All of it, put together.
    pub fn service(self, sessions: Arc<Sessions>, custodian: Arc<dyn Custodian>) -> Service {
        let Self { settings, site, readiness, credentials, metrics, audit, traces, dev, .. } = self;
        let (recent, console) = (Recent::new(self.clock.now()), settings.console);
        Service { sessions, custodian, readiness, site, credentials, metrics, audit, recent, traces, console, dev }
    }
}

/// What this replica is called.
fn called(membership: Option<&Membership>) -> String {
    membership.map_or_else(host_name, |member| member.name.to_string())
}

/// Notes in the ring how long sessions live, and that it is served from now on. How a replica that is alone begins.
pub fn begin(office: &RingOffice, restored: bool) -> Begin {
    match office.note_limits() {
        _ if restored => Begin::Restored,
        Ok(true) => Begin::First,
        Ok(false) => Begin::Again,
        Err(error) => {
            tracing::warn!(
                "how long sessions live can't be noted in the key ring, so its keys are kept by this configuration alone: {error}"
            );
            Begin::Again
        }
    }
}

fn credentials(settings: &Settings, metrics: &CredentialMetrics, dev: bool) -> Result<Arc<CredentialWatch>, Failure> {
    let mut credentials = CredentialWatch::open(settings.credentials.as_deref())?;
    credentials = credentials.limited(&settings.limits).counted(metrics);
    if dev {
        credentials = credentials.and_all_powerful("dev", &dev::credential(&settings.keys)?);
    } else if settings.credentials.is_none() {
        tracing::warn!("no credentials are configured, so the control listener refuses every call; set `credentials`");
    }
    let credentials = Arc::new(credentials);
    credentials.keep_looking();
    Ok(credentials)
}
