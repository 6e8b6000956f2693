//! Replicas without shared storage: how facts and keys reach every one, and how each knows what it does not know.
//!
//! The protocol is a state machine that is told what comes in and what time it is, and says what to do: [`node::Node`]. It
//! knows no engine, no HTTP and no store but the ports of [`ports`].

pub mod member;
pub mod node;
pub mod ports;
mod report;
