//! What a replica knows of itself and of the others: the port between the service and the fleet, and its words.
//!
//! The same words are the JSON of `GET /v1/cluster` and what the command line reads from it. No secret is among them.

use serde::{Deserialize, Serialize};

use crate::clock::Timestamp;

/// A replica among others.
///
/// A wrong answer costs: one that takes itself for fresh lets sessions in that were ended elsewhere.
pub trait Replica: Send + Sync {
    /// Whether it may answer at `now`, the time by which a request is judged. Asked at every request.
    fn is_fresh(&self, now: Timestamp) -> bool;

    /// Whether nothing but being cut off speaks against it: it was fresh before, and has heard from no majority since.
    fn is_cut_off(&self) -> bool;

    /// What it knows of itself and of each of the others.
    fn report(&self) -> ClusterReport;
}

/// A fleet at one moment, as one of its replicas sees it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClusterReport {
    /// What the replica that reports is called.
    pub name: String,
    /// `core` or `edge`.
    pub role: String,
    /// Of how many replicas the core is made up; 1 for a replica that is alone.
    pub size: usize,
    /// The release that it runs.
    pub release: String,
    /// Whether it answers.
    pub ready: bool,
    /// Why not, most important first; empty when ready.
    pub why: Vec<Why>,
    /// Whether it knows all that a majority knew when it started.
    pub complete: bool,
    /// How old its knowledge is; not there before a majority has answered, and for a replica that is alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub view_age_ms: Option<u64>,
    /// How far its clock is ahead of the core's median.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub clock_offset_ms: Option<i64>,
    /// Itself, the places of the core, the edges.
    pub members: Vec<Member>,
    /// What has happened since it started.
    pub counters: Counters,
}

/// A reason not to answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Why {
    /// In one word that stays the same.
    pub code: String,
    /// For people: what is so, and what to do.
    pub text: String,
}

/// One replica, as another one sees it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Member {
    /// What it is called; of a place of the core where nobody was heard, its number, such as `#2`.
    pub name: String,
    /// `core` or `edge`.
    pub role: String,
    /// In one word: `self`, `ok`, `silent`, `missing`, `duplicate`, `not-listed`, `other-ring`, `other-realms`,
    /// `other-protocol`.
    pub standing: String,
    /// The release that it runs; empty if it was not heard.
    pub release: String,
    /// Whether it answers.
    pub ready: bool,
    /// Whether it knows all that a majority knew when it started.
    pub complete: bool,
    /// How long ago the question was sent that it answered last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub heard_ms_ago: Option<u64>,
    /// How old its knowledge was by then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub view_age_ms: Option<u64>,
    /// How far its clock is ahead of the core's median.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub clock_offset_ms: Option<i64>,
    /// Its key ring beside that of the replica that reports.
    pub ring: Likeness,
    /// Its facts. They differ for a moment whenever something ends.
    pub facts: Likeness,
    /// The realms that it serves.
    pub realms: Likeness,
    /// Whether another process that is alive has the same name.
    pub duplicate: bool,
}

/// What two replicas have, compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Likeness {
    /// The same.
    Same,
    /// Not the same at the moment; they will come to be.
    Differs,
    /// Not of one deployment: they will never be.
    Other,
    /// It was not heard.
    Unknown,
}

/// What has happened since a replica started.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Counters {
    /// Messages that do not open under this cluster secret. The link counts them; 0 in what the protocol itself counts.
    pub strangers: u64,
    /// Messages that opened and can't be read.
    pub undecodable: u64,
    /// Messages of a version that this release can't read.
    pub newer: u64,
    /// Messages of replicas of another ring or with other realms.
    pub foreign: u64,
    /// Answers to questions that nobody asked, or not any more.
    pub unasked: u64,
    /// Key rings that were not taken in.
    pub rings_refused: u64,
    /// Facts sent again because no majority had acknowledged them in time.
    pub resent: u64,
    /// Facts that came by repair.
    pub repaired: u64,
    /// Facts of others that could not be kept here, and were not acknowledged.
    pub unkept: u64,
    /// Pushes that wait for a majority now.
    pub pending: u64,
    /// Questions that no majority answered in time.
    pub uninformed: u64,
    /// Floors raised because a majority of the core had lost its facts.
    pub floors_raised: u64,
    /// Rounds sent.
    pub rounds: u64,
}

impl ClusterReport {
    /// A replica that is alone: never stale, and nobody to compare with.
    pub fn alone(name: &str, release: &str) -> Self {
        let own = Member {
            standing: "self".to_owned(),
            ready: true,
            complete: true,
            ring: Likeness::Same,
            facts: Likeness::Same,
            realms: Likeness::Same,
            ..Member::unheard(name, "core")
        };
        Self {
            name: name.to_owned(),
            role: "core".to_owned(),
            size: 1,
            release: release.to_owned(),
            ready: true,
            why: Vec::new(),
            complete: true,
            view_age_ms: None,
            clock_offset_ms: None,
            members: vec![Member { release: release.to_owned(), ..own }],
            counters: Counters::default(),
        }
    }

    /// Not ready for one more reason, the most important one; it counts for its own line among the members as well.
    pub fn add(&mut self, why: Why) {
        self.ready = false;
        self.why.insert(0, why);
        self.members.iter_mut().filter(|member| member.standing == "self").for_each(|own| own.ready = false);
    }

