//! What happens in a world: messages that arrive, clocks that tick, writes that become durable, processes that wake.

use std::rc::Rc;
use std::time::Duration;

use sealpass::cluster::member::ReplicaId;
use sealpass::cluster::node::To;
use sealpass::revocation::CLOCK_ERROR;

use super::promises::Broken;
use super::replica::Moment;
use super::sessions::At;
use super::world::World;

/// One thing that happens at a replica.
pub enum Event {
    Arrives { at: usize, from: usize, to: To, bytes: Rc<[u8]> },
    Ticks { at: usize, life: u32 },
    Written { at: usize, life: u32, writes: usize },
    Wakes { at: usize },
}

impl World {
    /// Lets everything happen that is due until then.
    ///
    /// # Errors
    /// The promise that is broken.
    pub fn run(&mut self, until: Moment) -> Result<(), Broken> {
        while let Some(entry) = self.queue.first_entry().filter(|entry| entry.key().0 <= until) {
            self.now = entry.key().0;
            let event = entry.remove();
            self.happen(event)?;
        }
        self.now = until;
        Ok(())
    }

    fn happen(&mut self, event: Event) -> Result<(), Broken> {
        let place = event.place();
        let at = self.replicas[place].clone();
        {
            let mut replica = at.0.borrow_mut();
            replica.moment = self.now;
            if replica.asleep > self.now {
                let left = replica.asleep - self.now;
                self.later(left, event);
                return Ok(());
            }
            if replica.process.is_none() {
                return Ok(());
            }
        }
        match event {
            // A client may come before anything else does.
            Event::Wakes { .. } => self.check_one(place)?,
            Event::Arrives { from, to, bytes, .. } => Self::arrives(&at, from, to, &bytes),
            Event::Ticks { life, .. } => self.ticks(&at, life),
            Event::Written { life, writes, .. } => {
                let mut replica = at.0.borrow_mut();
                if let Some(process) =
                    replica.process.as_mut().filter(|process| process.id.0[1..5] == life.to_be_bytes())
                {
                    process.table.synced(writes);
                    process.writing = false;
                }
            }
        }
        self.settle(place);
        Ok(())
    }

    fn arrives(at: &At, from: usize, to: To, bytes: &[u8]) {
        let mut replica = at.0.borrow_mut();
        let moment = replica.moment;
        let Some(process) = &mut replica.process else { return };
        if matches!(to, To::All | To::Core) || to == To::One(process.id) {
            process.heard.insert(from, moment);
            replica.with(|node, now| ((), node.on_message(now, bytes)));
        }
    }

    fn ticks(&mut self, at: &At, life: u32) {
        let mut replica = at.0.borrow_mut();
        if replica.life != life {
            return;
        }
        let good = |offset: i64| Duration::from_millis(offset.unsigned_abs()) <= CLOCK_ERROR;
        if replica.view().offset.is_some_and(good) {
            // A clock that is off must not make it forget what it acknowledged; nor the median of two, one of which is.
            replica.process().table.clean(replica.clock());
        }
        replica.with(|node, now| ((), node.tick(now)));
        let next = TICK + self.random.u64(..2_000);
        self.later(next, Event::Ticks { at: replica.place, life });
    }

    /// Carries on with everything that waits on a replica, and sends what it sends.
    pub fn settle(&mut self, place: usize) {
        let at = self.replicas[place].clone();
        if at.0.borrow().process.is_none() {
            return;
        }
        loop {
            let noticed = at.0.borrow_mut().look();
            if !self.answer(place) && !noticed {
                break;
            }
        }
        let mut replica = at.0.borrow_mut();
        let (life, disk) = (replica.life, u64::try_from(replica.disk.as_micros()).expect("in range"));
        let process = replica.process.as_mut().expect("it was there");
        let writes = process.table.waiting();
        if writes > 0 && !process.writing {
            process.writing = true;
            let takes = self.random.u64(disk / 2..=disk);
            self.later(takes, Event::Written { at: place, life, writes });
        }
        for (to, bytes) in std::mem::take(&mut process.outbox) {
            self.send(place, to, &bytes.into());
        }
    }

    fn send(&mut self, from: usize, to: To, bytes: &Rc<[u8]>) {
        let core = self.core.size();
        let goes = |at: usize| match to {
            To::All => at != from,
            To::Core => at != from && at < core,
            To::One(ReplicaId([place, ..])) => at == usize::from(place),
        };
        for at in (0..self.replicas.len()).filter(|at| goes(*at)) {
            let arrivals = self.network.arrivals(&mut self.random, self.now, from, at);
            for arrival in arrivals.into_iter().flatten() {
                self.later(arrival - self.now, Event::Arrives { at, from, to, bytes: Rc::clone(bytes) });
            }
        }
    }

    /// Lets something happen later.
    pub fn later(&mut self, micros: Moment, event: Event) {
        self.queued += 1;
        self.queue.insert((self.now + micros, self.queued), event);
    }
}

impl Event {
    fn place(&self) -> usize {
        match *self {
            Self::Arrives { at, .. } | Self::Ticks { at, .. } | Self::Written { at, .. } | Self::Wakes { at } => at,
        }
    }
}

/// How often a replica is told what time it is, in microseconds.
pub const TICK: Moment = 50_000;
