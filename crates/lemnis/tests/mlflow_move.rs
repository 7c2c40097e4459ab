//! A store of the real MLflow comes in whole, again for what is new, and goes out again: MLflow's own client compares.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::disallowed_methods,
    reason = "a test that cannot go on ends"
)]

mod support;

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use lemnis_testkit::Postgres;
use serde_json::{Value, json};
use support::mlflow::Mlflow;
use support::{Up, clean, json, lemnis, python, run, stderr};

/// Python that runs a script of `tests/python` in `dir`.
fn script(python: &Path, dir: &Path, name: &str, arguments: &[&str]) -> Command {
    let scripts = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).unwrap().join("tests/python");
    let mut command = Command::new(python);
    command.current_dir(dir).arg(scripts.join(name)).args(arguments);
    clean(&mut command, dir);
    command.env("MLFLOW_ALLOW_FILE_STORE", "true");
    command
}

fn succeed(mut command: Command) -> String {
    let output = command.output().unwrap();
    let out = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{out}\n{}", String::from_utf8_lossy(&output.stderr));
    out
}

/// Runs lines of Python with `client`, a client of the store at argv[1].
fn with_client(python: &Path, dir: &Path, uri: &str, lines: &str) -> String {
    let mut command = Command::new(python);
    let head = "import sys\nfrom mlflow.tracking import MlflowClient\nclient = MlflowClient(sys.argv[1], sys.argv[1])\n";
    command.current_dir(dir).args(["-c", &format!("{head}{lines}"), uri]);
    clean(&mut command, dir);
    succeed(command)
}

fn upgrade(python: &Path, dir: &Path, uri: &str) {
    let mut command = Command::new(python);
    command.current_dir(dir).args(["-m", "mlflow", "db", "upgrade", uri]);
    clean(&mut command, dir);
    succeed(command);
}

fn counts<'r>(report: &'r Value, kind: &str) -> &'r Value {
    let records = report["records"].as_array().unwrap();
    records.iter().find(|counts| counts["kind"] == kind).unwrap_or_else(|| panic!("no {kind} in {report}"))
}

/// What a report says of new, changed and same records of a kind.
fn outcome(report: &Value, kind: &str) -> (u64, u64, u64) {
    let counts = counts(report, kind);
    let number = |name: &str| counts[name].as_u64().unwrap();
    (number("new"), number("changed"), number("same"))
}

struct Home {
    dir: tempfile::TempDir,
    python: PathBuf,
}

impl Home {
    /// Folders for an MLflow store and a project; `None` without the real MLflow.
    fn new(test: &str) -> Option<Self> {
        let python = python(test)?;
        let dir = tempfile::tempdir().unwrap();
        for name in ["theirs", "project"] {
            std::fs::create_dir(dir.path().join(name)).unwrap();
        }
        Some(Self { dir, python })
    }

    fn theirs(&self) -> PathBuf {
        self.dir.path().join("theirs")
    }

    fn project(&self) -> PathBuf {
        self.dir.path().join("project")
    }

    fn database(&self) -> String {
        format!("sqlite:///{}", self.theirs().join("mlflow.db").display())
    }

    fn fill(&self, uri: &str, parts: &[&str]) -> String {
        let arguments = [&[uri], parts].concat();
        let out = succeed(script(&self.python, &self.theirs(), "mlflow_store.py", &arguments));
        out.lines().last().unwrap().to_owned()
    }

    fn compare(&self, one: &str, other: &str, how: &[&str]) {
        let arguments = [&[one, other], how].concat();
        succeed(script(&self.python, self.dir.path(), "mlflow_compare.py", &arguments));
    }
}

