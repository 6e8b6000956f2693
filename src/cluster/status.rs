//! The fleet in the words of [`replica`](crate::replica): for readiness, `GET /v1/cluster` and metrics.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use super::fleet::Fleet;
use super::member::{Core, Name, Role};
use super::node::{MemberReport, NotReady, Standing, View};
use crate::clock::Timestamp;
use crate::replica::{ClusterReport, Counters, Likeness, Member, Replica, Why};
use crate::uptime::{millis, uptime};

/// What a report says of the replica that makes it.
#[derive(Clone, Debug)]
pub struct Own {
    /// What it is called.
    pub name: Name,
    /// Whether it counts.
    pub role: Role,
    /// The places of the core.
    pub core: Core,
    /// What release it runs.
    pub release: String,
}

/// A replica of a fleet, as the service sees it.
pub struct Status {
    own: Own,
    fleet: Arc<Fleet>,
    /// How many messages did not open, as the link has counted them.
    strangers: Box<dyn Fn() -> u64 + Send + Sync>,
    /// Until when the last answer to [`Replica::is_cut_off`] holds, in milliseconds of [`uptime`], doubled; and plus
    /// one if it was yes.
    cut_off: AtomicU64,
    /// Whether the journal has what was learned at the start.
    settled: Arc<AtomicBool>,
}

impl Status {
    /// The status of `own`, which takes part through `fleet`. It is not ready before `settled` is set: as soon as it is,
    /// somebody restarts the next replica, and then this one's journal has to be whole, or a majority knows too little.
    pub fn new(
        own: Own,
        fleet: Arc<Fleet>,
        settled: Arc<AtomicBool>,
        strangers: impl Fn() -> u64 + Send + Sync + 'static,
    ) -> Self {
        Self { own, fleet, strangers: Box::new(strangers), cut_off: AtomicU64::new(0), settled }
    }
}

impl Replica for Status {
    fn is_fresh(&self, now: Timestamp) -> bool {
        self.settled.load(Ordering::Acquire) && self.fleet.is_fresh(now)
    }

    fn is_cut_off(&self) -> bool {
        let (now, known) = (millis(uptime()), self.cut_off.load(Ordering::Acquire));
        if now < known >> 1 {
            return known & 1 == 1;
        }
        let so = self.settled.load(Ordering::Acquire) && cut_off(&self.fleet.view());
        self.cut_off.store((now + LOOK_MS) << 1 | u64::from(so), Ordering::Release);
        so
    }

    fn report(&self) -> ClusterReport {
        let view = self.fleet.view();
        let mut report = report(&self.own, &view, &self.fleet.members(), self.fleet.counters(), (self.strangers)());
        if view.complete && !self.settled.load(Ordering::Acquire) {
            report.add(Why::new(
                "unsettled",
                "what it learned from the others is not in its journal yet; if that lasts, the log says what keeps it",
            ));
        }
        report
    }
}

/// What a node says, for operators.
pub fn report(own: &Own, view: &View, members: &[MemberReport], counters: Counters, strangers: u64) -> ClusterReport {
    ClusterReport {
        name: own.name.to_string(),
        role: role(own.role).to_owned(),
        size: own.core.size(),
        release: own.release.clone(),
        ready: view.ready,
        why: view.why.iter().map(|reason| why(*reason, &own.core)).collect(),
        complete: view.complete,
        view_age_ms: view.age.map(millis),
        clock_offset_ms: view.offset,
        members: members.iter().map(|heard| member(heard, &own.core)).collect(),
        counters: Counters { strangers, ..counters },
    }
}

/// It was fresh, knows all, and no majority has answered lately. Whatever else is wrong is no partition.
fn cut_off(view: &View) -> bool {
    let by_silence =
        |why: &NotReady| matches!(why, NotReady::Stale(_) | NotReady::ClockUnknown | NotReady::RingUnconfirmed);
    !view.ready && view.complete && view.age.is_some() && view.why.iter().all(by_silence)
}

