//! How far a fact has come among the replicas, and what whoever is about to act may ask them first.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use super::{SessionKey, TagKey};
use crate::claims::RealmId;

/// How far an ending has to have come before it is told.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Wait {
    /// Durable on the replica that was asked.
    Local,
    /// Durable on a majority of the core: no replica that may answer can miss it for longer than the staleness limit.
    #[default]
    Majority,
    /// Durable on every replica of the core.
    All,
}

/// How many replicas of the core hold a fact, and of how many. A replica that is alone is a core of one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Spread {
    /// How many hold it.
    pub applied: u16,
    /// How many there are.
    pub core: u16,
}

impl Spread {
    /// Held by the one replica that there is.
    pub const ALONE: Self = Self { applied: 1, core: 1 };

    /// Whether a majority holds it.
    pub const fn held(self) -> bool {
        self.applied > self.core / 2
    }

    /// Whether it has come as far as `wait` asks.
    pub const fn reaches(self, wait: Wait) -> bool {
        match wait {
            Wait::Local => true,
            Wait::Majority => self.held(),
            Wait::All => self.applied >= self.core,
        }
    }
}

/// A fact on its way to other replicas.
pub trait Spreading: Send + Sync {
    /// Ready once it has come as far as `wait` asks; wakes the task of `context` when it may have.
    fn poll_reached(&self, wait: Wait, context: &mut Context<'_>) -> Poll<()>;

    /// How far it has come.
    fn spread(&self) -> Spread;
}

/// What whoever begins or ends sessions asks a majority first: what is known of these tags, of this session, and up to
/// which start all sessions of the realm are over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Question {
    /// Which realm; its floor and that of all realms are always asked for.
    pub realm: RealmId,
    /// Which tags.
    pub tags: Vec<TagKey>,
    /// Which session.
    pub session: Option<SessionKey>,
}

/// Resolves once everything that a majority knows of a question is known here too.
#[must_use = "what is decided before it resolves may contradict what a majority knows"]
#[derive(Default)]
pub struct Learned(Option<Asking>);

type Asking = Pin<Box<dyn Future<Output = Result<(), Uninformed>> + Send>>;

impl Learned {
    /// At once: nobody knows more than this replica.
    pub fn now() -> Self {
        Self::default()
    }

    /// When `future` resolves.
    pub fn when(future: impl Future<Output = Result<(), Uninformed>> + Send + 'static) -> Self {
        Self(Some(Box::pin(future)))
    }
}

impl Future for Learned {
    type Output = Result<(), Uninformed>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        self.0.as_mut().map_or(Poll::Ready(Ok(())), |asking| asking.as_mut().poll(context))
    }
}

impl fmt::Debug for Learned {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_none() { "Learned(now)" } else { "Learned(later)" })
    }
}

