//! Which of two facts about the same says more. How long they are kept is not part of it.

use crate::revocation::Fact;

/// Whether `known` say all that `fact` says.
pub(super) fn covers(known: &[Fact], fact: &Fact) -> bool {
    known.iter().any(|other| says(other, fact))
}

/// Of what is known under the keys of `pushed` (`after` they were merged, and `before`), what whoever pushed them has
/// to know: what they don't say, and times before which nothing is new that were as late before they came.
pub(super) fn more(after: &[Fact], before: &[Fact], pushed: &[Fact]) -> Vec<Fact> {
    let reached = |fact: &&Fact| pushed.iter().any(|own| is_dated(own) && says(fact, own));
    let mut more: Vec<Fact> = after.iter().filter(|fact| !covers(pushed, fact)).copied().collect();
    let new = before.iter().filter(reached).filter(|fact| !covers(&more, fact)).copied().collect::<Vec<_>>();
    more.extend(new);
    more
}

/// A fact of the same kind about the same as `fact` in `others`, whose time is the same or later: it, at its time.
pub(super) fn latest<'a>(fact: &Fact, others: impl IntoIterator<Item = &'a Fact>) -> Option<Fact> {
    let reaches = others.into_iter().filter(|other| is_dated(fact) && says(other, fact));
    reaches.copied().max_by_key(at)
}

/// The time of a fact that ends or outdates all before it.
pub(super) fn at(fact: &Fact) -> Option<crate::clock::Timestamp> {
    match *fact {
        Fact::Cutoff { at, .. } | Fact::Stale { at, .. } | Fact::Floor { at, .. } => Some(at),
        Fact::Deny { .. } | Fact::Superseded { .. } | Fact::Bound { .. } => None,
    }
}

fn is_dated(fact: &Fact) -> bool {
    at(fact).is_some()
}

/// Whether `known` says all that `fact` says.
fn says(known: &Fact, fact: &Fact) -> bool {
    match (*known, *fact) {
        (Fact::Deny { session: about, from: known, rotated, .. }, Fact::Deny { session, from, rotated: also, .. }) => {
            about == session && known <= from && rotated == also
        }
        (Fact::Superseded { session: about, at: known, .. }, Fact::Superseded { session, at, .. }) => {
            about == session && known >= at
        }
        (Fact::Bound { session: about, by: known, .. }, Fact::Bound { session, by, .. }) => {
            about == session && known <= by
        }
        (Fact::Cutoff { tag: about, at: known, .. }, Fact::Cutoff { tag, at, .. })
        | (Fact::Stale { tag: about, at: known, .. }, Fact::Stale { tag, at, .. }) => about == tag && known >= at,
        (Fact::Floor { realm: about, at: known, .. }, Fact::Floor { realm, at, .. }) => about == realm && known >= at,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::claims::{RealmId, SessionId};
    use crate::clock::Timestamp;
    use crate::revocation::{SessionKey, TagKey};

    fn at(millis: u64) -> Timestamp {
        Timestamp::EPOCH.plus(Duration::from_millis(millis))
    }

    fn cutoff(tag: u8, time: u64) -> Fact {
        Fact::Cutoff { tag: TagKey { realm: RealmId([1; 8]), tag: [tag; 8] }, at: at(time), until: at(900) }
    }

    fn deny(rotated: bool, from: u64) -> Fact {
        let session = SessionKey { realm: RealmId([1; 8]), sid: SessionId([2; 16]) };
        Fact::Deny { session, from: at(from), rotated, of: None, until: at(900) }
    }

    #[test]
    fn later_times_say_more_and_only_about_the_same() {
        assert!(covers(&[cutoff(1, 5)], &cutoff(1, 5)));
        assert!(covers(&[cutoff(2, 9), cutoff(1, 6)], &cutoff(1, 5)));
        assert!(!covers(&[cutoff(2, 9), cutoff(1, 4)], &cutoff(1, 5)));
        assert!(covers(&[deny(false, 3)], &deny(false, 4)) && !covers(&[deny(false, 4)], &deny(false, 3)));
        assert!(!covers(&[deny(false, 0)], &deny(true, 0)), "that it went on under another id is news");
        assert!(!covers(&[deny(true, 0)], &deny(false, 0)), "that it is over is news");
    }

    #[test]
    fn whoever_pushes_is_told_what_it_did_not_say_and_of_times_that_were_as_late() {
        let pushed = [cutoff(1, 5)];
        assert_eq!(more(&[cutoff(1, 5)], &[], &pushed), []);
        assert_eq!(more(&[cutoff(1, 5)], &[cutoff(1, 4)], &pushed), []);
        assert_eq!(more(&[cutoff(1, 5)], &[cutoff(1, 5)], &pushed), [cutoff(1, 5)]);
        assert_eq!(more(&[cutoff(1, 7)], &[cutoff(1, 7)], &pushed), [cutoff(1, 7)]);
        assert_eq!(more(&[deny(false, 0), deny(true, 0)], &[deny(false, 0)], &[deny(true, 0)]), [deny(false, 0)]);
    }

    #[test]
    fn the_latest_that_reaches_is_found() {
        assert_eq!(
            latest(&cutoff(1, 5), &[cutoff(1, 4), cutoff(1, 5), cutoff(2, 9), cutoff(1, 7)]),
            Some(cutoff(1, 7))
        );
        assert_eq!(latest(&cutoff(1, 5), &[cutoff(1, 4)]), None);
        assert_eq!(latest(&deny(false, 0), &[deny(false, 0)]), None);
    }
}
