//! `sealpass serve`: put the parts together and run.

mod alone;
mod dev;
mod fleet;
mod life;
mod notify;
mod parts;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use actix_web::rt::System;
use clap::Args;
use sealpass::clock::{Clock, SystemClock};
use sealpass::cluster::member::Role;
use sealpass::config::{Listen, Membership, Settings};
use sealpass::entropy::SystemEntropy;
use sealpass::http::{Inherited, Service, Sockets, start, wait_for};
use sealpass::keyring::KeyRing;
use sealpass::revocation::Kept;
use sealpass::telemetry;

use super::{Common, Failure, say};
use fleet::{How, Joined};
use life::{Reload, Signals};
use parts::Parts;

/// Run the service
///
/// Two listeners: the public one for reverse proxies and browsers, the control one for your applications. Needs a key
/// ring (`sealpass keys init`). With --dev it makes one when the keys directory is empty, makes a credential, listens
/// on loopback only, and serves a page at / on which to try everything.
#[derive(Debug, Args)]
pub struct Serve {
    /// For trying out: make keys and a credential when there are none, serve a page at /
    #[arg(long)]
    dev: bool,
    /// Where the public listener listens [default: 127.0.0.1:8080]
    #[arg(long, value_name = "ADDRESS:PORT or unix:PATH")]
    public: Option<Listen>,
    /// Where the control listener listens [default: 127.0.0.1:8081]
    #[arg(long, value_name = "ADDRESS:PORT or unix:PATH")]
    control: Option<Listen>,
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
        let inherited = Inherited::take()?;
        let text = |place: &Option<Listen>| place.as_ref().map(Listen::to_string);
        let own = [("public.listen", text(&self.public)), ("control.listen", text(&self.control))];
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
        // Before anything is made.
        let ring = if membership.is_some() && !dir.has_ring() { None } else { Some(dir.load()?) };
        dir.cluster_secrets(membership.as_ref().map_or(&[], |of| &of.accept_secrets))?;
        let parts = Parts::new(settings, site, dir, membership.as_ref(), self.dev)?;
        match (membership, ring) {
            (Some(membership), ring) => {
                let how = How { bootstrap: self.fleet.bootstrap, restored: self.restored };
                let joined = Joined::start(&parts, &membership, ring.as_ref(), how)?;
                System::new().block_on(among(parts, joined, inherited))
            }
            (None, ring) => {
                let ring = ring.expect("it is loaded for a replica that is alone");
                System::new().block_on(alone(parts, &ring, self.restored, inherited))
            }
        }
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

/// As [`run`], once there is a key ring, which may have to come from the others.
async fn among(parts: Parts, joined: Joined, inherited: Inherited) -> Result<(), Failure> {
    let mut signals = Signals::listen(true).map_err(stopped)?;
    let sockets = Sockets::open(&parts.settings, inherited)?;
    // Before it has all that it needs: that may take until an operator helps, and is no reason to start it anew.
    notify::ready();
    let waited = wait_for(&sockets, || joined.sessions(), signals.stop()).await;
    let Some(begun) = waited.map_err(stopped)? else { return Ok(()) };
    let (sessions, kept) = begun?;
    let watch = joined.watch();
    let reload = Reload::default().and("the key ring", move || watch.look());
    let settings = parts.settings.clone();
    let service = Arc::new(parts.service(sessions, joined.custodian()));
    run(service, kept, &settings, sockets, signals, reload).await
}

async fn alone(parts: Parts, ring: &KeyRing, restored: bool, inherited: Inherited) -> Result<(), Failure> {
    let signals = Signals::listen(!parts.is_dev()).map_err(stopped)?;
    let (sessions, watch, kept) = alone::start(&parts, ring, restored)?;
    let looks = Arc::clone(&watch);
    let reload = Reload::default().and("the key ring", move || looks.look());
    let settings = parts.settings.clone();
    let sockets = Sockets::open(&settings, inherited)?;
    run(Arc::new(parts.service(sessions, watch)), kept, &settings, sockets, signals, reload).await
}

async fn run(
    service: Arc<Service>,
    kept: Kept,
    settings: &Settings,
    sockets: Sockets,
    signals: Signals,
    reload: Reload,
) -> Result<(), Failure> {
    kept.await.map_err(|_| Failure::Refused("the journal can't be written; look at its disk".to_owned()))?;
    let credentials = Arc::clone(&service.credentials);
    let mut reload = reload.and("the credentials", move || credentials.reload());
    for certificate in sockets.certificates() {
        let again = Arc::clone(&certificate);
        reload = reload.and("a certificate", move || again.reload());
        life::follow(certificate);
    }
    let (audit, serving) = (service.audit.clone(), Arc::clone(&service));
    let running = start(service, sockets).map_err(stopped)?;
    if serving.dev {
        say(dev::try_next(&running, &settings.keys))?;
    } else {
        eprintln!("sealpass: public on {}, control on {}", running.public.url(), running.control.url());
    }
    let ended = life::serve(running, &serving, signals, &reload, settings.drain).await;
    audit.flush(LAST_EVENTS);
    serving.traces.flush(LAST_SPANS);
    ended.map_err(stopped)
}

fn stopped(error: std::io::Error) -> Failure {
    Failure::Io { what: "the service stopped".to_owned(), error }
}

/// How long the last audit events may take.
const LAST_EVENTS: Duration = Duration::from_secs(5);
/// How long the last spans may take: less, since nobody is answerable for them.
const LAST_SPANS: Duration = Duration::from_secs(2);
