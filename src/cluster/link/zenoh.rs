//! Links by the engine zenoh, in peer mode, over `quic` with certificates of both sides.
//!
//! Plain publish and subscribe: each replica subscribes `sealpass/v1/TAG/all` and `sealpass/v1/TAG/to/ID`, and one of
//! the core `sealpass/v1/TAG/core`, so that zenoh hands what goes there to nobody else. All calls
//! into zenoh are made on a thread of our own: zenoh refuses to be called from a runtime of one thread, which the
//! workers of the HTTP server are, and a call may block while a peer takes nothing in.
//!
//! A host name in `peers` is resolved anew at each try, and the first address is tried; `names` finds the others behind
//! it and makes links again that came by gossip, which zenoh does not.
//!
//! What zenoh promises alone is less than it seems: who *dials* also accepts a server with a certificate of a public
//! authority, since zenoh trusts these beside ours. That is why every payload is sealed, and why nothing but sealed
//! answers counts.

mod names;
mod settings;

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};

use zenoh::qos::CongestionControl;
use zenoh::sample::Locality;
use zenoh::{Session, Wait as _};

use super::super::node::To;
use super::certificate::Certificates;
use super::seal::{DeploymentTag, PeerKeys};
use super::{Deliver, Gate, Link, LinkCounts, LinkError};
use crate::clock::Timestamp;
use crate::cluster::member::{ReplicaId, Role};
use crate::entropy::Entropy;
use crate::keyring::file::ClusterSecret;
use names::{Lookup, Names};

/// What a link is opened with.
pub struct LinkSettings {
    /// Where to listen; port 0 takes a free one.
    pub listen: SocketAddr,
    /// Whom to connect to, as `host:port`.
    pub peers: Vec<String>,
    /// The cluster secrets that are accepted; the first is presented.
    pub secrets: Vec<ClusterSecret>,
    /// Who we are.
    pub id: ReplicaId,
    /// Whether what is sent to the core is for us.
    pub role: Role,
    /// The time, for the certificate.
    pub now: Timestamp,
    /// Where nonces come from.
    pub entropy: Arc<dyn Entropy>,
}

/// A link to all replicas that hold the cluster secret.
pub struct ZenohLink {
    gate: Arc<Gate>,
    queue: Sender<Outgoing>,
    state: Arc<State>,
    address: SocketAddr,
    thread: Mutex<Option<JoinHandle<()>>>,
}

enum Outgoing {
    Message(To, Vec<u8>),
    /// Wakes the thread, so that it sees that it shall end.
    Close,
}

#[derive(Default)]
struct State {
    /// What waits in the queue, by [`weight`].
    waiting: AtomicUsize,
    closing: AtomicBool,
}

impl ZenohLink {
    /// Listens and begins to connect; peers that can't be reached are tried again for ever, about once a second. Blocks
    /// until it listens.
    ///
    /// # Errors
    /// [`LinkError`]
    pub fn open(settings: LinkSettings, deliver: Deliver) -> Result<Self, LinkError> {
        Self::open_by(settings, deliver, names::system())
    }

    fn open_by(settings: LinkSettings, deliver: Deliver, lookup: Lookup) -> Result<Self, LinkError> {
        let keys = PeerKeys::new(&settings.secrets.iter().collect::<Vec<_>>()).ok_or(LinkError::NoSecret)?;
        let certificates = Certificates::new(&keys, settings.now)?;
        let address = settings::free(settings.listen)?;
        let config = settings::config(Some(address), &settings.peers, &certificates)?;
        let names = Names::new(&settings.peers, address, certificates, lookup);
        let gate = Arc::new(Gate::new((settings.id, settings.role), keys, settings.entropy, deliver));
        let (state, (queue, outgoing)) = (Arc::new(State::default()), channel());
        let (opened, open) = sync_channel(1);
        let thread = {
            let (gate, state) = (Arc::clone(&gate), Arc::clone(&state));
            let run = move || match open_session(config, &gate) {
                Ok(session) => {
                    drop(opened.send(Ok(())));
                    let _following = names.and_then(|names| names.follow(&session));
                    send_all(&session, &gate, &state, &outgoing);
                    drop(session.close().wait());
                }
                Err(error) => drop(opened.send(Err(error))),
            };
            thread::Builder::new().name("link".to_owned()).spawn(run).map_err(|_| LinkError::Engine)?
        };
        open.recv().map_err(|_| LinkError::Engine)??;
        Ok(Self { gate, queue, state, address, thread: Mutex::new(Some(thread)) })
    }

