//! Outcomes that rest on facts, and what has to hold before they are told.

use std::fmt;

use crate::revocation::{Kept, Learned, Spread, StoreError, Uninformed, Wait};

/// An outcome that rests on facts. It holds on this replica already, and must not be told to anybody before the facts
/// are kept: await [`Pending::settled`].
#[must_use = "an outcome whose facts are not known to be kept must not be acknowledged"]
pub struct Pending<T> {
    pub(super) outcome: T,
    pub(super) kept: Kept,
    /// What others have to have heard.
    told: Vec<Learned>,
    /// What is looked at again once the facts are kept, by what came to be known meanwhile.
    again: Vec<Again>,
}

/// Looks again, and gives what has to be kept as well; `None` if nothing.
type Again = Box<dyn FnMut() -> Result<Option<Kept>, Unsettled> + Send>;

/// An outcome can't be told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Unsettled {
    /// Its facts can't be kept here.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Not enough of the other replicas could be told.
    #[error(transparent)]
    Uninformed(#[from] Uninformed),
    /// The session ended, or was changed elsewhere, before the facts were kept.
    #[error("the session was ended or changed by another request meanwhile")]
    Conflict,
}

impl<T> Pending<T> {
    /// An outcome that rests on nothing.
    pub fn now(outcome: T) -> Self {
        Self::when(outcome, Kept::now())
    }

    /// An outcome that rests on what is being kept.
    pub(super) fn when(outcome: T, kept: Kept) -> Self {
        Self { outcome, kept, told: Vec::new(), again: Vec::new() }
    }

    /// The outcome, which nobody hears of before others heard of this.
    pub(super) fn told(mut self, learned: Learned) -> Self {
        if !learned.is_now() {
            self.told.push(learned);
        }
        self
    }

    /// The outcome, if `look` still says so once the facts are kept.
    pub(super) fn again(mut self, look: impl FnMut() -> Result<Option<Kept>, Unsettled> + Send + 'static) -> Self {
        self.again.push(Box::new(look));
        self
    }

    /// What follows from the outcome, no sooner than it.
    pub fn map<U>(self, then: impl FnOnce(T) -> U) -> Pending<U> {
        let Self { outcome, kept, told, again } = self;
        Pending { outcome: then(outcome), kept, told, again }
    }

    /// The outcome, and apart from it what it waits for.
    pub fn split(self) -> (T, Pending<()>) {
        let Self { outcome, kept, told, again } = self;
        (outcome, Pending { outcome: (), kept, told, again })
    }

    /// The outcome, which rests on `other` as well.
    pub fn and<U>(mut self, other: Pending<U>) -> Self {
        self.kept = self.kept.and(other.kept);
        self.told.extend(other.told);
        self.again.extend(other.again);
        self
    }

    /// The outcome, once the facts are kept: here and, if there are others, by a majority.
    ///
    /// # Errors
    /// [`Unsettled`] if they can't be, or if the outcome does not hold any more.
    pub async fn settled(mut self) -> Result<T, Unsettled> {
        self.settled_by(Wait::Majority).await?;
        Ok(self.outcome)
    }

    /// Resolves once the facts are kept here and have come as far as `wait` asks. It may be dropped, as by a timeout,
    /// and called again; [`Pending::spread`] says meanwhile how far they have come.
    ///
    /// # Errors
    /// As [`Pending::settled`].
    pub async fn settled_by(&mut self, wait: Wait) -> Result<(), Unsettled> {
        while let Some(told) = self.told.last_mut() {
            let heard = (&mut *told).await;
            // An answer is there once: whoever asks again hears of a failure again.
            *told = Learned::when(std::future::ready(heard));
            heard?;
            self.told.pop();
        }
        loop {
            self.kept.until(wait).await?;
            let mut more = Kept::now();
            let mut any = false;
            for look in &mut self.again {
                if let Some(kept) = look()? {
                    more = more.and(kept);
                    any = true;
                }
            }
            if !any {
                return Ok(());
            }
            self.kept = std::mem::take(&mut self.kept).and(more);
        }
    }

    /// How far the facts have come; `None` if there are none, or if this replica is alone.
    pub fn spread(&self) -> Option<Spread> {
        self.kept.is_spreading().then(|| self.kept.spread())
    }

    /// The outcome, of which the caller knows that its facts are kept as far as it wants.
    pub fn into_outcome(self) -> T {
        self.outcome
    }
}

impl<T: fmt::Debug> fmt::Debug for Pending<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pending").field("outcome", &self.outcome).field("kept", &self.kept).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use pollster::block_on;

    use super::*;

    #[test]
    fn it_is_looked_at_again_until_there_is_nothing_more_to_keep() {
        let looked = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&looked);
        let pending = Pending::now(7).again(move || {
            let looked = count.fetch_add(1, Ordering::SeqCst);
            Ok((looked < 3).then(Kept::now))
        });
        assert_eq!(block_on(pending.map(|n| n + 1).settled()), Ok(8));
        assert_eq!(looked.load(Ordering::SeqCst), 4);
    }

    #[test]
    fn what_came_meanwhile_and_what_can_not_be_kept_undo_it() {
        let conflict = || Pending::now(()).again(|| Err(Unsettled::Conflict));
        assert_eq!(block_on(conflict().settled()), Err(Unsettled::Conflict));
        assert_eq!(block_on(Pending::now(()).and(conflict()).settled()), Err(Unsettled::Conflict));
        let fails = || Kept::when(std::future::ready(Err(StoreError)));
        let later = Pending::now(()).again(move || Ok(Some(fails())));
        assert_eq!(block_on(later.settled()), Err(Unsettled::Store(StoreError)));
    }

    #[test]
    fn nothing_is_told_before_others_have_heard_and_asked_again_it_says_the_same() {
        let mut pending = Pending::now(()).told(Learned::when(std::future::ready(Err(Uninformed))));
        for wait in [Wait::Local, Wait::Majority] {
            assert_eq!(block_on(pending.settled_by(wait)), Err(Unsettled::Uninformed(Uninformed)), "{wait:?}");
        }
        let mut pending = Pending::now(()).told(Learned::when(std::future::ready(Ok(()))));
        assert_eq!(block_on(pending.settled_by(Wait::Majority)), Ok(()));
        assert_eq!(block_on(pending.settled_by(Wait::All)), Ok(()));
    }
}
