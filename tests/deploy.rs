//! The files in `tests/deploy/` that put Sealpass onto a machine or a cluster: that they agree with each other, and that
//! the service takes what they give it. Schemas and systemd's own view of them are a step of `.ci/run`.

#[expect(dead_code, unused_imports, reason = "each test crate uses its part")]
mod common;
#[path = "deploy/fleet.rs"]
mod fleet;
#[path = "deploy/machine.rs"]
mod machine;
#[path = "deploy/manifests.rs"]
mod manifests;
