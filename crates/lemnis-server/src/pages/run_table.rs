//! The table of runs: filter, order, columns and place stand in the address, so that a link shows the same table.
//!
//! The server draws the rows, a page at a time. A script asks for more of the same rows (`?part=rows`) as the reader
//! scrolls; without it the table has pages.

use askama::Template;
use askama::filters::Safe;
use axum::extract::{RawQuery, State};
use axum::http::{HeaderValue, header};
use axum::response::{Html, IntoResponse, Response};
use lemnis_app::view::{self, RunList, RunQuery, RunRow};
use lemnis_tracking::View;

use super::chrome::Chrome;
use super::handlers::{chrome, may_read, page};
use super::html::{self, Markup, escape};
use super::render::Rendered;
use super::run_columns::{Column, Head, chosen, heads, offered};
use crate::Server;

/// Runs on one page, and in one part of a table that scrolls.
const RUNS: usize = 100;

/// What the address asks for.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Asked {
    pub(super) filter: String,
    pub(super) order_by: String,
    pub(super) experiment: String,
    pub(super) view: String,
    pub(super) columns: Vec<Column>,
    pub(super) offset: u64,
    pub(super) rows_only: bool,
    pub(super) fragment: bool,
}

impl Asked {
    fn read(query: &str) -> Self {
        let mut asked = Self::default();
        for (name, value) in url::form_urlencoded::parse(query.as_bytes()) {
            match name.as_ref() {
                "filter" => asked.filter = value.trim().to_owned(),
                "order_by" => asked.order_by = value.into_owned(),
                "experiment" => asked.experiment = value.into_owned(),
                "view" => asked.view = value.into_owned(),
                "offset" => asked.offset = value.parse().unwrap_or_default(),
                "part" => asked.rows_only = value == "rows",
                "fragment" => asked.fragment = !value.is_empty(),
                "column" => {
                    let column = Column::parse(value.trim());
                    asked.columns.extend(column.filter(|column| !asked.columns.contains(column)));
                }
                _ => {}
            }
        }
        asked
    }

    fn query(&self) -> RunQuery {
        RunQuery {
            filter: self.filter.clone(),
            order_by: self.order_by.clone(),
            experiment: Some(self.experiment.clone()).filter(|id| !id.is_empty()),
            view: match self.view.as_str() {
                "deleted" => View::Deleted,
                "all" => View::All,
                _ => View::Active,
            },
            count: !self.rows_only,
            limit: RUNS,
            offset: self.offset,
        }
    }

    /// Whether anything but the whole table was asked for.
    fn narrows(&self) -> bool {
        *self != Self::default()
    }

    /// The address of the table with another order or place.
    pub(super) fn href(&self, order_by: &str, offset: u64) -> String {
        let mut query = url::form_urlencoded::Serializer::new(String::new());
        for (name, value) in [
            ("filter", self.filter.as_str()),
            ("experiment", &self.experiment),
            ("view", &self.view),
            ("order_by", order_by),
        ] {
            if !value.is_empty() {
                query.append_pair(name, value);
            }
        }
        for column in &self.columns {
            query.append_pair("column", &column.key());
        }
        if offset > 0 {
            query.append_pair("offset", &offset.to_string());
        }
        let query = query.finish();
        if query.is_empty() { "/runs".to_owned() } else { format!("/runs?{query}") }
    }
}

/// `GET /runs`.
pub(super) async fn runs(State(server): State<Server>, RawQuery(query): RawQuery) -> Response {
    let asked = Asked::read(&query.unwrap_or_default());
    let ui = chrome(&server, asked.fragment);
    let read = async {
        may_read(&server)?;
        view::runs(&server.app, &asked.query()).await
    };
    match read.await {
        Ok(list) if asked.rows_only => {
            let text: String = rows(&ui, &list, &chosen(&asked, &list));
            ([(header::CACHE_CONTROL, HeaderValue::from_static("no-store"))], Html(text)).into_response()
        }
        Ok(list) => page(&ui, Ok(render(&ui, &asked, &list))),
        Err(error) => page(&ui, Err(error)),
    }
}

#[derive(Template)]
#[template(path = "runs.html")]
struct RunsPage<'a> {
    ui: &'a Chrome,
    section: &'static str,
    live_ms: u32,
    view: &'a RunList,
    asked: &'a Asked,
    experiment: Option<&'a str>,
    columns: Vec<Column>,
    offered: Vec<(Column, bool)>,
    heads: Vec<Head>,
    rows: Markup,
    faulty: Option<Markup>,
    previous: Option<String>,
    next: Option<String>,
    rows_href: String,
    limit: usize,
}

