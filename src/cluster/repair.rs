//! Repair: what another replica knows and this one does not is pulled, leaf by leaf.
//!
//! A difference is looked for from the top: 256 buckets in the answer to a round, then the 256 leaves of each that
//! differs, then the facts of the leaves that differ. Questions are small and stand for themselves; one that is not
//! answered is put again.

use std::collections::BTreeMap;
use std::time::Duration;

use super::member::ReplicaId;
use super::message::{Body, BucketLeaves, DigestsOf, Head, MAX_LEAVES, Nonce};
use super::node::{Action, Awaited, Node, To};
use super::ports::{Buckets, Now};
use super::rounds::differing;
use crate::clock::Timestamp;
use crate::revocation::encoding::encode;

/// The repairs under way, at most one with each replica.
#[derive(Default)]
pub(super) struct Repair {
    active: BTreeMap<ReplicaId, Session>,
    /// How many parts that came are not durable yet.
    pub(super) unwritten: usize,
    /// What differed still when all of a replica's part was merged: its digest and ours. Whoever does away with what a
    /// floor or a cut-off says as well has no use for it, and pulling it again would change nothing until either is
    /// another one.
    vain: BTreeMap<ReplicaId, BTreeMap<u8, (u64, u64)>>,
}

/// Place in the core, when the round was sent that showed the difference, and whether its answer counts.
type Source = (Option<usize>, Now, bool);

struct Session {
    source: Source,
    beyond: Timestamp,
    /// What differed, with the other's digest of it.
    shown: Vec<(u8, u64)>,
    buckets: Vec<u8>,
    leaves: Vec<(u8, u8)>,
    asked: BTreeMap<Nonce, Question>,
}

struct Question {
    part: Part,
    sent: Duration,
    tries: u8,
}

#[derive(Clone)]
enum Part {
    Buckets(Vec<u8>),
    Leaves(Vec<(u8, u8)>),
}

impl Node {
    /// 1. A round has shown that these buckets differ, with the other's digests of them.
    pub(super) fn begin_repair(
        &mut self,
        now: Now,
        (peer, source): (ReplicaId, Source),
        beyond: Timestamp,
        shown: Vec<(u8, u64)>,
        actions: &mut Vec<Action>,
    ) {
        let buckets: Vec<u8> = shown.iter().map(|(bucket, _)| *bucket).collect();
        if buckets.is_empty() {
            self.merged(now, source);
            return;
        }
        // One with whom a repair is under way goes on with that: else a long one would never end. And of two that know
        // much that we don't, most of it is the same: the second waits for its next round.
        let much = |buckets: &[u8]| buckets.len() >= MUCH;
        let busy = self.repair.active.values().any(Session::is_long);
        if self.repair.active.contains_key(&peer) || (busy && much(&buckets)) {
            return;
        }
        let (leaves, asked) = (Vec::new(), BTreeMap::new());
        self.repair.active.insert(peer, Session { source, beyond, shown, buckets, leaves, asked });
        self.go_on(now, peer, actions);
    }

    /// 2. Whoever is asked tells the digests of the leaves of some buckets.
    pub(super) fn on_leaves(
        &mut self,
        head: &Head,
        (nonce, beyond, buckets): (Nonce, Timestamp, &[u8]),
        actions: &mut Vec<Action>,
    ) {
        let leaves = |bucket: u8| BucketLeaves { bucket, leaves: DigestsOf(self.facts.leaves(bucket, beyond)) };
        let digests = buckets.iter().take(BUCKETS_AT_ONCE).map(|bucket| leaves(*bucket)).collect();
        actions.push(self.send(To::One(head.id), &Body::LeafDigests { nonce, digests }));
    }

