//! The fuzz target's corpus and random changes of it: every text is read or refused, and refused in words.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on ends")]

use lemnis_tracking::search::{self, MetricView};
use lemnis_tracking::suggest::Space;
use rand::{RngExt, SeedableRng};
use rand_pcg::Pcg64Mcg;

/// Changed texts for each seed of the corpus.
const CHANGES: usize = 400;

/// What a change may put in.
const PIECES: [&str; 16] =
    ["'", "\"", "`", "(", ")", ",", ".", "..", "!=", " AND ", " in ", "é", "\u{202e}", "\0", "1e999", "NULL"];

/// Every parser of filters, orders and spaces on one text. Returns how many took it.
fn parse(text: &str) -> usize {
    let results = [
        search::runs(text).map(drop),
        search::experiments(text).map(drop),
        search::registered_models(text).map(drop),
        search::model_versions(text).map(drop),
        search::logged_models(text).map(drop),
        search::traces(text).map(drop),
        search::evaluation_datasets(text).map(drop),
        search::issues(text).map(drop),
        search::metric_filter(MetricView::Traces, text).map(drop),
        search::metric_filter(MetricView::Spans, text).map(drop),
        search::metric_filter(MetricView::Assessments, text).map(drop),
        search::run_order(text).map(drop),
        search::experiment_order(text).map(drop),
        search::version_order(text).map(drop),
        search::model_order(text).map(drop),
        search::trace_order(text).map(drop),
        search::evaluation_dataset_order(text).map(drop),
        Space::from_texts([text]).map(drop),
    ];
    for error in results.iter().filter_map(|result| result.as_ref().err()) {
        assert!(!error.to_string().is_empty(), "{text:?}");
    }
    results.iter().filter(|result| result.is_ok()).count()
}

fn corpus() -> Vec<String> {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../fuzz/corpus/search_filter");
    let mut files: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files.iter().map(|file| std::fs::read_to_string(file).unwrap()).collect()
}

#[test]
fn each_text_of_the_corpus_is_understood_by_a_parser() {
    for text in corpus() {
        assert!(parse(&text) > 0, "{text:?}");
    }
}

#[test]
fn changed_texts_are_read_or_refused() {
    let corpus = corpus();
    let mut random = Pcg64Mcg::seed_from_u64(20);
    for seed in &corpus {
        for _ in 0..CHANGES {
            let mut text = seed.clone();
            for _ in 0..random.random_range(1..5) {
                let from = boundary(&text, random.random_range(0..=text.len()));
                match random.random_range(0..4) {
                    0 => text.insert_str(from, PIECES[random.random_range(0..PIECES.len())]),
                    1 => text.truncate(from),
                    2 => {
                        let to = boundary(&text, random.random_range(from..=text.len()));
                        text.replace_range(from..to, "");
                    }
                    _ => text.insert_str(from, &corpus[random.random_range(0..corpus.len())]),
                }
            }
            parse(&text);
        }
    }
}

/// The first boundary of a character at or after `place`.
fn boundary(text: &str, place: usize) -> usize {
    (place..=text.len()).find(|at| text.is_char_boundary(*at)).unwrap()
}
