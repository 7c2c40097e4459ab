//! Plots as DVC gives them: ids, points, errors, templates, and their display properties in `dvc.yaml`.

#![allow(clippy::expect_used, clippy::panic)] // a failing test may panic

mod common;

use common::Project;
use lemnis_data::PlotOptions;
use serde_json::{Value, json};

fn shown(project: &Project, options: &PlotOptions) -> Value {
    let plots = lemnis_data::plots(&project.repo(), &["workspace".to_owned()], options).expect("collects");
    let text = plots.json(&project.path().join("out"), false).expect("shows");
    serde_json::from_str(&text).expect("is JSON")
}

fn targets(names: &[&str]) -> PlotOptions {
    PlotOptions { targets: names.iter().map(|name| (*name).to_owned()).collect(), ..PlotOptions::default() }
}

fn project() -> Project {
    let project = Project::new();
    project
        .write("a.csv", "epoch,loss,acc\n0,1.0,0.1\n1,0.5,0.6\n")
        .write("pl/a.csv", "epoch,loss\n0,1.0\n")
        .write("pl/z.png", "PNG")
        .write("bad.txt", "x");
    project.write(
        "dvc.yaml",
        "plots:\n- pl\n- bad.txt\n- both:\n    x: epoch\n    y:\n      a.csv: [loss, acc]\n      pl/a.csv: loss\n- none:\n    y:\n      a.csv: nope\n",
    );
    project
}

#[test]
fn series_of_several_files_and_fields_are_told_apart_in_one_column() {
    let shown = shown(&project(), &targets(&["both"]));
    let values = shown["data"]["both"][0]["content"]["data"]["values"].as_array().expect("values").clone();
    assert_eq!(values.len(), 5);
    assert_eq!(
        values[0],
        json!({"epoch": "0", "loss": "1.0", "acc": "0.1", "dvc_inferred_y_value": "1.0", "rev": "workspace", "filename::field": "a.csv::loss"})
    );
    let color = &shown["data"]["both"][0]["content"]["encoding"]["color"];
    assert_eq!(color["scale"]["domain"], json!(["workspace"]));
}

#[test]
fn what_cannot_be_drawn_is_named_among_the_errors() {
    let shown = shown(&project(), &PlotOptions::default());
    let errors: Vec<_> =
        shown["errors"].as_array().expect("errors").iter().map(|e| (&e["name"], &e["type"])).collect();
    assert_eq!(
        errors,
        [(&json!("bad.txt"), &json!("PlotMetricTypeError")), (&json!("none"), &json!("FieldNotFoundError"))]
    );
    assert_eq!(shown["data"]["none"], json!([]));
}

#[test]
fn a_directory_as_a_target_counts_beside_what_dvc_yaml_says() {
    let project = project();
    let shown = shown(&project, &targets(&["pl"]));
    let ids: Vec<&String> = shown["data"].as_object().expect("data").keys().collect();
    assert_eq!(ids, ["dvc.yaml::pl/a.csv", "pl/a.csv", "pl/z.png"]);
    let image = project.path().join("out/workspace_pl_z.png");
    assert_eq!(shown["data"]["pl/z.png"][0]["url"], json!(image.to_string_lossy()));
    assert!(image.is_file());
}

#[test]
fn a_template_of_the_users_is_filled() {
    let project = project();
    project.write(
        ".dvc/plots/mine.json",
        r#"{"data": {"values": "<DVC_METRIC_DATA>"}, "title": "T <DVC_METRIC_TITLE>", "x": "<DVC_METRIC_X>"}"#,
    );
    project.write(".dvc/plots/empty.json", "{}");
    let with = |name: &str| PlotOptions {
        properties: vec![("template".into(), name.into()), ("title".into(), "t.u".into())],
        ..targets(&["a.csv"])
    };
    let content = shown(&project, &with("mine"))["data"]["a.csv"][0]["content"].clone();
    assert_eq!((&content["title"], &content["x"]), (&json!("T t.u"), &json!("step")));
    for name in ["nosuch", "empty"] {
        let plots = lemnis_data::plots(&project.repo(), &["workspace".to_owned()], &with(name));
        assert!(plots.is_err(), "{name}");
    }
}

#[test]
fn display_properties_are_written_into_the_stage() {
    let project = Project::new();
    let text = "# top\nstages:\n  s:\n    cmd: echo  # c\n    outs:\n    - p.csv\n    - o.csv\n    plots:\n    - z.csv:\n        x: a\n        cache: false\n";
    project.write("dvc.yaml", text);
    let repo = project.repo();
    let given = [("x".to_owned(), "e".to_owned()), ("title".to_owned(), "T".to_owned())];
    lemnis_data::modify_plot(&repo, "p.csv", &given, true, None).expect("modifies");
    let expected = "# top\nstages:\n  s:\n    cmd: echo  # c\n    outs:\n    - o.csv\n    plots:\n    - p.csv:\n        x: e\n        title: T\n        header: false\n    - z.csv:\n        x: a\n        cache: false\n";
    assert_eq!(project.read("dvc.yaml"), expected);
    let unset = ["x", "title", "header"].map(str::to_owned);
    lemnis_data::modify_plot(&repo, "p.csv", &[], false, Some(&unset)).expect("unsets");
    assert!(project.read("dvc.yaml").contains("    plots:\n    - p.csv\n    - z.csv:\n"));
    assert!(lemnis_data::modify_plot(&repo, "p.csv", &[], false, Some(&unset)).is_err(), "nothing to unset");
    assert!(lemnis_data::modify_plot(&repo, "o.csv", &[], false, Some(&[])).is_err(), "not a plot");
    let template = [("template".to_owned(), "nosuch".to_owned())];
    assert!(lemnis_data::modify_plot(&repo, "p.csv", &template, false, None).is_err());
}
