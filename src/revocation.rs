//! Facts: statements that end, date or bind a session. Facts only grow, so their order never matters.
//!
//! `fact` has the kinds of facts; `known` how two of one kind merge and how claims are judged by them; [`encoding`] how they
//! look in bytes; [`digest`] how replicas find out whether they know the same ones; `order` which times endings and new
//! sessions get; `retention` how long facts are kept; [`MemoryFacts`] keeps them in a plain map. [`FactStore`] is the
//! port behind which they are stored.

pub mod digest;
pub mod encoding;
mod fact;
mod known;
mod memory;
mod order;
mod passed;
mod retention;
mod spread;

pub use fact::{AT_ONCE, Fact, SessionKey, TagKey};
pub use known::{Bound, Denial, Ending, SessionFacts, TagFacts};
pub use memory::MemoryFacts;
pub use order::{cutoff_at, next, reaches, stale_at, start_after};
pub use passed::Passed;
pub use retention::{CLOCK_ERROR, Longest, Retention, SEALED_AHEAD, STALENESS};
pub use spread::{Learned, Question, Spread, Spreading, Uninformed, Wait};

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use crate::claims::RealmId;
use crate::clock::Timestamp;

/// Where facts are kept.
///
/// A wrong answer costs: a fact forgotten before its `until` lets an ended session live again, for everybody who kept
/// the cookie. So an adapter never drops a fact to make room. Reads come on every request, from many threads, and must
/// neither block nor fail.
pub trait FactStore: Send + Sync {
    /// What is known about a session; `None` if nothing.
    fn session(&self, session: SessionKey) -> Option<SessionFacts>;

    /// What is known about a tag; `None` if nothing.
    fn tag(&self, tag: TagKey) -> Option<TagFacts>;

    /// Up to which start sessions of the realm are over: the later of its own floor and that of all realms.
    fn floor(&self, realm: RealmId) -> Option<Timestamp>;

    /// Merges `fact` into what is known, visible to every read that begins after this returns. Whether it will also
    /// outlive a crash is told by [`Recorded::kept`], and only then may it be acknowledged.
    fn record(&self, fact: Fact, now: Timestamp) -> Recorded;

    /// Remembers that a session with these tags starts at `at`, ahead of the clock, here and where endings are dated.
    /// What it returns resolves when every ending that anybody dates from then on lies past it: before that no token of
    /// the session is handed out.
    fn pass(&self, tags: &[TagKey], at: Timestamp) -> Learned;

    /// The latest start that [`FactStore::pass`] was told of for any of these tags, as far as it may still lie ahead of
    /// any clock.
    fn passed(&self, tags: &[TagKey]) -> Option<Timestamp>;

    /// Of how many replicas a majority decides what is known; `None` for one that is alone.
    fn fleet(&self) -> Option<u16> {
        None
    }

    /// Learns what a majority of the replicas knows of `question`. To be awaited before a session is issued or changed,
    /// and before an ending of many sessions is dated: else a session may begin before an ending that others know of.
    fn learn(&self, question: Question) -> Learned {
        drop(question);
        Learned::now()
    }
}

/// What was known when a fact was merged, and when it will be durable.
#[derive(Debug)]
pub struct Recorded {
    /// Whether the fact added something that was not known before, here or to whoever acknowledges it. If not, what
    /// they know is known here by the time this is returned.
    pub raised: bool,
    /// Whether the session was known to go on under another id before this fact came.
    pub was_rotated: bool,
    /// Whether it ever went on under another id: that one has to end with it.
    pub succeeded: bool,
    /// Whether the session is over for good: denied, and not by a rotation alone.
    pub over: bool,
    /// Resolves once the fact is kept as the store promises to keep it.
    pub kept: Kept,
}

impl Recorded {
    /// What merging a fact about a session did, `before` and `after`.
    pub fn of_session(before: &SessionFacts, after: &SessionFacts, kept: Kept) -> Self {
        let (raised, was_rotated) = (after.raised_over(before), before.rotated());
        Self { raised, was_rotated, succeeded: after.succeeded(), over: after.over(), kept }
    }

