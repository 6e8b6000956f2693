//! A place held for the measurements of the token.

fn main() {}
