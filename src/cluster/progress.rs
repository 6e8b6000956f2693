//! How far each push has come, for those who wait for it.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use crate::revocation::{Spread, Spreading, Wait};

/// One push.
#[derive(Debug)]
pub struct Progress(Mutex<State>);

#[derive(Debug)]
struct State {
    spread: Spread,
    waiting: Vec<Waker>,
}

impl Progress {
    /// One that nobody holds yet, of a core of that size.
    pub fn new(core: usize) -> Self {
        let core = u16::try_from(core).unwrap_or(u16::MAX);
        Self(Mutex::new(State { spread: Spread { applied: 0, core }, waiting: Vec::new() }))
    }

    /// It has come further.
    pub fn reached(&self, spread: Spread) {
        let mut state = self.state();
        state.spread = spread;
        let waiting = std::mem::take(&mut state.waiting);
        drop(state);
        waiting.into_iter().for_each(Waker::wake);
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Spreading for Progress {
    fn poll_reached(&self, wait: Wait, context: &mut Context<'_>) -> Poll<()> {
        let mut state = self.state();
        if state.spread.reaches(wait) {
            return Poll::Ready(());
        }
        if !state.waiting.iter().any(|waker| waker.will_wake(context.waker())) {
            state.waiting.push(context.waker().clone());
        }
        Poll::Pending
    }

    fn spread(&self) -> Spread {
        self.state().spread
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;
    use std::sync::Arc;

    use super::*;

    #[test]
    fn whoever_waits_is_woken_when_it_has_come_as_far_as_asked() {
        let progress = Arc::new(Progress::new(3));
        let waiting = |wait| {
            let progress = Arc::clone(&progress);
            std::thread::spawn(move || {
                pollster::block_on(poll_fn(|context| progress.poll_reached(wait, context)));
                progress.spread().applied
            })
        };
        let (local, majority, all) = (waiting(Wait::Local), waiting(Wait::Majority), waiting(Wait::All));
        local.join().expect("no panic");
        progress.reached(Spread { applied: 1, core: 3 });
        assert!(!majority.is_finished() && !all.is_finished());
        progress.reached(Spread { applied: 2, core: 3 });
        assert!(majority.join().expect("no panic") >= 2);
        assert!(!all.is_finished());
        progress.reached(Spread { applied: 3, core: 3 });
        assert_eq!(all.join().expect("no panic"), 3);
    }
}
