//! The tree operators of ONNX-ML: from their parallel lists of attributes to a [`Forest`], and from scores to tensors.

use super::attributes::Attributes;
use super::plan::Results;
use super::tensor::{Data, Element, Shape, Tensor};
use crate::error::{Error, Result};
use crate::tree::{Aggregate, Branch, Child, Classifier, Flat, Forest, Labels, Mode, PostTransform, Trees};

/// Compiles `TreeEnsembleClassifier` or `TreeEnsembleRegressor` for inputs of type `input`, where that is known.
pub(crate) fn compile(attributes: &Attributes<'_>, input: Option<Element>) -> Result<Forest> {
    let classifier = attributes.0.op_type == "TreeEnsembleClassifier";
    let prefix = if classifier { "class" } else { "target" };
    let labels = classifier.then(|| {
        let texts = attributes.strings("classlabels_strings");
        if texts.is_empty() {
            Labels::Ints(attributes.ints("classlabels_int64s").to_vec())
        } else {
            Labels::Texts(texts)
        }
    });
    let mut targets = match &labels {
        Some(labels) => labels.len(),
        None => usize::try_from(attributes.int("n_targets", 1)).unwrap_or(0),
    };

    let mut ids = attributes.ints(&format!("{prefix}_ids")).to_vec();
    let (weights, _) = reals(attributes, &format!("{prefix}_weights"))?;
    let one_score = classifier && targets == 2 && ids.iter().all(|id| Some(id) == ids.first());
    if one_score {
        ids.iter_mut().for_each(|id| *id = 0);
        targets = 1;
    }
    let all_positive = weights.iter().all(|weight| *weight >= 0.0);

    let nodes = Nodes::read(attributes)?;
    let leaf_trees = attributes.ints(&format!("{prefix}_treeids"));
    let leaf_nodes = attributes.ints(&format!("{prefix}_nodeids"));
    if [leaf_trees.len(), leaf_nodes.len(), weights.len()].iter().any(|length| *length != ids.len()) {
        return Err(attributes.broken("its lists of leaves differ in length"));
    }
    let mut assigned = Vec::with_capacity(ids.len());
    for (((tree, node), id), weight) in leaf_trees.iter().zip(leaf_nodes).zip(&ids).zip(&weights) {
        let node = nodes.find(*tree, *node).ok_or_else(|| attributes.broken("a weight names no node"))?;
        let target = u32::try_from(*id).map_err(|_| attributes.broken("a weight has a negative target"))?;
        assigned.push((node as u32, target, *weight));
    }
    assigned.sort_by_key(|(node, _, _)| *node);
    let flat = nodes.flat(&assigned, targets, attributes)?;
    let wide = nodes.wide || attributes.has(&format!("{prefix}_weights_as_tensor"));
    let aggregate = match attributes.string("aggregate_function", "SUM").as_str() {
        "SUM" => Aggregate::Sum,
        "AVERAGE" => Aggregate::Average,
        "MIN" => Aggregate::Min,
        "MAX" => Aggregate::Max,
        other => return Err(Error::Unsupported(format!("trees aggregated by {other}"))),
    };
    let (base, _) = reals(attributes, "base_values")?;
    Ok(Forest {
        trees: lay_out(&flat, wide, input, aggregate)?,
        post: PostTransform::parse(&attributes.string("post_transform", "NONE"))?,
        base,
        classifier: labels.map(|labels| Classifier { labels, one_score, all_positive }),
    })
}

/// 64-bit inputs need 64-bit thresholds to compare as onnxruntime does; for 32-bit inputs a floor is exact.
fn lay_out(flat: &Flat, wide: bool, input: Option<Element>, aggregate: Aggregate) -> Result<Trees> {
    let double = match input {
        Some(Element::F64) => true,
        Some(Element::F32) => false,
        _ => wide,
    };
    Ok(if double {
        let mut trees = flat.build::<f64>()?;
        trees.aggregate = aggregate;
        Trees::F64(trees)
    } else {
        let mut trees = flat.build::<f32>()?;
        trees.aggregate = aggregate;
        Trees::F32(trees)
    })
}

/// Numbers of a list attribute or of its `_as_tensor` twin, and whether they are 64-bit.
fn reals(attributes: &Attributes<'_>, name: &str) -> Result<(Vec<f64>, bool)> {
    if let Some(tensor) = attributes.tensor(&format!("{name}_as_tensor"))? {
        return Ok((tensor.to_f64()?.into_owned(), tensor.data.element() == Element::F64));
    }
    Ok((attributes.floats(name).iter().map(|value| f64::from(*value)).collect(), false))
}

