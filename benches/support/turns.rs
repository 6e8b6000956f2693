//! Measuring several things in turn, so that their ratios hold on a machine whose speed drifts. What counts is the CPU time of
//! this thread, so that other programs take nothing but the warmth of caches.

use std::hint::black_box;
use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

/// One thing to be measured.
pub struct Subject<'a> {
    /// What it is.
    pub name: &'static str,
    /// One run of it.
    pub run: Box<dyn FnMut() + 'a>,
}

impl<'a> Subject<'a> {
    /// Measures `run`; what it returns is kept from being optimised away.
    pub fn new<T>(name: &'static str, mut run: impl FnMut() -> T + 'a) -> Self {
        Self { name, run: Box::new(move || drop(black_box(run()))) }
    }
}

/// Nanoseconds a run of each subject: `ROUNDS` rounds, each subject in turn in each, so that a round's figures were made
/// under the same conditions.
pub fn measure(subjects: &mut [Subject<'_>]) -> Vec<Vec<f64>> {
    let batches: Vec<u32> = subjects.iter_mut().map(batch).collect();
    let mut figures = vec![Vec::new(); subjects.len()];
    for _ in 0..ROUNDS {
        for (at, subject) in subjects.iter_mut().enumerate() {
            let begin = cpu_time();
            for _ in 0..batches[at] {
                (subject.run)();
            }
            figures[at].push(cpu_time().saturating_sub(begin).as_secs_f64() * 1e9 / f64::from(batches[at]));
        }
    }
    figures
}

/// How many runs take about [`BATCH`].
fn batch(subject: &mut Subject<'_>) -> u32 {
    let mut runs = 1;
    loop {
        let begin = cpu_time();
        for _ in 0..runs {
            (subject.run)();
        }
        if cpu_time().saturating_sub(begin) >= BATCH / 4 {
            return runs * 4;
        }
        runs *= 2;
    }
}

fn cpu_time() -> Duration {
    Duration::try_from(clock_gettime(ClockId::ThreadCPUTime)).expect("it counts from zero")
}

const ROUNDS: usize = 15;
const BATCH: Duration = Duration::from_millis(20);