    /// What merging a fact about many sessions did.
    pub fn of_many(raised: bool, kept: Kept) -> Self {
        Self { raised, was_rotated: false, succeeded: false, over: true, kept }
    }
}

/// The moment from which a fact is kept, for whoever has to acknowledge it. It resolves to an error if the fact can't
/// be kept: it is in force on this replica as long as that runs, and must not be acknowledged.
#[must_use = "an ending that is not known to be kept must not be acknowledged"]
#[derive(Default)]
pub struct Kept {
    /// A list and not one inside the other: a session that was rotated very often ends in as many steps.
    waiting: Vec<Later>,
    /// What is on its way to other replicas.
    spreading: Vec<Arc<dyn Spreading>>,
    failed: bool,
}

type Later = Pin<Box<dyn Future<Output = Result<(), StoreError>> + Send>>;

impl Kept {
    /// At once: a store that promises no more than its memory, or a fact that was kept before.
    pub fn now() -> Self {
        Self::default()
    }

    /// When `future` resolves.
    pub fn when(future: impl Future<Output = Result<(), StoreError>> + Send + 'static) -> Self {
        Self { waiting: vec![Box::pin(future)], ..Self::default() }
    }

    /// And once `on` has come as far as whoever waits asks.
    pub fn spreading(mut self, on: Arc<dyn Spreading>) -> Self {
        self.spreading.push(on);
        self
    }

    /// When both are.
    pub fn and(mut self, other: Self) -> Self {
        self.waiting.extend(other.waiting);
        self.spreading.extend(other.spreading);
        self.failed |= other.failed;
        self
    }

    /// Resolves once it is durable here and has come as far as `wait` asks. May be dropped and called again.
    ///
    /// # Errors
    /// [`StoreError`] if it can't be kept here.
    pub async fn until(&mut self, wait: Wait) -> Result<(), StoreError> {
        std::future::poll_fn(|context| self.poll_until(wait, context)).await
    }

    /// How far it has come: as the part that has come least far.
    pub fn spread(&self) -> Spread {
        self.spreading.iter().map(|on| on.spread()).min_by_key(|spread| spread.applied).unwrap_or(Spread::ALONE)
    }

    /// Whether it is on its way to other replicas, or was.
    pub fn is_spreading(&self) -> bool {
        !self.spreading.is_empty()
    }

    fn poll_until(&mut self, wait: Wait, context: &mut Context<'_>) -> Poll<Result<(), StoreError>> {
        while let Some(last) = self.waiting.last_mut() {
            let Poll::Ready(kept) = last.as_mut().poll(context) else { return Poll::Pending };
            self.waiting.pop();
            self.failed |= kept.is_err();
        }
        if self.failed {
            return Poll::Ready(Err(StoreError));
        }
        for on in &self.spreading {
            if on.poll_reached(wait, context).is_pending() {
                return Poll::Pending;
            }
        }
        Poll::Ready(Ok(()))
    }
}

impl Future for Kept {
    type Output = Result<(), StoreError>;

    /// As [`Kept::until`] a majority holds it.
    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        self.poll_until(Wait::Majority, context)
    }
}

impl fmt::Debug for Kept {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.waiting.is_empty() && self.spreading.is_empty() { "Kept(now)" } else { "Kept(later)" })
    }
}

/// A fact could not be kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the fact store could not keep the ending, which is not acknowledged; look at its disk")]
pub struct StoreError;

#[cfg(test)]
mod tests {
    use pollster::block_on;

    use super::*;

    #[test]
    fn an_ending_in_very_many_steps_is_waited_for_without_a_deep_stack() {
        let step = |kept| Kept::when(std::future::ready(kept));
        let chain = |first| (0..200_000).fold(step(first), |all: Kept, _| all.and(step(Ok(()))));
        assert_eq!(block_on(chain(Ok(()))), Ok(()));
        assert_eq!(block_on(chain(Err(StoreError))), Err(StoreError));
        drop(chain(Ok(())));
    }
}
