//! The trainer from the outside: what it learns, what it refuses, and what its models answer.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::disallowed_methods,
    reason = "a test that cannot go on ends"
)]

use lemnis_model::train::{Params, Target, train};
use lemnis_model::{Column, Frame, Model, Task};

fn frame(columns: Vec<(&str, Column)>) -> Frame {
    Frame::new(columns.into_iter().map(|(name, column)| (name.to_owned(), column)).collect()).unwrap()
}

fn numbers(frame: &Frame, name: &str) -> Vec<f64> {
    match frame.column(name) {
        Some(Column::Float(values)) => values.clone(),
        other => panic!("{name}: {other:?}"),
    }
}

/// 0, 1, 2, … in an order that looks random, scaled to [0, 1).
fn spread(rows: usize) -> Vec<f64> {
    (0..rows).map(|row| (row * 7919 % rows) as f64 / rows as f64).collect()
}

fn yes_no(labels: Vec<bool>) -> Target {
    Target::Binary { labels, negative: "No".to_owned(), positive: "Yes".to_owned() }
}

#[test]
fn a_step_in_a_number_is_learnt() {
    let x = spread(1000);
    let y: Vec<f64> = x.iter().map(|x| if *x < 0.3 { 10.0 } else { 20.0 }).collect();
    let data = frame(vec![("x", Column::Float(x))]);
    let params = Params { subsample_rows: 1.0, trees: 200, ..Params::default() };
    let trained = train(&data, &Target::Regression(y.clone()), &params, None).unwrap();
    let answer = trained.model().unwrap().predict(&data).unwrap();
    for (answer, y) in numbers(&answer, "prediction").iter().zip(y) {
        assert!((answer - y).abs() < 0.2, "{answer} for {y}");
    }
    assert_eq!(trained.importance(), vec![("x".to_owned(), 1.0)]);
}

#[test]
fn missing_values_learn_their_direction() {
    let mut x = spread(1000);
    let labels: Vec<bool> = (0..1000).map(|row| row % 4 == 0).collect();
    x.iter_mut().zip(&labels).filter(|(_, label)| **label).for_each(|(x, _)| *x = f64::NAN);
    let data = frame(vec![("x", Column::Float(x))]);
    let trained = train(&data, &yes_no(labels), &Params::default(), None).unwrap();
    let model = trained.model().unwrap();
    let ask = frame(vec![("x", Column::Float(vec![f64::NAN, 0.5]))]);
    let p = numbers(&model.predict(&ask).unwrap(), "probability");
    assert!(p[0] > 0.95 && p[1] < 0.05, "{p:?}");
}

#[test]
fn text_is_learnt_and_an_unknown_text_counts_as_missing() {
    let kinds = ["red", "green", "blue", ""];
    let text: Vec<String> = (0..1200).map(|row| kinds[row % 4].to_owned()).collect();
    let labels = text.iter().map(|text| text == "green" || text.is_empty()).collect();
    let data = frame(vec![("colour", Column::Text(text))]);
    let trained = train(&data, &yes_no(labels), &Params::default(), None).unwrap();
    let ask: Vec<String> =
        ["red", "green", "blue", "", "mauve"].iter().map(|text| (*text).to_owned()).collect();
    let answer = trained.model().unwrap().predict(&frame(vec![("colour", Column::Text(ask))])).unwrap();
    let labels = ["No", "Yes", "No", "Yes", "Yes"].map(str::to_owned).to_vec();
    assert_eq!(answer.column("label"), Some(&Column::Text(labels)));
}

#[test]
fn an_id_column_is_not_learnt_by_heart() {
    let ids: Vec<String> = (0..2000).map(|row| format!("id-{row}")).collect();
    let labels: Vec<bool> = (0..2000).map(|row| row * 7919 % 100 < 30).collect();
    let data = frame(vec![("id", Column::Text(ids)), ("x", Column::Float(spread(2000)))]);
    let trained = train(&data, &yes_no(labels), &Params::default(), None).unwrap();
    let id = trained.importance().into_iter().find(|(name, _)| name == "id").unwrap();
    assert_eq!(id.1, 0.0);
}

