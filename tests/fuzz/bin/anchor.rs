//! Bytes for `targets::anchor`, which says what has to hold.
#![no_main]

#[path = "../targets.rs"]
#[expect(dead_code, reason = "each target is a program of its own and uses one of them")]
mod targets;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    targets::anchor(bytes);
});