/// No majority of the core answered in time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no majority of the core answered in time; look at `sealpass cluster status`")]
pub struct Uninformed;

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU16, Ordering};
    use std::sync::{Arc, Mutex};
    use std::task::Waker;

    use pollster::block_on;

    use super::*;
    use crate::revocation::{Kept, StoreError};

    /// On its way to the other replicas of a core of three, as far as a test says.
    struct Way {
        applied: AtomicU16,
        waiting: Mutex<Vec<Waker>>,
    }

    impl Way {
        fn at(applied: u16) -> Arc<Self> {
            Arc::new(Self { applied: applied.into(), waiting: Mutex::default() })
        }

        fn reaches(&self, applied: u16) {
            self.applied.store(applied, Ordering::SeqCst);
            self.waiting.lock().expect("no panic").drain(..).for_each(Waker::wake);
        }
    }

    impl Spreading for Way {
        fn poll_reached(&self, wait: Wait, context: &mut Context<'_>) -> Poll<()> {
            self.waiting.lock().expect("no panic").push(context.waker().clone());
            if self.spread().reaches(wait) { Poll::Ready(()) } else { Poll::Pending }
        }

        fn spread(&self) -> Spread {
            Spread { applied: self.applied.load(Ordering::SeqCst), core: 3 }
        }
    }

    fn look<F: Future>(future: F) -> Poll<F::Output> {
        std::pin::pin!(future).poll(&mut Context::from_waker(Waker::noop()))
    }

    #[test]
    fn a_majority_is_more_than_half_and_all_is_all() {
        for (core, majority) in [(1, 1), (2, 2), (3, 2), (4, 3), (5, 3), (15, 8)] {
            for applied in 0..=core {
                let spread = Spread { applied, core };
                assert!(spread.reaches(Wait::Local));
                assert_eq!(spread.reaches(Wait::Majority), applied >= majority, "{spread:?}");
                assert_eq!(spread.held(), applied >= majority, "{spread:?}");
                assert_eq!(spread.reaches(Wait::All), applied == core, "{spread:?}");
            }
        }
        assert!(Spread::ALONE.reaches(Wait::All));
    }

    #[test]
    fn what_is_kept_waits_for_as_much_as_is_asked_and_can_be_asked_again() {
        let way = Way::at(1);
        let mut kept = Kept::now().spreading(Arc::clone(&way) as _);
        assert_eq!(look(kept.until(Wait::Local)), Poll::Ready(Ok(())));
        assert_eq!(look(kept.until(Wait::Majority)), Poll::Pending);
        assert_eq!(kept.spread(), Spread { applied: 1, core: 3 });
        way.reaches(2);
        assert_eq!(look(kept.until(Wait::Majority)), Poll::Ready(Ok(())));
        assert_eq!(look(kept.until(Wait::All)), Poll::Pending);
        assert_eq!(kept.spread(), Spread { applied: 2, core: 3 });
        way.reaches(3);
        assert_eq!(look(kept.until(Wait::All)), Poll::Ready(Ok(())));
        assert_eq!(look(kept), Poll::Ready(Ok(())), "awaited: a majority");
    }

    #[test]
    fn whoever_waits_is_woken_by_what_comes_last() {
        let (early, late) = (Way::at(2), Way::at(1));
        let kept = Kept::now().spreading(Arc::clone(&early) as _).and(Kept::now().spreading(Arc::clone(&late) as _));
        assert_eq!(kept.spread(), Spread { applied: 1, core: 3 }, "as the part that has come least far");
        let waiting = Arc::clone(&late);
        let thread = std::thread::spawn(move || {
            let begun = std::time::Instant::now();
            while waiting.waiting.lock().expect("no panic").is_empty() {
                assert!(begun.elapsed().as_secs() < 60, "nobody waits");
                std::thread::yield_now();
            }
            waiting.reaches(2);
        });
        assert_eq!(block_on(kept), Ok(()));
        thread.join().expect("no panic");
    }

    #[test]
    fn what_is_not_durable_here_is_an_error_however_far_it_came() {
        let failed = || Kept::when(std::future::ready(Err(StoreError))).spreading(Way::at(3));
        for wait in [Wait::Local, Wait::Majority, Wait::All] {
            let mut kept = failed();
            assert_eq!(block_on(kept.until(wait)), Err(StoreError));
            assert_eq!(block_on(kept.until(wait)), Err(StoreError), "asked again");
        }
        let mut late = Kept::when(std::future::pending()).spreading(Way::at(3));
        assert_eq!(look(late.until(Wait::Local)), Poll::Pending, "not durable here yet");
    }

    #[test]
    fn what_nobody_else_knows_is_learned_at_once_and_all_else_when_it_is_there() {
        assert_eq!(block_on(Learned::now()), Ok(()));
        assert_eq!(
            format!("{:?} {:?}", Learned::now(), Learned::when(std::future::pending())),
            "Learned(now) Learned(later)"
        );
        assert_eq!(block_on(Learned::when(std::future::ready(Err(Uninformed)))), Err(Uninformed));
        assert_eq!(look(Learned::when(std::future::pending())), Poll::Pending);
    }
}
