//! Pushes that come faster than they are acknowledged: those wait for a moment and travel together.
//!
//! What is made while few are under way is sent at once. Each message costs a seal and an acknowledgement of every
//! replica, so that sent one by one a flood of endings would keep replicas too busy to hear of anything else.

use std::collections::BTreeMap;
use std::time::Duration;

use super::member::ReplicaId;
use super::message::{Body, Nonce};
use super::node::{Action, Node, PushId, To};
use super::ports::Now;
use crate::revocation::Fact;

/// What is under way, and what waits for it.
#[derive(Default)]
pub(super) struct Batches {
    /// Messages of fresh pushes: of how many no majority is known to have them, and when they were sent.
    flying: BTreeMap<Nonce, (usize, Duration)>,
    /// In which message each of those is.
    within: BTreeMap<PushId, Nonce>,
    waiting: Vec<PushId>,
}

impl Batches {
    /// A majority has this one.
    pub(super) fn held(&mut self, id: PushId) {
        let Some(nonce) = self.within.remove(&id) else { return };
        let Some((left, _)) = self.flying.get_mut(&nonce) else { return };
        *left -= 1;
        if *left == 0 {
            self.flying.remove(&nonce);
        }
    }
}

impl Node {
    /// Sends a fresh push to all, at once or with those that wait.
    pub(super) fn send_soon(&mut self, now: Now, id: PushId, actions: &mut Vec<Action>) {
        self.batches.waiting.push(id);
        self.send_waiting(now, actions);
    }

    /// What is under way for long is sent again by other means, and keeps nothing back.
    pub(super) fn tick_batches(&mut self, now: Now, actions: &mut Vec<Action>) {
        let Batches { flying, within, .. } = &mut self.batches;
        flying.retain(|_, (_, sent)| now.uptime.saturating_sub(*sent) < PATIENCE);
        within.retain(|_, nonce| flying.contains_key(nonce));
        self.send_waiting(now, actions);
    }

    /// Sends what waits, as far as there is room.
    pub(super) fn send_waiting(&mut self, now: Now, actions: &mut Vec<Action>) {
        while self.batches.flying.len() < WINDOW && !self.batches.waiting.is_empty() {
            let waiting = std::mem::take(&mut self.batches.waiting);
            let mut rest = &waiting[..];
            let (facts, about) = self.gather(&mut rest);
            self.batches.waiting = rest.to_vec();
            if facts.is_empty() {
                continue;
            }
            let nonce = self.nonce();
            self.batches.flying.insert(nonce, (about.len(), now.uptime));
            self.batches.within.extend(about.iter().map(|(id, _)| (*id, nonce)));
            self.pushes.note_sent(nonce, about, now.uptime);
            actions.push(self.send(To::All, &Body::Push { nonce, facts }));
        }
    }

    /// Sends a push that was changed to all, at once.
    pub(super) fn send_to_all(&mut self, now: Now, id: PushId, actions: &mut Vec<Action>) {
        let nonce = self.nonce();
        let Some((version, facts)) = self.pushes.content(id).map(|(version, facts)| (version, facts.to_vec())) else {
            return;
        };
        self.pushes.note_sent(nonce, vec![(id, version)], now.uptime);
        actions.push(self.send(To::All, &Body::Push { nonce, facts }));
    }

    /// Sends pushes to one replica that seems to lack them.
    pub(super) fn send_again(&mut self, now: Now, peer: ReplicaId, ids: &[PushId], actions: &mut Vec<Action>) {
        let mut rest = ids;
        while !rest.is_empty() {
            let (facts, about) = self.gather(&mut rest);
            let nonce = self.nonce();
            self.counters.resent += facts.len() as u64;
            self.pushes.note_sent(nonce, about, now.uptime);
            actions.push(self.send(To::One(peer), &Body::Push { nonce, facts }));
        }
    }

    /// Takes as many from the front of `ids` as go into one message; those that are over by now are left out.
    fn gather(&self, ids: &mut &[PushId]) -> (Vec<Fact>, Vec<(PushId, u32)>) {
        let (mut facts, mut about) = (Vec::new(), Vec::new());
        while let [id, behind @ ..] = *ids {
            if let Some((version, own)) = self.pushes.content(*id) {
                if !facts.is_empty() && facts.len() + own.len() > BATCH {
                    break;
                }
                facts.extend_from_slice(own);
                about.push((*id, version));
            }
            *ids = behind;
        }
        (facts, about)
    }
}

/// How many facts are sent at once.
const BATCH: usize = 256;
/// How many messages of fresh pushes may be under way before others wait for them.
const WINDOW: usize = 16;
/// How long a message counts as under way.
const PATIENCE: Duration = Duration::from_millis(200);
