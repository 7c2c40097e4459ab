//! What MLflow's own loader answers for our models equals what we answer.
//!
//! Runs the Python that `LEMNIS_TEST_PYTHON` names (it needs mlflow, onnx, onnxruntime and pandas); without it the
//! test says so and passes.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::disallowed_methods,
    reason = "a test that cannot go on ends"
)]

use std::path::Path;
use std::process::Command;

use lemnis_model::train::{Params, Target, Trained, train};
use lemnis_model::{Column, Frame, Model};
use serde_json::{Value, json};

const SCRIPT: &str = r#"
import json, pathlib, sys, warnings, logging
warnings.filterwarnings("ignore")
logging.disable(logging.WARNING)
import mlflow, mlflow.onnx, pandas as pd

def series(column, text_dtype):
    kind, values = column["kind"], column["values"]
    if kind == "text":
        values = [None if v == "" else v for v in values]
        return pd.Series(values) if text_dtype is None else pd.Series(values, dtype=text_dtype)
    return pd.Series(values, dtype="int64" if kind == "int" else "float64")

for case in sorted(p for p in pathlib.Path(sys.argv[1]).iterdir() if p.is_dir()):
    columns = json.loads((case / "input.json").read_text())
    mlflow.onnx.load_model(str(case / "model"))  # runs onnx.checker
    model = mlflow.pyfunc.load_model(str(case / "model"))
    answers = []
    for text_dtype in (None, "object"):
        frame = pd.DataFrame({c["name"]: series(c, text_dtype) for c in columns})
        frame["a column the model does not know"] = 1
        answers.append(model.predict(frame))
    assert answers[0].equals(answers[1]), case
    out = [{"name": n, "values": answers[0][n].tolist()} for n in answers[0].columns]
    (case / "output.json").write_text(json.dumps(out))
    print(case.name, "ok", len(answers[0]))
"#;

/// A deterministic stream in [0, 1).
struct Noise(u64);

impl Noise {
    fn next(&mut self) -> f64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 11) as f64 / (1u64 << 53) as f64
    }
}

struct Case {
    name: &'static str,
    frame: Frame,
    target: Target,
}

fn mixed(rows: usize, seed: u64) -> (Frame, Vec<f64>) {
    let mut noise = Noise(seed);
    let cities = ["Ulm", "Köln", "it's \"far\"", "São Paulo", "", "Nowhere"];
    let (mut price, mut count, mut city, mut empty, mut signal) = (vec![], vec![], vec![], vec![], vec![]);
    for row in 0..rows {
        let x = noise.next() * 100.0 - 20.0;
        let n = (noise.next() * 12.0) as i64 - 3;
        let at = (noise.next() * 5.99) as usize;
        let y = (x / 30.0).sin() * 2.0 + n as f64 * 0.3 + [1.5, -1.0, 0.4, 0.0, -2.0, 0.8][at] + noise.next();
        price.push(if row % 11 == 0 { f64::NAN } else { x });
        count.push(n);
        // a value that only serving meets
        city.push(if row + 1 == rows { "unseen".to_owned() } else { cities[at].to_owned() });
        empty.push(String::new());
        signal.push(y);
    }
    let columns = vec![
        ("price in €".to_owned(), Column::Float(price)),
        ("count".to_owned(), Column::Int(count)),
        ("city".to_owned(), Column::Text(city)),
        ("empty".to_owned(), Column::Text(empty)),
        ("constant".to_owned(), Column::Float(vec![1.5; rows])),
        ("nothing".to_owned(), Column::Float(vec![f64::NAN; rows])),
    ];
    (Frame::new(columns).unwrap(), signal)
}

fn only(frame: &Frame, name: &str) -> Frame {
    Frame::new(vec![(name.to_owned(), frame.column(name).unwrap().clone())]).unwrap()
}

fn binary(signal: &[f64], negative: &str, positive: &str) -> Target {
    Target::Binary {
        labels: signal.iter().map(|value| *value > 0.5).collect(),
        negative: negative.to_owned(),
        positive: positive.to_owned(),
    }
}

