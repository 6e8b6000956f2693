//! What stands for traces where they are not built in. Nothing of it is ever there, so nothing of it is compiled to anything.

use std::future::Future;
use std::time::Duration;

use super::{Noted, Told, TraceMetrics, asked_for, variable};

/// No traces.
#[derive(Debug, Default)]
pub struct Traces;

/// A request that is traced: there is none.
#[derive(Debug)]
pub enum Trace {}

/// A part of one: there is none.
#[derive(Debug)]
pub enum Step {}

impl Traces {
    /// None.
    pub fn none() -> Self {
        Self
    }

    /// None, and says so if some are asked for.
    pub fn start(_: TraceMetrics, _: &str) -> Self {
        if asked_for(variable) {
            tracing::warn!(
                "OTEL_… variables ask for traces, and this program was built without them: build it with the feature otlp, or unset them"
            );
        }
        Self
    }

    /// No.
    pub fn is_on(&self) -> bool {
        false
    }

    /// Not traced.
    pub fn request(&self, _: Option<&[u8]>, _: impl FnOnce() -> String) -> Option<Trace> {
        None
    }

    /// Nothing waits.
    pub fn flush(&self, _: Duration) {}
}

impl Trace {
    /// As the other one.
    pub fn during<F: Future>(&self, future: F) -> impl Future<Output = F::Output> + use<F> {
        future
    }

    /// As the other one.
    pub fn end(self, _: &Told<'_>) {}
}

impl Step {
    /// As the other one.
    pub fn spread(&self, _: u16, _: u16) {}
}

/// Nowhere.
pub fn note(_: &[Noted<'_>]) {}

/// No step.
pub fn step(_: &'static str) -> Option<Step> {
    None
}