    /// 3. Those that differ are asked for.
    pub(super) fn on_leaf_digests(
        &mut self,
        now: Now,
        head: &Head,
        nonce: Nonce,
        digests: &[BucketLeaves],
        actions: &mut Vec<Action>,
    ) {
        let facts = &self.facts;
        let Some((session, Part::Buckets(asked))) = self.repair.answered(head.id, nonce) else {
            self.counters.unasked += 1;
            return;
        };
        if digests.is_empty() {
            // It would go on for ever.
            self.repair.active.remove(&head.id);
            return;
        }
        for bucket in asked {
            match digests.iter().find(|told| told.bucket == bucket) {
                Some(BucketLeaves { leaves: DigestsOf(theirs), .. }) => {
                    let ours = facts.leaves(bucket, session.beyond);
                    session.leaves.extend(differing(&ours, theirs).into_iter().map(|leaf| (bucket, leaf)));
                }
                None => session.buckets.push(bucket),
            }
        }
        self.go_on(now, head.id, actions);
    }

    /// 4. Whoever is asked hands over the facts of as many leaves as fit into one message.
    pub(super) fn on_pull(
        &mut self,
        head: &Head,
        (nonce, beyond, leaves): (Nonce, Timestamp, &[(u8, u8)]),
        actions: &mut Vec<Action>,
    ) {
        let (mut facts, mut told, mut size) = (Vec::new(), 0u16, 0);
        for (bucket, leaf) in leaves.iter().take(MAX_LEAVES) {
            let more = self.facts.leaf(*bucket, *leaf, beyond);
            let bytes: usize = more.iter().map(|fact| encode(fact).len() + 1).sum();
            if told > 0 && size + bytes > CHUNK {
                break;
            }
            size += bytes;
            told += 1;
            facts.extend(more);
        }
        actions.push(self.send(To::One(head.id), &Body::Pulled { nonce, leaves: told, facts }));
    }

    /// 5. They are merged, and visible by that.
    pub(super) fn on_pulled(
        &mut self,
        now: Now,
        head: &Head,
        (nonce, told, facts): (Nonce, u16, &[crate::revocation::Fact]),
        actions: &mut Vec<Action>,
    ) {
        let Some((session, Part::Leaves(asked))) = self.repair.answered(head.id, nonce) else {
            self.counters.unasked += 1;
            return;
        };
        session.leaves.extend(asked.into_iter().skip(usize::from(told)));
        if told == 0 {
            // It would go on for ever.
            self.repair.active.remove(&head.id);
            return;
        }
        if !facts.is_empty() {
            self.counters.repaired += facts.len() as u64;
            let kept = self.facts.merge(facts, self.dated(now));
            self.repair.unwritten += 1;
            self.wait(kept, Awaited::Repaired, actions);
        }
        self.go_on(now, head.id, actions);
    }

    /// 6. What was not answered is asked again, and given up after a while: the next round begins anew.
    pub(super) fn tick_repair(&mut self, now: Now, actions: &mut Vec<Action>) {
        let overdue = |question: &Question| now.uptime.saturating_sub(question.sent) >= PATIENCE;
        for peer in self.repair.active.keys().copied().collect::<Vec<_>>() {
            let Some(session) = self.repair.active.get_mut(&peer) else { continue };
            let late: Vec<Nonce> =
                session.asked.iter().filter(|(_, question)| overdue(question)).map(|(nonce, _)| *nonce).collect();
            for nonce in late {
                let Some(question) = self.repair.active.get_mut(&peer).and_then(|session| session.asked.remove(&nonce))
                else {
                    continue;
                };
                if question.tries >= TRIES {
                    self.repair.active.remove(&peer);
                    break;
                }
                self.ask_part(now, peer, question.part, question.tries + 1, actions);
            }
        }
    }

    fn go_on(&mut self, now: Now, peer: ReplicaId, actions: &mut Vec<Action>) {
        while let Some(session) = self.repair.active.get_mut(&peer) {
            let Some(part) = session.next() else { break };
            self.ask_part(now, peer, part, 1, actions);
        }
        let is_over = self.repair.active.get(&peer).is_some_and(|session| session.asked.is_empty());
        if let Some(Session { source, beyond, shown, .. }) = is_over.then(|| self.repair.active.remove(&peer)).flatten()
        {
            self.repair.note_vain(peer, &shown, &self.facts.digest(beyond));
            // 7. All that it knew when it answered the round is known here.
            self.merged(now, source);
        }
    }

