//! Plots: series of points that stages write, of one revision or of several over each other.
//!
//! A plot is declared in `dvc.yaml`, in a stage or at the top, and its points lie in CSV, TSV, JSON or YAML
//! files. It is given as a Vega-Lite specification with its data, as DVC gives it, and drawn into a page that
//! needs nothing from the network.

mod builtin;
mod definitions;
mod html;
mod modify;
mod series;
mod show;
mod source;
mod template;
mod vega;

use indexmap::{IndexMap, IndexSet};

use crate::contents::Contents;
use crate::error::Result;
use crate::index::Index;
use crate::pyjson;
use crate::repo::Repo;
use crate::revision::{git, no_git};
use crate::values::WORKSPACE;
use crate::yaml::{Map, Value};
use definitions::Definition;
use series::Axes;
use source::{Fault, Source};

pub use modify::modify_plot;

/// What to plot.
#[derive(Clone, Debug, Default)]
pub struct PlotOptions {
    /// Files or ids of plots; none means all.
    pub targets: Vec<String>,
    /// Overrides what `dvc.yaml` says: `x`, `y`, `title`, `x_label`, `y_label`, `template`.
    pub properties: Vec<(String, String)>,
    /// Tables begin with data.
    pub no_header: bool,
}

/// Plots by id.
#[derive(Clone, Debug, Default)]
pub struct Plots {
    plots: IndexMap<String, Plot>,
    /// Why all of a revision could not be read.
    faults: Vec<(String, Fault)>,
}

/// One plot, with what every revision has of it.
#[derive(Clone, Debug, Default)]
struct Plot {
    content: Content,
    /// What could not be read or drawn: revision, file, why.
    faults: Vec<(String, Option<String>, Fault)>,
}

#[derive(Clone, Debug)]
enum Content {
    Chart(Box<Chart>),
    Images(Vec<Image>),
}

impl Default for Content {
    fn default() -> Self {
        Self::Images(Vec::new())
    }
}

/// Points, and how to draw them.
#[derive(Clone, Debug, Default)]
struct Chart {
    title: String,
    template: Value,
    is_scattered: bool,
    axes: Axes,
    revisions: Vec<String>,
    /// Each with `rev`, `filename` and `field`.
    points: Vec<Map>,
}

#[derive(Clone, Debug)]
struct Image {
    revision: String,
    file: String,
    bytes: Vec<u8>,
}

/// What one revision has: plots, and what their files hold.
struct Found {
    revision: String,
    plots: Vec<Definition>,
    sources: IndexMap<String, Source>,
}

/// The plots of `revisions`; `workspace` is the working tree.
pub fn plots(repo: &Repo, revisions: &[String], options: &PlotOptions) -> Result<Plots> {
    let mut out = Plots::default();
    let mut all = Vec::new();
    for name in revisions.iter().collect::<IndexSet<_>>() {
        let then = match name.as_str() {
            WORKSPACE => None,
            name => Some(repo.at_commit(&repo.resolve(name)?)?),
        };
        let seen = match &then {
            None => repo,
            Some(Some(then)) => then,
            Some(None) => continue,
        };
        match Index::load(seen).and_then(|index| find(&Contents::new(seen, &index), name, options)) {
            Ok(found) => all.push(found),
            Err(error) => out.faults.push((name.clone(), Fault::new(fault_kind(&error), error.to_string()))),
        }
    }
    let ids: IndexSet<&String> =
        all.iter().flat_map(|found| &found.plots).map(|definition| &definition.full_id).collect();
    for full_id in ids {
        let (id, plot) = draw(repo, full_id, &all)?;
        out.plots.insert(id, plot);
    }
    Ok(out)
}

/// What DVC calls an error that spoils a revision.
fn fault_kind(error: &crate::error::Error) -> &'static str {
    match error {
        crate::error::Error::Malformed { .. } => "YAMLFileCorruptedError",
        _ => "DvcException",
    }
}

fn find(contents: &Contents<'_>, revision: &str, options: &PlotOptions) -> Result<Found> {
    let plots = definitions::collect(contents, options)?.all();
    let mut sources = IndexMap::new();
    for name in plots.iter().flat_map(Definition::sources) {
        if !sources.contains_key(&name) {
            let source = source::read(contents, &name, options.no_header)?;
            sources.insert(name, source);
        }
    }
    Ok(Found { revision: revision.to_owned(), plots, sources })
}

