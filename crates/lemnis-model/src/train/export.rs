//! From grown trees to an ONNX graph that holds its preprocessing.
//!
//! `mlflow.onnx` feeds `DataFrame[column].values`, one dimension a column, when a graph has several inputs, and
//! `DataFrame.values`, two dimensions, when it has one: so inputs are vectors, and a single input is a table of one
//! column. It makes a DataFrame of the outputs, so every output is a vector.

use super::bins::Binned;
use super::boost::Boosted;
use super::encode::{Encoder, Encoding};
use super::grow::{Node, Tree};
use super::target::Goal;
use crate::mlmodel::{DataType, Field, Signature, Task};
use crate::onnx::proto::{Attribute, data_type};
use crate::onnx::{GraphBuilder, attr};

/// The model file and its signature. Columns without gain stay inputs, but nothing is computed from them.
pub(crate) fn export(
    goal: &Goal,
    encoder: &Encoder,
    binned: &Binned,
    boosted: &Boosted,
    gains: &[f64],
) -> (Vec<u8>, Signature) {
    let mut graph = GraphBuilder::new("lemnis");
    let mut used: Vec<usize> = (0..gains.len()).filter(|column| gains[*column] > 0.0).collect();
    if used.is_empty() {
        // rows must be counted from something
        used.push(0);
    }
    let column_shape = graph.ints(&[-1, 1], &[2]);
    let vector_shape = graph.ints(&[-1], &[1]);

    let dims: &[Option<i64>] = if encoder.columns.len() == 1 { &[None, Some(1)] } else { &[None] };
    let mut inputs = Vec::with_capacity(encoder.columns.len());
    let mut parts = Vec::with_capacity(used.len());
    for (column, (name, encoding)) in encoder.columns.iter().enumerate() {
        let (element, kind) = match encoding {
            Encoding::Float => (data_type::DOUBLE, DataType::Double),
            Encoding::Int => (data_type::INT64, DataType::Long),
            Encoding::Text(_) => (data_type::STRING, DataType::String),
        };
        graph.input(name, element, dims);
        inputs.push(Field { name: name.clone(), data_type: kind, required: true });
        if used.contains(&column) {
            let numbers = match encoding {
                Encoding::Text(categories) if categories.is_empty() => {
                    // nothing to look up: every text is unknown
                    encode_text(&mut graph, name, &[String::new()], vec![f32::NAN])
                }
                Encoding::Text(categories) => {
                    let codes = (0..categories.len()).map(|code| code as f32).collect();
                    encode_text(&mut graph, name, categories, codes)
                }
                _ => graph.op("Cast", &[name], vec![attr::int("to", i64::from(data_type::FLOAT))]),
            };
            parts.push(graph.op("Reshape", &[&numbers, &column_shape], Vec::new()));
        }
    }
    let parts: Vec<&str> = parts.iter().map(String::as_str).collect();
    let table = graph.op("Concat", &parts, vec![attr::int("axis", 1)]);
    let sums = graph.ml("TreeEnsembleRegressor", &[&table], ensemble(binned, boosted, &used));
    let outputs = match goal.task {
        Task::Binary => binary(&mut graph, &sums, &vector_shape, goal),
        Task::Multiclass => multiclass(&mut graph, &sums, goal),
        Task::Regression | Task::Other => regression(&mut graph, &sums, &vector_shape, goal),
    };
    (graph.build(), Signature { inputs, outputs })
}

fn encode_text(graph: &mut GraphBuilder, name: &str, keys: &[String], values: Vec<f32>) -> String {
    graph.ml(
        "LabelEncoder",
        &[name],
        vec![
            attr::strings("keys_strings", keys.iter().map(String::as_str)),
            attr::floats("values_floats", values),
            attr::float("default_float", f32::NAN),
        ],
    )
}

fn output(graph: &mut GraphBuilder, name: &str, element: i32, kind: DataType) -> Field {
    graph.output(name, element, &[None]);
    Field { name: name.to_owned(), data_type: kind, required: true }
}

fn binary(graph: &mut GraphBuilder, sums: &str, vector_shape: &str, goal: &Goal) -> Vec<Field> {
    let margin = graph.op("Reshape", &[sums, vector_shape], Vec::new());
    graph.named("Sigmoid", "", &[&margin], "probability", Vec::new());
    let half = graph.float(0.5);
    let positive = graph.op("Greater", &["probability", &half], Vec::new());
    let index = graph.op("Cast", &[&positive], vec![attr::int("to", i64::from(data_type::INT64))]);
    let label = label(graph, &index, goal);
    vec![label, output(graph, "probability", data_type::FLOAT, DataType::Float)]
}

fn multiclass(graph: &mut GraphBuilder, sums: &str, goal: &Goal) -> Vec<Field> {
    let best = graph.op("ArgMax", &[sums], vec![attr::int("axis", 1), attr::int("keepdims", 0)]);
    let mut fields = vec![label(graph, &best, goal)];
    let shares = graph.op("Softmax", &[sums], vec![attr::int("axis", 1)]);
    for (position, class) in goal.classes.iter().enumerate() {
        let name = format!("probability_{class}");
        let index = graph.ints(&[position as i64], &[]);
        graph.named("Gather", "", &[&shares, &index], &name, vec![attr::int("axis", 1)]);
        fields.push(output(graph, &name, data_type::FLOAT, DataType::Float));
    }
    fields
}

