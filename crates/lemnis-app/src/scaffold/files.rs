//! The files of a new project. Each explains itself: the user keeps and edits them.

use std::path::Path;

use super::Plan;
use crate::Error;
use crate::settings::Task;

/// Writes every file of the project that `plan` describes, leaving alone those that are already there.
///
/// Returns the paths written, relative to `root`. The data itself is not copied here.
pub fn write_files(root: &Path, plan: &Plan) -> Result<Vec<String>, Error> {
    let files = [
        ("README.md", readme(plan)),
        ("lemnis.yaml", lemnis_yaml(plan)),
        ("params.yaml", params_yaml(plan)),
        ("dvc.yaml", dvc_yaml(plan)),
        (".gitignore", GITIGNORE.to_owned()),
        ("data/feedback/README.txt", FEEDBACK.to_owned()),
    ];
    let mut written = Vec::new();
    for (name, text) in files {
        let path = root.join(name);
        if path.exists() {
            continue;
        }
        if let Some(parent) = path.parent() {
            std::fs::create_dir_all(parent).map_err(Error::file(parent, "created"))?;
        }
        lemnis_core::write_whole(&path, |out| out.write_all(text.as_bytes()))
            .map_err(Error::file(&path, "written"))?;
        written.push(name.to_owned());
    }
    Ok(written)
}

const GITIGNORE: &str = "\
# What Lemnis keeps about this project: runs, models, predictions, logs. Back it up; do not commit it.
/.lemnis
*.tmp
";

const FEEDBACK: &str = "\
Labelled live rows, one CSV file for each retrain, in the columns of data/prepared/train.parquet.
`lemnis prepare` adds them to the training rows and to the holdout. The folder is versioned by data/feedback.dvc.
";

/// A YAML scalar that reads back as the same string.
fn quoted(text: &str) -> String {
    let plain = !text.is_empty()
        && text.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-'))
        && text.starts_with(|c: char| c.is_ascii_alphabetic())
        && !["yes", "no", "true", "false", "null", "on", "off", "y", "n"]
            .contains(&text.to_ascii_lowercase().as_str());
    if plain { text.to_owned() } else { serde_json::Value::String(text.to_owned()).to_string() }
}

fn task_name(task: Task) -> &'static str {
    match task {
        Task::Binary => "binary",
        Task::Multiclass => "multiclass",
        Task::Regression => "regression",
    }
}

fn positive_line(plan: &Plan, indent: &str) -> String {
    match &plan.positive {
        Some(class) => format!("{indent}positive: {}\n", quoted(class)),
        None => String::new(),
    }
}

fn lemnis_yaml(plan: &Plan) -> String {
    let Plan { model, .. } = plan;
    let data = plan.data_path().display().to_string();
    let bound = match plan.task {
        Task::Binary => "      - metric: roc_auc\n        min: 0.6\n".to_owned(),
        Task::Regression => "      - metric: r2\n        min: 0.05\n".to_owned(),
        Task::Multiclass => {
            let majority = plan.majority_share.unwrap_or(0.5);
            format!(
                "      # The largest class alone would reach {majority:.3}.\n      - metric: accuracy\n        min: {majority:.3}\n"
            )
        }
    };
    format!(
        "\
# What this project checks, lets through, serves and watches. `dvc.yaml` says how the model is made.
# Lemnis reads the file at every act: an edit counts at once, and an unknown key is an error.
project: {name}

# Data and the expectation suite that it must satisfy (`lemnis validate`).
checks:
  - data: {data}
    suite: checks/raw.yaml

models:
  {name}:
    task: {task}
    target: {target}
{positive}    # The folder that stage `train` writes, with its MLmodel file.
    path: models/{model}
    # Rows that no model trains on. The gate scores the champion and the challenger on the same rows.
    holdout: data/prepared/holdout.parquet
    # The metric that the gate, the pages and the monitor look at first.
    metric: {metric}
    # A version may serve only when every rule holds. The report is stored with the version (`lemnis why {model}`).
    gate:
{bound}      # Better than the version that serves now, with this confidence (paired bootstrap, seeded).
      - better_than: champion
        metric: {metric}
        confidence: 0.95

endpoints:
  {name}:
    # Whatever version the alias points at.
    model: {model}@champion
    # A new version takes traffic step by step, and none at once when it fails or slows down.
    rollout:
      steps: [10, 50, 100]
      min_requests: 50
    monitor:
      # One check looks at the newest predictions against the rows that the serving version was trained on.
      window_rows: 500
      min_rows: 100
      drift:
        # A column drifts when its test is significant after Benjamini-Hochberg correction AND its PSI is this large,
        # or when its share of missing values changed.
        alpha: 0.05
        psi_threshold: 0.1
        # The data drifted when at least this share of the columns did.
        drift_share: 0.3
      # retrain: start a flow run that trains on the newest labelled rows. record: only keep the verdict.
      on_drift: retrain
",
        name = quoted(model),
        task = task_name(plan.task),
        target = quoted(&plan.target),
        positive = positive_line(plan, "    "),
        metric = plan.metric(),
    )
}

