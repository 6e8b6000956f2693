//! Who a message is for inside the node, and what all its parts need: numbers, and a head for what is sent.

use super::member::Role;
use super::message::{Body, Head, Nonce, OLDEST, encode};
use super::node::{Action, Awaited, Node, Ticket, To, View};
use super::ports::Now;
use crate::revocation::{Fact, Kept};
use crate::secret::sha256;

impl Node {
    pub(super) fn on_body(&mut self, now: Now, head: &Head, body: Body, actions: &mut Vec<Action>) {
        // Rings are judged by whoever holds ours: one may have been made in place of the other.
        let ours = head.realms == self.settings.realms;
        match body {
            Body::Round { nonce, beyond, root } => self.on_round(now, head, (nonce, beyond, root), actions),
            Body::State(state) => self.on_state(now, head, state, actions),
            Body::RingPull { nonce } if ours => self.on_ring_pull(head, nonce, actions),
            Body::RingIs { nonce, bytes } if ours => self.on_ring_is(now, nonce, &bytes),
            Body::RingPush { nonce, bytes } if ours => self.on_ring_push(head, nonce, &bytes, actions),
            _ if self.is_foreign(head) => self.counters.foreign += 1,
            // Facts are kept under the ring that they belong to: without one there is nothing to take in, and nothing
            // to say.
            _ if self.rings.digest().is_none() => {}
            Body::RingAck { nonce, votes, digest } => self.on_ring_ack(now, head, (nonce, votes, digest), actions),
            Body::Push { nonce, facts } => self.on_push(now, head, nonce, facts, actions),
            Body::Ack { nonce, counts, more } => self.on_ack(now, head, (nonce, counts, &more), actions),
            Body::Ask { nonce, question } => self.on_ask(now, head, nonce, &question, actions),
            Body::Answer { nonce, counts, facts, passed } => {
                self.on_answer(now, head, (nonce, counts, facts, passed), actions);
            }
            Body::Pass { nonce, tags, at } => self.on_pass(now, head, (nonce, &tags, at), actions),
            Body::Leaves { nonce, beyond, buckets } => self.on_leaves(head, (nonce, beyond, &buckets), actions),
            Body::LeafDigests { nonce, digests } => self.on_leaf_digests(now, head, nonce, &digests, actions),
            Body::Pull { nonce, beyond, leaves } => self.on_pull(head, (nonce, beyond, &leaves), actions),
            Body::Pulled { nonce, leaves, facts } => self.on_pulled(now, head, (nonce, leaves, &facts), actions),
            Body::RingPull { .. } | Body::RingIs { .. } | Body::RingPush { .. } => self.counters.foreign += 1,
        }
    }

    /// A push came: it is acknowledged once it is durable here. An edge's word counts for nothing, so it gives none.
    fn on_push(&mut self, now: Now, head: &Head, nonce: Nonce, pushed: Vec<Fact>, actions: &mut Vec<Action>) {
        let before = self.facts.same(&pushed);
        let kept = self.facts.merge(&pushed, self.dated(now));
        let awaited = match self.slot {
            Some(_) => Awaited::Answer { to: head.id, nonce, pushed, before },
            None => Awaited::Unanswered,
        };
        self.wait(kept, awaited, actions);
    }

    /// Facts that came with an answer. They are visible when this returns.
    pub(super) fn take_in(&mut self, now: Now, facts: &[Fact], actions: &mut Vec<Action>) {
        if !facts.is_empty() {
            let kept = self.facts.merge(facts, self.dated(now));
            self.wait(kept, Awaited::Unanswered, actions);
        }
    }

    pub(super) fn wait(&mut self, kept: Kept, awaited: Awaited, actions: &mut Vec<Action>) -> Ticket {
        let ticket = Ticket(self.number());
        self.awaiting.insert(ticket, awaited);
        actions.push(Action::Await { ticket, kept });
        ticket
    }

    /// Whether a message is of a replica that is none of ours.
    pub(super) fn is_foreign(&self, head: &Head) -> bool {
        let own = self.rings.digest().map(|digest| digest.ring);
        head.realms != self.settings.realms || matches!((own, head.ring), (Some(own), Some(other)) if own != other)
    }

    /// The place of whoever sent a message; `None` for those that count for nothing, and for whoever has our name.
    pub(super) fn place(&self, head: &Head) -> Option<usize> {
        let slot = (head.role == Role::Core).then(|| self.settings.core.slot(&head.name)).flatten();
        slot.filter(|slot| Some(*slot) != self.slot)
    }

    pub(super) fn send(&self, to: To, body: &Body) -> Action {
        let always_read = matches!(body, Body::Round { .. } | Body::State(_));
        let head = Head {
            version: if always_read { OLDEST } else { self.members.speaks(self.reads) },
            reads: self.reads,
            id: self.settings.id,
            name: self.settings.name.clone(),
            role: self.settings.role,
            realms: self.settings.realms,
            ring: self.rings.digest().map(|digest| digest.ring),
        };
        Action::Send { to, bytes: encode(&head, body) }
    }

    /// A number that nobody can guess who does not know the seed.
    pub(super) fn nonce(&mut self) -> Nonce {
        let number = self.number().to_le_bytes();
        *sha256(&[&self.seed[..], &number].concat()).first_chunk().expect("a hash has 32 bytes")
    }

    pub(super) fn number(&mut self) -> u64 {
        self.last += 1;
        self.last
    }

    /// `actions`, and whether the view is another one by now.
    pub(super) fn done(&mut self, now: Now, mut actions: Vec<Action>) -> Vec<Action> {
        let view = self.view(now);
        let same = |told: &View| told.tells_the_same(&view);
        if !self.told.as_ref().is_some_and(same) {
            actions.push(Action::Changed);
            self.told = Some(view);
        }
        actions
    }
}
