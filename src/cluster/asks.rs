//! Asks: what a majority knows, before anything is decided that it could contradict. And passes: starts of sessions
//! ahead of the clocks, told to a majority.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::compare;
use super::message::{Body, Head, Nonce};
use super::node::{Action, AskId, Awaited, Node, To};
use super::ports::Now;
use crate::clock::Timestamp;
use crate::revocation::{Fact, Question, TagKey, Uninformed};

/// The asks under way.
#[derive(Default)]
pub(super) struct Asks {
    open: BTreeMap<AskId, Ask>,
    /// Which ask an answer is about.
    sent: BTreeMap<Nonce, AskId>,
}

/// What a majority is asked, or told.
#[derive(Clone)]
pub(super) enum Asked {
    /// What do you know?
    What(Question),
    /// A session with these tags starts then.
    Passing(Vec<TagKey>, Timestamp),
}

struct Ask {
    what: Asked,
    nonce: Nonce,
    begun: Duration,
    due: Duration,
    pause: Duration,
    /// Who answered what, by place.
    answers: BTreeMap<usize, Vec<Fact>>,
    /// How many parts of them are not durable here yet.
    unwritten: usize,
    writing: Option<Writing>,
}

/// What the majority knows, on its way to those in it who knew less.
struct Writing {
    nonce: Nonce,
    facts: Vec<Fact>,
    holders: BTreeSet<usize>,
    own: bool,
}

impl Node {
    /// 1. Ask the core; our own answer is one, if it counts.
    pub(super) fn begin_ask(&mut self, now: Now, what: Asked) -> (AskId, Vec<Action>) {
        let (id, nonce) = (AskId(self.number()), self.nonce());
        let mut actions = Vec::new();
        let ask = Ask {
            what,
            nonce,
            begun: now.uptime,
            due: now.uptime + FIRST_PAUSE,
            pause: FIRST_PAUSE,
            answers: BTreeMap::new(),
            unwritten: 0,
            writing: None,
        };
        self.asks.sent.insert(nonce, id);
        self.asks.open.insert(id, ask);
        self.settle_ask(now, id, &mut actions);
        if self.asks.open.contains_key(&id) {
            for to in self.to_core(now) {
                self.send_ask(id, to, &mut actions);
            }
        }
        (id, self.done(now, actions))
    }

    /// 2. Whoever is asked says what it knows, and to which starts ahead of the clocks it was told.
    pub(super) fn on_ask(
        &mut self,
        now: Now,
        head: &Head,
        nonce: Nonce,
        question: &Question,
        actions: &mut Vec<Action>,
    ) {
        if self.slot.is_some() {
            let (facts, passed) = (self.facts.about(question), self.facts.passed(&question.tags));
            let answer = Body::Answer { nonce, counts: self.counts(now), facts, passed };
            actions.push(self.send(To::One(head.id), &answer));
        }
    }

    /// 2. Whoever is told remembers it. In memory: if it loses that, its word does not count until the start lies in
    ///    the past.
    pub(super) fn on_pass(
        &mut self,
        now: Now,
        head: &Head,
        (nonce, tags, at): (Nonce, &[TagKey], Timestamp),
        actions: &mut Vec<Action>,
    ) {
        if self.slot.is_some() {
            self.facts.pass(tags, at);
            let ack = Body::Ack { nonce, counts: self.counts(now), more: Vec::new() };
            actions.push(self.send(To::One(head.id), &ack));
        }
    }

    /// 3. What they know is merged. The word of those who don't count is taken in, and not counted.
    pub(super) fn on_answer(
        &mut self,
        now: Now,
        head: &Head,
        (nonce, counts, facts, passed): (Nonce, bool, Vec<Fact>, Option<Timestamp>),
        actions: &mut Vec<Action>,
    ) {
        let Some((id, ask)) = self.asks.find(nonce).filter(|(_, ask)| ask.nonce == nonce) else {
            self.counters.unasked += 1;
            return;
        };
        let Asked::What(question) = &ask.what else { return };
        let question = question.clone();
        if let Some(at) = passed {
            self.facts.pass(&question.tags, at);
        }
        let own = self.facts.about(&question);
        let new: Vec<Fact> = facts.iter().filter(|fact| !compare::covers(&own, fact)).copied().collect();
        let slot = self.place(head).filter(|slot| counts && !self.members.is_duplicate(*slot, now));
        let Some(ask) = self.asks.open.get_mut(&id) else { return };
        if let Some(slot) = slot {
            let writing = ask.writing.as_mut();
            if let Some(writing) =
                writing.filter(|writing| writing.facts.iter().all(|fact| compare::covers(&facts, fact)))
            {
                writing.holders.insert(slot);
            }
            ask.answers.insert(slot, facts);
        }
        if !new.is_empty() {
            ask.unwritten += 1;
            let kept = self.facts.merge(&new, self.dated(now));
            self.wait(kept, Awaited::Written(id), actions);
        }
        self.settle_ask(now, id, actions);
    }

    /// 3. The same of a pass, and of what was written back.
    pub(super) fn on_ask_ack(
        &mut self,
        now: Now,
        head: &Head,
        (nonce, counts, more): (Nonce, bool, &[Fact]),
        actions: &mut Vec<Action>,
    ) {
        let slot = self.place(head).filter(|slot| counts && !self.members.is_duplicate(*slot, now));
        let Some((id, ask)) = self.asks.find(nonce) else {
            self.counters.unasked += 1;
            return;
        };
        match (&mut ask.writing, slot) {
            (Some(writing), Some(slot)) if writing.nonce == nonce => {
                writing.holders.insert(slot);
            }
            (None, Some(slot)) if matches!(ask.what, Asked::Passing(..)) => {
                ask.answers.insert(slot, Vec::new());
            }
            _ => {}
        }
        self.take_in(now, more, actions);
        self.settle_ask(now, id, actions);
    }

