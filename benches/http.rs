//! A place held for the measurements of the HTTP service.

fn main() {}
