//! Tables: CSV and Parquet into typed columns, and back.
//!
//! A [`Table`] lies in memory as one Arrow batch and never changes. Arrow and Parquet are hidden here, so that an engine
//! for tables that do not fit into memory can join without its users noticing.

mod column;
mod csv_read;
mod csv_write;
mod error;
mod infer;
mod parquet_io;
mod read;
mod scan;
mod table;
mod write;

pub use column::{Column, Kind};
pub use error::Error;
pub use read::ReadLimits;
pub use scan::{is_table, scan};
pub use table::Table;

/// What every call of this crate returns.
pub type Result<T, E = Error> = std::result::Result<T, E>;
