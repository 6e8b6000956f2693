//! Orders on the key ring among several replicas: carried out here, sent to all, and answered with how many have them.
//!
//! A rotation takes two steps: the next key is made and sent, and once a majority has it, it is dated and sent again.
//! What is begun and not finished goes on by [`FleetCustodian::tick`], on whichever replicas are up.

use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Wake, Waker};
use std::thread::{self, Thread};
use std::time::{Duration, Instant};

use super::fleet::Fleet;
use super::member::Role;
use super::report::{MemberReport, Standing};
use crate::clock::Timestamp;
use crate::custody::{Among, Custodian, CustodyError, Holder, KeyReport, Patience, Receipt, Report, Task};
use crate::keyring::{Kid, Order, Timing};
use crate::revocation::{Spreading, Wait};
use crate::uptime::uptime;

/// The replicas, as far as the key ring is concerned.
pub trait RingSharing: Send + Sync {
    /// Sends the ring to all. What it returns tells how many of the core have the very ring that is here.
    fn share_ring(&self) -> Arc<dyn Spreading>;

    /// What is known of each replica, this one first.
    fn members(&self) -> Vec<MemberReport>;
}

impl RingSharing for Fleet {
    fn share_ring(&self) -> Arc<dyn Spreading> {
        Self::share_ring(self)
    }

    fn members(&self) -> Vec<MemberReport> {
        Self::members(self)
    }
}

/// Keeps the ring of one replica, and sees to it that the others follow.
pub struct FleetCustodian {
    ring: Arc<dyn Custodian>,
    fleet: Arc<dyn RingSharing>,
    noticed: Mutex<Noticed>,
}

/// Since when there is something to do, by uptime. Each replica waits for those before it to do it first.
#[derive(Default)]
struct Noticed {
    undated: Option<Duration>,
    lacking: Option<Duration>,
}

impl FleetCustodian {
    /// Carries out orders on `ring`, which is shared by `fleet`.
    pub fn new(ring: Arc<dyn Custodian>, fleet: Arc<dyn RingSharing>) -> Self {
        Self { ring, fleet, noticed: Mutex::default() }
    }

    /// Does what follows by itself, to be called every second or oftener: dates a key that a majority has, and puts a
    /// pending one off while a replica of the core that is up lacks it. Of several replicas the first in the core does
    /// it; the others only if it does not.
    pub fn tick(&self, uptime: Duration) {
        let Ok(report) = self.ring.report() else { return };
        let core = Core::of(&self.fleet.members());
        let Some(rank) = core.rank else { return };
        let mut noticed = self.noticed.lock().unwrap_or_else(PoisonError::into_inner);
        let undated: Vec<_> = report.keys.iter().filter(|key| key.state == "proposed").collect();
        let step = step(&report);
        if is_due(&mut noticed.undated, !undated.is_empty() && core.has_majority(), uptime, rank * step) {
            for key in undated {
                self.follow_up(Kid::parse(&key.key).map(|kid| Order::Date { kid, after: None }));
            }
        }
        let late = report.keys.iter().any(|key| must_begin_later(key, &report));
        if is_due(&mut noticed.lacking, late && core.lacks, uptime, (rank + 1) * step) {
            tracing::warn!("a replica that is up lacks the key ring: the pending key is put off");
            self.follow_up(Some(Order::Postpone { until: report.now.plus(timing(&report).activation()) }));
        }
    }

    /// Ticks every second on a thread of its own, as long as anybody has this.
    ///
    /// # Errors
    /// What the system says that gives no thread.
    pub fn keep_ticking(self: &Arc<Self>) -> io::Result<()> {
        let custodian = Arc::downgrade(self);
        let ticks = move || {
            while let Some(custodian) = custodian.upgrade() {
                custodian.tick(uptime());
                drop(custodian);
                thread::sleep(EVERY);
            }
        };
        thread::Builder::new().name("rotation".to_owned()).spawn(ticks).map(drop)
    }

