//! What is promised, checked by somebody who sees all replicas and knows what was asked of each and when.

use std::collections::BTreeMap;

use sealpass::claims::{Registration, SessionId};
use sealpass::clock::Timestamp;
use sealpass::revocation::{CLOCK_ERROR, Ending, STALENESS, TagKey};

use super::replica::{BEGIN, Moment};
use super::rings::{CONFIRM, KeyId};
use super::sessions::{At, IDLE, REALM, Token, Why};

/// A promise that was broken, and how.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Broken {
    pub promise: Promise,
    pub how: String,
}

/// The promises.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Promise {
    /// An ending that a majority acknowledged is refused by whoever answers, at the latest `S` later; and whatever crashes, while
    /// a replica that acknowledged it keeps its journal or stays up, it is not lost. (The first and the third.)
    EndedStaysEnded,
    /// A replica that can't know does not answer. (The second.)
    WhoCantKnowIsSilent,
    /// Nothing is refused but for an ending that was not acknowledged before the login began. (The fourth.)
    FreshIsGood,
    /// Nothing is refused because its key is not known. (The fifth.)
    RotationIsSilent,
    /// When all links are whole again all know the same and answer, within two seconds.
    Converges,
    /// And everything works.
    Serves,
}

/// What an ending is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Of {
    /// A session, and whatever it was rotated to.
    Session(SessionId),
    /// Sessions with a tag that began before.
    Tag(TagKey),
    /// Tokens of a session with claims older than those; unknown until it is done.
    Older(SessionId, Option<Timestamp>),
    /// A session that goes on under another id.
    Moved(SessionId),
    /// Tokens of a session that say nothing of its device, or are of a later registration; unknown until it is done.
    Unbound(SessionId, Option<Registration>),
    /// Tokens under a key; in its place comes another one, which seals at once.
    Key(KeyId, KeyId),
    /// Nothing.
    Nothing,
}

#[derive(Debug)]
struct Told {
    of: Of,
    begun: Moment,
    acknowledged: Option<Moment>,
    /// Whether the process that was asked knows it, though nobody was told so.
    taken: bool,
}

/// All that was asked and answered.
#[derive(Default)]
pub struct Promises {
    endings: Vec<Told>,
    tokens: Vec<Token>,
    /// When each floor was first seen, and when one was ready that knew it.
    floors: BTreeMap<Timestamp, (Moment, Option<Moment>)>,
    /// How often something was checked, so that a world in which nothing happens is noticed.
    pub accepted: u64,
    pub refused: u64,
}

impl Promises {
    /// Something is asked to end. Its number.
    pub fn begins(&mut self, of: Of, begun: Moment) -> usize {
        self.endings.push(Told { of, begun, acknowledged: None, taken: false });
        self.endings.len() - 1
    }

    /// A majority holds the ending, and whoever asked was told so.
    pub fn acknowledged(&mut self, ending: usize, now: Moment) {
        self.endings[ending].acknowledged = Some(now);
    }

    /// It was answered that it is kept, and no more.
    pub fn taken(&mut self, ending: usize) {
        self.endings[ending].taken = true;
    }

    /// New claims were handed out, so older ones are out of date.
    pub fn resealed(&mut self, ending: usize, claims_at: Timestamp) {
        if let Of::Older(_, than) = &mut self.endings[ending].of {
            *than = Some(claims_at);
        }
    }

    /// The tokens of a registration were handed out.
    pub fn registered(&mut self, ending: usize, registration: Option<Registration>) {
        if let Of::Unbound(_, by) = &mut self.endings[ending].of {
            *by = registration;
        }
    }

    /// A token was handed out.
    pub fn hold(&mut self, token: Token, now: Moment) {
        if self.tokens.len() >= MANY {
            let dead = |token: &Token| wall(now) > dies(token).plus(10 * CLOCK_ERROR);
            let dead = self.tokens.iter().position(dead).unwrap_or_default();
            self.tokens.remove(dead);
        }
        self.tokens.push(token);
    }