    /// What was merged here for an ask is durable, perhaps one part of several: the last one settles it.
    pub(super) fn own_written(&mut self, now: Now, id: AskId, actions: &mut Vec<Action>) {
        let Some(ask) = self.asks.open.get_mut(&id) else { return };
        ask.unwritten -= 1;
        if let Some(writing) = ask.writing.as_mut().filter(|_| ask.unwritten == 0) {
            writing.own = true;
        }
        self.settle_ask(now, id, actions);
    }

    /// 4. Those who have not answered are asked again, and after two seconds nobody is.
    pub(super) fn tick_asks(&mut self, now: Now, actions: &mut Vec<Action>) {
        for id in self.asks.open.keys().copied().collect::<Vec<_>>() {
            self.settle_ask(now, id, actions);
            let Some(ask) = self.asks.open.get_mut(&id) else { continue };
            if now.uptime.saturating_sub(ask.begun) >= PATIENCE {
                self.counters.uninformed += 1;
                self.asks.close(id);
                actions.push(Action::Asked { id, outcome: Err(Uninformed) });
            } else if now.uptime >= ask.due {
                ask.pause *= 2;
                ask.due = now.uptime + ask.pause;
                self.send_ask(id, To::All, actions);
            }
        }
    }

    /// 5. When a majority has answered: if a majority holds the most that it knows, that is it. Else it is written to
    ///    those who knew less.
    fn settle_ask(&mut self, now: Now, id: AskId, actions: &mut Vec<Action>) {
        let (own, majority) = (self.counts(now), self.settings.core.majority());
        let dated = self.dated(now);
        let Some(ask) = self.asks.open.get_mut(&id) else { return };
        let answered = ask.answers.len() + usize::from(own);
        let held = match (&ask.what, &ask.writing) {
            _ if answered < majority => return,
            (Asked::Passing(..), _) => true,
            (Asked::What(_), Some(writing)) => writing.holders.len() + usize::from(own && writing.own) >= majority,
            (Asked::What(question), None) => {
                // What is over by our clock, in doubt for long, is nothing that anybody needs to hold.
                let all = self.facts.about(question).into_iter().filter(|fact| fact.until() > dated);
                let facts: Vec<Fact> = all.collect();
                let knows = |known: &Vec<Fact>| facts.iter().all(|fact| compare::covers(known, fact));
                let holders: BTreeSet<usize> =
                    ask.answers.iter().filter(|(_, known)| knows(known)).map(|(slot, _)| *slot).collect();
                let held = holders.len() + usize::from(own && ask.unwritten == 0) >= majority;
                ask.writing = Some(Writing { nonce: ask.nonce, facts, holders, own: ask.unwritten == 0 });
                if !held {
                    self.write_back(now, id, actions);
                }
                held
            }
        };
        if held {
            self.asks.close(id);
            actions.push(Action::Asked { id, outcome: Ok(()) });
        }
    }

    fn write_back(&mut self, now: Now, id: AskId, actions: &mut Vec<Action>) {
        let nonce = self.nonce();
        let to = self.to_core(now);
        let Some(ask) = self.asks.open.get_mut(&id) else { return };
        let Some(writing) = &mut ask.writing else { return };
        writing.nonce = nonce;
        (ask.pause, ask.due) = (FIRST_PAUSE, now.uptime + FIRST_PAUSE);
        self.asks.sent.insert(nonce, id);
        for to in to {
            self.send_ask(id, to, actions);
        }
    }

    fn send_ask(&self, id: AskId, to: To, actions: &mut Vec<Action>) {
        let Some(ask) = self.asks.open.get(&id) else { return };
        let body = match (&ask.writing, ask.what.clone()) {
            (Some(Writing { nonce, facts, holders, .. }), _) => {
                let holds = |(slot, peer): (usize, _)| To::One(peer) == to && holders.contains(&slot);
                if holders.iter().any(|slot| self.members.in_place(*slot).is_some_and(|peer| holds((*slot, peer)))) {
                    return;
                }
                Body::Push { nonce: *nonce, facts: facts.clone() }
            }
            (None, Asked::What(question)) => Body::Ask { nonce: ask.nonce, question },
            (None, Asked::Passing(tags, at)) => Body::Pass { nonce: ask.nonce, tags, at },
        };
        actions.push(self.send(to, &body));
    }

    /// The others of the core one by one, if all are known, so that edges are not troubled.
    fn to_core(&self, now: Now) -> Vec<To> {
        let live = self.members.live(now);
        let others = self.settings.core.size() - usize::from(self.slot.is_some());
        if live.len() < others {
            return vec![To::All];
        }
        live.into_iter().map(|(_, peer)| To::One(peer)).collect()
    }
}

impl Asks {
    fn find(&mut self, nonce: Nonce) -> Option<(AskId, &mut Ask)> {
        let id = *self.sent.get(&nonce)?;
        Some((id, self.open.get_mut(&id)?))
    }

    fn close(&mut self, id: AskId) {
        self.open.remove(&id);
        self.sent.retain(|_, about| *about != id);
    }
}

const FIRST_PAUSE: Duration = Duration::from_millis(200);
/// After this no answer helps whoever waits.
const PATIENCE: Duration = Duration::from_secs(2);
