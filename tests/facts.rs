//! The fact store: nothing is forgotten before its time, whatever the number of facts, the clock, a restart or a fault of
//! the journal's file does. In process, through the library's public API; `journal.rs` does the same to the real binary.

#[path = "facts/bound.rs"]
mod bound;
#[path = "facts/budget.rs"]
mod budget;
#[path = "facts/denied.rs"]
mod denied;
#[path = "facts/file.rs"]
mod file;
#[path = "facts/fleet.rs"]
mod fleet;
#[path = "facts/forgetting.rs"]
mod forgetting;
#[path = "facts/joining.rs"]
mod joining;
#[path = "facts/kept.rs"]
mod kept;
#[path = "facts/pins.rs"]
mod pins;
#[path = "facts/revived.rs"]
mod revived;
#[path = "facts/rig.rs"]
mod rig;
#[path = "facts/time.rs"]
mod time;
