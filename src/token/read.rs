//! Reading what postcard wrote, from the front: the numbers, texts and lists of a payload.
//!
//! postcard's own reader goes through serde and costs more than the decryption. This one takes and refuses the same bytes,
//! which a test in `payload` holds against postcard's.

/// What is left of a payload.
pub(super) struct Reader<'p>(&'p [u8]);

impl<'p> Reader<'p> {
    pub fn new(payload: &'p [u8]) -> Self {
        Self(payload)
    }

    /// What was not read.
    pub fn rest(self) -> &'p [u8] {
        self.0
    }

    pub fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (taken, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(*taken)
    }

    pub fn byte(&mut self) -> Option<u8> {
        self.array().map(|[byte]| byte)
    }

    pub fn flag(&mut self) -> Option<bool> {
        match self.byte()? {
            0 => Some(false),
            1 => Some(true),
            _ => None,
        }
    }

    /// An unsigned number of so many bits: seven a byte, the lowest first, and a high bit in all bytes but the last.
    pub fn number(&mut self, bits: u32) -> Option<u64> {
        let mut number = 0;
        for shift in (0..bits).step_by(7) {
            let byte = self.byte()?;
            number |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                // The last one there may be has room for the bits that are left.
                return (bits - shift >= 7 || byte >> (bits - shift) == 0).then_some(number);
            }
        }
        None
    }

    /// A signed number of 64 bits: the sign stands in the lowest one.
    pub fn signed(&mut self) -> Option<i64> {
        let number = self.number(64)?;
        Some((number >> 1).cast_signed() ^ -(number & 1).cast_signed())
    }

    pub fn bytes(&mut self) -> Option<&'p [u8]> {
        let length = usize::try_from(self.number(64)?).ok()?;
        let (taken, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(taken)
    }

    pub fn text(&mut self) -> Option<&'p str> {
        std::str::from_utf8(self.bytes()?).ok()
    }

    pub fn optional<T>(&mut self, read: impl FnOnce(&mut Self) -> Option<T>) -> Option<Option<T>> {
        if self.flag()? { read(self).map(Some) } else { Some(None) }
    }

    pub fn list<T, L: FromIterator<T>>(&mut self, mut read: impl FnMut(&mut Self) -> Option<T>) -> Option<L> {
        let count = self.number(64)?;
        (0..count).map(|_| read(self)).collect()
    }
}
