//! A run's files: a preview of each, and the bytes for what a browser draws by itself.
//!
//! The bytes of a run are not trusted. Whatever is served to be drawn carries a policy that puts it into a sandbox with
//! an origin of its own: its scripts reach neither these pages nor the network, in a frame or opened alone.

use askama::Template;
use askama::filters::Safe;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, header};
use axum::response::{IntoResponse, Response};
use lemnis_app::view::{self, ArtifactRow, Preview, Previewed, RunDetail};
use lemnis_tracking::RunInfo;
use object_store::path::Path as ObjectPath;
use serde_json::Value;

use super::chrome::Chrome;
use super::handlers::{chrome, may_read, page};
use super::html::{Markup, escape, segment};
use super::render::Rendered;
use crate::Server;
use crate::mlflow::artifact_paths::of_uri;

/// Parts of a JSON document that are drawn.
const MOST_PARTS: usize = 5_000;
/// Levels of a JSON document that are drawn.
const MOST_LEVELS: usize = 64;
/// What a file that is drawn may do: run its own scripts, show what it carries, and nothing else.
const SHUT_OFF: &str = "sandbox allow-scripts; default-src 'none'; script-src 'unsafe-inline' 'unsafe-eval' blob:; \
    style-src 'unsafe-inline'; img-src data: blob:; font-src data:; media-src data: blob:; worker-src blob:; \
    form-action 'none'; base-uri 'none'; frame-ancestors 'self'";

/// `GET /runs/{id}/artifacts/{path}`.
pub(super) async fn artifact(
    State(server): State<Server>,
    Path((id, path)): Path<(String, String)>,
) -> Response {
    let ui = chrome(&server, false);
    let read = async {
        may_read(&server)?;
        let run = view::run(&server.app, &id).await?;
        let info = view::run_info(&server.app, &run.id).await?;
        let found = view::preview(&server.app, &location(&info, &path)?).await?;
        Ok(render(&ui, &run, &path, &found))
    };
    page(&ui, read.await)
}

/// `GET /runs/{id}/raw/{path}`: the bytes, as what they are.
pub(super) async fn raw(
    State(server): State<Server>,
    Path((id, path)): Path<(String, String)>,
    asked: HeaderMap,
) -> Response {
    let read = async {
        may_read(&server)?;
        let info = view::run_info(&server.app, &id).await?;
        location(&info, &path)
    };
    let location = match read.await {
        Ok(location) => location,
        Err(error) => return page(&chrome(&server, false), Err(error)),
    };
    match crate::mlflow::send(server.app.artifacts.as_ref(), &location, &asked).await {
        Ok(mut answer) => {
            let headers = answer.headers_mut();
            let mut set = |name: HeaderName, value: &'static str| {
                headers.insert(name, HeaderValue::from_static(value));
            };
            set(header::CONTENT_SECURITY_POLICY, SHUT_OFF);
            set(header::X_FRAME_OPTIONS, "SAMEORIGIN");
            set(HeaderName::from_static("cross-origin-resource-policy"), "same-origin");
            if let Some(kind) = drawn(&path) {
                set(header::CONTENT_TYPE, kind);
                set(header::CONTENT_DISPOSITION, "inline");
            }
            answer
        }
        Err(failure) => failure.into_response(),
    }
}

fn location(info: &RunInfo, path: &str) -> Result<ObjectPath, lemnis_app::Error> {
    of_uri(&info.artifact_uri, Some(path)).map_err(|error| lemnis_app::Error::invalid(error.to_string()))
}

/// The media type of what browsers draw; the rest is downloaded.
fn drawn(path: &str) -> Option<&'static str> {
    let extension = path.rsplit_once('.')?.1.to_ascii_lowercase();
    Some(match extension.as_str() {
        "png" => "image/png",
        "jpg" | "jpeg" => "image/jpeg",
        "gif" => "image/gif",
        "webp" => "image/webp",
        "bmp" => "image/bmp",
        "avif" => "image/avif",
        "svg" => "image/svg+xml",
        "html" | "htm" => "text/html; charset=utf-8",
        _ => return None,
    })
}

#[derive(Template)]
#[template(path = "artifact.html")]
struct ArtifactPage<'a> {
    ui: &'a Chrome,
    section: &'static str,
    live_ms: u32,
    run: &'a RunDetail,
    path: &'a str,
    found: &'a Previewed,
    files: &'a [ArtifactRow],
    raw: String,
    json: Markup,
}

/// The page of one file.
pub(crate) fn render(ui: &Chrome, run: &RunDetail, path: &str, found: &Previewed) -> Rendered {
    let encoded: Vec<String> = path.split('/').map(segment).collect();
    let json = match &found.preview {
        Preview::Json(value) => folded(value),
        _ => String::new(),
    };
    ArtifactPage {
        ui,
        section: "/runs",
        live_ms: 0,
        run,
        path,
        found,
        files: &run.artifacts,
        raw: format!("/runs/{}/raw/{}", segment(&run.id), encoded.join("/")),
        json: Safe(json),
    }
    .render()
}

/// A document as lists that fold, the outer two levels open.
fn folded(value: &Value) -> String {
    let mut out = String::from("<div class=\"json\">");
    let mut left = MOST_PARTS;
    fold(None, value, 0, &mut left, &mut out);
    if left == 0 {
        out.push_str("<p class=\"hint\">There is more; download the file to see it all.</p>");
    }
    out.push_str("</div>");
    out
}

fn fold(name: Option<&str>, value: &Value, level: usize, left: &mut usize, out: &mut String) {
    if *left == 0 {
        return;
    }
    *left -= 1;
    let label = name.map(|name| format!("<b>{}</b>: ", escape(name))).unwrap_or_default();
    let (count, kind) = match value {
        Value::Array(items) => (items.len(), "[ ]"),
        Value::Object(fields) => (fields.len(), "{ }"),
        plain => {
            out.push_str(&format!("<div>{label}<code>{}</code></div>", escape(&plain.to_string())));
            return;
        }
    };
    if count == 0 || level >= MOST_LEVELS {
        out.push_str(&format!("<div>{label}<code>{kind}</code></div>"));
        return;
    }
    let open = if level < 2 && count <= 100 { " open" } else { "" };
    out.push_str(&format!(
        "<details{open}><summary>{label}<span class=\"faint\">{kind} {count}</span></summary>"
    ));
    match value {
        Value::Array(items) => {
            for (place, item) in items.iter().enumerate() {
                fold(Some(&place.to_string()), item, level + 1, left, out);
            }
        }
        Value::Object(fields) => {
            for (name, field) in fields {
                fold(Some(name), field, level + 1, left, out);
            }
        }
        _ => {}
    }
    out.push_str("</details>");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_folds_and_carries_no_markup() {
        let html = folded(&serde_json::json!({ "<a>": [1, "<script>"], "empty": {}, "n": null }));
        assert!(html.contains("<b>&lt;a&gt;</b>") && html.contains("&quot;&lt;script&gt;&quot;"), "{html}");
        assert!(!html.contains("<script"));
        assert_eq!(html.matches("<details").count(), html.matches("</details>").count());
    }

    #[test]
    fn a_deep_or_long_document_ends() {
        let mut deep = Value::Null;
        for _ in 0..120 {
            deep = serde_json::json!([deep]);
        }
        assert!(folded(&deep).matches("<details").count() <= MOST_LEVELS);
        let long: Vec<usize> = (0..100_000).collect();
        assert!(folded(&serde_json::json!(long)).contains("There is more"));
    }
}
