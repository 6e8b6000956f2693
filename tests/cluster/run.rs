//! Carries out a schedule, and looks whether every promise holds on the way and at the end.

use sealpass::cluster::member::Role;
use sealpass::revocation::{CLOCK_ERROR, Fact, digest};

use super::network::MOST;
use super::operation::{Operation, Place, Schedule};
use super::promises::{Broken, Of, Promise};
use super::replica::Moment;
use super::rules::Rule;
use super::sessions::{At, Token, tag};
use super::table::{Journal, is_same_but_for_until};
use super::world::World;

/// Carries out a schedule.
///
/// # Errors
/// The first promise that is broken.
pub fn run(schedule: &Schedule, broken: Option<Rule>) -> Result<World, Broken> {
    let mut world = World::new(schedule.seed, usize::from(schedule.core), broken);
    world.wait(WARM_UP)?;
    for operation in &schedule.operations {
        world.carry_out(*operation)?;
        world.check()?;
    }
    world.come_together()?;
    world.serve()?;
    Ok(world)
}

impl World {
    /// Does one thing.
    ///
    /// # Errors
    /// The promise that is broken meanwhile.
    pub fn carry_out(&mut self, operation: Operation) -> Result<(), Broken> {
        match operation {
            Operation::Login { at, visitor } => self.login(at, visitor),
            Operation::Renew { at, visitor } => self.renew(at, visitor, false),
            Operation::RenewOldest { at, visitor } => self.renew(at, visitor, true),
            Operation::Reseal { at, visitor } => self.reseal(at, visitor),
            Operation::RotateSession { at, visitor } => self.rotate(at, visitor),
            Operation::Register { at, visitor, device } => self.register(at, visitor, device),
            Operation::End { at, visitor } => self.end(at, visitor, false),
            Operation::EndOldest { at, visitor } => self.end(at, visitor, true),
            Operation::CutSubject { at, subject } => self.cut_off(at, subject % SUBJECTS),
            Operation::CutHandle { at, handle } => self.cut_off(at, SUBJECTS + handle % HANDLES),
            Operation::RotateKey { at } => self.rotate_key(at),
            Operation::RevokeKey { at } => self.revoke_key(at),
            Operation::CutOneWay { from, to } => self.network.cut(self.place(from), self.place(to)),
            Operation::CutLink { one, other } => {
                let (one, other) = (self.place(one), self.place(other));
                self.network.cut(one, other);
                self.network.cut(other, one);
            }
            Operation::Split { mask } => self.network.split(mask),
            Operation::Heal => self.network.heal(),
            Operation::Lossy { percent } => self.network.lossy = percent,
            Operation::Disk { at, millis } => {
                let at = self.any(at);
                at.0.borrow_mut().disk = std::time::Duration::from_millis(millis.into());
            }
            Operation::Crash { at } => self.crash(self.place(at)),
            Operation::Restart { at, journal } => self.restart(self.place(at), journal),
            Operation::RestartAll { journals } => {
                (0..self.core.size()).for_each(|place| self.crash(place));
                (0..self.core.size()).for_each(|place| self.restart(place, journals));
            }
            Operation::EdgeJoins => self.edge_joins(),
            Operation::EdgeLeaves => {
                let last = self.replicas.len() - 1;
                if last >= self.core.size() {
                    self.crash(last);
                }
            }
            Operation::Skew { at, millis } => self.skew(self.place(at), millis.into()),
            Operation::Suspend { at, millis } => {
                let place = self.place(at);
                if self.running(at).is_some() {
                    self.suspend(place, self.now + Moment::from(millis) * 1_000);
                }
            }
            Operation::Wait { micros } => self.wait(micros.into())?,
        }
        Ok(())
    }

    fn place(&self, at: Place) -> usize {
        usize::from(at) % self.replicas.len()
    }

    fn any(&self, at: Place) -> At {
        self.replicas[self.place(at)].clone()
    }

    /// The replica, if it runs.
    fn running(&self, at: Place) -> Option<At> {
        let at = self.any(at);
        at.0.borrow_mut().moment = self.now;
        let runs = at.0.borrow().runs();
        runs.then_some(at)
    }

    fn login(&mut self, at: Place, visitor: u8) {
        let Some(replica) = self.running(at) else { return };
        let (majority, sid) = (self.core.majority(), self.fresh());
        let tags = vec![tag(visitor % SUBJECTS), tag(SUBJECTS + visitor % HANDLES)];
        self.ask(self.place(at), None, Some(visitor), replica.login(majority, sid, tags));
    }

