//! Measuring everything in turn, round by round, so that ratios hold on a machine whose speed drifts. What counts is CPU
//! time, so that other programs take nothing but the warmth of caches.

use std::hint::black_box;
use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

use crate::peers::Peer;
use crate::stats::median;

/// Does something so many times, and says how much CPU time it took.
pub type Batch = Box<dyn FnMut(u32) -> Duration>;

/// Nanoseconds, one figure a round.
pub struct Figures {
    pub open: Vec<f64>,
    pub seal: Vec<f64>,
}

/// What runs in this process. Nothing but `run` allocates, and what it returns is kept from being optimised away.
pub fn here<T>(mut run: impl FnMut() -> T + 'static) -> Batch {
    Box::new(move |runs| {
        let begin = cpu_time();
        for _ in 0..runs {
            drop(black_box(run()));
        }
        cpu_time().saturating_sub(begin)
    })
}

/// What `with` takes longer than `without`: for a peer that can't be asked without something around it.
pub fn less(mut with: Batch, mut without: Batch) -> Batch {
    Box::new(move |runs| with(runs).saturating_sub(without(runs)))
}

pub fn measure(peers: &mut [Peer], rounds: usize) -> Vec<Figures> {
    let sizes: Vec<_> = peers.iter_mut().map(|peer| (enough(&mut peer.open), enough(&mut peer.seal))).collect();
    let mut figures: Vec<_> = peers.iter().map(|_| Figures { open: Vec::new(), seal: Vec::new() }).collect();
    for _ in 0..rounds {
        for (at, peer) in peers.iter_mut().enumerate() {
            let (opens, seals) = sizes[at];
            figures[at].open.push(nanos(&mut peer.open, opens));
            figures[at].seal.push(nanos(&mut peer.seal, seals));
        }
    }
    figures
}

fn nanos(batch: &mut Batch, runs: u32) -> f64 {
    batch(runs).as_secs_f64() * 1e9 / f64::from(runs)
}

/// How many runs take about [`BATCH`]; the first ones warm up.
fn enough(batch: &mut Batch) -> u32 {
    let mut runs = 1;
    loop {
        if batch(runs) >= BATCH / 4 {
            return runs * 4;
        }
        runs *= 2;
    }
}

/// Of this thread.
fn cpu_time() -> Duration {
    Duration::try_from(clock_gettime(ClockId::ThreadCPUTime)).expect("it counts from zero")
}

/// The spread: the greatest distance of the middle half of the rounds from their median.
pub fn spread(figures: &[f64]) -> f64 {
    let mut sorted = figures.to_vec();
    sorted.sort_by(f64::total_cmp);
    let (low, high) = (sorted[sorted.len() / 4], sorted[sorted.len() * 3 / 4]);
    let middle = median(figures);
    ((high - middle).max(middle - low)) / middle
}

const BATCH: Duration = Duration::from_millis(20);
