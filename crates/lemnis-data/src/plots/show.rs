//! Plots as programs and people get them: DVC's JSON, a specification, a page.

use std::path::{Path, PathBuf};

use super::source::Fault;
use super::template::map;
use super::{Chart, Content, Image, Plot, Plots, html, vega};
use crate::error::{Error, Result};
use crate::yaml::{Map, Value};
use crate::{fsx, pyjson};

impl Plots {
    /// Whether there is nothing to draw.
    pub fn is_empty(&self) -> bool {
        self.plots.is_empty()
    }

    /// What could not be read or drawn, for people.
    pub fn faults(&self) -> Vec<String> {
        let of_plots = self.plots.iter().flat_map(|(id, plot)| {
            plot.faults.iter().map(move |(revision, source, fault)| {
                let what = source.as_ref().unwrap_or(id);
                format!("{what} in {revision}: {}", fault.message)
            })
        });
        let of_revisions =
            self.faults.iter().map(|(revision, fault)| format!("{revision}: {}", fault.message));
        of_plots.chain(of_revisions).collect()
    }

    /// DVC's JSON. Images are written to `out`, which is created when there are any. `split` gives the parts of a
    /// specification apart that can be filled later.
    pub fn json(&self, out: &Path, split: bool) -> Result<String> {
        let (mut data, mut errors) = (Map::new(), Vec::new());
        for (id, plot) in &self.plots {
            data.insert(id.as_str().into(), Value::Seq(items(plot, out, split)?));
            let faults = |with_source: bool| {
                plot.faults.iter().filter(move |(_, source, _)| source.is_some() == with_source)
            };
            for (revision, source, fault) in faults(true).chain(faults(false)) {
                errors.push(error(Some(id), revision, source.as_deref(), fault));
            }
        }
        errors.extend(self.faults.iter().map(|(revision, fault)| error(None, revision, None, fault)));
        let mut all = Map::new();
        if !errors.is_empty() {
            all.insert("errors".into(), Value::Seq(errors));
        }
        if !data.is_empty() {
            all.insert("data".into(), Value::Map(data));
        }
        Ok(pyjson::text(&Value::Map(all)))
    }

    /// The Vega-Lite specification of the first chart.
    pub fn vega(&self) -> Option<String> {
        let mut charts = self.plots.values().filter_map(Plot::chart);
        let chart = charts.next()?;
        let spec = match chart.points.is_empty() {
            true => Value::Map(Map::new()),
            false => vega::filled(chart, false).spec,
        };
        Some(pyjson::text(&spec))
    }

    /// Writes the page `index.html` into `out` and returns where it is. `template` is a page of the user's.
    pub fn write_html(&self, out: &Path, template: Option<&Path>) -> Result<PathBuf> {
        let template = template.map(page_template).transpose()?;
        fsx::create_dirs(out)?;
        let mut body = String::new();
        let mut images = Vec::new();
        for (id, plot) in &self.plots {
            match &plot.content {
                Content::Chart(chart) if !chart.points.is_empty() => {
                    body.push_str(&html::chart_section(id, chart));
                }
                Content::Images(some) if !some.is_empty() => images.push((id, some)),
                _ => {}
            }
        }
        images.sort_by_key(|(id, _)| order_of_image(id));
        for (id, some) in images {
            let written = write_images(some, &out.join("static"))?;
            let written: Vec<(String, String)> =
                written.into_iter().map(|(revision, file)| (revision, fsx::relative(&file, out))).collect();
            body.push_str(&html::image_section(id, &written));
        }
        let page = out.join("index.html");
        fsx::write_text(&page, &html::page(&body, template.as_deref()))?;
        Ok(page)
    }
}

impl Plot {
    fn chart(&self) -> Option<&Chart> {
        match &self.content {
            Content::Chart(chart) => Some(chart),
            Content::Images(_) => None,
        }
    }
}

fn page_template(path: &Path) -> Result<String> {
    let shown = path.display();
    let Some(text) = fsx::read_text(path)? else {
        return Err(Error::Missing { what: "HTML template", path: shown.to_string() });
    };
    if !text.contains("{plot_divs}") {
        return Err(Error::hinted(
            format!("the HTML template {shown} has no place for the plots"),
            "put {plot_divs} where they belong",
        ));
    }
    Ok(text)
}

fn error(id: Option<&str>, revision: &str, source: Option<&str>, fault: &Fault) -> Value {
    let mut map = Map::new();
    map.extend(id.map(|id| ("name".into(), id.into())));
    map.insert("rev".into(), revision.into());
    map.extend(source.map(|source| ("source".into(), source.into())));
    map.insert("type".into(), fault.kind.into());
    map.insert("msg".into(), fault.message.as_str().into());
    Value::Map(map)
}

/// What there is of a plot: a chart, or one image a revision.
fn items(plot: &Plot, out: &Path, split: bool) -> Result<Vec<Value>> {
    let revisions = |names: &[String]| Value::Seq(names.iter().map(|name| name.as_str().into()).collect());
    match &plot.content {
        Content::Chart(chart) if chart.points.is_empty() => Ok(Vec::new()),
        Content::Chart(chart) => {
            let filled = vega::filled(chart, split);
            let mut item = Map::new();
            item.insert("type".into(), "vega".into());
            item.insert("revisions".into(), revisions(&chart.revisions));
            item.insert("content".into(), filled.spec);
            item.extend(split.then(|| ("anchor_definitions".into(), Value::Map(filled.apart))));
            Ok(vec![Value::Map(item)])
        }
        Content::Images(images) => {
            let written = write_images(images, out)?;
            let item = |(revision, file): (String, PathBuf)| {
                map([
                    ("type", "image".into()),
                    ("revisions", revisions(&[revision])),
                    ("url", file.to_string_lossy().into_owned().into()),
                ])
            };
            Ok(written.into_iter().map(item).collect())
        }
    }
}

/// Writes the images into `out`: revision and file.
fn write_images(images: &[Image], out: &Path) -> Result<Vec<(String, PathBuf)>> {
    let mut written = Vec::new();
    for image in images {
        fsx::create_dirs(out)?;
        let file = out.join(format!("{}_{}", image.revision, image.file).replace('/', "_"));
        std::fs::write(&file, &image.bytes).map_err(Error::io("write", &file))?;
        written.push((image.revision.clone(), file));
    }
    Ok(written)
}

/// Images of a directory that are named by numbers stand in the order of these.
fn order_of_image(id: &str) -> (String, Option<u64>, String) {
    let path = Path::new(id);
    let text = |part: Option<&std::ffi::OsStr>| part.unwrap_or_default().to_string_lossy().into_owned();
    let dir = path.parent().unwrap_or(Path::new("")).to_string_lossy().into_owned();
    (dir, text(path.file_stem()).parse().ok(), text(path.file_name()))
}
