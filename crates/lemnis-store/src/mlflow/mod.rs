//! MLflow's own tracking stores as ends of a transfer: its database (SQLite or PostgreSQL) and its `mlruns/` folder.
//!
//! A database is read by the columns that it has, so that the schemas of many MLflow versions are understood, and each
//! batch of records in one transaction, so that what a client writes meanwhile is seen whole or not at all. A schema is
//! never made or changed here: that is `mlflow db upgrade`'s work.

mod database;
mod files;
mod models;
mod read;
mod runs;
mod schema;
mod side;
mod source;
mod traces;
mod write;
mod write_models;
mod write_runs;
mod write_traces;

pub use source::{MlflowStore, open_mlflow, open_mlflow_target};
