//! The style sheet, the scripts and the icon: part of the binary, so that pages work offline.

use std::sync::OnceLock;

use axum::http::header;
use axum::response::IntoResponse;
use lemnis_core::Digest;

const STYLE: &str = include_str!("../../assets/lemnis.css");
const SCRIPT: &str = include_str!("../../assets/lemnis.js");
const RUNS: &str = include_str!("../../assets/runs.js");
const PLOT: &str = include_str!("../../assets/plot.js");
const COMPARE: &str = include_str!("../../assets/compare.js");
const ICON: &str = include_str!("../../assets/icon.svg");

/// A short digest of the assets; it is in their address, so they may be kept for ever.
pub(super) fn version() -> &'static str {
    static VERSION: OnceLock<String> = OnceLock::new();
    VERSION.get_or_init(|| {
        Digest::sha256(format!("{STYLE}\n{SCRIPT}\n{RUNS}\n{PLOT}\n{COMPARE}").as_bytes()).short().to_owned()
    })
}

fn answer(kind: &'static str, body: &'static str) -> impl IntoResponse {
    ([(header::CONTENT_TYPE, kind), (header::CACHE_CONTROL, "public, max-age=31536000, immutable")], body)
}

pub(super) async fn style() -> impl IntoResponse {
    answer("text/css; charset=utf-8", STYLE)
}

pub(super) async fn script() -> impl IntoResponse {
    answer("text/javascript; charset=utf-8", SCRIPT)
}

pub(super) async fn runs() -> impl IntoResponse {
    answer("text/javascript; charset=utf-8", RUNS)
}

pub(super) async fn plot() -> impl IntoResponse {
    answer("text/javascript; charset=utf-8", PLOT)
}

pub(super) async fn compare() -> impl IntoResponse {
    answer("text/javascript; charset=utf-8", COMPARE)
}

pub(super) async fn icon() -> impl IntoResponse {
    answer("image/svg+xml", ICON)
}
