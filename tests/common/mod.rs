//! What the tests of the running service share: a service on ports of its own with a clock that the test moves, and
//! clients that send what a test says and nothing else. Every read has a time limit.

mod client;
mod place;
mod server;
pub mod watched;

pub use client::{Connection, Response, head, with_lines};
pub use place::{LIMIT, Place, Running, ask, call, lines, refused, rest, sealpass, wait_for};
pub use server::{CREDENTIAL, NAME, Server, Session, start_of_time};
