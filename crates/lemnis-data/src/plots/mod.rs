//! Plots: series of points that stages write, of one revision or of several over each other.
//!
//! A plot is declared in `dvc.yaml`, in a stage or at the top, and its points lie in CSV, TSV, JSON or YAML
//! files. It is given as a Vega-Lite specification with its data, as DVC gives it, and drawn into a page that
//! needs nothing from the network.

mod collect;
mod html;
mod vega;

use std::path::{Path, PathBuf};

use indexmap::IndexMap;
use serde_json::{Value as Json, json};

use crate::error::{Error, Result};
use crate::fsx;
use crate::index::Index;
use crate::repo::Repo;
use crate::revision::{git, no_git};
use crate::values::WORKSPACE;

pub use vega::plot_template;

/// What to plot.
#[derive(Clone, Debug, Default)]
pub struct PlotOptions {
    /// Files or ids of plots; none means all.
    pub targets: Vec<String>,
    /// Overrides what `dvc.yaml` says: `x`, `y`, `title`, `x_label`, `y_label`, `template`.
    pub properties: Vec<(String, String)>,
}

/// Plots by id.
#[derive(Clone, Debug, Default)]
pub struct Plots {
    plots: IndexMap<String, Plot>,
    errors: Vec<Json>,
}

/// One plot, with the points of every revision.
#[derive(Clone, Debug, Default)]
struct Plot {
    title: String,
    x: String,
    y: String,
    x_label: String,
    y_label: String,
    template: String,
    revisions: Vec<String>,
    /// Each with `rev` and, for several series, `field`.
    points: Vec<serde_json::Map<String, Json>>,
    /// Revision, extension and content.
    images: Vec<(String, String, Vec<u8>)>,
}

/// The plots of `revisions`; `workspace` is the working tree.
pub fn plots(repo: &Repo, revisions: &[String], options: &PlotOptions) -> Result<Plots> {
    let mut out = Plots::default();
    for name in revisions {
        if name == WORKSPACE {
            collect::collect(repo, &Index::load(repo)?, name, options, &mut out)?;
        } else if let Some(then) = repo.at_commit(&repo.resolve(name)?)? {
            let index = Index::load(&then)?;
            collect::collect(&then, &index, name, options, &mut out)?;
        }
    }
    Ok(out)
}

/// What `plots diff` compares: what was asked for and, with less than two, the workspace; with none and changes
/// in it, the last commit.
pub fn plot_revisions(repo: &Repo, asked: &[String]) -> Result<Vec<String>> {
    let git_root = repo.git_root().ok_or_else(no_git)?;
    let mut revisions = asked.to_vec();
    if repo.has_no_commits()? {
        return Ok(Vec::new());
    }
    if revisions.len() <= 1 {
        if revisions.is_empty()
            && !git(git_root, &["status", "--porcelain", "--untracked-files=no"])?.is_empty()
        {
            revisions.push("HEAD".into());
        }
        revisions.push(WORKSPACE.into());
    }
    revisions.sort_by_key(|name| name != WORKSPACE);
    Ok(revisions)
}

impl Plots {
    /// Whether there is nothing to draw.
    pub fn is_empty(&self) -> bool {
        self.plots.values().all(|plot| plot.points.is_empty() && plot.images.is_empty())
    }

    /// What could not be read: objects with `name`, `rev`, `source`, `type`, `msg`.
    pub fn errors(&self) -> &[Json] {
        &self.errors
    }

    /// DVC's JSON. Images are written to `out`, which is created when there are any.
    pub fn json(&self, out: &Path) -> Result<Json> {
        let mut data = serde_json::Map::new();
        for (id, plot) in &self.plots {
            let mut items = Vec::new();
            if !plot.points.is_empty() {
                items.push(json!({"type": "vega", "revisions": plot.revisions, "content": vega::spec(plot)}));
            }
            for (revision, file) in write_images(id, plot, out)? {
                items.push(json!({"type": "image", "revisions": [revision], "url": file.to_string_lossy()}));
            }
            data.insert(id.clone(), Json::Array(items));
        }
        let mut all = serde_json::Map::new();
        if !self.errors.is_empty() {
            all.insert("errors".into(), self.errors.clone().into());
        }
        if !data.is_empty() {
            all.insert("data".into(), data.into());
        }
        Ok(all.into())
    }

    /// The Vega-Lite specification of the first plot.
    pub fn vega(&self) -> Option<Json> {
        self.plots.values().find(|plot| !plot.points.is_empty()).map(vega::spec)
    }

    /// Writes the page `index.html` into `out` and returns where it is.
    pub fn write_html(&self, out: &Path) -> Result<PathBuf> {
        fsx::create_dirs(out)?;
        let mut body = String::new();
        for (id, plot) in &self.plots {
            let images = write_images(id, plot, &out.join("static"))?;
            let images: Vec<(String, String)> =
                images.into_iter().map(|(revision, file)| (revision, fsx::relative(&file, out))).collect();
            body.push_str(&html::section(id, plot, &images));
        }
        let page = out.join("index.html");
        fsx::write_text(&page, &html::page(&body))?;
        Ok(page)
    }
}

fn write_images(id: &str, plot: &Plot, out: &Path) -> Result<Vec<(String, PathBuf)>> {
    let plain = |text: &str| -> String {
        text.chars().map(|c| if c.is_alphanumeric() || c == '-' { c } else { '_' }).collect()
    };
    let mut files = Vec::new();
    for (revision, extension, bytes) in &plot.images {
        fsx::create_dirs(out)?;
        let file = out.join(format!("{}_{}.{}", plain(revision), plain(id), plain(extension)));
        std::fs::write(&file, bytes).map_err(Error::io("write", &file))?;
        files.push((revision.clone(), file));
    }
    Ok(files)
}