fn cases() -> Vec<Case> {
    let (frame, signal) = mixed(1500, 7);
    let classes: Vec<String> = ["low", "mid", "high"].iter().map(|class| (*class).to_owned()).collect();
    let labels = signal.iter().map(|y| if *y < -0.5 { 0 } else { 1 + u32::from(*y > 1.0) }).collect();
    let (few, few_signal) = mixed(12, 3);
    let case = |name, frame: &Frame, target| Case { name, frame: frame.clone(), target };
    vec![
        case("binary", &frame, binary(&signal, "No", "Yes")),
        case("binary-numbers", &frame, binary(&signal, "0", "1")),
        case("multiclass", &frame, Target::Multiclass { labels, classes }),
        case("regression", &frame, Target::Regression(signal.iter().map(|y| 1.0e6 + y * 50.0).collect())),
        case("one-float", &only(&frame, "price in €"), Target::Regression(signal.clone())),
        case("one-int", &only(&frame, "count"), binary(&signal, "No", "Yes")),
        case("one-text", &only(&frame, "city"), binary(&signal, "No", "Yes")),
        case("nothing-learnt", &few, binary(&few_signal, "No", "Yes")),
    ]
}

fn fit(case: &Case) -> Trained {
    let params = Params { trees: 60, ..Params::default() };
    train(&case.frame, &case.target, &params, None).unwrap()
}

fn to_json(frame: &Frame) -> Value {
    let number = |value: &f64| if value.is_nan() { Value::Null } else { json!(value) };
    frame
        .columns()
        .map(|(name, column)| match column {
            Column::Float(values) => {
                json!({"name": name, "kind": "float", "values": values.iter().map(number).collect::<Vec<_>>()})
            }
            Column::Int(values) => json!({"name": name, "kind": "int", "values": values}),
            Column::Text(values) => json!({"name": name, "kind": "text", "values": values}),
        })
        .collect()
}

#[test]
fn pyfunc_answers_as_the_interpreter_does() {
    // a test has no settings of its own: the environment is the only way to hand it a Python
    #[allow(clippy::disallowed_methods)]
    let Ok(python) = std::env::var("LEMNIS_TEST_PYTHON") else {
        println!(
            "skipped: LEMNIS_TEST_PYTHON does not name a Python with mlflow, onnx, onnxruntime and pandas"
        );
        return;
    };
    let dir = tempfile::tempdir().unwrap();
    for case in cases() {
        let folder = dir.path().join(case.name);
        fit(&case).save(&folder.join("model")).unwrap();
        std::fs::write(folder.join("input.json"), to_json(&case.frame).to_string()).unwrap();
    }
    let run = Command::new(python).arg("-c").arg(SCRIPT).arg(dir.path()).output().unwrap();
    assert!(run.status.success(), "{}", String::from_utf8_lossy(&run.stderr));
    for case in cases() {
        let folder = dir.path().join(case.name);
        let answer = Model::load(&folder.join("model")).unwrap().predict(&case.frame).unwrap();
        compare(case.name, &answer, &folder.join("output.json"));
    }
}

fn compare(case: &str, answer: &Frame, file: &Path) {
    let outputs: Vec<Value> = serde_json::from_slice(&std::fs::read(file).unwrap()).unwrap();
    assert_eq!(outputs.len(), answer.columns().len(), "{case}");
    for (output, (name, column)) in outputs.iter().zip(answer.columns()) {
        assert_eq!(output["name"], name, "{case}");
        let theirs = output["values"].as_array().unwrap();
        assert_eq!(theirs.len(), column.len(), "{case} {name}");
        match column {
            Column::Text(ours) => assert_eq!(json!(ours), output["values"], "{case} {name}"),
            Column::Int(ours) => assert_eq!(json!(ours), output["values"], "{case} {name}"),
            Column::Float(ours) => {
                let mut worst = 0.0f64;
                for (ours, theirs) in ours.iter().zip(theirs) {
                    let theirs = theirs.as_f64().unwrap();
                    worst = worst.max((ours - theirs).abs() / theirs.abs().max(1.0));
                }
                println!("{case} {name}: largest difference {worst:.1e}");
                assert!(worst <= 1e-6, "{case} {name}: {worst:.1e}");
            }
        }
    }
}

#[test]
fn the_same_training_gives_the_same_files_on_any_number_of_threads() {
    let case = cases().remove(0);
    let pool = |threads| rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
    let one = pool(1).install(|| fit(&case));
    let three = pool(3).install(|| fit(&case));
    assert_eq!(one.onnx(), three.onnx());
}
