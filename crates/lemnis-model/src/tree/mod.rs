//! Ensembles of decision trees: layout, traversal and what becomes of the sums.
//!
//! All trees of a model lie in one vector of 12-byte nodes, breadth first, with the two children of a node side by
//! side. Every comparison is "at most"; others are turned into it when the ensemble is built, exactly.

mod build;
mod ensemble;
mod post;

pub(crate) use build::{Branch, Child, Flat, Mode};
pub(crate) use ensemble::{Aggregate, Ensemble};
pub(crate) use post::{Labels, PostTransform, largest, logistic};

/// A tree operator of a graph.
#[derive(Debug)]
pub(crate) struct Forest {
    pub(crate) trees: Trees,
    pub(crate) post: PostTransform,
    pub(crate) base: Vec<f64>,
    pub(crate) classifier: Option<Classifier>,
}

/// The ensemble, in the precision that the operator's input has.
#[derive(Debug)]
pub(crate) enum Trees {
    F32(Ensemble<f32>),
    F64(Ensemble<f64>),
}

/// What a classifier does with its scores.
#[derive(Debug)]
pub(crate) struct Classifier {
    pub(crate) labels: Labels,
    /// Two classes, but the trees score only one.
    pub(crate) one_score: bool,
    /// No leaf is negative: the one score is a probability and not a margin.
    pub(crate) all_positive: bool,
}

impl Forest {
    /// How many sums a row has.
    pub(crate) fn targets(&self) -> usize {
        match &self.trees {
            Trees::F32(trees) => trees.targets(),
            Trees::F64(trees) => trees.targets(),
        }
    }

    /// The scores after base values and transform, row-major, `width` of them a row; for a classifier also the
    /// chosen class of each row.
    pub(crate) fn finish(&self, mut sums: Vec<f64>) -> (Vec<f64>, usize, Vec<usize>) {
        let targets = self.targets();
        match &self.classifier {
            Some(classifier) if classifier.one_score => self.finish_binary(classifier, &sums),
            Some(_) => {
                let mut picked = Vec::with_capacity(sums.len() / targets.max(1));
                for row in sums.chunks_exact_mut(targets) {
                    self.add_base(row);
                    picked.push(largest(row));
                    self.post.apply(row);
                }
                (sums, targets, picked)
            }
            None => {
                for row in sums.chunks_exact_mut(targets) {
                    self.add_base(row);
                    self.post.apply(row);
                }
                (sums, targets, Vec::new())
            }
        }
    }

    fn add_base(&self, row: &mut [f64]) {
        if self.base.len() == row.len() {
            row.iter_mut().zip(&self.base).for_each(|(score, base)| *score += base);
        } else if let [base] = self.base.as_slice() {
            row.iter_mut().for_each(|score| *score += base);
        }
    }

    /// Two classes from one score, by the rules of onnxruntime, which the ONNX text leaves open.
    fn finish_binary(&self, classifier: &Classifier, sums: &[f64]) -> (Vec<f64>, usize, Vec<usize>) {
        let base = self.base.last().copied().unwrap_or(0.0);
        let mut scores = Vec::with_capacity(sums.len() * 2);
        let mut picked = Vec::with_capacity(sums.len());
        for sum in sums {
            let score = sum + base;
            let limit = if classifier.all_positive { 0.5 } else { 0.0 };
            picked.push(usize::from(score > limit));
            let two = if classifier.all_positive {
                [1.0 - score, score]
            } else if self.post == PostTransform::Logistic {
                [logistic(-score), logistic(score)]
            } else {
                [-score, score]
            };
            scores.extend_from_slice(&two);
        }
        (scores, 2, picked)
    }
}
