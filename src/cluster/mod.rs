//! Replicas without shared storage: how facts and keys reach every one, and how each knows what it does not know.
//!
//! The protocol is a state machine that is told what comes in and what time it is, and says what to do: [`node::Node`].
//! It knows no engine, no HTTP and no store but the ports of [`ports`]. Its parts, one file each: `pushes` (and
//! `batches` of them), `asks`, `rounds` (with the age of what is known), `repair`, `floor`, `sharing` (of the ring),
//! `clocks`, `members`. The page [`replication`](crate::manual::replication) says what they do and why.

mod asks;
mod batches;
mod clocks;
mod compare;
pub mod custodian;
mod dating;
mod dispatch;
pub mod facts;
pub mod fleet;
mod floor;
pub mod link;
pub mod member;
mod members;
pub mod message;
pub mod node;
pub mod ports;
mod progress;
mod pushes;
mod repair;
mod report;
mod rounds;
mod sharing;
pub mod status;
pub mod table;
mod view;
mod wire;
