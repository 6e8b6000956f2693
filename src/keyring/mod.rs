//! The key ring: a set of key records that only grows, states computed from times, and the snapshot that seals and
//! opens.
//!
//! [`KeyRing`] is what is stored and merged, [`Keys`] the immutable snapshot that every request reads, [`mod@file`] the
//! ring as sealed bytes. Reading and writing files is not here.

pub mod file;
mod keys;
mod record;
mod ring;

pub use keys::{Key, Keys};
pub use record::{KeyRecord, KeyState, Kid};
pub use ring::{KeyRing, LimitRecord, MergeError, RingId};
