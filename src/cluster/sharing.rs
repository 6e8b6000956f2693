//! Sharing of the key ring: whoever has another one than we have is asked for it, and ours is sent when it changes.

use std::collections::BTreeMap;
use std::time::Duration;

use super::message::{Body, Head, Nonce, State};
use super::node::{Action, Node, PushId, To};
use super::ports::{Now, RingDigest};
use crate::revocation::Spread;

/// What is under way.
#[derive(Default)]
pub(super) struct Sharing {
    pulls: BTreeMap<Nonce, (RingDigest, Duration)>,
    /// What was not taken in, and when: it is not asked for again at once.
    refused: Option<(RingDigest, Duration)>,
    shares: BTreeMap<PushId, Share>,
    nonces: BTreeMap<Nonce, (RingDigest, Duration)>,
}

struct Share {
    digest: Option<RingDigest>,
    /// Who said that its ring is this one, by place.
    same: BTreeMap<usize, RingDigest>,
    told: u16,
    due: Duration,
    pause: Duration,
}

impl Node {
    /// A round's answer tells of another ring: ask for it. A replica without one takes it from anybody.
    pub(super) fn on_ring_state(&mut self, now: Now, head: &Head, state: &State, actions: &mut Vec<Action>) {
        let (Some(ring), Some(digest)) = (head.ring, state.ring) else { return };
        let theirs = RingDigest { ring, digest };
        if self.rings.digest() == Some(theirs) {
            if let Some(slot) = self.place(head).filter(|_| state.votes) {
                self.note_same(now, slot, theirs, actions);
            }
            return;
        }
        if head.realms == self.settings.realms {
            self.pull_ring(now, head, theirs, actions);
        }
    }

    pub(super) fn on_ring_pull(&mut self, head: &Head, nonce: Nonce, actions: &mut Vec<Action>) {
        if let Some(bytes) = self.rings.bytes() {
            actions.push(self.send(To::One(head.id), &Body::RingIs { nonce, bytes }));
        }
    }

    pub(super) fn on_ring_is(&mut self, now: Now, nonce: Nonce, bytes: &[u8]) {
        let Some((theirs, _)) = self.sharing.pulls.remove(&nonce) else {
            self.counters.unasked += 1;
            return;
        };
        if self.rings.merge(bytes).is_err() {
            self.counters.rings_refused += 1;
            self.sharing.refused = Some((theirs, now.uptime));
        }
    }

    pub(super) fn on_ring_push(&mut self, head: &Head, nonce: Nonce, bytes: &[u8], actions: &mut Vec<Action>) {
        if self.rings.merge(bytes).is_err() {
            self.counters.rings_refused += 1;
            return;
        }
        if self.slot.is_some() {
            let digest = self.rings.digest().map(|digest| digest.digest);
            actions.push(self.send(To::One(head.id), &Body::RingAck { nonce, votes: self.votes(), digest }));
        }
    }

    pub(super) fn on_ring_ack(
        &mut self,
        now: Now,
        head: &Head,
        (nonce, votes, digest): (Nonce, bool, Option<[u8; 32]>),
        actions: &mut Vec<Action>,
    ) {
        if !self.sharing.nonces.contains_key(&nonce) {
            self.counters.unasked += 1;
            return;
        }
        let (Some(ring), Some(digest)) = (head.ring, digest) else { return };
        let theirs = RingDigest { ring, digest };
        if self.rings.digest() != Some(theirs) {
            // It knows more: so shall we, and then share that.
            self.pull_ring(now, head, theirs, actions);
        } else if let Some(slot) = self.place(head).filter(|slot| votes && !self.members.is_duplicate(*slot, now)) {
            self.note_same(now, slot, theirs, actions);
        }
    }

    pub(super) fn begin_share(&mut self, now: Now, id: PushId, actions: &mut Vec<Action>) {
        let share = Share { digest: None, same: BTreeMap::new(), told: 0, due: now.uptime, pause: FIRST_PAUSE };
        self.sharing.shares.insert(id, share);
        self.tick_sharing(now, actions);
    }

    pub(super) fn tick_sharing(&mut self, now: Now, actions: &mut Vec<Action>) {
        let young = |(_, sent): &(RingDigest, Duration)| now.uptime.saturating_sub(*sent) < PATIENCE;
        self.sharing.pulls.retain(|_, pull| young(pull));
        self.sharing.nonces.retain(|_, sent| now.uptime.saturating_sub(sent.1) < ANSWERED_WITHIN);
        let Some(own) = self.rings.digest() else { return };
        let mut due = false;
        for share in self.sharing.shares.values_mut() {
            let changed = share.digest != Some(own);
            if changed {
                (share.digest, share.pause) = (Some(own), FIRST_PAUSE);
            }
            if changed || share.due <= now.uptime {
                due = true;
                share.due = now.uptime + share.pause;
                share.pause = (share.pause * 2).min(LONGEST_PAUSE);
            }
        }
        self.settle_shares(now, actions);
        if due && !self.sharing.shares.is_empty() {
            let Some(bytes) = self.rings.bytes() else { return };
            let nonce = self.nonce();
            self.sharing.nonces.insert(nonce, (own, now.uptime));
            actions.push(self.send(To::All, &Body::RingPush { nonce, bytes }));
        }
    }

    fn note_same(&mut self, now: Now, slot: usize, theirs: RingDigest, actions: &mut Vec<Action>) {
        for share in self.sharing.shares.values_mut() {
            share.same.insert(slot, theirs);
        }
        self.settle_shares(now, actions);
    }

    /// How many have the ring that is here now. A share is over when all have it, or when nobody waits for more than
    /// the majority that has.
    fn settle_shares(&mut self, now: Now, actions: &mut Vec<Action>) {
        let _ = now;
        let Some(own) = self.rings.digest() else { return };
        let (ours, size) = (usize::from(self.votes()), self.settings.core.size());
        let count = |replicas: usize| u16::try_from(replicas).unwrap_or(u16::MAX);
        self.sharing.shares.retain(|id, share| {
            let applied = ours + share.same.values().filter(|digest| **digest == own).count();
            if count(applied) > share.told {
                share.told = count(applied);
                let spread = Spread { applied: count(applied), core: count(size) };
                actions.push(Action::Pushed { id: *id, spread });
            }
            applied < size
        });
    }

    fn pull_ring(&mut self, now: Now, head: &Head, theirs: RingDigest, actions: &mut Vec<Action>) {
        let asked = self.sharing.pulls.values().any(|(digest, _)| *digest == theirs);
        let lately = |refused: &(RingDigest, Duration)| now.uptime.saturating_sub(refused.1) < REFUSED_FOR;
        let refused = self.sharing.refused.filter(lately).is_some_and(|(digest, _)| digest == theirs);
        if asked || refused {
            return;
        }
        let nonce = self.nonce();
        self.sharing.pulls.insert(nonce, (theirs, now.uptime));
        actions.push(self.send(To::One(head.id), &Body::RingPull { nonce }));
    }
}

impl Sharing {
    /// Nobody waits any more: the rounds do the rest.
    pub(super) fn forget(&mut self, id: PushId) {
        self.shares.remove(&id);
    }
}

const FIRST_PAUSE: Duration = Duration::from_millis(250);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);
const PATIENCE: Duration = Duration::from_millis(750);
/// A disk or a secret that is being changed may be the reason.
const REFUSED_FOR: Duration = Duration::from_secs(10);
const ANSWERED_WITHIN: Duration = Duration::from_secs(30);
