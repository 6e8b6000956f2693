//! Sessions as a replica of the simulation begins, changes, judges and ends them: what `sealpass::sessions` does, without its
//! cryptography, and with each rule open to be broken. The times come from the core's own functions.

use std::cell::RefCell;
use std::future::poll_fn;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::rc::Rc;
use std::task::Poll;
use std::time::Duration;

use sealpass::claims::{RealmId, Registration, SessionId};
use sealpass::clock::Timestamp;
use sealpass::cluster::ports::Facts as _;
use sealpass::revocation::{
    AT_ONCE, CLOCK_ERROR, Ending, Fact, Longest, Question, Retention, SEALED_AHEAD, STALENESS, SessionFacts,
    SessionKey, TagKey, cutoff_at, next, reaches, start_after,
};

use super::replica::{Moment, Replica};
use super::rings::KeyId;
use super::rules::Rule;
use super::table::with_until;

/// A replica, for whoever has a request there.
#[derive(Clone)]
pub struct At(pub Rc<RefCell<Replica>>);

/// A sealed session in a visitor's hands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Token {
    /// Its id, and behind it those that it was rotated from.
    pub sids: Vec<SessionId>,
    /// Under which key it is sealed.
    pub key: KeyId,
    pub tags: Vec<TagKey>,
    pub started: Timestamp,
    pub claims_at: Timestamp,
    /// By which registration its session is bound to a device.
    pub bound: Option<Registration>,
    pub sealed: Timestamp,
    pub expires: Timestamp,
    /// When the login was asked for.
    pub asked: Moment,
    /// When its answer was there.
    pub login: Moment,
}

/// Why a token is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Why {
    /// The replica can't say.
    NotReady,
    /// It does not open.
    Key,
    /// It is over, by what is known.
    Over(Ending),
}

/// What a request came to.
#[derive(Debug)]
pub enum Answer {
    /// 503, 409, 401.
    Refused,
    /// A token.
    Sealed(Token),
    /// 200: a majority holds the ending.
    Ended,
    /// 202: it is kept here.
    Taken,
}

/// The realm of all sessions.
pub const REALM: RealmId = RealmId([1; 8]);
pub const IDLE: Duration = Duration::from_secs(20);
pub const LIFETIME: Duration = Duration::from_secs(120);
const RETENTION: Retention = Retention { longest: Longest { lifetime: LIFETIME, idle: IDLE }, imports: false };
/// For how long unbound tokens count when a device has registered.
pub const TOLERANCE: Duration = Duration::from_secs(2);
/// How long whoever ends something waits for a majority.
const WAIT: Moment = 2_000_000;

pub fn tag(name: u8) -> TagKey {
    TagKey { realm: REALM, tag: [name; 8] }
}

fn key(sid: SessionId) -> SessionKey {
    SessionKey { realm: REALM, sid }
}

fn successor(sid: SessionId) -> SessionId {
    let mut hasher = DefaultHasher::new();
    sid.hash(&mut hasher);
    let half = hasher.finish();
    SessionId((u128::from(half) << 64 | u128::from(half)).to_be_bytes())
}

impl At {
    /// Whether the replica may answer.
    fn is_ready(&self, majority: usize) -> bool {
        self.0.borrow().is_ready(majority)
    }

    fn breaks(&self, rule: Rule) -> bool {
        self.0.borrow().broken == Some(rule)
    }

    fn clock(&self) -> Timestamp {
        self.0.borrow().clock()
    }

    /// Who is it?
    pub fn verify(&self, token: &Token, majority: usize) -> Result<(), Why> {
        if self.is_ready(majority) { self.look_at(token) } else { Err(Why::NotReady) }
    }

    /// Who is it, on a replica that may answer?
    pub fn look_at(&self, token: &Token) -> Result<(), Why> {
        if !self.0.borrow().process().rings.opens(token.key) {
            return Err(Why::Key);
        }
        self.judge(token).map_or(Ok(()), |ending| Err(Why::Over(ending)))
    }

    /// Whether the limits of the token are past.
    pub fn has_expired(&self, token: &Token) -> bool {
        let now = self.clock();
        now >= token.expires || now >= token.sealed.plus(IDLE) || token.sealed > now.plus(SEALED_AHEAD)
    }

    fn judge(&self, token: &Token) -> Option<Ending> {
        let (now, strict) = (self.clock(), !self.breaks(Rule::HitsTheInstant));
        let hit = |at: Timestamp| if strict { reaches(at, token.started) } else { token.started < at };
        let replica = self.0.borrow();
        let table = &replica.process().table;
        let own = table.session(key(token.sids[0]), now);
        if table.floor(REALM).is_some_and(hit) {
            Some(Ending::Floored)
        } else if own.ended(now) {
            Some(Ending::Denied)
        } else if own.superseded.is_some_and(|at| token.claims_at < at) {
            Some(Ending::Superseded)
        } else if own.bound.is_some_and(|own| token.bound.map_or(own.by.at <= now, |by| by != own.by)) {
            Some(Ending::Unbound)
        } else {
            let cut = token.tags.iter().any(|tag| table.tag(*tag, now).cutoff.is_some_and(hit));
            cut.then_some(Ending::CutOff)
        }
    }

