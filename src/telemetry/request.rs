//! The id of a request: what the lines of proxies, of applications and of this service can be brought together by.

use std::fmt;
use std::future::Future;
use std::sync::Arc;

use serde::{Serialize, Serializer};

use crate::entropy::{Entropy, SystemEntropy, random};

/// The id of one request. It says nothing of whose request it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequestId(Arc<str>);

tokio::task_local! {
    static CURRENT: RequestId;
}

impl RequestId {
    /// What a proxy calls the request, if that can stand in a log: 1 to 64 letters, digits, `-`, `_` and `.`, so that it
    /// breaks no line and is no token, which is longer.
    pub fn said(name: &[u8]) -> Option<Self> {
        let wholesome = name.iter().all(|c| c.is_ascii_alphanumeric() || b"-_.".contains(c));
        let name = std::str::from_utf8(name).ok().filter(|name| wholesome && (1..=MAX).contains(&name.len()))?;
        Some(Self(name.into()))
    }

    /// A new one: 32 hexadecimal digits.
    pub fn make() -> Self {
        Self::make_by(&SystemEntropy::new())
    }

    fn make_by(entropy: &dyn Entropy) -> Self {
        // An id that is none does no harm: nothing rests on it.
        let bytes: [u8; 16] = random(entropy).unwrap_or_default();
        Self(bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>().into())
    }

    /// Its text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// That of the request that is answered now, if it is known.
    pub fn current() -> Option<Self> {
        CURRENT.try_with(Clone::clone).ok()
    }

    /// While `future` is awaited, this is the current one.
    pub fn during<F: Future>(self, future: F) -> impl Future<Output = F::Output> {
        CURRENT.scope(self, future)
    }

    /// While `then` runs, this is the current one.
    pub fn while_running<T>(self, then: impl FnOnce() -> T) -> T {
        CURRENT.sync_scope(self, then)
    }
}

impl Serialize for RequestId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl fmt::Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Enough for a UUID, and for two of them.
const MAX: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::entropy::EntropyError;

    #[test]
    fn what_would_break_a_line_or_could_be_a_token_is_no_id() {
        let long = "a".repeat(MAX);
        for name in ["a", "5d41402abc4b2a76b9719d911017c592", "b7e2-1.x_Y", &long] {
            assert_eq!(RequestId::said(name.as_bytes()).expect(name).as_str(), name);
        }
        let longer = "a".repeat(MAX + 1);
        for name in ["", " ", "a b", "a\nb", "a\"b", "a,b", "ä", "a=b", "{}", &longer] {
            assert_eq!(RequestId::said(name.as_bytes()), None, "{name:?}");
        }
        assert_eq!(RequestId::said(b"\xff"), None);
    }

    #[test]
    fn each_is_another_one_and_is_known_while_it_lasts() {
        let (one, two) = (RequestId::make(), RequestId::make());
        assert!(one != two && one.as_str().len() == 32);
        assert_eq!(RequestId::current(), None);
        assert_eq!(one.clone().while_running(RequestId::current), Some(one.clone()));
        assert_eq!(pollster::block_on(two.clone().during(async { RequestId::current() })), Some(two));
        assert_eq!(RequestId::current(), None);
    }

    #[test]
    fn without_random_bytes_requests_are_answered_all_the_same() {
        struct None;
        impl Entropy for None {
            fn fill(&self, _: &mut [u8]) -> Result<(), EntropyError> {
                Err(EntropyError)
            }
        }
        assert_eq!(RequestId::make_by(&None).as_str(), "0".repeat(32));
    }
}
