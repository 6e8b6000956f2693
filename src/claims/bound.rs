//! What the tokens of a session say that is bound to a device: a mark in both, and the device's public key in the anchor.
//!
//! Both stand there as extensions that a reader has to know: a release without them refuses such tokens.

use std::fmt;
use std::time::Duration;

use super::{Claims, Extension};
use crate::clock::Timestamp;
use crate::secret::sha256;

/// The tag of the extension that has the [`Mark`].
pub const MARK: u16 = 1;
/// The tag of the extension that has the [`PublicKey`]: in anchors alone.
pub const PUBLIC_KEY: u16 = 2;

/// What names a registration of a device. Of several of one session, at one moment on several replicas, the least one
/// holds: tokens of another are refused by whoever knows that.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Registration {
    /// From when on tokens of before it are refused.
    pub at: Timestamp,
    /// The device's key, as [`PublicKey::fingerprint`] tells it from others.
    pub key: [u8; 8],
}

/// Says in a token that its session is bound to a device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mark {
    /// By which registration.
    pub by: Registration,
    /// The idle limit of the session, which is that of its anchor. The token at hand may have a shorter one, and an
    /// ending has to outlast both.
    pub idle: Duration,
}

impl Mark {
    /// Idle limit in seconds (4 bytes), time in milliseconds (8), both big-endian, and the key's fingerprint (8).
    pub fn to_bytes(self) -> [u8; MARK_LEN] {
        let idle = u32::try_from(self.idle.as_secs()).unwrap_or(u32::MAX).to_be_bytes();
        let at = self.by.at.as_millis().to_be_bytes();
        std::array::from_fn(|i| match i {
            0..4 => idle[i],
            4..12 => at[i - 4],
            _ => self.by.key[i - 12],
        })
    }

    /// What [`Mark::to_bytes`] made; `None` for anything else.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (idle, rest) = bytes.split_first_chunk()?;
        let (at, key) = rest.split_first_chunk()?;
        let idle = Duration::from_secs(u32::from_be_bytes(*idle).into());
        let at = Timestamp::from_millis(u64::from_be_bytes(*at))?;
        let by = Registration { at, key: key.try_into().ok()? };
        (!idle.is_zero()).then_some(Self { by, idle })
    }
}

/// A P-256 public key: an uncompressed point (SEC 1, section 2.3.3). Whether it lies on the curve is found out when a
/// signature is checked.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct PublicKey([u8; 65]);

impl PublicKey {
    /// The key with these coordinates, as a JWK has them.
    pub fn from_coordinates(x: &[u8; 32], y: &[u8; 32]) -> Self {
        Self(std::array::from_fn(|i| match i {
            0 => UNCOMPRESSED,
            1..=32 => x[i - 1],
            _ => y[i - 33],
        }))
    }

    /// `None` unless `bytes` are an uncompressed point.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let bytes: [u8; 65] = bytes.try_into().ok()?;
        (bytes[0] == UNCOMPRESSED).then_some(Self(bytes))
    }

    /// Tells it from other keys: the first bytes of its SHA-256.
    pub fn fingerprint(&self) -> [u8; 8] {
        let hash = sha256(&self.0);
        std::array::from_fn(|i| hash[i])
    }

    /// The point.
    pub fn as_bytes(&self) -> &[u8; 65] {
        &self.0
    }
}

impl fmt::Debug for PublicKey {
    /// A key is as good as a name for the device: it stays out of logs.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PublicKey(redacted)")
    }
}

impl Claims<'_> {
    /// By which registration the session is bound; `None` in a token of one that is not, or was not yet.
    pub fn mark(&self) -> Option<Mark> {
        self.ext.iter().find(|ext| ext.tag == MARK).and_then(|ext| Mark::from_bytes(ext.data))
    }

    /// Whether it is a token of a session that is bound to a device.
    pub fn is_bound(&self) -> bool {
        self.mark().is_some()
    }

    /// The key that the session is bound to, if this is a bound session's anchor.
    pub fn public_key(&self) -> Option<PublicKey> {
        self.ext.iter().find(|ext| ext.tag == PUBLIC_KEY).and_then(|ext| PublicKey::from_bytes(ext.data))
    }

    /// The longest idle limit of all tokens that there may be of the session.
    pub(crate) fn idle_of_session(&self) -> Duration {
        self.mark().map_or(self.idle, |mark| mark.idle.max(self.idle))
    }
}