    /// A new session.
    pub async fn login(self, majority: usize, sid: SessionId, tags: Vec<TagKey>) -> Answer {
        let asked = self.0.borrow().moment;
        if !self.is_ready(majority) {
            return Answer::Refused;
        }
        if !self.breaks(Rule::LoginsAsk) && !self.ask(tags.clone(), None).await {
            return Answer::Refused;
        }
        // The clock may be another one than when it was asked.
        if !self.is_ready(majority) {
            return Answer::Refused;
        }
        let now = self.clock();
        let started = start_after(now, self.known(&tags, now));
        if started > now && !self.breaks(Rule::LiesPastThePassed) {
            let pass = self.0.borrow_mut().with(|node, at| node.pass(at, tags.clone(), started));
            if !self.told(pass).await {
                return Answer::Refused;
            }
        }
        let login = self.0.borrow().moment;
        let claims_at = started.max(now);
        let expires = started.plus(LIFETIME);
        let Some(key) = self.sealing() else { return Answer::Refused };
        let (sids, bound) = (vec![sid], None);
        Answer::Sealed(Token { sids, key, tags, started, claims_at, bound, sealed: now, expires, asked, login })
    }

    /// The same session, sealed anew.
    pub fn renew(&self, majority: usize, token: &Token) -> Answer {
        if self.verify(token, majority).is_err() || self.has_expired(token) || !self.goes_on(token) {
            return Answer::Refused;
        }
        let sealed = self.clock().max(token.sealed);
        let Some(key) = self.sealing() else { return Answer::Refused };
        Answer::Sealed(Token { key, sealed, ..token.clone() })
    }

    /// New claims under the same id.
    pub async fn reseal(self, majority: usize, token: Token) -> Answer {
        if !self.is_current(majority, &token).await {
            return Answer::Refused;
        }
        let (now, sid) = (self.clock(), key(token.sids[0]));
        let known = self.session(sid, now).superseded;
        let claims_at = start_after(now.max(next(token.claims_at)), known);
        let until = RETENTION.session(now, token.started, token.expires, IDLE);
        if !self.spread(Fact::Superseded { session: sid, at: claims_at, until }, true).await {
            return Answer::Refused;
        }
        let newest = self.session(sid, now).superseded == Some(claims_at);
        let Some(key) = self.sealing() else { return Answer::Refused };
        let renewed = Token { key, claims_at, sealed: now.max(token.sealed), ..token };
        if newest && self.looks_again(&renewed) && self.judge(&renewed).is_none() {
            Answer::Sealed(renewed)
        } else {
            Answer::Refused
        }
    }

    /// The same session, bound to a device.
    pub async fn register(self, majority: usize, token: Token, device: u8) -> Answer {
        if !self.is_current(majority, &token).await || token.bound.is_some() {
            return Answer::Refused;
        }
        let (now, sid) = (self.clock(), key(token.sids[0]));
        let by = Registration { at: now.plus(TOLERANCE), key: [device; 8] };
        let until = RETENTION.bound(now.max(token.sealed), token.started, token.expires, IDLE, TOLERANCE);
        let of = (token.tags[0].tag, token.started);
        if !self.spread(Fact::Bound { session: sid, by, of, until }, true).await {
            return Answer::Refused;
        }
        let Some(key) = self.sealing() else { return Answer::Refused };
        let renewed = Token { key, bound: Some(by), sealed: now.max(token.sealed), ..token };
        let over = self.session(sid, now).deny.is_some();
        if over && !self.breaks(Rule::LooksAgain) || self.judge(&renewed).is_some_and(|_| !over) {
            return Answer::Refused;
        }
        Answer::Sealed(renewed)
    }

    /// The same session under another id.
    pub async fn rotate(self, majority: usize, token: Token) -> Answer {
        if !self.is_current(majority, &token).await {
            return Answer::Refused;
        }
        let (now, old) = (self.clock(), key(token.sids[0]));
        let until = RETENTION.whole_life(token.started, token.expires);
        let deny = Fact::Deny { session: old, from: AT_ONCE, rotated: true, of: None, until };
        if self.session(old, now).deny.is_some() || !self.spread(deny, true).await {
            return Answer::Refused;
        }
        let found = self.session(old, now);
        if !self.looks_again(&token) {
            return Answer::Refused;
        }
        let outdated = found.superseded.is_some_and(|at| token.claims_at < at);
        let sids = std::iter::once(successor(token.sids[0])).chain(token.sids.clone()).collect();
        let Some(key) = self.sealing() else { return Answer::Refused };
        let renewed = Token { sids, key, sealed: now.max(token.sealed), ..token };
        if found.over() || outdated || self.judge(&renewed).is_some() {
            return Answer::Refused;
        }
        Answer::Sealed(renewed)
    }