fn params_yaml(plan: &Plan) -> String {
    let mut drop = String::new();
    if plan.drop.is_empty() {
        drop.push_str("  drop: []\n");
    } else {
        drop.push_str("  drop:\n");
        for (name, reason) in &plan.drop {
            drop.push_str(&format!("    - {}  # {reason}\n", quoted(name)));
        }
    }
    format!(
        "\
# Parameters of the pipeline in dvc.yaml. Change one and run `lemnis repro`: only the stages that use it run again.
prepare:
  target: {target}
  # Columns that no model may see: identifiers, and whatever is known only afterwards.
{drop}  # Decides which row goes to which part; the same seed gives the same parts.
  seed: 42
  holdout_share: 0.2
  # Rows kept away from training and holdout. quickstart replays them as live traffic; set 0 when you have your own.
  live_share: 0.15
  # Of the labelled live rows in data/feedback, the share that joins the holdout; the rest is trained on.
  feedback_holdout_share: 0.5
train:
  target: {target}
  task: {task}
{positive}  # The share of the training rows that decides when to stop adding trees.
  validation_share: 0.15
  trees: 400
  learning_rate: 0.06
  max_depth: 5
  # The fewest training rows in a leaf.
  min_child_rows: {min_child_rows}
  seed: 42
",
        min_child_rows = (plan.rows / 50).clamp(2, 20),
        target = quoted(&plan.target),
        task = task_name(plan.task),
        positive = positive_line(plan, "  "),
    )
}

fn dvc_yaml(plan: &Plan) -> String {
    let Plan { model, .. } = plan;
    let data = plan.data_path().display().to_string();
    format!(
        "\
# The pipeline. `lemnis repro` (or `dvc repro`) runs the stages whose inputs changed. A stage is any command: replace
# these by your own scripts when you outgrow them; what matters is what they read (deps, params) and write (outs).
stages:
  # Typed cleaning and a split by seed.
  prepare:
    cmd: lemnis prepare {data} --feedback data/feedback --out data/prepared
    deps:
      - {data}
      - data/feedback
    params:
      - prepare
    outs:
      - data/prepared/train.parquet
      - data/prepared/holdout.parquet
      - data/prepared/live.parquet
  # The built-in baseline: gradient-boosted trees, saved as ONNX, logged to the tracking server.
  train:
    cmd: lemnis train data/prepared/train.parquet --out models/{model} --experiment {model}
    deps:
      - data/prepared/train.parquet
    params:
      - train
    outs:
      - models/{model}
  # The model on rows it never saw.
  evaluate:
    cmd: lemnis evaluate models/{model} --data data/prepared/holdout.parquet --metrics reports/metrics.json
    deps:
      - data/prepared/holdout.parquet
      - models/{model}
    params:
      - train.target
    metrics:
      - reports/metrics.json:
          cache: false
"
    )
}

fn readme(plan: &Plan) -> String {
    let Plan { model, target, .. } = plan;
    let data = plan.data_path().display().to_string();
    let class = match &plan.positive {
        Some(class) => format!(", scored as the probability of `{class}`"),
        None => String::new(),
    };
    format!(
        "\
# {model}

Predicts `{target}`{class} from `{data}`: {rows} rows, {columns} columns. Made by `lemnis quickstart`; it is yours to
change.

| File | What it is |
|---|---|
| `lemnis.yaml` | what is checked, let through, served and watched |
| `dvc.yaml`, `params.yaml` | how the model is made: prepare, train, evaluate |
| `dvc.lock` | which data, parameters and code made what is here now |
| `{data}.dvc` | the data's digest; the bytes lie in `.dvc/cache` |
| `checks/raw.yaml` | what the data must satisfy, in Great Expectations' form |
| `data/feedback/` | labelled live rows that retraining adds |
| `.lemnis/` | runs, models, predictions, events (not in Git) |

## Every day

```sh
lemnis up                      # pages, tracking server and endpoint on one port
lemnis repro                   # run the stages whose inputs changed
lemnis validate                # the data against its suite
lemnis runs list               # what was trained
lemnis models list             # versions, aliases, gates
lemnis drift {model}             # the newest predictions against the training data
lemnis rollback {model}          # the version before, at once
lemnis why {model}               # what serves, made from what, let through by which evidence
```

Ask the endpoint for a prediction; `curl http://127.0.0.1:8000/v2/models/{model}` says which columns it takes:

```sh
curl -s http://127.0.0.1:8000/endpoints/{model}/invocations \\
  -H 'Content-Type: application/json' -d '{{\"dataframe_records\": [{{\"column\": \"value\"}}]}}'
```

Python scripts log to the same server: set `MLFLOW_TRACKING_URI=http://127.0.0.1:8000` and use `mlflow` as it is.
",
        rows = plan.rows,
        columns = plan.columns,
    )
}
