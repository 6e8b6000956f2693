//! What an operator may order of a ring, and what it then does: pure functions of the ring and the time.
//!
//! Only these make, date, revoke or destroy keys, and each may be given twice: what is done already is not done again.

use std::time::Duration;

use super::record::{KeyRecord, KeyState, Kid};
use super::refused::Refused;
use super::ring::KeyRing;
use super::timing::Timing;
use crate::clock::Timestamp;
use crate::entropy::Entropy;
use crate::revocation::next;

/// Something to do with the keys of a ring.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// Make the next key, which seals [`Timing::activation`] from now on, or after the longer time that is asked for.
    /// Nothing while the one before is still on its way. Retired keys are destroyed.
    Rotate {
        /// How long from now, if longer.
        after: Option<Duration>,
    },
    /// Among several replicas: make the next key, which is dated once a majority has it. Nothing while one is on its
    /// way. Retired keys are destroyed.
    Propose,
    /// Let a proposed key, which a majority has, seal [`Timing::activation`] from now on, or after the longer time that
    /// is asked for. Nothing if it is dated.
    Date {
        /// Which key.
        kid: Kid,
        /// How long from now, if longer.
        after: Option<Duration>,
    },
    /// Put the next key off until a later time.
    Postpone {
        /// Until when.
        until: Timestamp,
    },
    /// End every session under a key at once, and seal with a fresh one if it was the active key, or may be so for some
    /// replica before that hears of it.
    Revoke {
        /// Which key.
        kid: Kid,
    },
    /// Wipe a key that nothing needs any more.
    Destroy {
        /// Which key.
        kid: Kid,
        /// Even if sessions under it may be alive.
        force: bool,
    },
}

/// What an order came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Done {
    /// What was done, or found done already.
    pub outcome: Outcome,
    /// Whether the ring is another one now, and has to be written.
    pub changed: bool,
    /// Retired keys that were destroyed with it.
    pub destroyed: Vec<Kid>,
}

/// What was done, or found done already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The next key is made, and not dated yet.
    Proposed {
        /// Its id.
        kid: Kid,
    },
    /// The next key is on its way.
    Rotating {
        /// Its id.
        kid: Kid,
        /// From when on it seals.
        from: Timestamp,
    },
    /// The key is revoked.
    Revoked {
        /// Its id.
        kid: Kid,
        /// The key that seals in its place, if it was the active one.
        fresh: Option<Kid>,
    },
    /// The key is destroyed.
    Destroyed {
        /// Its id.
        kid: Kid,
    },
}

impl KeyRing {
    /// Carries out `order` at `now`.
    ///
    /// # Errors
    /// [`Refused`], and the ring is as it was.
    pub fn carry_out(
        &mut self,
        order: Order,
        now: Timestamp,
        timing: Timing,
        entropy: &dyn Entropy,
    ) -> Result<Done, Refused> {
        match order {
            Order::Rotate { after } => self.rotate(after, now, timing, entropy),
            Order::Propose => self.propose(now, entropy),
            Order::Date { kid, after } => self.date(kid, after, now, timing),
            Order::Postpone { until } => self.postpone(until, now, timing),
            Order::Revoke { kid } => self.revoke(kid, now, timing, entropy),
            Order::Destroy { kid, force } => self.destroy(kid, force, now),
        }
    }

    /// The key that is on its way: proposed or pending.
    pub(super) fn next_key(&self, now: Timestamp) -> Option<&KeyRecord> {
        let coming = self.states(now).filter(|(_, state)| matches!(state, KeyState::Proposed | KeyState::Pending));
        coming
            .map(|(record, _)| record)
            .min_by_key(|record| (record.not_before.is_none(), record.not_before, record.kid))
    }

    fn rotate(
        &mut self,
        after: Option<Duration>,
        now: Timestamp,
        timing: Timing,
        entropy: &dyn Entropy,
    ) -> Result<Done, Refused> {
        let from = begin(after, now, timing)?;
        let (kid, from, changed) = match self.next_key(now).map(|record| (record.kid, record.not_before)) {
            Some((kid, Some(from))) => (kid, from, false),
            Some((kid, None)) => {
                self.known(kid)?.not_before = Some(from);
                (kid, from, true)
            }
            None => {
                let fresh = KeyRecord::generate(entropy, now, Some(from))?;
                let kid = fresh.kid;
                self.add(fresh);
                (kid, from, true)
            }
        };
        let destroyed = self.destroy_retired(now);
        let changed = changed || !destroyed.is_empty();
        Ok(Done { outcome: Outcome::Rotating { kid, from }, changed, destroyed })
    }

    fn propose(&mut self, now: Timestamp, entropy: &dyn Entropy) -> Result<Done, Refused> {
        let next = self.next_key(now).map(|record| (record.kid, record.not_before));
        let (outcome, made) = match next {
            Some((kid, Some(from))) => (Outcome::Rotating { kid, from }, false),
            Some((kid, None)) => (Outcome::Proposed { kid }, false),
            None => {
                let fresh = KeyRecord::generate(entropy, now, None)?;
                let kid = fresh.kid;
                self.add(fresh);
                (Outcome::Proposed { kid }, true)
            }
        };
        let destroyed = self.destroy_retired(now);
        Ok(Done { outcome, changed: made || !destroyed.is_empty(), destroyed })
    }