    fn follow_up(&self, order: Option<Order>) {
        let done = order.map(|order| self.shared(Task::Order(order)));
        if let Some(Err(error)) = done {
            tracing::warn!("the rotation does not go on from here: {error}");
        }
    }

    fn shared(&self, task: Task) -> Result<(Receipt, Arc<dyn Spreading>), CustodyError> {
        let receipt = self.ring.carry_out(task, false)?;
        Ok((receipt, self.fleet.share_ring()))
    }

    /// Both steps, unless no majority has the key in time: then the second one follows by itself.
    fn rotate(
        &self,
        after: Option<Duration>,
        wait: Wait,
        until: Instant,
    ) -> Result<(Receipt, Arc<dyn Spreading>), CustodyError> {
        // A time that can't be is refused before anything is made.
        self.ring.carry_out(Task::Order(Order::Rotate { after }), true)?;
        let (proposed, on) = self.shared(Task::Order(Order::Propose))?;
        let kid = Kid::parse(&proposed.key).filter(|_| proposed.outcome == "proposed");
        let Some(kid) = kid.filter(|_| wait != Wait::Local && has_reached(&*on, Wait::Majority, until)) else {
            return Ok((proposed, on));
        };
        let (dated, on) = self.shared(Task::Order(Order::Date { kid, after }))?;
        let changed = dated.changed || proposed.changed;
        Ok((Receipt { changed, destroyed: proposed.destroyed, ..dated }, on))
    }

    fn holders(&self) -> Vec<Holder> {
        let name = |member: &MemberReport| match (&member.name, member.slot) {
            (Some(name), _) => name.to_string(),
            (None, slot) => format!("-{}", slot.unwrap_or_default()),
        };
        let core = self.fleet.members().into_iter().filter(|member| member.role == Role::Core && member.slot.is_some());
        let mut holders: Vec<_> = core
            .map(|member| {
                (member.slot, Holder { name: name(&member), up: is_up(&member), has_ring: has_ring(&member) })
            })
            .collect();
        holders.sort_by_key(|(slot, _)| *slot);
        holders.into_iter().map(|(_, holder)| holder).collect()
    }
}

impl Custodian for FleetCustodian {
    fn report(&self) -> Result<Report, CustodyError> {
        Ok(Report { replicas: self.holders(), ..self.ring.report()? })
    }

    fn carry_out(&self, task: Task, dry_run: bool) -> Result<Receipt, CustodyError> {
        self.carry_out_among(task, dry_run, Patience::default())
    }

    fn carry_out_among(&self, task: Task, dry_run: bool, patience: Patience) -> Result<Receipt, CustodyError> {
        if dry_run {
            return self.ring.carry_out(task, true);
        }
        let (begun, Patience { wait, at_most }) = (Instant::now(), patience);
        let until = begun + at_most;
        let (mut receipt, on) = match task {
            Task::Order(Order::Rotate { after }) => self.rotate(after, wait, until)?,
            _ => self.shared(task)?,
        };
        has_reached(&*on, wait, until);
        receipt.among = Some(Among::of(on.spread(), wait, begun.elapsed()));
        receipt.ring.replicas = self.holders();
        Ok(receipt)
    }
}

impl std::fmt::Debug for FleetCustodian {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("FleetCustodian")
    }
}

/// The core as this replica sees it.
struct Core {
    size: usize,
    /// How many that are up have our ring.
    have: usize,
    /// Whether one that is up lacks it.
    lacks: bool,
    /// How many that are up come before this one; `None` if it does not count.
    rank: Option<u32>,
}

impl Core {
    fn of(members: &[MemberReport]) -> Self {
        let is_own = |member: &&MemberReport| member.standing == Standing::Own;
        let core: Vec<_> = members.iter().filter(|member| member.role == Role::Core && member.slot.is_some()).collect();
        let mut slots: Vec<_> = core.iter().filter_map(|member| member.slot).collect();
        slots.sort_unstable();
        slots.dedup();
        let up = || core.iter().filter(|member| is_up(member));
        let own = core.iter().copied().find(is_own).filter(|own| own.complete);
        let before = |own: &MemberReport| up().filter(|member| member.slot < own.slot).count();
        Self {
            size: slots.len(),
            have: up().filter(|member| has_ring(member)).count(),
            lacks: up().any(|member| !has_ring(member)),
            rank: own.map(|own| u32::try_from(before(own)).unwrap_or(u32::MAX)),
        }
    }

