//! A simulated replica: the real node over a simulated disk, with clocks that the world sets.

use std::cell::Cell;
use std::collections::{BTreeMap, BTreeSet};
use std::future::Future as _;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use sealpass::clock::Timestamp;
use sealpass::cluster::member::{Core, Name, ReplicaId, Role};
use sealpass::cluster::node::{Action, AskId, Node, NodeSettings, NotReady, PushId, Ticket, To, View};
use sealpass::cluster::ports::Now;
use sealpass::revocation::{Kept, Spread, Uninformed};

use super::network::MOST;
use super::rings::{CONFIRM, SimulatedRings};
use super::rules::Rule;
use super::table::{Journal, Table};

/// Microseconds since the world began.
pub type Moment = u64;

/// A machine, and the process on it if one runs.
pub struct Replica {
    /// Its number.
    pub place: usize,
    pub role: Role,
    /// How many processes have run here.
    pub life: u32,
    /// How far its wall clock is ahead of the world's, in milliseconds.
    pub skew: i64,
    /// What time it is.
    pub moment: Moment,
    /// How long a write takes.
    pub disk: Duration,
    /// Until when it does not run.
    pub asleep: Moment,
    /// When it could last ask each of the core, and hear the answer.
    pub met: [Moment; MOST],
    pub process: Option<Process>,
    /// What is left when no process runs.
    pub journal: Journal,
    pub rings: SimulatedRings,
    pub broken: Option<Rule>,
}

/// A process.
pub struct Process {
    pub id: ReplicaId,
    pub node: Node,
    pub table: Arc<Table>,
    pub rings: Arc<SimulatedRings>,
    /// What it sent, for the world to take.
    pub outbox: Vec<(To, Vec<u8>)>,
    /// Whether a write is under way.
    pub writing: bool,
    /// What messages came lately, from whom and when: for a world in which that is freshness.
    pub heard: BTreeMap<usize, Moment>,
    awaiting: Vec<(Ticket, Kept)>,
    durable: BTreeSet<Ticket>,
    spreads: BTreeMap<PushId, Spread>,
    asked: BTreeMap<AskId, Result<(), Uninformed>>,
    /// The wall clock never goes back for sessions.
    latest: Cell<Timestamp>,
}

impl Replica {
    pub fn new(place: usize, role: Role, moment: Moment, broken: Option<Rule>) -> Self {
        Self {
            place,
            role,
            life: 0,
            skew: 0,
            moment,
            disk: Duration::from_millis(1),
            asleep: 0,
            met: [moment; MOST],
            process: None,
            journal: Journal::default(),
            rings: SimulatedRings::default(),
            broken,
        }
    }

    /// Starts a process from what is left.
    pub fn start(&mut self, core: &Core, seed: [u8; 32]) {
        self.life += 1;
        let mut id = [0; 16];
        id[0] = u8::try_from(self.place).expect("few");
        id[1..5].copy_from_slice(&self.life.to_be_bytes());
        let id = ReplicaId(id);
        let complete = self.journal.complete || self.broken == Some(Rule::IncompleteDoNotCount);
        let settings = NodeSettings {
            name: Name::new(&format!("replica-{}", self.place)).expect("a name"),
            role: self.role,
            core: core.clone(),
            id,
            realms: [7; 32],
            release: "0.1.0".to_owned(),
            complete,
            journal: true,
            confirm: CONFIRM,
        };
        let mut table = Table::of(std::mem::take(&mut self.journal));
        table.acknowledges_at_once = self.broken == Some(Rule::AcknowledgedWhenDurable);
        let (table, rings) = (Arc::new(table), Arc::new(self.rings.clone()));
        let node = Node::new(settings, Arc::clone(&table) as _, Arc::clone(&rings) as _, seed, self.now());
        let mut process = Process {
            id,
            node: node.expect("it has a place"),
            table,
            rings,
            outbox: Vec::new(),
            writing: false,
            heard: BTreeMap::new(),
            awaiting: Vec::new(),
            durable: BTreeSet::new(),
            spreads: BTreeMap::new(),
            asked: BTreeMap::new(),
            latest: Cell::new(self.wall()),
        };
        for (fact, dated) in process.table.pins() {
            let (push, actions) = process.node.resume(self.now(), dated, vec![fact]);
            process.awaiting.push((push.ticket(), Kept::now()));
            process.take(actions);
        }
        self.process = Some(process);
    }

    /// The wall clock.
    pub fn wall(&self) -> Timestamp {
        let millis = i64::try_from(BEGIN + self.moment / 1_000).expect("in range") + self.skew;
        Timestamp::from_millis(u64::try_from(millis).expect("after the epoch")).expect("in range")
    }

