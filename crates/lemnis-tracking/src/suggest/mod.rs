//! Hyperparameter search over the runs of an experiment: what to try next, and which params mattered.
//!
//! Nothing is kept besides the runs. Every run whose params lie in the search space is a trial; the tree-structured
//! Parzen estimator (Bergstra, Bardenet, Bengio and Kégl: Algorithms for Hyper-Parameter Optimization, NIPS 2011), a
//! param at a time, is told all of them and asked for the next. The same space, runs and seed give the same answer.

mod importance;
mod sample;
mod space;
mod trial;

pub use importance::{Effect, Importance, Interaction, importance};
pub use sample::{Method, Suggestion, suggest};
pub use space::{Domain, MAX_PARAMS, Space, text_of};
pub use trial::{Direction, Objective, Outcome, Trial, Trials, trials};
