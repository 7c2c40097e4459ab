//! One file for each group of commands.

pub mod check;
pub mod data;
pub mod gate;
pub mod mlflow;
pub mod models;
pub mod openapi;
pub mod reproduce;
pub mod retrain;
pub mod runs;
pub mod stage;
pub mod suggest;
pub mod trigger;
pub mod up;
pub mod why;
