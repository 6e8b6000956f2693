//! `sealpass serve`: put the parts together and run.

mod dev;

use std::net::SocketAddr;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use actix_web::rt::System;
use clap::Args;
use sealpass::clock::{Clock, SteadyClock, SystemClock};
use sealpass::cluster::member::Role;
use sealpass::config::{Membership, Settings, Site};
use sealpass::entropy::{Entropy, SystemEntropy};
use sealpass::http::{Credentials, Readiness, Service, start};
use sealpass::keyring::{KeyRing, Keys};
use sealpass::revocation::{FactStore, Kept};
use sealpass::sessions::Sessions;
use sealpass::store::{Begin, CachedFacts, RingDir, RingOffice, RingWatch};
use sealpass::telemetry::{self, Audit, Metrics};

use super::{Common, Failure, facts, say};

/// Run the service
///
/// Two listeners: the public one for reverse proxies and browsers, the control one for your applications. Needs a key
/// ring (`sealpass keys init`). With --dev it makes one when the keys directory is empty, makes a credential, listens on
/// loopback only, and serves a page at / on which to try everything.
#[derive(Debug, Args)]
pub struct Serve {
    /// For trying out: make keys and a credential when there are none, serve a page at /
    #[arg(long)]
    dev: bool,
    /// Where the public listener listens [default: 127.0.0.1:8080]
    #[arg(long, value_name = "ADDRESS:PORT")]
    public: Option<SocketAddr>,
    /// Where the control listener listens [default: 127.0.0.1:8081]
    #[arg(long, value_name = "ADDRESS:PORT")]
    control: Option<SocketAddr>,
    /// After a restore from a backup, which lacks the latest endings: end all sessions
    #[arg(long)]
    restored: bool,
    #[command(flatten)]
    fleet: FleetArgs,
}

/// Where the other replicas are.
#[derive(Debug, Args)]
struct FleetArgs {
    /// Another replica, or a name that leads to all; may be given several times, and replaces cluster.peers
    #[arg(long = "peer", value_name = "HOST:PORT")]
    peers: Vec<String>,
    /// This is the first replica of a new fleet: it waits for no other to learn from
    #[arg(long)]
    bootstrap: bool,
    /// What this replica is called [default: its host's name]
    #[arg(long = "cluster-name", value_name = "NAME")]
    name: Option<String>,
    /// Where it listens for other replicas [default: 0.0.0.0:7447, and nowhere if it is alone]
    #[arg(long = "cluster-listen", value_name = "ADDRESS:PORT")]
    listen: Option<SocketAddr>,
}

impl Serve {
    pub fn run(&self, common: &Common) -> Result<(), Failure> {
        let text = |address: Option<SocketAddr>| address.map(|address| address.to_string());
        let own = [("public.listen", text(self.public)), ("control.listen", text(self.control))];
        let mut settings = common.settings(&[&own[..], &self.fleet.flags()].concat())?;
        if self.dev {
            dev::configure(&mut settings)?;
        }
        let site = Common::site(&settings)?;
        let membership = Common::membership(&settings)?;
        self.check_fleet(membership.as_ref())?;
        telemetry::log(&settings.log);
        for warning in membership.iter().flat_map(Membership::warnings) {
            tracing::warn!("{warning}");
        }
        let dir = Common::ring_dir(&settings);
        if self.dev && !dir.has_ring() && !dir.has_secret() {
            dir.init(&KeyRing::init(&SystemEntropy::new(), SystemClock.now())?, &SystemEntropy::new())?;
            eprintln!("sealpass: made a key ring for trying out in {}", settings.keys.display());
        }
        let (service, kept) = self.service(&settings, site, &dir, membership.as_ref())?;
        System::new().block_on(run(Arc::new(service), kept, &settings, self.dev))
    }