/// The page around the table.
pub(crate) fn render(ui: &Chrome, asked: &Asked, view: &RunList) -> Rendered {
    let columns = chosen(asked, view);
    let experiment =
        view.experiment.as_deref().and_then(|id| view.experiments.iter().find(|one| one.id == id));
    let mut part = asked.clone();
    part.columns.clone_from(&columns);
    let rows_href = part.href(&asked.order_by, 0);
    let joint = if rows_href.contains('?') { '&' } else { '?' };
    RunsPage {
        ui,
        section: "/runs",
        live_ms: 0,
        view,
        asked,
        experiment: experiment.map(|one| one.name.as_str()),
        offered: offered(view, &columns),
        heads: heads(asked, &columns),
        rows: Safe(rows(ui, view, &columns)),
        faulty: faulty(view),
        previous: (view.offset > 0)
            .then(|| asked.href(&asked.order_by, view.offset.saturating_sub(RUNS as u64))),
        next: view.next_offset.map(|offset| asked.href(&asked.order_by, offset)),
        rows_href: format!("{rows_href}{joint}part=rows"),
        limit: RUNS,
        columns,
    }
    .render()
}

/// The filter with what is wrong in it marked.
fn faulty(view: &RunList) -> Option<Markup> {
    let fault = view.fault.clone()?;
    let (before, at, after) =
        (view.filter.get(..fault.start)?, view.filter.get(fault.clone())?, view.filter.get(fault.end..)?);
    Some(Safe(format!("{}<mark>{}</mark>{}", escape(before), escape(at), escape(after))))
}

/// The rows of a part of the table; they are written by hand because there may be many, often.
fn rows(ui: &Chrome, view: &RunList, columns: &[Column]) -> String {
    let mut out = String::with_capacity(view.runs.len() * (900 + columns.len() * 40));
    for run in &view.runs {
        row(ui, run, columns, &mut out);
    }
    out
}

fn row(ui: &Chrome, run: &RunRow, columns: &[Column], out: &mut String) {
    let (id, name) = (html::segment(&run.id), escape(&run.name));
    out.push_str("<tr><td class=\"pick\"><input type=\"checkbox\" name=\"run\" value=\"");
    out.push_str(&id);
    out.push_str("\" aria-label=\"choose ");
    out.push_str(&name);
    out.push_str("\"></td><th scope=\"row\" class=\"stick\"><a href=\"/runs/");
    out.push_str(&id);
    out.push_str("\" title=\"");
    out.push_str(&name);
    out.push_str("\">");
    out.push_str(&name);
    out.push_str("</a><span class=\"faint sub\">");
    out.push_str(&escape(&run.experiment));
    out.push_str(" · <code>");
    out.push_str(&escape(&html::short(&run.id)));
    out.push_str("</code></span></th><td><span class=\"chip ");
    let (state, status) = if run.deleted {
        ("idle", "deleted".to_owned())
    } else {
        (run.state.as_str(), run.status.to_lowercase())
    };
    out.push_str(state);
    out.push_str("\">");
    out.push_str(&escape(&status));
    out.push_str("</span></td><td>");
    if let Some(started) = run.started {
        out.push_str(&html::when(started, ui.now_ms).0);
    }
    out.push_str("</td><td class=\"num\">");
    if let Some(duration) = run.duration_ms {
        out.push_str(&html::duration(duration));
    }
    out.push_str("</td>");
    for column in columns {
        column.cell(run, out);
    }
    out.push_str("<td>");
    for link in &run.versions {
        let model = escape(&link.model);
        out.push_str(&format!(
            "<a class=\"tag\" href=\"/models/{}/versions/{}\">{model} v{}",
            html::segment(&link.model),
            link.version,
            link.version
        ));
        for alias in &link.aliases {
            out.push_str(&format!(" <b>@{}</b>", escape(alias)));
        }
        out.push_str("</a> ");
    }
    out.push_str("</td></tr>");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_read_and_written_back() {
        let query = "filter=metrics.x+%3E+1&experiment=0&view=deleted&order_by=metrics.x+DESC&column=metrics.x\
                     &column=params.a+b&column=nonsense&column=metrics.x&offset=200";
        let asked = Asked::read(query);
        assert_eq!(asked.columns, [Column::Metric("x".to_owned()), Column::Param("a b".to_owned())]);
        assert_eq!(
            asked.href("params.`a b` ASC", 0),
            "/runs?filter=metrics.x+%3E+1&experiment=0&view=deleted&order_by=params.%60a+b%60+ASC&column=metrics.x\
             &column=params.a+b"
        );
        assert_eq!(Asked::read("").href("", 0), "/runs");
        assert_eq!(asked.query().view, View::Deleted);
    }
}