    fn has_majority(&self) -> bool {
        self.have > self.size / 2
    }
}

fn is_up(member: &MemberReport) -> bool {
    matches!(member.standing, Standing::Own | Standing::Good)
}

fn has_ring(member: &MemberReport) -> bool {
    member.standing == Standing::Own || member.ring_in_step
}

/// Whether the key begins so soon that it is now or never: somewhat before it may not be put off any more.
fn must_begin_later(key: &KeyReport, report: &Report) -> bool {
    let (timing, now) = (timing(report), report.now);
    let last = |from: Timestamp| from.minus(timing.notice());
    let pending = key.seals_from.filter(|_| key.state == "pending");
    pending.is_some_and(|from| now < last(from) && now.plus(lead(timing)) >= last(from))
}

/// Whether what is `wanted` has been so for at least `patience`. It begins anew once it is due.
fn is_due(since: &mut Option<Duration>, wanted: bool, uptime: Duration, patience: Duration) -> bool {
    if !wanted {
        *since = None;
        return false;
    }
    let due = uptime.saturating_sub(*since.get_or_insert(uptime)) >= patience;
    if due {
        *since = None;
    }
    due
}

/// How long each replica waits for the one before it.
fn step(report: &Report) -> Duration {
    (lead(timing(report)) / 16).min(LONGEST_STEP)
}

fn lead(timing: Timing) -> Duration {
    timing.activation().saturating_sub(timing.notice()) / 2
}

fn timing(report: &Report) -> Timing {
    Timing::new(Duration::from_secs(report.confirm_within_seconds)).unwrap_or(Timing::DEFAULT)
}

/// Waits on this thread, until then at the most.
fn has_reached(on: &dyn Spreading, wait: Wait, until: Instant) -> bool {
    let waker = Waker::from(Arc::new(Unpark(thread::current())));
    let mut context = Context::from_waker(&waker);
    loop {
        if on.poll_reached(wait, &mut context).is_ready() {
            return true;
        }
        let left = until.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return false;
        }
        thread::park_timeout(left);
    }
}

struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

const EVERY: Duration = Duration::from_secs(1);
const LONGEST_STEP: Duration = Duration::from_secs(3);

#[cfg(test)]
mod tests {
    use std::task::Poll;

    use super::*;
    use crate::revocation::Spread;

    /// Held by a majority from when somebody says so.
    #[derive(Default)]
    struct Later(Mutex<(bool, Option<Waker>)>);

    impl Spreading for Later {
        fn poll_reached(&self, _: Wait, context: &mut Context<'_>) -> Poll<()> {
            let mut inner = self.0.lock().expect("no panic");
            inner.1 = Some(context.waker().clone());
            if inner.0 { Poll::Ready(()) } else { Poll::Pending }
        }

        fn spread(&self) -> Spread {
            Spread { applied: 1, core: 3 }
        }
    }

    #[test]
    fn whoever_waits_is_woken_and_does_not_wait_for_ever() {
        let on = Arc::new(Later::default());
        assert!(!has_reached(&*on, Wait::Majority, Instant::now()));
        assert!(!has_reached(&*on, Wait::Majority, Instant::now() + Duration::from_millis(20)));
        let (other, long) = (Arc::clone(&on), Instant::now() + Duration::from_secs(600));
        on.0.lock().expect("no panic").1 = None;
        let says = thread::spawn(move || {
            // Only once it is waited for.
            while other.0.lock().expect("no panic").1.is_none() {
                thread::yield_now();
            }
            let mut inner = other.0.lock().expect("no panic");
            inner.0 = true;
            inner.1.take().expect("somebody waits").wake();
        });
        assert!(has_reached(&*on, Wait::Majority, long));
        assert!(Instant::now() < long, "it was woken");
        says.join().expect("no panic");
    }
}
