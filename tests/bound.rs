//! Sessions that are bound to a device: what its tokens are good for, in whose hands, and what ends them.

#[path = "bound/changed.rs"]
mod changed;
#[path = "bound/registered.rs"]
mod registered;
#[path = "bound/rig.rs"]
mod rig;
#[path = "bound/stolen.rs"]
mod stolen;