#[test]
fn training_stops_when_the_validation_loss_no_longer_falls() {
    let labels: Vec<bool> = (0..2000).map(|row| row * 7919 % 1009 % 2 == 0).collect();
    let data = frame(vec![("x", Column::Float(spread(2000)))]);
    let target = yes_no(labels);
    let params = Params { early_stopping_rounds: 5, ..Params::default() };
    let trained = train(
        &data,
        &target,
        &params,
        Some((&data.clone(), &yes_no((0..2000).map(|row| row % 3 == 0).collect()))),
    )
    .unwrap();
    assert!(trained.trees() < 50, "{}", trained.trees());
    assert!(trained.history().len() >= trained.trees());
}

#[test]
fn three_classes_have_probabilities_that_add_up_to_one() {
    let x = spread(900);
    let labels = x.iter().map(|x| (x * 3.0) as u32).collect();
    let classes = vec!["a".to_owned(), "b".to_owned(), "c".to_owned()];
    let data = frame(vec![("x", Column::Float(x)), ("n", Column::Int(vec![1; 900]))]);
    let trained = train(&data, &Target::Multiclass { labels, classes }, &Params::default(), None).unwrap();
    let model = trained.model().unwrap();
    assert_eq!(model.task(), Task::Multiclass);
    let ask = frame(vec![("n", Column::Float(vec![f64::NAN])), ("x", Column::Float(vec![0.5]))]);
    let answer = model.predict(&ask).unwrap();
    let sum: f64 =
        ["a", "b", "c"].iter().map(|class| numbers(&answer, &format!("probability_{class}"))[0]).sum();
    assert!((sum - 1.0).abs() < 1e-6);
    assert_eq!(answer.column("label"), Some(&Column::Text(vec!["b".to_owned()])));
}

#[test]
fn a_saved_model_answers_as_the_trained_one() {
    let data = frame(vec![("x", Column::Float(spread(500))), ("t", Column::Text(vec!["u".to_owned(); 500]))]);
    let target = Target::Regression(spread(500));
    let trained = train(&data, &target, &Params::default(), None).unwrap();
    let dir = tempfile::tempdir().unwrap();
    trained.save(dir.path()).unwrap();
    let loaded = Model::load(dir.path()).unwrap();
    assert_eq!(loaded.signature(), trained.signature());
    assert_eq!(loaded.task(), Task::Regression);
    assert_eq!(loaded.predict(&data).unwrap(), trained.model().unwrap().predict(&data).unwrap());
}

#[test]
fn what_cannot_be_learnt_from_is_refused_in_one_sentence() {
    let data = frame(vec![("x", Column::Float(vec![1.0, 2.0]))]);
    let says = |data: &Frame, target: &Target| {
        train(data, target, &Params::default(), None).unwrap_err().to_string()
    };
    assert_eq!(
        says(&data, &Target::Regression(vec![1.0, f64::NAN])),
        "training: the target is missing or not finite in 1 of 2 rows"
    );
    assert_eq!(says(&data, &yes_no(vec![false; 2])), "training: the target has only one class, \"No\"");
    assert_eq!(says(&data, &yes_no(vec![false])), "training: there are 2 rows and 1 targets");
    let clash = frame(vec![("label", Column::Int(vec![1, 2]))]);
    assert!(says(&clash, &yes_no(vec![false, true])).contains("\"label\""));
    let none = Frame::new(Vec::new()).unwrap();
    assert!(train(&none, &yes_no(vec![]), &Params::default(), None).is_err());
}

#[test]
fn input_that_does_not_fit_is_refused_by_column() {
    let data = frame(vec![("x", Column::Float(spread(100))), ("t", Column::Text(vec!["u".to_owned(); 100]))]);
    let model =
        train(&data, &Target::Regression(spread(100)), &Params::default(), None).unwrap().model().unwrap();
    let missing = frame(vec![("x", Column::Float(vec![1.0]))]);
    assert_eq!(
        model.predict(&missing).unwrap_err().to_string(),
        "the input has no column \"t\", which the model needs"
    );
    let wrong =
        frame(vec![("x", Column::Text(vec!["1".to_owned()])), ("t", Column::Text(vec![String::new()]))]);
    assert_eq!(
        model.predict(&wrong).unwrap_err().to_string(),
        "column \"x\" holds text, the model takes 64-bit floats"
    );
}