/// The parallel lists that describe nodes.
struct Nodes<'a> {
    trees: &'a [i64],
    ids: &'a [i64],
    modes: &'a [Vec<u8>],
    features: &'a [i64],
    values: Vec<f64>,
    yes: &'a [i64],
    no: &'a [i64],
    missing: &'a [i64],
    wide: bool,
    /// First node of each tree, by ascending tree id: (tree id, start, end) in `order`.
    ranges: Vec<(i64, usize, usize)>,
    /// Node positions sorted by (tree id, node id).
    order: Vec<u32>,
}

impl<'a> Nodes<'a> {
    fn read(attributes: &Attributes<'a>) -> Result<Self> {
        let (values, wide) = reals(attributes, "nodes_values")?;
        let modes = attributes.find("nodes_modes").map_or(&[][..], |attribute| &attribute.strings);
        let trees = attributes.ints("nodes_treeids");
        let ids = attributes.ints("nodes_nodeids");
        let features = attributes.ints("nodes_featureids");
        let (yes, no) = (attributes.ints("nodes_truenodeids"), attributes.ints("nodes_falsenodeids"));
        let missing = attributes.ints("nodes_missing_value_tracks_true");
        let count = ids.len();
        let lengths = [trees.len(), modes.len(), features.len(), values.len(), yes.len(), no.len()];
        if count == 0
            || lengths.iter().any(|length| *length != count)
            || !(missing.is_empty() || missing.len() == count)
        {
            return Err(attributes.broken("its lists of nodes are empty or differ in length"));
        }
        let key = |position: &u32| (trees[*position as usize], ids[*position as usize]);
        let mut order: Vec<u32> = (0..count as u32).collect();
        if !order.is_sorted_by_key(key) {
            order.sort_by_key(key);
        }
        let mut ranges: Vec<(i64, usize, usize)> = Vec::new();
        for (at, position) in order.iter().enumerate() {
            let tree = trees[*position as usize];
            match ranges.last_mut() {
                Some((last, _, end)) if *last == tree => *end = at + 1,
                _ => ranges.push((tree, at, at + 1)),
            }
        }
        Ok(Self { trees, ids, modes, features, values, yes, no, missing, wide, ranges, order })
    }

    /// The position of node `id` of tree `tree`.
    fn find(&self, tree: i64, id: i64) -> Option<usize> {
        let range = match usize::try_from(tree).ok().and_then(|at| self.ranges.get(at)) {
            Some(range) if range.0 == tree => range,
            _ => &self.ranges[self.ranges.binary_search_by_key(&tree, |range| range.0).ok()?],
        };
        let order = &self.order[range.1..range.2];
        let id_at = |position: &u32| self.ids[*position as usize];
        // ids nearly always count from zero
        let at = match usize::try_from(id).ok().and_then(|at| order.get(at)) {
            Some(position) if id_at(position) == id => *position,
            _ => order[order.binary_search_by_key(&id, id_at).ok()?],
        };
        Some(at as usize)
    }

    fn flat(
        &self,
        assigned: &[(u32, u32, f64)],
        targets: usize,
        attributes: &Attributes<'_>,
    ) -> Result<Flat> {
        let count = self.ids.len();
        let mut modes = Vec::with_capacity(count);
        let mut numbers = Vec::with_capacity(count);
        let mut flat = Flat { targets, ..Flat::default() };
        flat.leaves.push(0);
        let mut weights = assigned.iter().peekable();
        let mut branches = 0;
        for (position, mode) in self.modes.iter().enumerate() {
            let mode = Mode::parse(mode)?;
            let leaf = mode.is_none();
            while let Some((_, target, weight)) = weights.next_if(|(node, _, _)| *node as usize == position) {
                // weights of inner nodes are there in some files and mean nothing
                if leaf {
                    flat.weights.push((*target, *weight));
                }
            }
            if leaf {
                numbers.push(Child::Leaf(flat.leaves.len() as u32 - 1));
                flat.leaves.push(flat.weights.len() as u32);
            } else {
                numbers.push(Child::Branch(branches));
                branches += 1;
            }
            modes.push(mode);
        }
        for (position, mode) in modes.iter().enumerate() {
            let Some(mode) = *mode else { continue };
            let child = |id: i64| {
                self.find(self.trees[position], id)
                    .map(|at| numbers[at])
                    .ok_or_else(|| attributes.broken("a branch leads to no node"))
            };
            flat.branches.push(Branch {
                mode,
                feature: u32::try_from(self.features[position])
                    .map_err(|_| attributes.broken("a branch compares a feature out of range"))?,
                threshold: self.values[position],
                missing_yes: self.missing.get(position).is_some_and(|flag| *flag != 0),
                yes: child(self.yes[position])?,
                no: child(self.no[position])?,
            });
        }
        // the root of a tree is its first node in the file
        let mut first: Vec<u32> = self
            .ranges
            .iter()
            .filter_map(|(_, start, end)| self.order[*start..*end].iter().min().copied())
            .collect();
        first.sort_unstable();
        flat.roots = first.into_iter().map(|position| numbers[position as usize]).collect();
        Ok(flat)
    }
}