    /// Whether every place of the core is held by one replica that answers, and every edge that is there answers too.
    pub fn is_well(&self) -> bool {
        self.ready && self.members.iter().all(|member| member.problem().is_none())
    }
}

impl Why {
    /// A reason, and what to do about it.
    pub fn new(code: &str, text: impl Into<String>) -> Self {
        Self { code: code.to_owned(), text: text.into() }
    }
}

impl Member {
    /// A replica that was not heard.
    pub fn unheard(name: &str, role: &str) -> Self {
        Self {
            name: name.to_owned(),
            role: role.to_owned(),
            standing: "missing".to_owned(),
            release: String::new(),
            ready: false,
            complete: false,
            heard_ms_ago: None,
            view_age_ms: None,
            clock_offset_ms: None,
            ring: Likeness::Unknown,
            facts: Likeness::Unknown,
            realms: Likeness::Unknown,
            duplicate: false,
        }
    }

    /// What is wrong with it, in plain words. Facts that differ are not: they do whenever something ends.
    pub fn problem(&self) -> Option<&'static str> {
        match &*self.standing {
            "missing" => Some("was never heard: not started, or its address is not among the peers"),
            // An edge comes and goes without anyone's leave.
            "silent" if self.role == "edge" => None,
            "silent" => Some("is not heard any more: down, or cut off from this one"),
            "duplicate" => Some("two processes have this name and neither counts: end one, or rename it"),
            "not-listed" => Some(
                "has no place in the core: set its cluster.name or role, and see that cluster.core is the same on all",
            ),
            "other-ring" => Some("has the key ring of another deployment: give it the right keys and cluster secret"),
            "other-realms" => Some("serves other realms: give every replica the same ones"),
            "other-protocol" => Some("speaks a protocol that this release can't read: finish the upgrade"),
            _ if self.clock_offset_ms.is_some_and(|offset| u128::from(offset.unsigned_abs()) > CLOCK_ERROR_MS) => {
                Some("its clock is off: look at its time synchronisation")
            }
            _ if !self.complete => Some("is not complete: it still learns from the others"),
            _ if self.ring == Likeness::Differs => Some("has not the same keys yet: is its keys directory writable?"),
            _ if !self.ready => Some("is not ready: ask it for the reason, or look at its log"),
            _ => None,
        }
    }
}

/// As `CLOCK_ERROR`, by which facts are dated.
const CLOCK_ERROR_MS: u128 = crate::revocation::CLOCK_ERROR.as_millis();

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn alone_is_well_until_something_speaks_against_it() {
        let mut report = ClusterReport::alone("a", "0.1.0");
        assert!(report.is_well() && report.members.len() == 1 && report.size == 1);
        report.add(Why::new("stopping", "it is on its way down"));
        assert!(!report.ready && !report.is_well() && !report.members[0].ready);
    }

    #[test]
    fn each_fault_of_a_member_has_its_words() {
        let good = Member { standing: "ok".to_owned(), ..ClusterReport::alone("a", "0.1.0").members[0].clone() };
        assert_eq!(good.problem(), None);
        let edit = |edit: fn(&mut Member)| {
            let mut member = good.clone();
            edit(&mut member);
            member.problem()
        };
        for (problem, says) in [
            (edit(|m| m.standing = "missing".to_owned()), "never heard"),
            (edit(|m| m.standing = "silent".to_owned()), "not heard any more"),
            (edit(|m| m.standing = "duplicate".to_owned()), "two processes"),
            (edit(|m| m.standing = "not-listed".to_owned()), "no place"),
            (edit(|m| m.standing = "other-ring".to_owned()), "another deployment"),
            (edit(|m| m.standing = "other-realms".to_owned()), "other realms"),
            (edit(|m| m.standing = "other-protocol".to_owned()), "protocol"),
            (edit(|m| m.clock_offset_ms = Some(-1_001)), "clock"),
            (edit(|m| m.complete = false), "not complete"),
            (edit(|m| m.ring = Likeness::Differs), "keys"),
            (edit(|m| m.ready = false), "not ready"),
        ] {
            assert!(problem.is_some_and(|text| text.contains(says)), "{says}: {problem:?}");
        }
        for fine in [
            edit(|m| m.facts = Likeness::Differs),
            edit(|m| m.clock_offset_ms = Some(1_000)),
            edit(|m| (m.role, m.standing) = ("edge".to_owned(), "silent".to_owned())),
        ] {
            assert_eq!(fine, None);
        }
    }

    #[test]
    fn what_a_later_release_counts_or_says_is_read_over() {
        let json = serde_json::to_value(ClusterReport::alone("a", "0.1.0")).expect("JSON");
        let mut later = json.clone();
        later["counters"] = serde_json::json!({"strangers": 3, "later": 4});
        later["why"] = serde_json::json!([{"code": "later", "text": "x", "since": 1}]);
        let read: ClusterReport = serde_json::from_value(later).expect("read over");
        assert_eq!((read.counters.strangers, read.why[0].code.as_str()), (3, "later"));
        assert_eq!(json["size"], 1);
        assert!(json.get("view_age_ms").is_none());
    }
}