    fn service(
        &self,
        settings: &Settings,
        site: Site,
        dir: &RingDir,
        membership: Option<&Membership>,
    ) -> Result<(Service, Kept), Failure> {
        let (clock, entropy) = (Arc::new(SteadyClock::new(Arc::new(SystemClock))), Arc::new(SystemEntropy::new()));
        let (ring, metrics) = (dir.load()?, Arc::new(Metrics::new()));
        let keys = Keys::new(&ring, &*entropy)?;
        let audit = Audit::start(&settings.audit.to, &metrics).map_err(|error| {
            let to = &settings.audit.to;
            Failure::Refused(format!("audit.to: {to}: {error}; name a path that the service's user may write to"))
        })?;
        let known = Arc::new(OnceLock::new());
        let on_fold = facts::note_folds(audit.clone(), &site, Arc::clone(&known));
        let facts = Arc::new(facts::open(settings, &site, metrics.facts.clone(), on_fold)?);
        let office = RingOffice::new(
            dir.clone(),
            site.timing(),
            site.longest(),
            Arc::clone(&clock) as Arc<dyn Clock>,
            Arc::clone(&entropy) as Arc<dyn Entropy>,
        );
        let kept = facts.start(&ring, &keys, self.begin(&office))?;
        facts::keep_clean(Arc::clone(&facts))?;
        let sessions = Arc::new(Sessions::new(keys, Arc::clone(&facts) as Arc<dyn FactStore>, clock, entropy));
        known.get_or_init(|| Arc::downgrade(&sessions));
        let readiness = Arc::new(membership.map_or_else(Readiness::new, |member| Readiness::among(member.goes_on)));
        let custodian = watch(office, &sessions, facts, &readiness, &metrics)?;
        let mut credentials = match &settings.credentials {
            Some(path) => Credentials::load(path)?,
            None => Credentials::default(),
        };
        if self.dev {
            credentials.add_all_powerful("dev", &dev::credential(&settings.keys)?);
        } else if settings.credentials.is_none() {
            tracing::warn!(
                "no credentials are configured, so the control listener refuses every call; set `credentials`"
            );
        }
        Ok((Service { sessions, custodian, readiness, site, credentials, metrics, audit, dev: self.dev }, kept))
    }
}

impl Serve {
    /// What was asked for on the command line, and fits not with what is configured.
    fn check_fleet(&self, membership: Option<&Membership>) -> Result<(), Failure> {
        let wrong = match membership {
            Some(_) if self.dev => "--dev is one replica; take [cluster] out, or leave --dev away",
            Some(member) if self.fleet.bootstrap && member.role == Role::Edge => {
                "--bootstrap is for the first replica of the core, and cluster.role is edge"
            }
            None if self.fleet.bootstrap => {
                "--bootstrap is for the first of several replicas; set cluster.size and cluster.peers, or leave it away"
            }
            _ => return Ok(()),
        };
        Err(Failure::Refused(wrong.to_owned()))
    }

    /// Notes in the ring how long sessions live, and that it is served from now on.
    fn begin(&self, office: &RingOffice) -> Begin {
        match office.note_limits() {
            _ if self.restored => Begin::Restored,
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
}

impl FleetArgs {
    /// As keys of the configuration.
    fn flags(&self) -> [(&'static str, Option<String>); 3] {
        [
            ("cluster.peers", (!self.peers.is_empty()).then(|| self.peers.join(","))),
            ("cluster.name", self.name.clone()),
            ("cluster.listen", self.listen.map(|address| address.to_string())),
        ]
    }
}

/// Keeps the keys of `sessions` what the ring says, and the service not ready when that can't be told.
fn watch(
    office: RingOffice,
    sessions: &Arc<Sessions>,
    facts: Arc<CachedFacts>,
    readiness: &Arc<Readiness>,
    metrics: &Arc<Metrics>,
) -> Result<Arc<RingWatch>, Failure> {
    let (user, changes, confirm_within) = (Arc::clone(sessions), Arc::clone(metrics), office.timing().confirm());
    let (readiness, looks, time) = (Arc::clone(readiness), Arc::clone(metrics), Arc::clone(sessions));
    let take_up = move |ring: &KeyRing, keys| {
        if let Err(error) = facts.use_ring(ring, &keys) {
            tracing::error!("the journal did not take note of the key ring in use: {error}");
        }
        user.replace_keys(keys);
        changes.ring_changed();
    };
    let confirm = move |ago| {
        readiness.confirm_ring(confirm_within.saturating_sub(ago));
        let wall = SystemClock.now();
        looks.ring_read(wall);
        looks.clock_held(time.now().since(wall));
    };
    let watch = Arc::new(RingWatch::new(office, take_up, confirm));
    watch.look()?;
    Arc::clone(&watch).keep_looking();
    Ok(watch)
}

async fn run(service: Arc<Service>, kept: Kept, settings: &Settings, dev: bool) -> Result<(), Failure> {
    kept.await.map_err(|_| Failure::Refused("the journal can't be written; look at its disk".to_owned()))?;
    let what = format!("can't listen on {} and {}", settings.public.listen, settings.control.listen);
    let audit = service.audit.clone();
    let running = start(service, settings).map_err(|error| Failure::Io { what, error })?;
    if dev {
        say(dev::try_next(&running, &settings.keys))?;
    } else {
        eprintln!("sealpass: public on http://{}, control on http://{}", running.public, running.control);
    }
    let stopped = |error| Failure::Io { what: "the service stopped".to_owned(), error };
    let ended = running.until_stopped().await.map_err(stopped);
    audit.flush(LAST_EVENTS);
    ended
}

/// How long the last audit events may take.
const LAST_EVENTS: Duration = Duration::from_secs(5);
