//! Every filter and order that a client can send: any text is read or refused, and none ends the process.
#![no_main]

libfuzzer_sys::fuzz_target!(|text: &str| {
    use lemnis_tracking::search;
    let _ = search::runs(text);
    let _ = search::experiments(text);
    let _ = search::registered_models(text);
    let _ = search::model_versions(text);
    let _ = search::logged_models(text);
    let _ = search::traces(text);
    let _ = search::evaluation_datasets(text);
    let _ = search::issues(text);
    for view in [search::MetricView::Traces, search::MetricView::Spans, search::MetricView::Assessments] {
        let _ = search::metric_filter(view, text);
    }
    let _ = search::run_order(text);
    let _ = search::experiment_order(text);
    let _ = search::version_order(text);
    let _ = search::model_order(text);
    let _ = search::trace_order(text);
    let _ = search::evaluation_dataset_order(text);
    let _ = lemnis_tracking::suggest::Space::from_texts([text]);
});
