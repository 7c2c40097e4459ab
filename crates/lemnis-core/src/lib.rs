//! The words every Lemnis crate shares: errors by kind, clocks, digests, events, principals, whole files.
//!
//! The crate stays dull and small: it holds no behaviour of a domain and depends on nothing of ours.

mod clock;
mod digest;
mod error;
mod event;
mod file;
mod leader;
mod principal;

pub use clock::{Clock, FixedClock, Millis, rfc3339};
pub use digest::{Digest, DigestStream};
pub use error::{Classify, ErrorKind};
pub use event::{Event, EventLog, LogError};
pub use file::write_whole;
pub use leader::Leader;
pub use principal::{Action, Principal, Role};