/// Whether every extension is one that a reader may go on with: unknown ones that are not critical; in a session's token the
/// mark; in an `anchor` mark and key, or neither.
pub(crate) fn are_readable(ext: &[Extension<'_>], anchor: bool) -> bool {
    let count = |tag| ext.iter().filter(|ext| ext.tag == tag).count();
    let keys = if anchor { count(MARK) } else { 0 };
    let well_formed = |ext: &Extension<'_>| match ext.tag {
        MARK => ext.critical && Mark::from_bytes(ext.data).is_some(),
        PUBLIC_KEY => ext.critical && PublicKey::from_bytes(ext.data).is_some(),
        _ => !ext.critical,
    };
    count(MARK) <= 1 && count(PUBLIC_KEY) == keys && ext.iter().all(well_formed)
}

/// How many bytes a mark has.
pub(crate) const MARK_LEN: usize = 20;
/// What an uncompressed point begins with.
const UNCOMPRESSED: u8 = 4;

#[cfg(test)]
mod tests {
    use super::*;

    fn mark() -> Mark {
        let at = Timestamp::from_millis(1_790_000_300_123).expect("in range");
        Mark { by: Registration { at, key: *b"a device" }, idle: Duration::from_secs(1_800) }
    }

    #[test]
    fn a_mark_has_one_spelling() {
        let bytes = mark().to_bytes();
        assert_eq!(bytes, [&[0, 0, 7, 8, 0, 0, 1, 0xa0, 0xc4, 0x55, 0, 0x5b][..], b"a device"].concat()[..]);
        assert_eq!(Mark::from_bytes(&bytes), Some(mark()));
        for wrong in [&bytes[..19], &[&bytes[..], &[0]].concat(), &[0; 20], &[0xff; 20], &[]] {
            assert_eq!(Mark::from_bytes(wrong), None, "{wrong:?}");
        }
    }

    #[test]
    fn only_an_uncompressed_point_is_a_key() {
        let key = PublicKey::from_coordinates(&[1; 32], &[2; 32]);
        assert_eq!(key.as_bytes()[..2], [4, 1]);
        assert_eq!(key.as_bytes()[32..34], [1, 2]);
        assert_eq!(PublicKey::from_bytes(key.as_bytes()), Some(key));
        for wrong in [&[4; 64][..], &[4; 66], &[2; 65], &[]] {
            assert_eq!(PublicKey::from_bytes(wrong), None, "{} bytes", wrong.len());
        }
    }

    #[test]
    fn what_a_reader_does_not_know_it_does_not_read() {
        let (bytes, key) = (mark().to_bytes(), [4; 65]);
        let marked = Extension { tag: MARK, critical: true, data: &bytes };
        let keyed = Extension { tag: PUBLIC_KEY, critical: true, data: &key };
        let other = Extension { tag: 900, critical: false, data: b"later" };
        let plain = |ext: Extension<'static>| Extension { critical: false, ..ext };
        for (session, anchor, ext) in [
            (true, true, &[][..]),
            (true, true, &[other, other]),
            (true, false, &[marked, other]),
            (false, true, &[other, keyed, marked]),
            (false, false, &[keyed]),
            (false, false, &[marked, marked]),
            (false, false, &[marked, keyed, keyed]),
            (false, false, &[marked, marked, keyed, keyed]),
            (false, false, &[Extension { critical: false, ..marked }]),
            (false, false, &[marked, Extension { critical: false, ..keyed }]),
            (false, false, &[Extension { data: &bytes[1..], ..marked }]),
            (false, false, &[marked, Extension { data: &key[1..], ..keyed }]),
            (false, false, &[Extension { critical: true, ..plain(other) }]),
        ] {
            assert_eq!((are_readable(ext, false), are_readable(ext, true)), (session, anchor));
        }
    }
}
