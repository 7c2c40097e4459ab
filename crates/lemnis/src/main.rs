//! The `lemnis` binary.
fn main() {}
