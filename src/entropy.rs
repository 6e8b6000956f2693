//! Random bytes, and where they come from.

use std::fmt;
use std::sync::{Arc, Mutex};

use ring::rand::{SecureRandom, SystemRandom};
use zeroize::{Zeroize, Zeroizing};

/// The source of random bytes refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the system's random generator failed; nothing can be sealed until it works again")]
pub struct EntropyError;

/// Where random bytes come from.
///
/// A wrong answer costs: predictable bytes make session ids and keys guessable. Nonces survive even a generator that
/// repeats itself, because they are hedged with what they seal (see [`crate::seal`]).
pub trait Entropy: Send + Sync {
    /// Fills `out` with bytes that nobody can predict.
    ///
    /// # Errors
    /// [`EntropyError`] if the source cannot give them; `out` must not be used then.
    fn fill(&self, out: &mut [u8]) -> Result<(), EntropyError>;
}

/// The operating system's generator (`getrandom` on Linux), through `ring`.
#[derive(Debug)]
pub struct SystemEntropy(SystemRandom);

impl SystemEntropy {
    /// The operating system's generator.
    pub fn new() -> Self {
        Self(SystemRandom::new())
    }
}

impl Default for SystemEntropy {
    fn default() -> Self {
        Self::new()
    }
}

impl Entropy for SystemEntropy {
    fn fill(&self, out: &mut [u8]) -> Result<(), EntropyError> {
        self.0.fill(out).map_err(|_| EntropyError)
    }
}

/// Random bytes fetched many at once, so that not every nonce takes a system call, which costs as much as sealing does.
///
/// Each byte is handed out once, and overwritten as it leaves. For nonces alone, which are hedged with what they seal: a
/// machine that is cloned, or a process that forks, has the same bytes in stock twice, and would make the same id or key of
/// them.
pub(crate) struct Stock {
    source: Arc<dyn Entropy>,
    held: Mutex<Held>,
}

impl Stock {
    /// An empty one. It is filled from `source` when it is first asked.
    pub(crate) fn new(source: Arc<dyn Entropy>) -> Self {
        Self { source, held: Mutex::new(Held { bytes: Zeroizing::new([0; STOCKED]), left: 0 }) }
    }
}

impl Entropy for Stock {
    fn fill(&self, out: &mut [u8]) -> Result<(), EntropyError> {
        // Nobody waits for whoever else is at it, nor depends on whoever panicked there: the source has bytes for all.
        match self.held.try_lock() {
            Ok(mut held) if out.len() <= STOCKED => held.hand_out(out, &*self.source),
            _ => self.source.fill(out),
        }
    }
}

impl fmt::Debug for Stock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Stock(redacted)")
    }
}

/// `N` random bytes.
///
/// # Errors
/// [`EntropyError`] if the source fails.
pub fn random<const N: usize>(entropy: &dyn Entropy) -> Result<[u8; N], EntropyError> {
    let mut bytes = [0; N];
    entropy.fill(&mut bytes)?;
    Ok(bytes)
}

/// What is in stock: the first `left` bytes were not handed out yet.
struct Held {
    bytes: Zeroizing<[u8; STOCKED]>,
    left: usize,
}

impl Held {
    fn hand_out(&mut self, out: &mut [u8], source: &dyn Entropy) -> Result<(), EntropyError> {
        if self.left < out.len() {
            // Nothing is left unless all of it came: what a source leaves behind when it fails is not random.
            self.left = 0;
            source.fill(&mut *self.bytes)?;
            self.left = STOCKED;
        }
        self.left -= out.len();
        let taken = &mut self.bytes[self.left..][..out.len()];
        out.copy_from_slice(taken);
        taken.zeroize();
        Ok(())
    }
}

/// Bytes fetched at once: enough for 40 nonces. More would make a nonce hardly cheaper.
const STOCKED: usize = 960;

#[cfg(test)]
mod tests {
    use std::collections::HashSet;
    use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
    use std::thread;

    use super::*;

    const BROKEN: u8 = 0xee;

    /// Gives each number once, as 8 bytes, unless it is told to fail; then it leaves bytes behind that are not random.
    #[derive(Default)]
    struct Numbers {
        next: AtomicU64,
        fails: AtomicBool,
    }

    impl Numbers {
        fn set_failing(&self, fails: bool) {
            self.fails.store(fails, Ordering::SeqCst);
        }
    }