fn regression(graph: &mut GraphBuilder, sums: &str, vector_shape: &str, goal: &Goal) -> Vec<Field> {
    let score = graph.op("Reshape", &[sums, vector_shape], Vec::new());
    // in 64 bits: a mean far from zero must not eat the digits of the score
    let wide = graph.op("Cast", &[&score], vec![attr::int("to", i64::from(data_type::DOUBLE))]);
    let (scale, mean) = (graph.double(goal.scale), graph.double(goal.mean));
    let scaled = graph.op("Mul", &[&wide, &scale], Vec::new());
    graph.named("Add", "", &[&scaled, &mean], "prediction", Vec::new());
    vec![output(graph, "prediction", data_type::DOUBLE, DataType::Double)]
}

/// The class at `index`, as a whole number where all classes are written like one.
fn label(graph: &mut GraphBuilder, index: &str, goal: &Goal) -> Field {
    let numbers: Option<Vec<i64>> = goal
        .classes
        .iter()
        .map(|class| class.parse::<i64>().ok().filter(|number| number.to_string() == *class))
        .collect();
    let (classes, element, kind) = match numbers {
        Some(numbers) => (graph.ints(&numbers, &[numbers.len() as i64]), data_type::INT64, DataType::Long),
        None => (graph.texts(&goal.classes), data_type::STRING, DataType::String),
    };
    graph.named("Gather", "", &[&classes, index], "label", vec![attr::int("axis", 0)]);
    output(graph, "label", element, kind)
}

/// The attributes of `TreeEnsembleRegressor`; features are numbered by their place in `used`.
fn ensemble(binned: &Binned, boosted: &Boosted, used: &[usize]) -> Vec<Attribute> {
    let mut place = vec![0i64; binned.codes.len()];
    for (at, column) in used.iter().enumerate() {
        place[*column] = at as i64;
    }
    let mut lists = Lists::default();
    for trees in &boosted.trees {
        for (output, tree) in trees.iter().enumerate() {
            lists.add(tree, output as i64, binned, &place);
        }
    }
    let base = boosted.base.iter().map(|score| *score as f32).collect();
    vec![
        attr::string("aggregate_function", "SUM"),
        attr::floats("base_values", base),
        attr::int("n_targets", boosted.base.len() as i64),
        attr::ints("nodes_falsenodeids", lists.no),
        attr::ints("nodes_featureids", lists.features),
        attr::ints("nodes_missing_value_tracks_true", lists.missing),
        attr::strings("nodes_modes", lists.modes),
        attr::ints("nodes_nodeids", lists.ids),
        attr::ints("nodes_treeids", lists.trees),
        attr::ints("nodes_truenodeids", lists.yes),
        attr::floats("nodes_values", lists.values),
        attr::string("post_transform", "NONE"),
        attr::ints("target_ids", lists.target_ids),
        attr::ints("target_nodeids", lists.target_nodes),
        attr::ints("target_treeids", lists.target_trees),
        attr::floats("target_weights", lists.weights),
    ]
}

#[derive(Default)]
struct Lists {
    count: i64,
    trees: Vec<i64>,
    ids: Vec<i64>,
    features: Vec<i64>,
    modes: Vec<&'static str>,
    values: Vec<f32>,
    yes: Vec<i64>,
    no: Vec<i64>,
    missing: Vec<i64>,
    target_trees: Vec<i64>,
    target_nodes: Vec<i64>,
    target_ids: Vec<i64>,
    weights: Vec<f32>,
}

impl Lists {
    fn add(&mut self, tree: &Tree, output: i64, binned: &Binned, place: &[i64]) {
        for (id, node) in tree.nodes.iter().enumerate() {
            self.trees.push(self.count);
            self.ids.push(id as i64);
            match *node {
                Node::Branch { column, bin, missing_left, left, right } => {
                    let column = column as usize;
                    // the last bin ends at infinity: such a cut parts missing values from the rest
                    let edge = binned.edges[column].get(usize::from(bin)).copied().unwrap_or(f32::INFINITY);
                    self.features.push(place[column]);
                    self.modes.push("BRANCH_LEQ");
                    self.values.push(edge);
                    self.yes.push(i64::from(left));
                    self.no.push(i64::from(right));
                    self.missing.push(i64::from(missing_left));
                }
                Node::Leaf(weight) => {
                    self.features.push(0);
                    self.modes.push("LEAF");
                    self.values.push(0.0);
                    self.yes.push(0);
                    self.no.push(0);
                    self.missing.push(0);
                    self.target_trees.push(self.count);
                    self.target_nodes.push(id as i64);
                    self.target_ids.push(output);
                    self.weights.push(weight);
                }
            }
        }
        self.count += 1;
    }
}
