//! The manual, as pages of this documentation. What is here is prose; its Rust examples run as tests.

#[doc = include_str!("format.md")]
pub mod format {}

#[doc = include_str!("csrf.md")]
pub mod csrf {}

#[doc = include_str!("browsers.md")]
pub mod browsers {}

#[doc = include_str!("threats.md")]
pub mod threats {}

#[doc = include_str!("endings.md")]
pub mod endings {}

#[doc = include_str!("architecture.md")]
pub mod architecture {}

#[doc = include_str!("operations.md")]
pub mod operations {}

#[doc = include_str!("decisions.md")]
pub mod decisions {}

#[doc = include_str!("replication.md")]
pub mod replication {}

#[doc = include_str!("doctor.md")]
pub mod doctor {}
