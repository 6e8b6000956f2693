//! A world of replicas: what happens in it, one event after another, by a clock that jumps from each to the next.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use fastrand::Rng;
use sealpass::claims::SessionId;
use sealpass::cluster::member::{Core, Role};
use sealpass::revocation::STALENESS;

use super::events::{Event, TICK};
use super::network::{MOST, Network};
use super::promises::{Broken, Of, Promise, Promises};
use super::replica::{Moment, Replica};
use super::rings::{KeyId, SimulatedRings};
use super::rules::Rule;
use super::sessions::{Answer, At, Token};

/// The world.
pub struct World {
    pub now: Moment,
    pub random: Rng,
    pub core: Core,
    pub replicas: Vec<At>,
    pub network: Network,
    pub promises: Promises,
    /// The latest token of each visitor, and the first that they had.
    pub visitors: BTreeMap<u8, (Token, Token)>,
    pub broken: Option<Rule>,
    pub queue: BTreeMap<(Moment, u64), Event>,
    pub queued: u64,
    requests: Vec<Vec<Request>>,
    sessions: u64,
    keys: KeyId,
}

/// What is asked of a replica.
struct Request {
    answer: Pin<Box<dyn Future<Output = Answer>>>,
    ending: Option<usize>,
    visitor: Option<u8>,
}

impl World {
    /// A fleet of which every core replica is new and knows that there is nothing to know.
    pub fn new(seed: u64, core: usize, broken: Option<Rule>) -> Self {
        let mut world = Self {
            now: 0,
            random: Rng::with_seed(seed ^ 0x5EA1),
            core: Core::of_ordinals(core).expect("three or five"),
            replicas: Vec::new(),
            network: Network::default(),
            promises: Promises::default(),
            visitors: BTreeMap::new(),
            broken,
            queue: BTreeMap::new(),
            queued: 0,
            requests: Vec::new(),
            sessions: 0,
            keys: 0,
        };
        for place in 0..core {
            let replica = world.add(Role::Core);
            replica.0.borrow_mut().journal.complete = true;
            replica.0.borrow_mut().rings = SimulatedRings::first();
            world.start(place);
        }
        world
    }

    /// One more replica; it does not run yet.
    pub fn add(&mut self, role: Role) -> At {
        assert!(self.replicas.len() < MOST, "room for it");
        let replica = Replica::new(self.replicas.len(), role, self.now, self.broken);
        self.replicas.push(At(Rc::new(RefCell::new(replica))));
        self.requests.push(Vec::new());
        self.replicas[self.replicas.len() - 1].clone()
    }

    /// Starts a process.
    pub fn start(&mut self, place: usize) {
        let mut seed = [0; 32];
        self.random.fill(&mut seed);
        let at = self.replicas[place].clone();
        let life = {
            let mut replica = at.0.borrow_mut();
            (replica.moment, replica.asleep, replica.met) = (self.now, 0, [self.now; MOST]);
            replica.start(&self.core, seed);
            replica.life
        };
        let first = self.random.u64(..TICK);
        self.later(first, Event::Ticks { at: place, life });
        self.settle(place);
    }

    /// Kills a process. What was asked of it is never answered.
    pub fn crash(&mut self, place: usize) {
        self.requests[place].clear();
        let mut replica = self.replicas[place].0.borrow_mut();
        if let Some(process) = replica.process.take() {
            replica.journal = process.table.crash(&mut self.random);
            replica.rings = SimulatedRings::clone(&process.rings);
        }
    }

    /// A process does not run until then.
    pub fn suspend(&mut self, place: usize, until: Moment) {
        self.replicas[place].0.borrow_mut().asleep = until;
        self.later(until - self.now, Event::Wakes { at: place });
    }

    /// Asks something of a replica.
    pub fn ask(
        &mut self,
        place: usize,
        of: Option<Of>,
        visitor: Option<u8>,
        answer: impl Future<Output = Answer> + 'static,
    ) {
        let ending = of.map(|of| self.promises.begins(of, self.now));
        self.requests[place].push(Request { answer: Box::pin(answer), ending, visitor });
        self.settle(place);
    }

