//! Who has been heard from: only answers to our own rounds count, for only those prove that somebody is alive.

use std::collections::BTreeMap;
use std::time::Duration;

use super::member::{Name, ReplicaId, Role};
use super::message::{Head, State};
use super::node::{MemberReport, Node, Standing};
use super::ports::{Now, RingDigest};
use crate::revocation::STALENESS;

/// All that have been heard from.
pub(super) struct Members {
    peers: BTreeMap<ReplicaId, Peer>,
    places: Vec<Place>,
}

/// One that answered a round.
pub(super) struct Peer {
    name: Name,
    role: Role,
    pub(super) slot: Option<usize>,
    standing: Standing,
    reads: u16,
    /// When the round was sent that it answered last.
    pub(super) heard: Now,
    state: State,
    pub(super) ring: Option<RingDigest>,
    facts_in_step: bool,
}

/// One place of the core.
#[derive(Clone, Default)]
struct Place {
    /// Who answered the newest round from there.
    id: Option<ReplicaId>,
    /// When the newest round was sent whose differences with whoever is there are merged.
    merged: Option<Now>,
    /// When two lives answered one round there, and how often.
    conflict: Option<(Duration, u32)>,
}

impl Members {
    pub(super) fn of(size: usize) -> Self {
        Self { peers: BTreeMap::new(), places: vec![Place::default(); size] }
    }

    /// Takes in an answer to the round that was sent at `sent`.
    pub(super) fn note(&mut self, head: &Head, place: (Option<usize>, Standing), sent: Now, state: &State, same: bool) {
        let (slot, standing) = place;
        if self.peers.get(&head.id).is_some_and(|known| known.heard.uptime > sent.uptime) {
            return;
        }
        if self.peers.len() >= MAX_PEERS && !self.peers.contains_key(&head.id) && slot.is_none() {
            return;
        }
        let peer = Peer {
            name: head.name.clone(),
            role: head.role,
            slot,
            standing,
            reads: head.reads,
            heard: sent,
            ring: head.ring.zip(state.ring).map(|(ring, digest)| RingDigest { ring, digest }),
            facts_in_step: same,
            state: State { buckets: None, ..state.clone() },
        };
        self.peers.insert(head.id, peer);
        let Some(slot) = slot.filter(|_| standing == Standing::Good) else { return };
        // An answer that was long on the way, of a life that has ended since, does not take the place of the next one.
        let newest = self.places[slot].id.and_then(|id| self.peers.get(&id)).map(|peer| peer.heard.uptime);
        if newest.is_none_or(|newest| newest <= sent.uptime) {
            self.places[slot].id = Some(head.id);
        }
    }

    /// Somebody speaks a version that can't be read. It can't answer, so it is only listed.
    pub(super) fn note_unreadable(&mut self, head: &Head, now: Now) {
        if self.peers.len() >= MAX_PEERS {
            return;
        }
        let state = State {
            nonce: [0; 16],
            wall: now.wall,
            complete: false,
            votes: false,
            counts: false,
            ready: false,
            age: None,
            ring: None,
            root: 0,
            buckets: None,
            release: String::new(),
        };
        self.note(head, (None, Standing::OtherProtocol), now, &state, false);
    }

    /// Two lives in one place answered one round.
    pub(super) fn note_conflict(&mut self, slot: usize, now: Now) {
        let place = &mut self.places[slot];
        place.merged = None;
        let lately = place.conflict.filter(|(at, _)| now.uptime.saturating_sub(*at) <= STALENESS);
        place.conflict = Some((now.uptime, lately.map_or(1, |(_, rounds)| rounds + 1)));
    }

    /// Whether two processes that are alive have the name of this place. One round can be answered by two, one of which
    /// has taken the place of the other meanwhile; two rounds can't.
    pub(super) fn is_duplicate(&self, slot: usize, now: Now) -> bool {
        self.places[slot].conflict.is_some_and(|(at, rounds)| rounds >= 2 && now.uptime.saturating_sub(at) <= STALENESS)
    }

    /// All that whoever is in `slot` knew when it answered a round of `sent` is merged.
    pub(super) fn note_merged(&mut self, slot: usize, sent: Now) {
        let place = &mut self.places[slot];
        if place.conflict.is_some_and(|(at, _)| sent.uptime <= at) {
            return;
        }
        if place.merged.is_none_or(|merged| merged.uptime < sent.uptime) {
            place.merged = Some(sent);
        }
    }