    fn held(&self, at: Place, visitor: u8, oldest: bool) -> Option<(At, Token)> {
        let (latest, first) = self.visitors.get(&visitor)?;
        Some((self.running(at)?, if oldest { first } else { latest }.clone()))
    }

    fn renew(&mut self, at: Place, visitor: u8, oldest: bool) {
        let Some((replica, token)) = self.held(at, visitor, oldest) else { return };
        let answer = replica.renew(self.core.majority(), &token);
        let visitor = Some(visitor).filter(|_| !oldest);
        self.ask(self.place(at), None, visitor, std::future::ready(answer));
    }

    fn reseal(&mut self, at: Place, visitor: u8) {
        let Some((replica, token)) = self.held(at, visitor, false) else { return };
        let of = Of::Older(token.sids[0], None);
        self.ask(self.place(at), Some(of), Some(visitor), replica.reseal(self.core.majority(), token));
    }

    fn rotate(&mut self, at: Place, visitor: u8) {
        let Some((replica, token)) = self.held(at, visitor, false) else { return };
        let of = Of::Moved(token.sids[0]);
        self.ask(self.place(at), Some(of), Some(visitor), replica.rotate(self.core.majority(), token));
    }

    fn register(&mut self, at: Place, visitor: u8, device: u8) {
        let Some((replica, token)) = self.held(at, visitor, false) else { return };
        let of = Of::Unbound(token.sids[0], None);
        self.ask(self.place(at), Some(of), Some(visitor), replica.register(self.core.majority(), token, device));
    }

    fn end(&mut self, at: Place, visitor: u8, oldest: bool) {
        let Some((replica, token)) = self.held(at, visitor, oldest) else { return };
        self.ask(self.place(at), Some(Of::Session(token.sids[0])), None, replica.end(token));
    }

    fn cut_off(&mut self, at: Place, name: u8) {
        let Some(replica) = self.running(at) else { return };
        self.ask(self.place(at), Some(Of::Tag(tag(name))), None, replica.cut_off(tag(name)));
    }

    fn rotate_key(&mut self, at: Place) {
        let Some(replica) = self.running(at) else { return };
        let fresh = self.fresh_key();
        self.ask(self.place(at), Some(Of::Nothing), None, replica.rotate_key(self.core.majority(), fresh));
    }

    fn revoke_key(&mut self, at: Place) {
        let Some(replica) = self.running(at) else { return };
        let Some(key) = replica.sealing() else { return };
        let fresh = self.fresh_key();
        self.ask(self.place(at), Some(Of::Key(key, fresh)), None, replica.revoke_key(key, fresh));
    }

    fn restart(&mut self, place: usize, journal: bool) {
        self.crash(place);
        if !journal {
            self.replicas[place].0.borrow_mut().journal = Journal::default();
        }
        self.start(place);
    }

    fn edge_joins(&mut self) {
        let gone =
            (self.core.size()..self.replicas.len()).find(|place| self.replicas[*place].0.borrow().process.is_none());
        if let Some(place) = gone {
            self.restart(place, false);
        } else if self.replicas.len() < MOST {
            self.add(Role::Edge);
            self.start(self.replicas.len() - 1);
        }
    }

    /// Sets a clock. Of the core fewer than half are wrong at a time: nobody could tell what time it is.
    fn skew(&mut self, place: usize, millis: i64) {
        let bound = i64::try_from(CLOCK_ERROR.as_millis()).expect("in range");
        let is_off = |place: usize| self.replicas[place].0.borrow().ahead(self.now).abs() > bound;
        let others = (0..self.core.size()).filter(|other| *other != place && is_off(*other)).count();
        let may = place >= self.core.size() || others < self.core.size() - self.core.majority();
        self.replicas[place].0.borrow_mut().skew = if may { millis } else { millis.clamp(-bound, bound) };
    }