    /// Looks at every token on a replica that runs.
    ///
    /// # Errors
    /// The promise that is broken.
    pub fn check(&mut self, at: &At, majority: usize) -> Result<(), Broken> {
        let (now, place) = {
            let replica = at.0.borrow();
            (replica.moment, replica.place)
        };
        let floor = at.0.borrow().process().table.floor(REALM);
        let ready = at.0.borrow().is_ready(majority);
        if let Some(floor) = floor {
            let (_, settled) = self.floors.entry(floor).or_insert((now, None));
            *settled = settled.or(Some(now).filter(|_| ready));
        }
        if !ready {
            return Ok(());
        }
        for token in &self.tokens {
            let expired = at.has_expired(token);
            let verdict = at.look_at(token);
            let says = |promise, how: String| Err(Broken { promise, how: format!("replica {place} at {now}: {how}") });
            match verdict {
                Ok(()) if expired => {}
                Ok(()) if wall(now) > dies(token).plus(3 * CLOCK_ERROR) => {
                    return says(Promise::EndedStaysEnded, format!("accepts what has expired: {token:?}"));
                }
                Ok(()) => {
                    self.accepted += 1;
                    if let Some(ending) = self.endings.iter().find(|ending| ending.must_hit(token, now)) {
                        return says(Promise::EndedStaysEnded, format!("accepts {token:?}\n  in spite of {ending:?}"));
                    }
                }
                Err(Why::Over(why)) => {
                    self.refused += 1;
                    if !self.may_refuse(token, why) {
                        return says(Promise::FreshIsGood, format!("refuses {token:?}\n  as {why:?}"));
                    }
                }
                Err(Why::Key) if !self.may_not_open(token.key) => {
                    return says(Promise::RotationIsSilent, format!("can't open {token:?}"));
                }
                Err(Why::Key | Why::NotReady) => {}
            }
        }
        Ok(())
    }

    /// Whether the key was revoked, or came in the place of one that was.
    fn may_not_open(&self, key: KeyId) -> bool {
        self.endings.iter().any(|ending| matches!(ending.of, Of::Key(old, fresh) if old == key || fresh == key))
    }

    /// Whether something was asked for that explains the refusal, and was not over when the login began.
    fn may_refuse(&self, token: &Token, why: Ending) -> bool {
        let before = |at: Option<Moment>| at.is_some_and(|at| at < token.asked);
        match why {
            Ending::Floored => {
                let hit = |(at, (_, settled)): (&Timestamp, &(Moment, Option<Moment>))| {
                    token.started <= *at && !before(*settled)
                };
                self.floors.iter().any(hit)
            }
            Ending::CutOff => self.endings.iter().any(|ending| {
                matches!(ending.of, Of::Tag(tag) if token.tags.contains(&tag)) && !before(ending.acknowledged)
            }),
            Ending::Denied => self.endings.iter().any(|ending| match ending.of {
                Of::Session(sid) => token.sids.contains(&sid),
                Of::Moved(sid) => token.sids[0] == sid,
                Of::Tag(_) | Of::Older(..) | Of::Unbound(..) | Of::Key(..) | Of::Nothing => false,
            }),
            Ending::Superseded => {
                self.endings.iter().any(|ending| matches!(ending.of, Of::Older(sid, _) if token.sids[0] == sid))
            }
            Ending::Unbound => {
                self.endings.iter().any(|ending| matches!(ending.of, Of::Unbound(sid, _) if token.sids[0] == sid))
            }
        }
    }
}

impl Told {
    /// Whether the token has to be refused by whoever answers.
    fn must_hit(&self, token: &Token, now: Moment) -> bool {
        let limit = if matches!(self.of, Of::Key(..)) { CONFIRM } else { STALENESS };
        let limit = u64::try_from(limit.as_micros()).expect("in range");
        self.acknowledged.is_some_and(|at| now > at + limit) && self.is_of(token, now)
    }

    fn is_of(&self, token: &Token, now: Moment) -> bool {
        match self.of {
            Of::Session(sid) => token.sids.contains(&sid),
            Of::Tag(tag) => token.tags.contains(&tag) && token.login <= self.begun,
            Of::Older(sid, than) => token.sids[0] == sid && than.is_some_and(|than| token.claims_at < than),
            Of::Moved(sid) => token.sids[0] == sid,
            // Whatever a rotation made of it. The earlier of two registrations holds.
            Of::Unbound(sid, Some(by)) => {
                let late = wall(now) > by.at.plus(2 * CLOCK_ERROR);
                token.sids.contains(&sid) && token.bound.map_or(late, |other| other > by)
            }
            Of::Key(key, _) => token.key == key,
            Of::Unbound(_, None) | Of::Nothing => false,
        }
    }
}

/// When the token dies unless it is renewed.
fn dies(token: &Token) -> Timestamp {
    token.sealed.plus(IDLE).min(token.expires)
}

/// The world's own time.
fn wall(now: Moment) -> Timestamp {
    Timestamp::from_millis(BEGIN + now / 1_000).expect("in range")
}

/// Most tokens that are looked at.
const MANY: usize = 48;