    /// When the newest rounds were sent whose differences are merged, one for each place that has any.
    pub(super) fn merged(&self) -> impl Iterator<Item = Now> + '_ {
        self.places.iter().filter_map(|place| place.merged)
    }

    /// Who of the core answered lately, and where.
    pub(super) fn live(&self, now: Now) -> Vec<(usize, ReplicaId)> {
        let lately = |id: &ReplicaId| self.peers.get(id).is_some_and(|peer| since(peer.heard, now) <= LIVE);
        let places = self.places.iter().enumerate();
        places.filter_map(|(slot, place)| Some((slot, place.id.filter(lately)?))).collect()
    }

    /// Who answered last from `slot`.
    pub(super) fn in_place(&self, slot: usize) -> Option<ReplicaId> {
        self.places[slot].id
    }

    pub(super) fn peer(&self, id: ReplicaId) -> Option<&Peer> {
        self.peers.get(&id)
    }

    /// Whose ring digest was `own` when they answered: when that round was sent, for each voting place.
    pub(super) fn same_ring(&self, own: RingDigest) -> impl Iterator<Item = Now> + '_ {
        let peers = self.places.iter().filter_map(|place| self.peers.get(&place.id?));
        peers.filter(move |peer| peer.state.votes && peer.ring == Some(own)).map(|peer| peer.heard)
    }

    /// In which version to speak: none is newer than all that were heard lately can read.
    pub(super) fn speaks(&self, own: u16) -> u16 {
        let ours =
            self.peers.values().filter(|peer| !matches!(peer.standing, Standing::OtherRealms | Standing::OtherRing));
        ours.map(|peer| peer.reads).fold(own, u16::min)
    }

    /// Forgets those who have been silent for long, and old lives.
    pub(super) fn clean(&mut self, now: Now) {
        let places = &self.places;
        self.peers.retain(|id, peer| {
            let silent = since(peer.heard, now);
            silent <= LIVE
                || places.iter().any(|place| place.id == Some(*id))
                || (peer.slot.is_none() && silent <= LISTED)
        });
    }
}

impl Node {
    /// What is known of each replica, this one first, then the core, then the edges.
    pub fn members(&self, now: Now) -> Vec<MemberReport> {
        let members = &self.members;
        let mut reports = vec![self.own_report(now)];
        for slot in (0..self.settings.core.size()).filter(|slot| Some(*slot) != self.slot) {
            let id = members.in_place(slot);
            reports.push(match id.and_then(|id| Some((id, members.peer(id)?))) {
                Some((id, peer)) => self.report(id, peer, now),
                None => self.silent_report(slot),
            });
        }
        let placed = |id: ReplicaId| members.places.iter().any(|place| place.id == Some(id));
        reports
            .extend(members.peers.iter().filter(|(id, _)| !placed(**id)).map(|(id, peer)| self.report(*id, peer, now)));
        reports
    }

    fn own_report(&self, now: Now) -> MemberReport {
        let view = self.view(now);
        MemberReport {
            id: Some(self.settings.id),
            name: Some(self.settings.name.clone()),
            slot: self.slot,
            role: self.settings.role,
            standing: Standing::Own,
            release: self.settings.release.clone(),
            reads: self.reads,
            heard: Some(Duration::ZERO),
            complete: view.complete,
            ready: view.ready,
            age: view.age,
            offset: view.offset,
            ring_in_step: self.rings.digest().is_some(),
            facts_in_step: true,
        }
    }

    fn report(&self, id: ReplicaId, peer: &Peer, now: Now) -> MemberReport {
        let good = peer.standing == Standing::Good;
        let duplicate = peer.slot.is_some_and(|slot| self.members.is_duplicate(slot, now));
        let standing = match (good, duplicate, since(peer.heard, now) <= LIVE) {
            (true, true, _) => Standing::Duplicate,
            (true, false, false) => Standing::Silent,
            _ => peer.standing,
        };
        let median = self.offset(now);
        let ahead = peer.slot.and_then(|slot| self.clocks.ahead(slot, now));
        MemberReport {
            id: Some(id),
            name: Some(peer.name.clone()),
            slot: peer.slot,
            role: peer.role,
            standing,
            release: peer.state.release.clone(),
            reads: peer.reads,
            heard: Some(since(peer.heard, now)),
            complete: peer.state.complete,
            ready: peer.state.ready,
            age: peer.state.age.map(Duration::from_millis),
            offset: ahead.zip(median).map(|(ahead, own)| ahead + own),
            ring_in_step: peer.ring.is_some() && peer.ring == self.rings.digest(),
            facts_in_step: peer.facts_in_step,
        }
    }

