//! The result of training: a model in memory, what it learnt from, and how the training went.

use std::path::Path;

use super::bins::Binned;
use super::boost::Boosted;
use super::encode::Encoder;
use super::export::export;
use super::target::Goal;
use crate::error::Result;
use crate::frame::Frame;
use crate::mlmodel::{Description, Saved, Signature, Task, save};
use crate::model::Model;

/// A trained model.
#[derive(Debug)]
pub struct Trained {
    onnx: Vec<u8>,
    signature: Signature,
    task: Task,
    classes: Vec<String>,
    importance: Vec<(String, f64)>,
    history: Vec<(usize, f64)>,
    trees: usize,
}

impl Trained {
    pub(crate) fn new(
        frame: &Frame,
        goal: &Goal,
        encoder: &Encoder,
        binned: &Binned,
        boosted: Boosted,
    ) -> Result<Self> {
        let mut gains = vec![0.0; encoder.columns.len()];
        for tree in boosted.trees.iter().flatten() {
            for (column, gain) in &tree.gains {
                gains[*column as usize] += gain;
            }
        }
        let total: f64 = gains.iter().sum();
        let share = |gain: f64| if total > 0.0 { gain / total } else { 0.0 };
        let mut importance: Vec<(String, f64)> =
            frame.columns().zip(&gains).map(|((name, _), gain)| (name.to_owned(), share(*gain))).collect();
        importance.sort_by(|a, b| b.1.total_cmp(&a.1).then_with(|| a.0.cmp(&b.0)));

        let exported = export(goal, encoder, binned, &boosted, &gains);
        Ok(Self {
            onnx: exported.0,
            signature: exported.1,
            task: goal.task,
            classes: goal.classes.clone(),
            importance,
            history: boosted.history,
            trees: boosted.trees.len(),
        })
    }

    /// Each column's share of the loss reduction, largest first, adding up to one (all zero if nothing was learnt).
    pub fn importance(&self) -> Vec<(String, f64)> {
        self.importance.clone()
    }

    /// Tree number, counted from one, and the mean loss after it: log loss, or squared error in units of the target's
    /// variance. It is that of the validation rows, or of the training rows where no others were given. Trees that
    /// early stopping dropped are included.
    pub fn history(&self) -> &[(usize, f64)] {
        &self.history
    }

    /// How many rounds of trees the model keeps.
    pub fn trees(&self) -> usize {
        self.trees
    }

    /// The bytes of `model.onnx`.
    pub fn onnx(&self) -> &[u8] {
        &self.onnx
    }

    /// What the model takes and gives.
    pub fn signature(&self) -> &Signature {
        &self.signature
    }

    /// The model, ready to answer.
    pub fn model(&self) -> Result<Model> {
        Model::new(
            &self.onnx,
            Description {
                model_file: Path::new("model.onnx").to_owned(),
                inputs: Some(self.signature.inputs.clone()),
                outputs: Some(self.signature.outputs.clone()),
                task: Some(self.task),
                classes: self.classes.clone(),
            },
        )
    }

    /// Writes the MLflow model folder `dir`, making it where it is not there. The same training gives the same bytes.
    pub fn save(&self, dir: &Path) -> Result<()> {
        save(
            dir,
            &Saved { onnx: &self.onnx, signature: &self.signature, task: self.task, classes: &self.classes },
        )
    }
}
