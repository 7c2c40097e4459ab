//! Versions behind endpoints: brought in step by step, taken back at once.
//!
//! The durable state changes first, the live endpoint after it; what a crash leaves between the two is made good by
//! [`restore`] at the next start.

mod crown;
mod deploy;
mod restore;
mod rollback;
mod tick;

use crown::alias_of;
pub(crate) use crown::{crown, point};
pub use deploy::{Deploy, Deployed, deploy};
pub use restore::restore;
pub use rollback::{RolledBack, rollback};
pub use tick::tick;
