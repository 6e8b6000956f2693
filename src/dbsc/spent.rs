//! Challenges that were answered already: a proof counts once on one replica.
//!
//! It narrows what a thief can do with a proof that he has read, and no more: another replica knows nothing of it, and a
//! restart forgets. What bounds such a proof everywhere is the life of its challenge.

use std::collections::HashSet;
use std::hash::{BuildHasher, RandomState};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use crate::clock::Timestamp;

/// Challenges that were answered within their life, or as many of the newest as there is room for.
#[derive(Debug)]
pub struct Spent {
    life: Duration,
    /// Under a key of this process's own: nobody can make two challenges look alike. Two that do cost one more round.
    hasher: RandomState,
    known: Mutex<Known>,
}

/// Two generations, so that nothing has to be looked for to be forgotten.
#[derive(Debug, Default)]
struct Known {
    since: Timestamp,
    new: HashSet<u64>,
    old: HashSet<u64>,
}

impl Spent {
    /// None yet. Challenges live for `life`.
    pub fn new(life: Duration) -> Self {
        Self { life, hasher: RandomState::new(), known: Mutex::default() }
    }

    /// Notes that a challenge is answered. False if it was before.
    pub fn spend(&self, challenge: &str, now: Timestamp) -> bool {
        let hash = self.hasher.hash_one(challenge);
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if now >= known.since.plus(self.life) || known.new.len() >= MOST {
            known.old = std::mem::take(&mut known.new);
            known.since = now;
        }
        !known.old.contains(&hash) && known.new.insert(hash)
    }
}

/// In each generation: about a megabyte.
const MOST: usize = 1 << 16;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_challenge_counts_once_for_as_long_as_it_lives() {
        let (spent, begun) = (Spent::new(Duration::from_secs(120)), Timestamp::EPOCH.plus(Duration::from_secs(1_000)));
        let at = |secs| begun.plus(Duration::from_secs(secs));
        assert!(spent.spend("a", at(0)));
        for secs in [0, 1, 119, 120] {
            assert!(!spent.spend("a", at(secs)), "{secs}");
        }
        assert!(spent.spend("b", at(121)));
        assert!(!spent.spend("b", at(240)));
    }

    #[test]
    fn what_it_remembers_is_bounded() {
        let (spent, now) = (Spent::new(Duration::from_secs(120)), Timestamp::EPOCH.plus(Duration::from_secs(1_000)));
        for at in 0..3 * MOST {
            assert!(spent.spend(&at.to_string(), now));
        }
        let known = spent.known.lock().expect("nobody panicked");
        assert!(known.new.len() + known.old.len() <= 2 * MOST);
        drop(known);
        assert!(!spent.spend(&(3 * MOST - 1).to_string(), now), "the newest are known");
    }
}
