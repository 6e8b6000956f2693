//! The network between simulated replicas: bytes that are lost, late, doubled, out of order, or cut off one way.

use fastrand::Rng;

use super::replica::Moment;

/// The links.
pub struct Network {
    /// Which of `from * MOST + to` are cut.
    cut: [bool; MOST * MOST],
    /// Of a hundred messages, how many are lost, how many come twice and how many come late.
    pub lossy: u8,
}

/// Most replicas there can be.
pub const MOST: usize = 8;

impl Default for Network {
    fn default() -> Self {
        Self { cut: [false; MOST * MOST], lossy: 0 }
    }
}

impl Network {
    /// When a message that is sent now arrives; twice, if it is doubled.
    pub fn arrivals(&self, random: &mut Rng, now: Moment, from: usize, to: usize) -> [Option<Moment>; 2] {
        if self.cut[from * MOST + to] || self.happens(random) {
            return [None, None];
        }
        let mut arrival = || {
            let late = if self.happens(random) { random.u64(..400_000) } else { 0 };
            now + random.u64(40..500) + late
        };
        let first = arrival();
        let second = arrival();
        [Some(first), Some(second).filter(|_| self.happens(random))]
    }

    /// Nothing comes from one to the other.
    pub fn cut(&mut self, from: usize, to: usize) {
        self.cut[from * MOST + to] = true;
    }

    /// Nothing comes through between those whose bit is set and the others.
    pub fn split(&mut self, mask: u8) {
        let side = |place: usize| mask >> place & 1;
        for (from, to) in (0..MOST).flat_map(|from| (0..MOST).map(move |to| (from, to))) {
            self.cut[from * MOST + to] |= side(from) != side(to);
        }
    }

    /// All links are whole.
    pub fn heal(&mut self) {
        self.cut = [false; MOST * MOST];
    }

    /// Whether questions of one reach the other, and answers come back.
    pub fn is_whole(&self, one: usize, other: usize) -> bool {
        !self.cut[one * MOST + other] && !self.cut[other * MOST + one]
    }

    fn happens(&self, random: &mut Rng) -> bool {
        self.lossy > 0 && random.u8(..100) < self.lossy
    }
}