    /// Good, by what a majority knows.
    async fn is_current(&self, majority: usize, token: &Token) -> bool {
        let good = |at: &Self| at.verify(token, majority).is_ok() && !at.has_expired(token) && at.goes_on(token);
        good(self) && self.ask(Vec::new(), Some(key(token.sids[0]))).await && good(self)
    }

    /// Whether the token says what is known of a device: else it is the last of its kind.
    fn goes_on(&self, token: &Token) -> bool {
        let known = self.session(key(token.sids[0]), self.clock());
        known.bound.is_none_or(|bound| token.bound == Some(bound.by))
    }

    /// The same, when a change of it was written.
    fn looks_again(&self, token: &Token) -> bool {
        self.breaks(Rule::LooksAgain) || self.goes_on(token)
    }

    /// The end of a session, and of what it was rotated to.
    pub async fn end(self, token: Token) -> Answer {
        let now = self.clock();
        let until = RETENTION.session(now.max(token.sealed), token.started, token.expires, IDLE);
        let (mut sid, mut held) = (token.sids[0], true);
        loop {
            let deny = Fact::Deny { session: key(sid), from: AT_ONCE, rotated: false, of: None, until };
            held &= self.spread(deny, held).await;
            if !self.session(key(sid), now).succeeded() {
                return if held { Answer::Ended } else { Answer::Taken };
            }
            sid = successor(sid);
        }
    }

    /// The end of all sessions with a tag.
    pub async fn cut_off(self, tag: TagKey) -> Answer {
        let informed = self.ask(vec![tag], None).await;
        let clock = self.clock();
        let now = self.0.borrow().view().date(clock);
        let past = self.0.borrow().process().table.passed(&[tag]);
        let past = past.filter(|_| !self.breaks(Rule::LiesPastThePassed));
        let known = self.known(&[tag], now).max(past);
        let at = match self.breaks(Rule::LiesAhead) {
            false => cutoff_at(now, known),
            true => now.max(known.map_or(now, next)),
        };
        let held = self.spread(Fact::Cutoff { tag, at, until: RETENTION.cutoff(at) }, informed).await;
        if held && informed { Answer::Ended } else { Answer::Taken }
    }

    fn session(&self, sid: SessionKey, now: Timestamp) -> SessionFacts {
        self.0.borrow().process().table.session(sid, now)
    }

    /// The latest ending that is known of these tags.
    fn known(&self, tags: &[TagKey], now: Timestamp) -> Option<Timestamp> {
        let replica = self.0.borrow();
        let table = &replica.process().table;
        tags.iter().filter_map(|tag| table.tag(*tag, now).cutoff).chain(table.floor(REALM)).max()
    }

    /// Learns what a majority knows, or that none answers.
    async fn ask(&self, tags: Vec<TagKey>, session: Option<SessionKey>) -> bool {
        let question = Question { realm: REALM, tags, session };
        let ask = self.0.borrow_mut().with(|node, now| node.ask(now, question));
        self.told(ask).await
    }

    async fn told(&self, ask: sealpass::cluster::node::AskId) -> bool {
        poll_fn(|_| self.0.borrow().process().outcome(ask).map_or(Poll::Pending, Poll::Ready)).await.is_ok()
    }

    /// Records a fact here and sends it to all. Whether it is durable here, and a majority holds it if that is waited for,
    /// before whoever asked gives up.
    async fn spread(&self, fact: Fact, wait: bool) -> bool {
        let (now, begun) = (self.clock(), self.0.borrow().moment);
        let fact = match self.breaks(Rule::KeptBeyondIdle) {
            false => with_until(fact, fact.until().plus(STALENESS)),
            true => with_until(fact, fact.until().minus(STALENESS + SEALED_AHEAD + 2 * CLOCK_ERROR)),
        };
        let dated = self.0.borrow().view().date(now);
        let push = {
            let mut replica = self.0.borrow_mut();
            let kept = replica.process().table.merge_pinned(fact, dated);
            replica.push(dated, fact, kept)
        };
        let enough = self.breaks(Rule::MajorityAcknowledges);
        poll_fn(|_| {
            let replica = self.0.borrow();
            let (durable, held) = (replica.process().is_durable(push), enough || replica.process().is_held(push));
            let late = replica.moment >= begun + WAIT;
            if durable && (held || late || !wait) { Poll::Ready(held) } else { Poll::Pending }
        })
        .await
    }
}