#[test]
fn a_store_comes_in_whole_and_again_for_what_is_new_and_goes_out_the_same() {
    let Some(home) = Home::new("import and export of an MLflow store") else { return };
    let (uri, project) = (home.database(), home.project());
    let run_id = home.fill(&uri, &["model", "traces"]);

    let looked = json(&project, &["import", "mlflow", &uri, "--dry-run"]);
    assert_eq!((&looked["ok"], &looked["dry_run"]), (&json!(true), &json!(true)), "{looked}");
    let first = json(&project, &["import", "mlflow", &uri]);
    assert_eq!(first["ok"], true, "{first}");
    assert_eq!(outcome(&first, "run"), (7, 0, 0), "{first}");
    assert_eq!(outcome(&looked, "run"), (7, 0, 0), "a dry run says the same: {looked}");

    let server = Up::start(&project);
    home.compare(&uri, &server.url, &[]);

    // Nothing is copied twice, and the server may go on meanwhile.
    let second = json(&project, &["mlflow", "import", &uri]);
    assert_eq!(outcome(&second, "run"), (0, 0, 7), "{second}");
    assert_eq!(second["artifacts"]["copied"], 0, "{second}");
    let lines = format!(
        "client.set_tag('{run_id}', 't', 'changed')\n\
         run = client.create_run(client.get_run('{run_id}').info.experiment_id)\n\
         client.log_metric(run.info.run_id, 'late', 1.0)\nclient.log_text(run.info.run_id, 'hi', 'late.txt')\n"
    );
    with_client(&home.python, &home.theirs(), &uri, &lines);
    let third = json(&project, &["import", "mlflow", &uri]);
    assert_eq!((outcome(&third, "run"), &third["artifacts"]["copied"]), ((1, 1, 6), &json!(1)), "{third}");
    home.compare(&uri, &server.url, &[]);

    // Back into an empty database of MLflow's own making.
    let back = format!("sqlite:///{}", home.dir.path().join("back.db").display());
    upgrade(&home.python, home.dir.path(), &back);
    let out = json(&project, &["export", "mlflow", &back]);
    assert_eq!((&out["ok"], outcome(&out, "run")), (&json!(true), (8, 0, 0)), "{out}");
    home.compare(&uri, &back, &[]);
    let again = json(&project, &["export", "mlflow", &back]);
    assert_eq!((&again["ok"], outcome(&again, "run")), (&json!(true), (0, 0, 8)), "{again}");
}

#[tokio::test]
async fn what_changed_here_is_kept_and_what_changed_on_both_sides_is_a_conflict() {
    let Some(home) = Home::new("conflicts of an import") else { return };
    let (uri, project) = (home.database(), home.project());
    let run_id = home.fill(&uri, &[]);
    json(&project, &["import", "mlflow", &uri]);
    {
        let server = Up::start(&project);
        let tag = json!({"run_id": run_id, "key": "mine", "value": "1"});
        Mlflow::at(&server.url).post("runs/set-tag", tag).await;
    }
    let kept = json(&project, &["import", "mlflow", &uri]);
    assert_eq!((&kept["ok"], &counts(&kept, "run")["kept"]), (&json!(true), &json!(1)), "{kept}");

    with_client(&home.python, &home.theirs(), &uri, &format!("client.set_tag('{run_id}', 'theirs', '2')\n"));
    let refused = run(&project, &["import", "mlflow", &uri]);
    let text = String::from_utf8_lossy(&refused.stdout).into_owned();
    assert_eq!(refused.status.code(), Some(1), "{text}");
    assert!(text.contains(&run_id) && text.contains("--overwrite"), "{text}");
    let replaced = json(&project, &["import", "mlflow", &uri, "--overwrite"]);
    assert_eq!((&replaced["ok"], outcome(&replaced, "run").1), (&json!(true), 1), "{replaced}");

    // Another store whose experiment has the same name.
    let other = home.dir.path().join("other");
    std::fs::create_dir(&other).unwrap();
    let second = format!("sqlite:///{}", other.join("mlflow.db").display());
    with_client(&home.python, &other, &second, "client.create_run(client.create_experiment('chürn ☃'))\n");
    let refused = run(&project, &["import", "mlflow", &second]);
    let text = String::from_utf8_lossy(&refused.stdout).into_owned();
    assert!(refused.status.code() == Some(1) && text.contains("--merge"), "{text}");
    let merged = json(&project, &["import", "mlflow", &second, "--merge"]);
    assert_eq!(outcome(&merged, "run").0, 1, "{merged}");
    let chosen = run(&project, &["import", "mlflow", &uri, "--experiment", "absent"]);
    assert!(!chosen.status.success() && stderr(&chosen).contains("absent"), "{}", stderr(&chosen));
}