    fn date(&mut self, kid: Kid, after: Option<Duration>, now: Timestamp, timing: Timing) -> Result<Done, Refused> {
        let from = begin(after, now, timing)?;
        let record = self.known(kid)?;
        let done = |from, changed| Done { outcome: Outcome::Rotating { kid, from }, changed, destroyed: Vec::new() };
        match record.not_before {
            _ if !record.opens() => Err(Refused::NothingPending),
            Some(known) => Ok(done(known, false)),
            None => {
                record.not_before = Some(from);
                Ok(done(from, true))
            }
        }
    }

    fn postpone(&mut self, until: Timestamp, now: Timestamp, timing: Timing) -> Result<Done, Refused> {
        let next = self.next_key(now).and_then(|record| Some((record.kid, record.not_before?)));
        let (kid, from) = next.ok_or(Refused::NothingPending)?;
        if until == from {
            return Ok(Done { outcome: Outcome::Rotating { kid, from }, changed: false, destroyed: Vec::new() });
        }
        if until < from {
            return Err(Refused::NotLater { kid, from });
        }
        if until > now.plus(FARTHEST) {
            return Err(Refused::TooFar);
        }
        if now >= from.minus(timing.notice()) {
            return Err(Refused::TooLate { kid, from, notice: timing.notice() });
        }
        // Rotations of one moment on two copies left two keys: neither may begin before.
        let sooner =
            |(record, state): &(&KeyRecord, KeyState)| *state == KeyState::Pending && record.not_before < Some(until);
        let put_off: Vec<_> = self.states(now).filter(sooner).map(|(record, _)| record.kid).collect();
        for record in self.records.iter_mut().filter(|record| put_off.contains(&record.kid)) {
            record.not_before = Some(until);
        }
        let kid = self.sealing(until).unwrap_or(kid);
        Ok(Done { outcome: Outcome::Rotating { kid, from: until }, changed: true, destroyed: Vec::new() })
    }

    fn revoke(&mut self, kid: Kid, now: Timestamp, timing: Timing, entropy: &dyn Entropy) -> Result<Done, Refused> {
        let active = self.sealing(now) == Some(kid);
        let record = self.known(kid)?;
        // Some replica will seal with it before that hears of this, and for that one the key before is succeeded.
        let imminent = match record.not_before {
            Some(from) => from > now && now >= from.minus(timing.notice()),
            // Another replica may have dated it as soon as it was made.
            None => now >= record.created.plus(timing.activation()).minus(timing.notice()),
        };
        let seals = active || imminent;
        if !record.opens() {
            let outcome = Outcome::Revoked { kid, fresh: None };
            return Ok(Done { outcome, changed: false, destroyed: Vec::new() });
        }
        // Made before anything is changed: without random bytes the ring stays as it is.
        let fresh = if seals { Some(KeyRecord::generate(entropy, now, Some(now))?) } else { None };
        let fresh_kid = fresh.as_ref().map(KeyRecord::kid);
        let record = self.known(kid)?;
        // A key that sealed was revoked no sooner than it began to, whatever the clock says, and its successor is
        // later.
        let began = record.not_before.filter(|_| seals).unwrap_or(Timestamp::EPOCH);
        record.revoked = Some(now.max(began));
        if let Some(mut fresh) = fresh {
            fresh.not_before = Some(now.max(next(began)));
            self.add(fresh);
        }
        Ok(Done { outcome: Outcome::Revoked { kid, fresh: fresh_kid }, changed: true, destroyed: Vec::new() })
    }

    fn destroy(&mut self, kid: Kid, force: bool, now: Timestamp) -> Result<Done, Refused> {
        let (record, state) = self.states(now).find(|(record, _)| record.kid == kid).ok_or(Refused::Unknown(kid))?;
        let changed = match state {
            KeyState::Destroyed => false,
            KeyState::Revoked | KeyState::Retired => true,
            KeyState::VerifyOnly if force => true,
            KeyState::VerifyOnly => {
                return Err(Refused::Needed { kid, until: self.opens_until(record).unwrap_or(Timestamp::MAX) });
            }
            KeyState::Proposed | KeyState::Pending | KeyState::Active => return Err(Refused::InUse { kid, state }),
        };
        if changed {
            self.known(kid)?.destroy(now);
        }
        Ok(Done { outcome: Outcome::Destroyed { kid }, changed, destroyed: Vec::new() })
    }

    /// A key that nothing can need any more is only something to lose.
    fn destroy_retired(&mut self, now: Timestamp) -> Vec<Kid> {
        let retired = self.states(now).filter(|(_, state)| *state == KeyState::Retired);
        let retired: Vec<_> = retired.map(|(record, _)| record.kid).collect();
        for record in &mut self.records {
            if retired.contains(&record.kid) {
                record.destroy(now);
            }
        }
        retired
    }

    fn known(&mut self, kid: Kid) -> Result<&mut KeyRecord, Refused> {
        self.records.iter_mut().find(|record| record.kid == kid).ok_or(Refused::Unknown(kid))
    }
}

/// From when on a key seals that is dated now.
fn begin(after: Option<Duration>, now: Timestamp, timing: Timing) -> Result<Timestamp, Refused> {
    let least = timing.activation();
    match after.unwrap_or(least) {
        after if after < least => Err(Refused::TooSoon { least }),
        after if after > FARTHEST => Err(Refused::TooFar),
        after => Ok(now.plus(after)),
    }
}

/// How far ahead a rotation may lie.
const FARTHEST: Duration = crate::sessions::Lifetimes::MAX;
