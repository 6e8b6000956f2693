//! Traces as a collector gets them: the program with the feature `otlp`, a server that reads what it sends by the library of
//! the protocol, and what stands in each span.
//!
//! `cargo test --features otlp --test otlp`

#[path = "otlp/collector.rs"]
mod collector;
#[expect(dead_code, unused_imports, reason = "each test crate uses its part")]
mod common;
#[path = "otlp/failing.rs"]
mod failing;
#[path = "otlp/fleet.rs"]
mod fleet;
#[path = "otlp/silent.rs"]
mod silent;
#[path = "otlp/spans.rs"]
mod spans;
#[path = "otlp/unsampled.rs"]
mod unsampled;