fn why(reason: NotReady, core: &Core) -> Why {
    let (majority, size) = (core.majority(), core.size());
    match reason {
        NotReady::Unheard => Why::new(
            "unheard",
            format!(
                "no majority of the core ({majority} of {size}) has answered since the start; are they up, and do cluster.peers lead to them?"
            ),
        ),
        NotReady::Incomplete => Why::new(
            "incomplete",
            format!(
                "it does not know yet what ended before it started; it learns that from {} complete replicas of the core",
                core.to_complete()
            ),
        ),
        NotReady::Stale(age) => Why::new(
            "stale",
            format!(
                "the last answer of a majority of the core ({majority} of {size}) is {} s old; look at the network between the replicas",
                age.as_secs()
            ),
        ),
        NotReady::ClockOff(ahead) => {
            let way = if ahead < 0 { "behind" } else { "ahead of" };
            let by = ahead.unsigned_abs();
            Why::new("clock-off", format!("its clock is {by} ms {way} the others'; look at its time synchronisation"))
        }
        NotReady::ClockUnknown => Why::new(
            "clock-unknown",
            "too few of the core answer quickly enough to compare clocks; look at the network between the replicas",
        ),
        NotReady::NameTaken => Why::new(
            "name-taken",
            "another process that is alive has its name; give each replica a cluster.name of its own",
        ),
        NotReady::NoRing => Why::new(
            "no-ring",
            "it has no key ring yet, and takes it from the others; the very first replica needs `sealpass keys init`",
        ),
        NotReady::RingUnconfirmed => Why::new(
            "ring-unconfirmed",
            "no majority of the core has confirmed its key ring lately; compare `sealpass keys list` on each replica",
        ),
    }
}

fn member(heard: &MemberReport, core: &Core) -> Member {
    let number = || heard.slot.map_or_else(|| "?".to_owned(), |slot| format!("#{slot}"));
    let configured = heard.slot.and_then(|slot| core.name(slot));
    let name = heard.name.as_ref().or(configured).map_or_else(number, Name::to_string);
    let unheard = Member::unheard(&name, role(heard.role));
    let own = heard.standing == Standing::Own;
    if heard.id.is_none() && !own {
        return unheard;
    }
    let present = !matches!(heard.standing, Standing::Silent | Standing::OtherProtocol);
    let like = |same: bool| match (present, same || own) {
        (false, _) => Likeness::Unknown,
        (true, true) => Likeness::Same,
        (true, false) => Likeness::Differs,
    };
    let other_ring = heard.standing == Standing::OtherRing;
    Member {
        standing: standing(heard.standing).to_owned(),
        release: heard.release.clone(),
        ready: heard.ready && present,
        complete: heard.complete,
        heard_ms_ago: heard.heard.map(millis),
        view_age_ms: heard.age.map(millis),
        clock_offset_ms: heard.offset,
        ring: if other_ring { Likeness::Other } else { like(heard.ring_in_step) },
        facts: if other_ring { Likeness::Other } else { like(heard.facts_in_step) },
        realms: like(heard.standing != Standing::OtherRealms),
        duplicate: heard.standing == Standing::Duplicate,
        ..unheard
    }
}

fn role(role: Role) -> &'static str {
    match role {
        Role::Core => "core",
        Role::Edge => "edge",
    }
}

fn standing(standing: Standing) -> &'static str {
    match standing {
        Standing::Own => "self",
        Standing::Good => "ok",
        Standing::Silent => "silent",
        Standing::Duplicate => "duplicate",
        Standing::NotListed => "not-listed",
        Standing::OtherRing => "other-ring",
        Standing::OtherRealms => "other-realms",
        Standing::OtherProtocol => "other-protocol",
    }
}