    /// Where it listens, with the port that it has.
    pub fn local_address(&self) -> SocketAddr {
        self.address
    }

    /// What it did so far.
    pub fn counts(&self) -> LinkCounts {
        self.gate.counts()
    }

    /// Ends all connections, tells the peers, and waits until that is done. What still waits to be sent is dropped, and
    /// what is sent later too.
    pub fn close(&self) {
        self.state.closing.store(true, Ordering::SeqCst);
        drop(self.queue.send(Outgoing::Close));
        let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(thread) = thread {
            drop(thread.join());
        }
    }
}

impl Link for ZenohLink {
    fn send(&self, to: To, payload: Vec<u8>) {
        let weight = weight(&payload);
        let waiting = self.state.waiting.fetch_add(weight, Ordering::SeqCst) + weight;
        let closing = self.state.closing.load(Ordering::SeqCst);
        if closing || waiting > MAX_WAITING || self.queue.send(Outgoing::Message(to, payload)).is_err() {
            self.state.waiting.fetch_sub(weight, Ordering::SeqCst);
            self.gate.count_dropped();
        }
    }
}

impl Drop for ZenohLink {
    fn drop(&mut self) {
        self.close();
    }
}

impl std::fmt::Debug for ZenohLink {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "ZenohLink({})", self.address)
    }
}

fn open_session(config: zenoh::Config, gate: &Arc<Gate>) -> Result<Session, LinkError> {
    let session = zenoh::open(config).wait().map_err(|_| LinkError::Engine)?;
    for tag in gate.keys().tags() {
        for to in gate.addresses() {
            let gate = Arc::clone(gate);
            let subscriber = session.declare_subscriber(key_expression(tag, to)).allowed_origin(Locality::Remote);
            let take_in = move |sample: zenoh::sample::Sample| gate.take_in(to, &sample.payload().to_bytes());
            subscriber.callback(take_in).background().wait().map_err(|_| LinkError::Engine)?;
        }
    }
    Ok(session)
}

/// Until the link is closed.
fn send_all(session: &Session, gate: &Gate, state: &State, outgoing: &Receiver<Outgoing>) {
    while let Ok(Outgoing::Message(to, payload)) = outgoing.recv() {
        if state.closing.load(Ordering::SeqCst) {
            return;
        }
        state.waiting.fetch_sub(weight(&payload), Ordering::SeqCst);
        let Some(sealed) = gate.seal(to, &payload) else { continue };
        let Some(tag) = gate.keys().tags().next() else { return };
        let put = session
            .put(key_expression(tag, to), sealed)
            .congestion_control(CongestionControl::Block)
            .express(true)
            .allowed_destination(Locality::Remote);
        match put.wait() {
            Ok(()) => gate.count_sent(),
            Err(_) => gate.count_dropped(),
        }
    }
}

/// How much of the queue a message takes: its bytes, and not too few, so that there are never very many. The queue itself
/// has no bound, since one with a bound holds the memory for all that may come.
fn weight(payload: &[u8]) -> usize {
    payload.len().max(LEAST_WEIGHT)
}

fn key_expression(tag: DeploymentTag, to: To) -> String {
    let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    match to {
        To::All => format!("sealpass/v1/{}/all", hex(&tag)),
        To::Core => format!("sealpass/v1/{}/core", hex(&tag)),
        To::One(id) => format!("sealpass/v1/{}/to/{}", hex(&tag), hex(&id.0)),
    }
}

/// What waits to be sent, at most: 16 MiB, and 4,096 messages, which are some seconds of a busy fleet.
const MAX_WAITING: usize = 16 << 20;
const LEAST_WEIGHT: usize = MAX_WAITING / 4_096;