    /// All run, all links are whole, all clocks are right: within two seconds all know the same, and answer. If some lacked
    /// their facts, that takes a little longer.
    ///
    /// # Errors
    /// The promise that is broken.
    pub fn come_together(&mut self) -> Result<(), Broken> {
        self.network.lossy = 0;
        for at in self.replicas.clone() {
            let (place, runs) = (at.0.borrow().place, at.0.borrow().process.is_some());
            at.0.borrow_mut().skew = self.random.i64(-400..=400);
            at.0.borrow_mut().disk = std::time::Duration::from_millis(1);
            let ahead = at.0.borrow().clock().since(at.0.borrow().wall());
            if (!runs && place < self.core.size()) || ahead > CLOCK_ERROR / 2 {
                // A clock that was ahead and stands still until it is right is mended by a restart alone.
                self.restart(place, true);
            }
        }
        self.wait(AWAKE)?;
        let complete = |at: &At| at.0.borrow().process.is_none() || at.0.borrow().view().complete;
        let bound = if self.replicas.iter().all(complete) { BOUND } else { COMPLETION + BOUND };
        self.network.heal();
        self.wait(bound)?;
        self.compare()
    }

    /// Whether all answer, and all of the core know the same, and edges no less: what only edges knew of before the whole core lost
    /// everything, they alone still know.
    ///
    /// # Errors
    /// [`Promise::Converges`].
    pub fn compare(&self) -> Result<(), Broken> {
        let beyond = digest::beyond(self.replicas[0].0.borrow().wall());
        let broken = |how: String| Err(Broken { promise: Promise::Converges, how });
        let known = |at: &At| at.0.borrow().process().table.all(beyond);
        let not_in = |facts: &[Fact], others: &[Fact]| -> Vec<_> {
            let covered = |fact: &Fact| {
                others.iter().any(|other| is_same_but_for_until(fact, other) && other.until() >= fact.until())
            };
            facts.iter().filter(|fact| !covered(fact)).copied().collect()
        };
        let first = known(&self.replicas[0]);
        for (place, at) in self.replicas.iter().enumerate().filter(|(_, at)| at.0.borrow().process.is_some()) {
            let view = at.0.borrow().view();
            if !view.ready {
                return broken(format!("replica {place} at {}: {view:?}", self.now));
            }
            let (lacks, mut more) = (not_in(&first, &known(at)), not_in(&known(at), &first));
            more.retain(|_| place < self.core.size());
            if !lacks.is_empty() || !more.is_empty() {
                return broken(format!("replica {place} at {} lacks {lacks:?}\n  and knows {more:?}", self.now));
            }
        }
        Ok(())
    }

    /// Whether logins and endings work at every replica.
    ///
    /// # Errors
    /// [`Promise::Serves`], or another promise that is broken.
    pub fn serve(&mut self) -> Result<(), Broken> {
        let places: Vec<_> = (0..self.replicas.len()).filter(|place| self.running(small(*place)).is_some()).collect();
        for place in &places {
            self.login(small(*place), 100 + small(*place));
        }
        self.wait(SHORT)?;
        let broken = |how: String| Err(Broken { promise: Promise::Serves, how });
        for place in &places {
            let Some((token, _)) = self.visitors.get(&(100 + small(*place))).cloned() else {
                return broken(format!("no login at replica {place}"));
            };
            for at in places.iter().map(|at| &self.replicas[*at]) {
                if let Err(why) = at.verify(&token, self.core.majority()) {
                    return broken(format!("replica {} refuses the login at {place}: {why:?}", at.0.borrow().place));
                }
            }
        }
        for name in 0..SUBJECTS {
            self.cut_off(small(places[usize::from(name) % places.len()]), name);
        }
        self.wait(SHORT)?;
        for place in &places {
            let (token, _) = &self.visitors[&(100 + small(*place))];
            for at in places.iter().map(|at| &self.replicas[*at]) {
                if at.verify(token, self.core.majority()).is_ok() {
                    let how = format!("replica {} accepts {token:?}, which was cut off", at.0.borrow().place);
                    return broken(how);
                }
            }
        }
        self.wait(BOUND)
    }
}

fn small(place: usize) -> u8 {
    u8::try_from(place).expect("few")
}

const SUBJECTS: u8 = 3;
const HANDLES: u8 = 2;
/// Until a new fleet answers, in microseconds.
const WARM_UP: Moment = 8_000_000;
/// The longest sleep.
const AWAKE: Moment = 12_000_000;
/// Until all know the same, when all links are whole.
const BOUND: Moment = 2_000_000;
/// Until replicas that lost everything are complete.
const COMPLETION: Moment = 20_000_000;
const SHORT: Moment = 200_000;
