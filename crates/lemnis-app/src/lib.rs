//! Use-cases: what a person or the loop itself can do, in the order in which it must happen.
//!
//! Each use-case is a free function that takes the [`App`], who asks, and a command; its first line authorises.
//! The domains never call one another: everything that joins two of them lives here.

pub mod announce;
mod app;
pub mod artifact;
mod blocking;
pub mod dataset;
mod error;
pub mod frame;
pub mod git;
pub mod lineage;
pub mod model;
pub mod monitor;
pub mod project;
pub mod release;
pub mod retrain;
pub mod scaffold;
pub mod settings;
pub mod stage;
pub mod suggest;
pub mod table_diff;
pub mod transfer;
pub mod trigger;
pub mod view;
pub mod why;

pub(crate) use blocking::blocking;

pub use app::{App, Ports, authorise};
pub use error::{Context, Error};
pub use settings::Settings;

/// What every use-case returns.
pub type Result<T, E = Error> = std::result::Result<T, E>;
