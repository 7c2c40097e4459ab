//! The words every Lemnis crate shares: errors by kind, clocks, digests, events and principals.
//!
//! The crate stays dull and small: it holds no behaviour of a domain and depends on nothing of ours.

mod clock;
mod digest;
mod error;
mod event;
mod principal;

pub use clock::{Clock, FixedClock, Millis, rfc3339};
pub use digest::Digest;
pub use error::{Classify, ErrorKind};
pub use event::{Event, EventLog, LogError};
pub use principal::{Action, Principal, Role};
