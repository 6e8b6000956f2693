//! How the service lives as a process: how it ends without a request that fails, what it reads again, which sockets it
//! takes, what it tells a service manager. Real processes, real signals, real nginx.
#![cfg(feature = "server")]

#[expect(dead_code, unused_imports, reason = "each test crate uses its part")]
mod common;
#[path = "life/doors.rs"]
mod doors;
#[path = "life/drain.rs"]
mod drain;
#[path = "life/proxied.rs"]
mod proxied;
#[path = "life/reload.rs"]
mod reload;
#[path = "life/rig.rs"]
mod rig;
#[path = "life/sockets.rs"]
mod sockets;
#[path = "life/start.rs"]
mod start;
