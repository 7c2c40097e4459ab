//! Every page rendered from samples: whole, as a fragment, and with hostile names.

use lemnis_app::view::{DataList, EndpointList, EventList, FlowList, ModelList, RunList};

use super::chrome::Chrome;
use super::run_table::Asked;
use super::{
    api_page, artifact_page, compare_page, experiments_page, render, run_table, sample, version_page,
};

fn chrome(fragment: bool) -> Chrome {
    Chrome { project: "churn <b>".to_owned(), now_ms: sample::NOW, fragment }
}

fn all(ui: &Chrome) -> Vec<(&'static str, String)> {
    vec![
        ("overview", render::overview(ui, &sample::overview()).unwrap()),
        ("runs", run_table::render(ui, &Asked::default(), &sample::runs()).unwrap()),
        ("run", render::run(ui, &sample::run()).unwrap()),
        ("models", render::models(ui, &ModelList { models: vec![sample::model_row()] }).unwrap()),
        ("model", render::model(ui, &sample::model()).unwrap()),
        (
            "endpoints",
            render::endpoints(ui, &EndpointList { endpoints: vec![sample::endpoint_row()] }).unwrap(),
        ),
        ("endpoint", render::endpoint(ui, &sample::endpoint()).unwrap()),
        ("experiments", experiments_page::render(ui, &sample::experiments()).unwrap()),
        ("compare", compare_page::render(ui, &sample::comparison()).unwrap()),
        ("artifact", artifact_page::render(ui, &sample::run(), "a <b>/c.json", &sample::preview()).unwrap()),
        (
            "version",
            version_page::render(ui, &sample::model(), &sample::model_row().versions[0], &sample::facts())
                .unwrap(),
        ),
        ("diff", version_page::render_diff(ui, &sample::diff()).unwrap()),
        ("data", render::data(ui, &sample::data()).unwrap()),
        ("flows", render::flows(ui, &sample::flows()).unwrap()),
        ("events", render::events(ui, &sample::events()).unwrap()),
        ("api", api_page::render(ui, &crate::openapi().unwrap()).unwrap()),
        ("why", render::why(ui, &sample::why()).unwrap()),
        ("error", render::error(ui, "Not <found>", "no <b>", &["<i>".to_owned()], Some("hint")).unwrap()),
    ]
}

#[test]
fn every_page_is_whole_and_has_its_landmarks() {
    for (name, html) in all(&chrome(false)) {
        assert!(html.starts_with("<!doctype html>") && html.trim_end().ends_with("</html>"), "{name}");
        for part in ["<main id=\"main\"", "<nav aria-label=\"sections\"", "class=\"skip\"", "lang=\"en\""] {
            assert!(html.contains(part), "{name} lacks {part}");
        }
        assert_eq!(html.matches("<h1").count(), 1, "{name} needs one main heading");
    }
}

#[test]
fn a_fragment_is_the_inside_of_main() {
    for (name, html) in all(&chrome(true)) {
        assert!(!html.contains("<main") && !html.contains("<!doctype"), "{name}");
        assert!(html.contains("<h1"), "{name}");
    }
}

#[test]
fn names_cannot_bring_markup_or_scripts() {
    for (name, html) in all(&chrome(false)) {
        let body = html.split("</head>").nth(1).unwrap();
        for hostile in [
            "<script>",
            "churn <b>",
            "<i>",
            "<md5:",
            "<next>",
            "<none>",
            "<12>",
            "gender<script",
            "onclick",
            "javascript:",
        ] {
            assert!(!body.contains(hostile), "{name} contains {hostile}");
        }
    }
}

#[test]
fn nothing_comes_from_another_host() {
    for (name, html) in all(&chrome(false)) {
        let addresses =
            html.split(['"', '(']).filter(|part| part.starts_with("http") || part.starts_with("//"));
        for address in addresses {
            assert!(address.starts_with("http://127.0.0.1"), "{name} leads to {address}");
        }
    }
}

#[test]
fn each_tag_is_closed() {
    for (name, html) in all(&chrome(false)) {
        for tag in [
            "section", "article", "div", "table", "dl", "ol", "ul", "li", "figure", "svg", "a", "span",
            "details", "p",
        ] {
            let opened =
                html.matches(&format!("<{tag}>")).count() + html.matches(&format!("<{tag} ")).count();
            assert_eq!(opened, html.matches(&format!("</{tag}>")).count(), "{name}: <{tag}>");
        }
    }
}

#[test]
fn an_empty_project_says_which_command_comes_next() {
    let ui = chrome(false);
    let empty_runs = RunList {
        runs: Vec::new(),
        filter: String::new(),
        order_by: String::new(),
        next_offset: None,
        ..sample::runs()
    };
    for html in [
        render::overview(&ui, &sample::empty_overview()).unwrap(),
        run_table::render(&ui, &Asked::default(), &empty_runs).unwrap(),
        render::models(&ui, &ModelList { models: Vec::new() }).unwrap(),
        render::endpoints(&ui, &EndpointList { endpoints: Vec::new() }).unwrap(),
        render::data(&ui, &DataList { datasets: Vec::new(), stages: Vec::new() }).unwrap(),
        render::flows(&ui, &FlowList { flow_runs: Vec::new() }).unwrap(),
    ] {
        assert!(html.contains("<code>lemnis "), "{html}");
    }
    let html = render::events(&ui, &EventList { events: Vec::new(), subject: None }).unwrap();
    assert!(html.contains("Nothing happened yet"));
}

#[test]
fn a_broken_filter_is_told_at_its_field() {
    let list = RunList {
        runs: Vec::new(),
        error: Some("Invalid <clause>".to_owned()),
        fault: Some(16..17),
        ..sample::runs()
    };
    let html = run_table::render(&chrome(false), &Asked::default(), &list).unwrap();
    assert!(html.contains("role=\"alert\">Invalid &#60;clause&#62;"));
    assert!(html.contains("aria-invalid=\"true\""));
    assert!(html.contains("metrics.roc_auc <mark>&gt;</mark> 0.8"), "the token at fault is marked");
}

#[test]
fn the_gate_report_draws_its_interval() {
    let html = render::model(&chrome(false), &sample::model()).unwrap();
    assert!(html.contains("class=\"interval attention\"") && html.contains("class=\"interval ok\""));
    assert!(html.contains("not let through"));
}

#[test]
fn the_endpoint_page_stays_small_enough_to_be_swapped() {
    let html = render::endpoint(&chrome(true), &sample::endpoint()).unwrap();
    assert!(html.len() < 150_000, "{} bytes", html.len());
}