/// Compiles `TreeEnsemble` of ai.onnx.ml version 5.
pub(crate) fn compile_v5(attributes: &Attributes<'_>, input: Option<Element>) -> Result<Forest> {
    let need = |name: &str| {
        attributes.tensor(name)?.ok_or_else(|| attributes.broken(&format!("attribute {name} is not there")))
    };
    let splits = need("nodes_splits")?;
    let modes = need("nodes_modes")?.to_i64()?.into_owned();
    let leaf_weights = need("leaf_weights")?;
    let leaf_targets = attributes.ints("leaf_targetids");
    let features = attributes.ints("nodes_featureids");
    let (yes, no) = (attributes.ints("nodes_truenodeids"), attributes.ints("nodes_falsenodeids"));
    let (yes_leaf, no_leaf) = (attributes.ints("nodes_trueleafs"), attributes.ints("nodes_falseleafs"));
    let missing = attributes.ints("nodes_missing_value_tracks_true");
    let values = splits.to_f64()?;
    let count = values.len();
    let lengths = [modes.len(), features.len(), yes.len(), no.len(), yes_leaf.len(), no_leaf.len()];
    if lengths.iter().any(|length| *length != count) || leaf_targets.len() != leaf_weights.data.len() {
        return Err(attributes.broken("its lists differ in length"));
    }
    let number = |id: i64| u32::try_from(id).map_err(|_| attributes.broken("it has a negative index"));
    let child = |id: i64, leaf: i64| {
        Ok(if leaf != 0 { Child::Leaf(number(id)?) } else { Child::Branch(number(id)?) })
    };
    let mut flat = Flat {
        targets: usize::try_from(attributes.int("n_targets", 1)).unwrap_or(0),
        leaves: (0..=leaf_targets.len() as u32).collect(),
        ..Flat::default()
    };
    for (target, weight) in leaf_targets.iter().zip(leaf_weights.to_f64()?.iter()) {
        flat.weights.push((number(*target)?, *weight));
    }
    for at in 0..count {
        let mode = match modes[at] {
            0 => Mode::AtMost,
            1 => Mode::Below,
            2 => Mode::AtLeast,
            3 => Mode::Above,
            4 => Mode::Equal,
            5 => Mode::NotEqual,
            other => return Err(Error::Unsupported(format!("tree nodes of mode {other}"))),
        };
        flat.branches.push(Branch {
            mode,
            feature: number(features[at])?,
            threshold: values[at],
            missing_yes: missing.get(at).is_some_and(|flag| *flag != 0),
            yes: child(yes[at], yes_leaf[at])?,
            no: child(no[at], no_leaf[at])?,
        });
    }
    for root in attributes.ints("tree_roots") {
        flat.roots.push(Child::Branch(number(*root)?));
    }
    let aggregate = match attributes.int("aggregate_function", 1) {
        0 => Aggregate::Average,
        1 => Aggregate::Sum,
        2 => Aggregate::Min,
        3 => Aggregate::Max,
        other => return Err(Error::Unsupported(format!("trees aggregated by {other}"))),
    };
    let post = match attributes.int("post_transform", 0) {
        0 => PostTransform::None,
        1 => PostTransform::Softmax,
        2 => PostTransform::Logistic,
        3 => PostTransform::SoftmaxZero,
        4 => PostTransform::Probit,
        other => return Err(Error::Unsupported(format!("post transform {other}"))),
    };
    let wide = splits.data.element() == Element::F64;
    Ok(Forest { trees: lay_out(&flat, wide, input, aggregate)?, post, base: Vec::new(), classifier: None })
}

/// Runs `forest` on a table of features.
pub(crate) fn run(forest: &Forest, tensor: &Tensor) -> Result<Results> {
    let (rows, columns) = tensor.shape.table();
    let sums = match &forest.trees {
        Trees::F32(trees) => trees.run(&tensor.to_f32()?, columns)?,
        Trees::F64(trees) => trees.run(&tensor.to_f64()?, columns)?,
    };
    let (scores, width, picked) = forest.finish(sums);
    let shape = Shape::matrix(rows, width);
    let scores = Tensor::f32(shape, scores.into_iter().map(|score| score as f32).collect());
    Ok(match &forest.classifier {
        Some(classifier) => Results::Two(label_tensor(&classifier.labels, &picked), scores),
        None => Results::One(scores),
    })
}

/// The labels at the positions `picked`.
pub(crate) fn label_tensor(labels: &Labels, picked: &[usize]) -> Tensor {
    let data = match labels {
        Labels::Ints(labels) => {
            Data::I64(picked.iter().map(|at| labels.get(*at).copied().unwrap_or_default()).collect())
        }
        Labels::Texts(labels) => {
            Data::Str(picked.iter().map(|at| labels.get(*at).cloned().unwrap_or_default()).collect())
        }
    };
    Tensor { shape: Shape::vector(picked.len()), data }
}