/// Joins what the revisions have of a plot; also says what it is called.
fn draw(repo: &Repo, full_id: &str, all: &[Found]) -> Result<(String, Plot)> {
    let mut group: Vec<(&Found, &Definition)> = Vec::new();
    for found in all {
        group.extend(found.plots.iter().filter(|one| one.full_id == *full_id).map(|one| (found, one)));
    }
    // the settings of the first revision go before those of later ones
    let mut settings = Map::new();
    for (_, definition) in group.iter().rev() {
        settings.extend(definition.settings.clone());
    }
    let own_id = group.last().map(|(_, definition)| definition.id.clone()).unwrap_or_default();
    let images = source::is_image(&own_id);
    let id = if images { own_id } else { full_id.to_owned() };
    let mut plot = Plot::default();
    let (mut chart, mut pictures) = (Chart::default(), Vec::new());
    for (found, definition) in group {
        let revision = &found.revision;
        let mut documents = IndexMap::new();
        for name in definition.sources() {
            match found.sources.get(&name) {
                Some(Source::Failed(fault)) => {
                    plot.faults.push((revision.clone(), Some(name.clone()), fault.clone()));
                }
                Some(Source::Document(value)) if !is_empty(value) => {
                    documents.insert(name, value.clone());
                }
                Some(Source::Image(bytes)) if images => pictures.push(Image {
                    revision: revision.clone(),
                    file: name.clone(),
                    bytes: bytes.clone(),
                }),
                _ => {}
            }
        }
        if images {
            continue;
        }
        match series::of(&definition.id, &settings, &documents, revision) {
            Ok(mut series) if !series.points.is_empty() => {
                if chart.points.is_empty() {
                    chart.axes = series.axes;
                }
                chart.points.append(&mut series.points);
                chart.revisions.push(revision.clone());
            }
            Ok(_) => {}
            Err(fault) => plot.faults.push((revision.clone(), None, fault)),
        }
    }
    let text = |name: &str| settings.get(name).and_then(Value::as_str);
    if images {
        plot.content = Content::Images(pictures);
    } else {
        if !chart.points.is_empty() {
            chart.template = template::find(repo, text("template"))?;
            chart.is_scattered = text("template").is_some_and(|name| name.starts_with("scatter"));
            chart.title = text("title").unwrap_or(&id).to_owned();
        }
        plot.content = Content::Chart(Box::new(chart));
    }
    Ok((id, plot))
}

/// What Python takes for nothing.
fn is_empty(value: &Value) -> bool {
    match value {
        Value::Map(map) => map.is_empty(),
        other => crate::values::is_falsy(other),
    }
}

/// What `plots diff` compares: what was asked for and, with less than two, the workspace; with none and changes
/// in it, the last commit. For a single `experiment`, what it began from.
pub fn plot_revisions(repo: &Repo, asked: &[String], experiment: bool) -> Result<Vec<String>> {
    let git_root = repo.git_root().ok_or_else(no_git)?;
    let mut revisions = asked.to_vec();
    if repo.has_no_commits()? {
        return Ok(Vec::new());
    }
    if let ([name], true) = (asked, experiment)
        && let Some(baseline) = crate::experiments::baseline_of(repo, name)?
    {
        revisions.push(baseline.chars().take(7).collect());
    }
    if revisions.len() <= 1 {
        if revisions.is_empty()
            && !git(git_root, &["status", "--porcelain", "--untracked-files=no"])?.is_empty()
        {
            revisions.push("HEAD".into());
        }
        revisions.push(WORKSPACE.into());
    }
    for name in revisions.iter().filter(|name| *name != WORKSPACE) {
        repo.resolve(name)?;
    }
    revisions.sort_by_key(|name| name != WORKSPACE);
    Ok(revisions)
}

/// The names of the built-in templates, in DVC's order.
pub fn plot_templates() -> &'static [&'static str] {
    &builtin::NAMES
}

/// The built-in template of that name as JSON, with anchors in place of a plot's own values.
pub fn plot_template(name: &str) -> Option<String> {
    builtin::template(name).map(|template| pyjson::text(&template))
}
