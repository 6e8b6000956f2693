//! A fleet as it is run: replicas as processes, with links between them, killed, restarted and cut off from each other.
//!
//! How often or how long a test does so is bounded for `cargo test`; these say otherwise: `SEALPASS_FLEET_KILLS` (rounds),
//! `SEALPASS_FLEET_CUT` (seconds). With `SEALPASS_REQUIRE_NETNS` a machine without network namespaces is an error.

#[expect(dead_code, unused_imports, reason = "each test crate uses its part")]
mod common;

#[path = "fleet/cut.rs"]
mod cut;
#[path = "fleet/demo.rs"]
mod demo;
#[path = "fleet/endings.rs"]
mod endings;
#[path = "fleet/net.rs"]
mod net;
#[path = "fleet/restarts.rs"]
mod restarts;
#[path = "fleet/rig.rs"]
mod rig;
#[path = "fleet/secret.rs"]
mod secret;
#[path = "fleet/setup.rs"]
mod setup;
#[path = "fleet/strangers.rs"]
mod strangers;

/// A number out of the environment.
fn times(variable: &str, usual: usize) -> usize {
    std::env::var(variable).map_or(usual, |text| text.parse().unwrap_or_else(|_| panic!("{variable} is no number")))
}