    /// An id that no session had.
    pub fn fresh(&mut self) -> SessionId {
        self.sessions += 1;
        SessionId(u128::from(self.sessions).to_be_bytes())
    }

    /// A key that there was not.
    pub fn fresh_key(&mut self) -> KeyId {
        self.keys += 1;
        self.keys
    }

    /// Lets time go by, and looks at everything on the way.
    ///
    /// # Errors
    /// The promise that is broken.
    pub fn wait(&mut self, micros: Moment) -> Result<(), Broken> {
        let until = self.now + micros;
        while self.now < until {
            let next = until.min(self.now + LOOK);
            self.run(next)?;
            self.check()?;
        }
        Ok(())
    }

    /// Looks whether every promise holds.
    ///
    /// # Errors
    /// The promise that is broken.
    pub fn check(&mut self) -> Result<(), Broken> {
        (0..self.replicas.len()).try_for_each(|place| self.check_one(place))
    }

    /// The same of one replica.
    ///
    /// # Errors
    /// The promise that is broken.
    pub fn check_one(&mut self, place: usize) -> Result<(), Broken> {
        let at = self.replicas[place].clone();
        at.0.borrow_mut().moment = self.now;
        if at.0.borrow().process.is_none() {
            return Ok(());
        }
        // While it sleeps too: others may answer then what it asked before, and it hears that when it wakes.
        let since = self.majority_met(place);
        if !at.0.borrow().runs() {
            return Ok(());
        }
        let staleness = u64::try_from(STALENESS.as_micros()).expect("in range");
        if self.now > since + staleness && at.0.borrow().is_ready(self.core.majority()) {
            let view = at.0.borrow().view();
            let how = format!("replica {place} at {}: answers, and met a majority at {since} last: {view:?}", self.now);
            return Err(Broken { promise: Promise::WhoCantKnowIsSilent, how });
        }
        self.promises.check(&at, self.core.majority())
    }

    /// Since when there is no majority of the core of which it could ask each one, and hear the answer.
    fn majority_met(&self, place: usize) -> Moment {
        for other in 0..self.core.size() {
            let runs = {
                let mut replica = self.replicas[other].0.borrow_mut();
                replica.moment = self.now;
                replica.runs()
            };
            if other == place || (runs && self.network.is_whole(place, other)) {
                self.replicas[place].0.borrow_mut().met[other] = self.now;
            }
        }
        let mut met = self.replicas[place].0.borrow().met;
        let met = &mut met[..self.core.size()];
        met.sort_unstable_by_key(|met| std::cmp::Reverse(*met));
        met[self.core.majority() - 1]
    }

    /// Carries on with the requests at a replica. Whether any was answered.
    pub fn answer(&mut self, place: usize) -> bool {
        let mut waiting = std::mem::take(&mut self.requests[place]);
        let before = waiting.len();
        waiting.retain_mut(|request| {
            let Poll::Ready(answer) = request.answer.as_mut().poll(&mut Context::from_waker(Waker::noop())) else {
                return true;
            };
            self.told(request, answer);
            false
        });
        let answered = waiting.len() < before;
        self.requests[place] = waiting;
        answered
    }

    fn told(&mut self, request: &Request, answer: Answer) {
        match (answer, request.ending) {
            (Answer::Sealed(token), ending) => {
                if let Some(ending) = ending {
                    self.promises.resealed(ending, token.claims_at);
                    self.promises.registered(ending, token.bound);
                    self.promises.acknowledged(ending, self.now);
                }
                self.promises.hold(token.clone(), self.now);
                if let Some(visitor) = request.visitor {
                    let same = |first: &Token| first.asked == token.asked && token.sids.ends_with(&first.sids);
                    let known = self.visitors.get(&visitor).map(|(_, first)| first.clone());
                    let first = known.filter(same).unwrap_or_else(|| token.clone());
                    self.visitors.insert(visitor, (token, first));
                }
            }
            (Answer::Ended, Some(ending)) => self.promises.acknowledged(ending, self.now),
            (Answer::Taken, Some(ending)) => self.promises.taken(ending),
            (Answer::Ended | Answer::Taken | Answer::Refused, _) => {}
        }
    }
}

/// How often everything is looked at while time goes by.
const LOOK: Moment = 400_000;
