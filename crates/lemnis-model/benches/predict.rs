//! Predictions of a boosted model with text, whole-number and float columns: one row, and 1,024 rows.

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use lemnis_model::train::{Params, Target, train};
use lemnis_model::{Column, Frame, Model};

const FLOATS: usize = 6;
const TEXTS: usize = 12;

fn frame(rows: usize) -> (Frame, Target) {
    let mut state = 1u64;
    let mut next = move || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 11) as f64 / (1u64 << 53) as f64
    };
    let mut scores = vec![0.0; rows];
    let mut columns = Vec::new();
    for at in 0..FLOATS {
        let values: Vec<f64> = (0..rows).map(|_| next()).collect();
        scores.iter_mut().zip(&values).for_each(|(score, value)| *score += (value * 6.0 + at as f64).sin());
        columns.push((format!("f{at}"), Column::Float(values)));
    }
    for at in 0..TEXTS {
        let codes: Vec<usize> = (0..rows).map(|_| (next() * 4.0) as usize).collect();
        scores.iter_mut().zip(&codes).for_each(|(score, code)| *score += [0.0, 0.3, -0.2, 0.1][*code]);
        let names = ["No", "Yes", "No internet service", "Month-to-month"];
        columns.push((
            format!("t{at}"),
            Column::Text(codes.iter().map(|code| names[*code].to_owned()).collect()),
        ));
    }
    columns.push(("n".to_owned(), Column::Int((0..rows as i64).map(|row| row % 72).collect())));
    let labels = scores.iter().map(|score| *score > 1.0).collect();
    let target = Target::Binary { labels, negative: "No".to_owned(), positive: "Yes".to_owned() };
    (Frame::new(columns).unwrap_or_default(), target)
}

fn model() -> Option<Model> {
    let (data, target) = frame(8000);
    let params = Params { trees: 100, ..Params::default() };
    train(&data, &target, &params, None).and_then(|trained| trained.model()).ok()
}

fn predict(criterion: &mut Criterion) {
    let Some(model) = model() else { return };
    let mut group = criterion.benchmark_group("predict");
    for rows in [1, 1024, 16_384] {
        let (data, _) = frame(rows);
        group.throughput(Throughput::Elements(rows as u64));
        group.bench_function(format!("{rows} rows"), |bencher| {
            bencher.iter(|| black_box(model.predict(black_box(&data))));
        });
    }
    group.finish();
}

criterion_group!(benches, predict);
criterion_main!(benches);
