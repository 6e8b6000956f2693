//! Random bytes, and where they come from.

use ring::rand::{SecureRandom, SystemRandom};

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

/// `N` random bytes.
///
/// # Errors
/// [`EntropyError`] if the source fails.
pub fn random<const N: usize>(entropy: &dyn Entropy) -> Result<[u8; N], EntropyError> {
    let mut bytes = [0; N];
    entropy.fill(&mut bytes)?;
    Ok(bytes)
}