/// For how long an answer to [`Replica::is_cut_off`] holds: requests don't wait for the node's lock.
const LOOK_MS: u64 = 50;

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use Likeness::{Differs, Other, Same, Unknown};

    use super::*;

    fn own() -> Own {
        let name = Name::new("s-0").expect("a name");
        Own { name, role: Role::Core, core: Core::of_ordinals(3).expect("three"), release: "0.1.0".to_owned() }
    }

    fn view(why: Vec<NotReady>) -> View {
        let age = Some(Duration::from_millis(700));
        View { ready: why.is_empty(), why, complete: true, age, offset: Some(-3), ..node_view() }
    }

    fn node_view() -> View {
        View {
            ready: false,
            why: Vec::new(),
            complete: false,
            settled: false,
            votes: false,
            counts: false,
            age: None,
            fresh_until: None,
            offset: None,
        }
    }

    fn heard(name: &str, standing: Standing) -> MemberReport {
        MemberReport {
            id: Some(super::super::member::ReplicaId([1; 16])),
            name: Some(Name::new(name).expect("a name")),
            slot: Some(1),
            role: Role::Core,
            standing,
            release: "0.1.0".to_owned(),
            reads: 1,
            heard: Some(Duration::from_millis(400)),
            complete: true,
            ready: true,
            age: Some(Duration::from_millis(300)),
            offset: Some(2),
            ring_in_step: true,
            facts_in_step: true,
        }
    }

    #[test]
    fn a_whole_fleet_is_well_and_one_that_lacks_a_replica_is_not() {
        let all: Vec<_> = [("s-0", Standing::Own), ("s-1", Standing::Good), ("s-2", Standing::Good)]
            .map(|(name, standing)| heard(name, standing))
            .into();
        let counters = Counters::default();
        let well = report(&own(), &view(Vec::new()), &all, counters, 7);
        assert!(well.is_well() && well.ready, "{well:?}");
        assert_eq!(
            (well.size, well.view_age_ms, well.clock_offset_ms, well.counters.strangers),
            (3, Some(700), Some(-3), 7)
        );
        let mut lacking = all.clone();
        lacking[2] = MemberReport { id: None, name: None, slot: Some(2), heard: None, ..heard("x", Standing::Silent) };
        let lacking = report(&own(), &view(Vec::new()), &lacking, counters, 0);
        assert!(lacking.ready && !lacking.is_well());
        assert_eq!((&*lacking.members[2].name, &*lacking.members[2].standing), ("#2", "missing"));
    }

    #[test]
    fn how_others_differ_is_told_apart() {
        let told = |standing, edit: fn(&mut MemberReport)| {
            let mut of = heard("s-1", standing);
            edit(&mut of);
            let Member { ring, facts, realms, duplicate, ready, .. } = member(&of, &own().core);
            (ring, facts, realms, duplicate, ready)
        };
        assert_eq!(told(Standing::Good, |_| ()), (Same, Same, Same, false, true));
        assert_eq!(told(Standing::Good, |m| m.ring_in_step = false), (Differs, Same, Same, false, true));
        assert_eq!(told(Standing::Good, |m| m.facts_in_step = false), (Same, Differs, Same, false, true));
        assert_eq!(told(Standing::Own, |m| m.ring_in_step = false), (Same, Same, Same, false, true));
        assert_eq!(told(Standing::OtherRing, |_| ()), (Other, Other, Same, false, true));
        assert_eq!(told(Standing::OtherRealms, |_| ()), (Same, Same, Differs, false, true));
        assert_eq!(told(Standing::Duplicate, |_| ()), (Same, Same, Same, true, true));
        assert_eq!(told(Standing::Silent, |_| ()), (Unknown, Unknown, Unknown, false, false));
        assert_eq!(told(Standing::OtherProtocol, |_| ()), (Unknown, Unknown, Unknown, false, false));
    }

    #[test]
    fn every_reason_has_a_code_of_its_own_and_says_what_to_do() {
        let reasons = [
            NotReady::Unheard,
            NotReady::Incomplete,
            NotReady::Stale(Duration::from_secs(7)),
            NotReady::ClockOff(-1_500),
            NotReady::ClockUnknown,
            NotReady::NameTaken,
            NotReady::NoRing,
            NotReady::RingUnconfirmed,
        ];
        let told: Vec<_> = reasons.iter().map(|reason| why(*reason, &own().core)).collect();
        for (at, one) in told.iter().enumerate() {
            assert!(told[..at].iter().all(|other| other.code != one.code), "{}", one.code);
            assert!(one.text.contains(';') || one.text.contains(", and"), "{}", one.text);
        }
        assert!(told[2].text.contains("7 s") && told[3].text.contains("1500 ms behind"), "{told:?}");
    }

    #[test]
    fn only_silence_is_a_cut() {
        assert!(cut_off(&view(vec![NotReady::Stale(Duration::from_secs(9)), NotReady::RingUnconfirmed])));
        for why in
            [NotReady::Unheard, NotReady::Incomplete, NotReady::ClockOff(2_000), NotReady::NameTaken, NotReady::NoRing]
        {
            assert!(!cut_off(&view(vec![NotReady::Stale(Duration::from_secs(9)), why])), "{why:?}");
        }
        assert!(!cut_off(&View { complete: false, ..view(Vec::new()) }));
        assert!(!cut_off(&View { age: None, ..view(Vec::new()) }));
    }
}
