//! Sessions bound to a device, as browsers do it: the messages of Device Bound Session Credentials, a draft of the W3C
//! (<https://w3c.github.io/webappsec-dbsc/>).
//!
//! Here: what a browser proves, and how both sides write it. All of what the draft may still change is here and in
//! `http/dbsc`; what makes a bound session safe is the core's. Not here: HTTP, keys of ours, sessions.

mod fields;
mod instructions;
mod proof;
mod spent;

pub use fields::{MAX_ID, challenge, named, proof_text, registration};
pub use instructions::{Instructions, OVER, identifier};
pub use proof::{MAX_PROOF, Proof, ProofError, PublicPoint};
pub use spent::Spent;