    /// Both clocks. The node is told the time that sessions go by: if that stands still because the wall clock was set back, it is
    /// as wrong as that.
    pub fn now(&self) -> Now {
        // Each machine was started at another time.
        let uptime = Duration::from_micros(self.moment) + Duration::from_secs(100 * self.place as u64);
        Now { wall: self.clock(), uptime }
    }

    /// The clock of sessions.
    pub fn clock(&self) -> Timestamp {
        let Some(process) = &self.process else { return self.wall() };
        process.latest.set(self.wall().max(process.latest.get()));
        process.latest.get()
    }

    /// How far the clock of sessions is ahead of the world's, in milliseconds; it stands still where the wall clock was set back.
    pub fn ahead(&self, moment: Moment) -> i64 {
        let latest = self.process.as_ref().map_or(0, |process| process.latest.get().as_millis());
        let behind =
            i64::try_from(latest).expect("in range") - i64::try_from(BEGIN + moment / 1_000).expect("in range");
        if self.skew < 0 && behind < 0 { self.skew } else { self.skew.max(behind) }
    }

    /// Whether a process runs that is not asleep.
    pub fn runs(&self) -> bool {
        self.process.is_some() && self.moment >= self.asleep
    }

    pub fn process(&self) -> &Process {
        self.process.as_ref().expect("it runs")
    }

    pub fn view(&self) -> View {
        self.process().node.view(self.now())
    }

    /// Whether it may answer.
    pub fn is_ready(&self, majority: usize) -> bool {
        let view = self.view();
        match self.broken {
            Some(Rule::AgeCountsFromSending) if view.complete => {
                let heard = self.process().heard.values().filter(|at| self.moment - **at <= 5_000_000).count();
                view.ready || heard + usize::from(self.role == Role::Core) >= majority
            }
            Some(Rule::ClocksAreGuarded) => {
                view.why.iter().all(|why| matches!(why, NotReady::ClockOff(_) | NotReady::ClockUnknown))
            }
            _ => view.ready,
        }
    }

    /// Does something with the node, and what it says.
    pub fn with<T>(&mut self, call: impl FnOnce(&mut Node, Now) -> (T, Vec<Action>)) -> T {
        let now = self.now();
        let process = self.process.as_mut().expect("it runs");
        let (told, actions) = call(&mut process.node, now);
        process.take(actions);
        told
    }

    /// Looks which writes are durable. Whether any was that nobody had noticed.
    pub fn look(&mut self) -> bool {
        let now = self.now();
        let Some(process) = &mut self.process else { return false };
        let mut done = Vec::new();
        process.awaiting.retain_mut(|(ticket, kept)| {
            let over = Pin::new(kept).poll(&mut Context::from_waker(Waker::noop()));
            if let Poll::Ready(kept) = over {
                done.push((*ticket, kept.is_ok()));
            }
            over.is_pending()
        });
        for (ticket, durable) in &done {
            process.durable.insert(*ticket);
            let actions = process.node.kept(now, *ticket, *durable);
            process.take(actions);
        }
        if !process.table.is_complete() && process.node.view(now).settled {
            process.table.set_complete();
        }
        !done.is_empty()
    }

    /// Pushes what was merged here, and will be durable when `kept` says so.
    pub fn push(&mut self, dated: Timestamp, fact: sealpass::revocation::Fact, kept: Kept) -> PushId {
        let push = self.with(|node, now| node.push(now, dated, vec![fact]));
        self.process.as_mut().expect("it runs").awaiting.push((push.ticket(), kept));
        push
    }
}

impl Process {
    fn take(&mut self, actions: Vec<Action>) {
        for action in actions {
            match action {
                Action::Send { to, bytes } => self.outbox.push((to, bytes)),
                Action::Await { ticket, kept } => self.awaiting.push((ticket, kept)),
                Action::Pushed { id, spread } => drop(self.spreads.insert(id, spread)),
                Action::Asked { id, outcome } => drop(self.asked.insert(id, outcome)),
                Action::Released { facts } => self.table.release(&facts),
                Action::Changed => {}
            }
        }
    }

    /// What became of an ask.
    pub fn outcome(&self, ask: AskId) -> Option<Result<(), Uninformed>> {
        self.asked.get(&ask).copied()
    }

    /// Whether the own copy of a push is durable.
    pub fn is_durable(&self, push: PushId) -> bool {
        self.durable.contains(&push.ticket())
    }

    /// Whether a majority holds it.
    pub fn is_held(&self, push: PushId) -> bool {
        self.spreads.get(&push).is_some_and(|spread| spread.held())
    }
}

/// When the world begins, in milliseconds.
pub const BEGIN: u64 = 1_790_000_000_000;