    fn ask_part(&mut self, now: Now, peer: ReplicaId, part: Part, tries: u8, actions: &mut Vec<Action>) {
        let nonce = self.nonce();
        let Some(session) = self.repair.active.get_mut(&peer) else { return };
        let beyond = session.beyond;
        session.asked.insert(nonce, Question { part: part.clone(), sent: now.uptime, tries });
        let body = match part {
            Part::Buckets(buckets) => Body::Leaves { nonce, beyond, buckets },
            Part::Leaves(leaves) => Body::Pull { nonce, beyond, leaves },
        };
        actions.push(self.send(To::One(peer), &body));
    }
}

impl Repair {
    /// Which buckets differ, with the other's digests, but for those that were pulled and stayed as they are.
    pub(super) fn worth_pulling(&self, peer: ReplicaId, ours: &Buckets, theirs: &Buckets) -> Vec<(u8, u64)> {
        let vain = self.vain.get(&peer);
        let is_vain = |bucket: u8, pair| vain.is_some_and(|vain| vain.get(&bucket) == Some(&pair));
        let differ = differing(ours, theirs).into_iter().map(|bucket| (bucket, usize::from(bucket)));
        differ
            .filter(|(bucket, at)| !is_vain(*bucket, (theirs[*at], ours[*at])))
            .map(|(bucket, at)| (bucket, theirs[at]))
            .collect()
    }

    fn note_vain(&mut self, peer: ReplicaId, shown: &[(u8, u64)], ours: &Buckets) {
        if self.vain.len() >= PEERS {
            self.vain.retain(|other, _| *other == peer);
        }
        let vain = self.vain.entry(peer).or_default();
        for (bucket, theirs) in shown {
            let own = ours[usize::from(*bucket)];
            if own == *theirs {
                vain.remove(bucket);
            } else {
                vain.insert(*bucket, (*theirs, own));
            }
        }
        if vain.is_empty() {
            self.vain.remove(&peer);
        }
    }

    /// The question that was answered, with its session.
    fn answered(&mut self, peer: ReplicaId, nonce: Nonce) -> Option<(&mut Session, Part)> {
        let session = self.active.get_mut(&peer)?;
        let question = session.asked.remove(&nonce)?;
        Some((session, question.part))
    }
}

impl Session {
    /// What to ask next, if not enough is asked already. Leaves first, so that few are remembered.
    fn next(&mut self) -> Option<Part> {
        if self.asked.len() >= QUESTIONS {
            return None;
        }
        if self.leaves.len() >= LEAVES_AT_ONCE || self.buckets.is_empty() {
            let rest = self.leaves.len().saturating_sub(LEAVES_AT_ONCE);
            let leaves = self.leaves.split_off(rest);
            return (!leaves.is_empty()).then_some(Part::Leaves(leaves));
        }
        let rest = self.buckets.len().saturating_sub(BUCKETS_AT_ONCE);
        Some(Part::Buckets(self.buckets.split_off(rest)))
    }

    fn is_long(&self) -> bool {
        let asked = self.asked.values().map(|question| match &question.part {
            Part::Buckets(buckets) => buckets.len(),
            Part::Leaves(_) => 1,
        });
        self.buckets.len() + self.leaves.len() + asked.sum::<usize>() >= MUCH
    }
}

/// How many questions one repair has open.
const QUESTIONS: usize = 4;
/// 16 answers of 2 KiB.
const BUCKETS_AT_ONCE: usize = 16;
const LEAVES_AT_ONCE: usize = 256;
/// How many bytes of facts are handed over at once.
const CHUNK: usize = 64 << 10;
/// Two repairs of so many buckets don't go on at the same time.
const MUCH: usize = 64;
/// Of how many replicas it is remembered what is no use.
const PEERS: usize = 64;
const PATIENCE: Duration = Duration::from_millis(750);
const TRIES: u8 = 4;
