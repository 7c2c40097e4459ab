//! Data triggers: a commit that brings new data on a branch starts a flow run, once for each rule and digest.

mod rule;
mod watch;

pub use rule::{On, Start, Trigger, check};
pub use watch::{Watcher, check_branches};