#[test]
fn an_import_that_is_killed_is_finished_by_the_next_one() {
    let Some(home) = Home::new("a killed import") else { return };
    let (uri, project) = (home.database(), home.project());
    home.fill(&uri, &[]);
    for kill in 0..12 {
        let mut child = lemnis(&project)
            .args(["import", "mlflow", &uri])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        std::thread::sleep(Duration::from_millis(10 + kill * 15));
        child.kill().ok();
        child.wait().unwrap();
    }
    let finished = json(&project, &["import", "mlflow", &uri]);
    assert_eq!(finished["ok"], true, "{finished}");
    let server = Up::start(&project);
    home.compare(&uri, &server.url, &[]);
}

#[test]
fn a_folder_of_files_comes_in_and_goes_out_as_a_database() {
    let Some(home) = Home::new("import of an mlruns folder") else { return };
    let (folder, project) = (home.theirs().join("mlruns"), home.project());
    let uri = format!("file://{}", folder.display());
    home.fill(&uri, &["traces"]);
    let report = json(&project, &["import", "mlflow", folder.to_str().unwrap()]);
    assert_eq!(report["ok"], true, "{report}");
    let server = Up::start(&project);
    home.compare(&uri, &server.url, &[]);
    // Ids of experiments are too long for a database there.
    let back = format!("sqlite:///{}", home.dir.path().join("back.db").display());
    upgrade(&home.python, home.dir.path(), &back);
    let out = json(&project, &["export", "mlflow", &back]);
    assert_eq!(out["ok"], true, "{out}");
    home.compare(&uri, &back, &["renumbered"]);
}

#[test]
fn a_postgresql_store_comes_in_and_a_project_on_postgresql_takes_it() {
    let Some(home) = Home::new("import from PostgreSQL") else { return };
    let Some(postgres) = Postgres::start().unwrap() else { return };
    let known = Command::new(&home.python).args(["-c", "import psycopg2"]).status().unwrap();
    if !known.success() {
        eprintln!("skipped: Python has no psycopg2 (cargo xtask setup installs it)");
        return;
    }
    let theirs = postgres.create("theirs").unwrap();
    // SQLAlchemy takes the folder of a socket as a parameter only.
    let socket = theirs.split('@').nth(1).unwrap().split('/').next().unwrap().replace("%2F", "/");
    let uri = format!("postgresql+psycopg2:///theirs?host={socket}&user=postgres");
    home.fill(&uri, &["traces"]);
    let ours = postgres.create("ours").unwrap();
    let output = lemnis(&home.project())
        .args(["import", "mlflow", &theirs, "--json"])
        .env("LEMNIS_DATABASE_URL", &ours)
        .output()
        .unwrap();
    assert!(output.status.success(), "{}{}", String::from_utf8_lossy(&output.stdout), stderr(&output));
    let server = Up::start_with(&home.project(), &[("LEMNIS_DATABASE_URL", &ours)]);
    home.compare(&uri, &server.url, &[]);
}

#[test]
fn what_is_no_mlflow_store_is_refused_with_the_way_out() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("empty.db"), "").unwrap();
    for (source, word) in [
        ("sqlite:///absent.db", "absent.db"),
        ("sqlite:///empty.db", "mlflow db upgrade"),
        ("mysql://db/mlflow", "mysql"),
        ("http://127.0.0.1:1", "--backend-store-uri"),
    ] {
        let output = run(dir.path(), &["import", "mlflow", source]);
        assert!(!output.status.success(), "{source}");
        assert!(stderr(&output).contains(word), "{source}: {}", stderr(&output));
    }
}
