//! The key ring: a set of key records that only grows, states computed from times, and the snapshot that seals and
//! opens.
//!
//! [`KeyRing`] is what is stored and merged, [`Keys`] the immutable snapshot that every request reads, [`mod@file`] the
//! ring as sealed bytes. Reading and writing files is not here.

mod body;
pub mod file;
mod keys;
mod life;
mod limits;
mod orders;
mod record;
mod refused;
mod ring;
mod timing;

pub use keys::{Key, Keys};
pub use limits::LimitRecord;
pub use orders::{Done, Order, Outcome};
pub use record::{KeyRecord, KeyState, Kid};
pub use refused::Refused;
pub use ring::{KeyRing, MergeError, RingId};
pub use timing::{Timing, TimingError};