    impl Entropy for Numbers {
        fn fill(&self, out: &mut [u8]) -> Result<(), EntropyError> {
            if self.fails.load(Ordering::SeqCst) {
                out.fill(BROKEN);
                return Err(EntropyError);
            }
            for number in out.chunks_exact_mut(8) {
                number.copy_from_slice(&self.next.fetch_add(1, Ordering::SeqCst).to_be_bytes());
            }
            Ok(())
        }
    }

    fn stock() -> (Arc<Numbers>, Stock) {
        let source = Arc::<Numbers>::default();
        (Arc::clone(&source), Stock::new(source))
    }

    /// Three numbers, or what else 24 bytes are.
    fn three(stock: &Stock) -> Result<[[u8; 8]; 3], EntropyError> {
        let bytes: [u8; 24] = random(stock)?;
        Ok(std::array::from_fn(|i| std::array::from_fn(|j| bytes[8 * i + j])))
    }

    #[test]
    fn no_byte_is_handed_out_twice_across_threads() {
        let (_, stock) = stock();
        let takes = || (0..5_000).flat_map(|_| three(&stock).expect("never fails")).collect::<Vec<_>>();
        let all: Vec<_> = thread::scope(|scope| {
            let threads = [(); 4].map(|()| scope.spawn(takes));
            threads.into_iter().flat_map(|thread| thread.join().expect("no panic")).collect()
        });
        assert_eq!(all.len(), 4 * 5_000 * 3);
        assert_eq!(all.iter().collect::<HashSet<_>>().len(), all.len());
    }

    #[test]
    fn what_was_handed_out_is_overwritten_and_the_source_asked_seldom() {
        let (source, stock) = stock();
        source.next.store(u64::MAX / 255, Ordering::SeqCst); // from 0x0101… on: no byte is zero
        for taken in 1..=STOCKED / 24 {
            three(&stock).expect("never fails");
            let held = stock.held.lock().expect("no panic");
            assert_eq!(held.left, STOCKED - 24 * taken);
            assert!(held.bytes[..held.left].iter().all(|&byte| byte != 0));
            assert!(held.bytes[held.left..].iter().all(|&byte| byte == 0));
        }
        let fetched = source.next.load(Ordering::SeqCst) - u64::MAX / 255;
        assert_eq!(fetched, STOCKED as u64 / 8);
    }

    #[test]
    fn who_finds_it_in_use_asks_the_source() {
        let (source, stock) = stock();
        let held = stock.held.lock().expect("no panic");
        three(&stock).expect("it does not wait");
        assert_eq!(source.next.load(Ordering::SeqCst), 3);
        drop(held);
        thread::scope(|scope| {
            let panics = || {
                let _held = stock.held.lock();
                panic!("with the stock in its hands");
            };
            assert!(scope.spawn(panics).join().is_err());
        });
        three(&stock).expect("it does not depend on whoever panicked");
        assert_eq!(source.next.load(Ordering::SeqCst), 6);
    }

    #[test]
    fn a_source_that_fails_gives_nothing_until_it_recovers() {
        let (source, stock) = stock();
        source.set_failing(true);
        assert_eq!(three(&stock), Err(EntropyError), "an empty stock");
        source.set_failing(false);
        for _ in 0..STOCKED / 24 {
            assert!(!three(&stock).expect("it recovered").contains(&[BROKEN; 8]));
        }
        source.set_failing(true);
        for _ in 0..3 {
            assert_eq!(three(&stock), Err(EntropyError), "a stock that was used up");
        }
        source.set_failing(false);
        stock.fill(&mut [0; STOCKED - 8]).expect("it recovered");
        source.set_failing(true);
        assert_eq!(three(&stock), Err(EntropyError), "a stock that has too little");
        source.set_failing(false);
        assert_ne!(random(&stock), Ok([BROKEN; 8]), "what it had was written over by the source that failed");
    }

    #[test]
    fn what_is_larger_than_the_stock_comes_from_the_source() {
        let (source, stock) = stock();
        stock.fill(&mut [0; STOCKED + 8]).expect("never fails");
        assert_eq!(source.next.load(Ordering::SeqCst), STOCKED as u64 / 8 + 1);
        assert_eq!(stock.held.lock().expect("no panic").left, 0);
    }
}