    fn silent_report(&self, slot: usize) -> MemberReport {
        MemberReport {
            id: None,
            name: self.settings.core.name(slot).cloned(),
            slot: Some(slot),
            role: Role::Core,
            standing: Standing::Silent,
            release: String::new(),
            reads: 0,
            heard: None,
            complete: false,
            ready: false,
            age: None,
            offset: None,
            ring_in_step: false,
            facts_in_step: false,
        }
    }
}

/// How long ago, by the clock that says longer.
pub(super) fn since(then: Now, now: Now) -> Duration {
    now.uptime.saturating_sub(then.uptime).max(now.wall.since(then.wall))
}

/// Whoever answered no round for longer is taken to be away.
const LIVE: Duration = Duration::from_millis(2_500);
/// For how long one that is away and has no place is listed.
const LISTED: Duration = Duration::from_secs(60);
const MAX_PEERS: usize = 1_024;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Timestamp;

    fn now(seconds: u64) -> Now {
        let uptime = Duration::from_secs(seconds);
        Now { wall: Timestamp::EPOCH.plus(uptime), uptime }
    }

    fn state() -> State {
        State {
            nonce: [0; 16],
            wall: now(1).wall,
            complete: true,
            votes: true,
            counts: true,
            ready: true,
            age: None,
            ring: None,
            root: 0,
            buckets: None,
            release: String::new(),
        }
    }

    fn head(id: u8, reads: u16) -> Head {
        Head {
            version: 1,
            reads,
            id: ReplicaId([id; 16]),
            name: Name::new("s-1").expect("a name"),
            role: Role::Core,
            realms: [0; 32],
            ring: None,
        }
    }

    /// A release that reads version 2 does not speak it before all that it knows read it, and does once the last one
    /// that does not is gone.
    #[test]
    fn nothing_is_spoken_that_somebody_can_t_read() {
        let mut members = Members::of(3);
        let heard = |members: &mut Members, id, slot, reads, at| {
            members.note(&head(id, reads), (Some(slot), Standing::Good), now(at), &state(), true);
        };
        assert_eq!(members.speaks(2), 2);
        heard(&mut members, 1, 1, 2, 10);
        assert_eq!(members.speaks(2), 2);
        heard(&mut members, 2, 2, 1, 10);
        assert_eq!((members.speaks(2), members.speaks(1)), (1, 1));
        heard(&mut members, 3, 2, 2, 11);
        assert_eq!(members.speaks(2), 1, "the old one may still be there");
        members.clean(now(20));
        assert_eq!(members.speaks(2), 2, "its place has another life now");
        members.note(&head(4, 1), (None, Standing::OtherRing), now(20), &state(), false);
        assert_eq!(members.speaks(2), 2, "nothing is said to those");
    }

    #[test]
    fn a_late_answer_of_an_earlier_life_does_not_take_the_place_of_the_next() {
        let mut members = Members::of(3);
        let heard = |members: &mut Members, id, at| {
            members.note(&head(id, 1), (Some(1), Standing::Good), now(at), &state(), true);
        };
        heard(&mut members, 1, 10);
        heard(&mut members, 2, 12);
        heard(&mut members, 1, 11);
        assert_eq!(members.live(now(12)), [(1, ReplicaId([2; 16]))]);
        assert_eq!(members.live(now(15)), [], "silent by now");
    }

    #[test]
    fn two_lives_are_a_duplicate_when_they_answer_two_rounds() {
        let mut members = Members::of(3);
        members.note_merged(1, now(9));
        members.note_conflict(1, now(10));
        assert_eq!((members.is_duplicate(1, now(10)), members.merged().count()), (false, 0));
        members.note_merged(1, now(10));
        assert_eq!(members.merged().count(), 0, "of the very round that two answered");
        members.note_conflict(1, now(11));
        assert!(members.is_duplicate(1, now(16)) && !members.is_duplicate(1, now(17)));
        members.note_conflict(1, now(30));
        assert!(!members.is_duplicate(1, now(30)), "long after");
    }
}
