//! A running replica's part in the fleet: the node, driven by time, by the link and by those who push and ask.
//!
//! Whatever the node says is to be sent is sent when its lock is free again, and no caller waits for the network.

mod fresh;
mod shared;

use std::fmt;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use tokio::runtime::Builder;
use tokio::sync::oneshot;

use super::link::{Deliver, Link};
use super::member::MemberError;
use super::node::{Counters, MemberReport, Node, NodeSettings, View};
use super::ports::{Facts, Rings};
use super::progress::Progress;
use crate::clock::{Clock, Timestamp};
use crate::revocation::{Fact, Kept, Learned, Question, TagKey};
use shared::Shared;

/// A replica's part in the fleet. Dropping it ends it.
pub struct Fleet {
    shared: Arc<Shared>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

/// A fleet can't be joined.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FleetError {
    /// The replica has no place in it.
    #[error(transparent)]
    Member(#[from] MemberError),
    /// The system gave no thread.
    #[error("no thread for the fleet could be started: {0}; look at the limits of the process")]
    Thread(#[from] std::io::Error),
}

impl Fleet {
    /// Takes part from here on, over the link that [`Fleet::connect`] is given. `seed` is random and secret. `wall` is
    /// the very clock by which sessions begin and facts are forgotten: where that one stands still ahead of the
    /// system's, which was set back, it is what is compared with the others, and the replica is not ready.
    ///
    /// # Errors
    /// [`FleetError`]
    pub fn start(
        settings: NodeSettings,
        facts: Arc<dyn Facts>,
        rings: Arc<dyn Rings>,
        seed: [u8; 32],
        wall: Arc<dyn Clock>,
    ) -> Result<Self, FleetError> {
        let runtime = Builder::new_current_thread().enable_time().build()?;
        let core = settings.core.size();
        let node = Node::new(settings, Arc::clone(&facts), rings, seed, shared::moment(&*wall))?;
        let shared = Arc::new(Shared::new(node, facts, core, wall, runtime.handle().clone()));
        let (stop, stopped) = oneshot::channel();
        let ticking = Arc::clone(&shared);
        let ticks = move || runtime.block_on(tick(&ticking, stopped));
        let thread = std::thread::Builder::new().name("fleet".to_owned()).spawn(ticks)?;
        Ok(Self { shared, stop: Some(stop), thread: Some(thread) })
    }

    /// What a link has to call with each message that it opened. It holds nothing alive.
    pub fn deliver(&self) -> Deliver {
        let shared = Arc::downgrade(&self.shared);
        Arc::new(move |message| {
            if let Some(shared) = shared.upgrade() {
                shared.on_message(message);
            }
        })
    }

    /// Sends by `link` from here on. What was to be sent before is lost, and sent again by the protocol. A second link
    /// is ignored.
    pub fn connect(&self, link: Arc<dyn Link>) {
        self.shared.connect(link);
    }

    /// Sends facts to all, which are merged here. `kept` is their own durability; what is returned resolves with it,
    /// and spreads as whoever waits asks.
    pub fn push(&self, facts: Vec<Fact>, dated: Timestamp, kept: Kept) -> Kept {
        self.shared.push(facts, dated, kept)
    }

    /// Sends facts again that no majority was known to hold when the process ended.
    pub fn resume(&self, facts: Vec<Fact>, dated: Timestamp) {
        self.shared.resume(facts, dated);
    }

    /// Learns what a majority knows.
    pub fn ask(&self, question: Question) -> Learned {
        self.shared.ask(|node, now| node.ask(now, question))
    }

    /// Tells a majority that a session with these tags starts at `at`, ahead of the clocks.
    pub fn pass(&self, tags: Vec<TagKey>, at: Timestamp) -> Learned {
        self.shared.ask(|node, now| node.pass(now, tags, at))
    }

    /// Sends the ring to all, as a push of which a copy counts where the very ring is that is here.
    pub fn share_ring(&self) -> Arc<Progress> {
        self.shared.share_ring()
    }

    /// Whether verify may answer now: ready when last looked at, and heard from a majority lately enough by both
    /// clocks. `wall` is the time by which the request is judged. Cheap, and right while the fleet's own thread gets no
    /// time.
    pub fn is_fresh(&self, wall: Timestamp) -> bool {
        self.shared.fresh.holds(wall)
    }

    /// By which time to date what counts everywhere: the own clock, or the core's median while that one is off. It
    /// waits for no lock, so whoever holds one that the node needs may ask.
    pub fn date(&self) -> Timestamp {
        self.shared.date()
    }

    /// Of how many replicas the core is made up.
    pub fn core(&self) -> u16 {
        u16::try_from(self.shared.core).unwrap_or(u16::MAX)
    }

    /// How much this replica knows.
    pub fn view(&self) -> View {
        self.shared.look(Node::view)
    }

    /// What is known of each replica.
    pub fn members(&self) -> Vec<MemberReport> {
        self.shared.look(Node::members)
    }

    /// What has happened since the start.
    pub fn counters(&self) -> Counters {
        self.shared.look(|node, _| node.counters())
    }

    /// Calls `hook` with facts that a majority holds by now, after they were pushed here. Once, before any push.
    pub fn on_released(&self, hook: impl Fn(&[Fact]) + Send + Sync + 'static) {
        self.shared.on_released(Box::new(hook));
    }
}

impl Drop for Fleet {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            drop(thread.join());
        }
    }
}

impl fmt::Debug for Fleet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Fleet").field("view", &self.view()).finish_non_exhaustive()
    }
}

async fn tick(shared: &Arc<Shared>, mut stopped: oneshot::Receiver<()>) {
    while tokio::time::timeout(TICK, &mut stopped).await.is_err() {
        shared.tick();
    }
}

/// How often the node is told what time it is.
const TICK: Duration = Duration::from_millis(50);
