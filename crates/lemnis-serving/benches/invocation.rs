//! One single-row request without HTTP: read the body, route, type it, predict, hand it to the log, render.
#![allow(clippy::unwrap_used, missing_docs, reason = "a benchmark")]

use std::sync::Arc;

use criterion::{Criterion, criterion_group, criterion_main};
use lemnis_core::FixedClock;
use lemnis_model::train::{Params, Target, train};
use lemnis_model::{Column, Frame};
use lemnis_serving::mlflow_scoring::{Body, ContentType, predictions};
use lemnis_serving::{Endpoints, PredictionLog, RequestMeta};

const COLUMNS: usize = 20;
const ROWS: usize = 2_000;

fn endpoints(dir: &std::path::Path) -> Endpoints {
    let column = |place: usize| (0..ROWS).map(|row| ((row * (2 * place + 7)) % 101) as f64).collect();
    let columns = (0..COLUMNS).map(|place| (format!("f{place}"), Column::Float(column(place)))).collect();
    let labels = (0..ROWS).map(|row| (row * 7) % 101 + (row * 9) % 101 > 100).collect();
    let target = Target::Binary { labels, negative: "No".to_owned(), positive: "Yes".to_owned() };
    let params = Params { trees: 100, ..Params::default() };
    let trained = train(&Frame::new(columns).unwrap(), &target, &params, None).unwrap();
    let clock = Arc::new(FixedClock::new(0));
    let endpoints = Endpoints::new(Arc::new(PredictionLog::open(dir, clock.clone()).unwrap()), clock);
    endpoints.deploy("churn", 1, Arc::new(trained.model().unwrap()));
    endpoints
}

fn invocation(criterion: &mut Criterion) {
    let dir = tempfile::tempdir().unwrap();
    let endpoints = endpoints(dir.path());
    let names: Vec<String> = (0..COLUMNS).map(|place| format!("f{place}")).collect();
    let row: Vec<f64> = (0..COLUMNS).map(|place| place as f64 * 1.5).collect();
    let body = serde_json::json!({ "dataframe_split": { "columns": names, "data": [row] } }).to_string();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    criterion.bench_function("invocation_one_row_20_columns", |bencher| {
        bencher.iter(|| {
            let read = Body::read(ContentType::Json, body.as_bytes()).unwrap();
            let asked = endpoints.predict("churn", RequestMeta::new(None), |signature| read.frame(signature));
            predictions(&runtime.block_on(asked).unwrap().outputs)
        });
    });
    criterion.bench_function("read_body_one_row_20_columns", |bencher| {
        bencher.iter(|| Body::read(ContentType::Json, body.as_bytes()).unwrap());
    });
}

criterion_group!(benches, invocation);
criterion_main!(benches);
