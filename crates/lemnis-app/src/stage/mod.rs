//! The built-in stages that `dvc.yaml` of a new project calls: prepare, train, evaluate.
//!
//! Each reads and writes only the files it is given, so that the pipeline alone decides when it runs; none of them
//! writes a time or a random value, so that the same inputs give the same bytes.

mod evaluate;
mod feedback;
mod params;
mod prepare;
mod score;
mod train;

pub use evaluate::{Evaluated, evaluate};
pub use params::{PrepareParams, TrainParams, read_section};
pub use prepare::{Prepared, prepare};
pub use score::{Scores, Truth, higher_is_better, metric_value, scalar_metrics, score};
pub use train::{TrainedModel, train};
