//! Sealpass: sessions without a store, and endings that count at once.
//!
//! The whole session is sealed into one cookie. Any replica that has the key ring tells from the cookie alone who is
//! calling; a small set of facts tells which sessions are over.
//!
//! With default features this is the service behind the `sealpass` command. With `default-features = false` it is the
//! pure core, to embed in a program of your own: no HTTP, no files, no async runtime, no clock of its own. Start at
//! [`sessions::Sessions`]. The pages of [`manual`] say how things work and why.

pub mod claims;
pub mod clock;
pub mod custody;
pub mod entropy;
pub mod keyring;
pub mod manual;
pub mod replica;
pub mod revocation;
pub mod seal;
pub mod secret;
pub mod sessions;
pub mod token;

#[cfg(feature = "server")]
pub mod cluster;
#[cfg(feature = "server")]
pub mod config;
#[cfg(feature = "dbsc")]
pub mod dbsc;
#[cfg(feature = "server")]
pub mod http;
#[cfg(feature = "server")]
pub mod store;
#[cfg(feature = "server")]
pub mod telemetry;
#[cfg(feature = "server")]
mod uptime;
