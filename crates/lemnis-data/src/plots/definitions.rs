//! Which plots there are at a revision: what `dvc.yaml` files, stages and targets name, with their settings.

use std::path::{Path, PathBuf};

use indexmap::IndexMap;

use super::PlotOptions;
use crate::contents::Contents;
use crate::error::Result;
use crate::stage::OutKind;
use crate::yaml::{Key, Map, Value};
use crate::{declared, fsx};

/// A plot's own id → its settings.
type Group = IndexMap<String, Map>;

/// The plots of one revision by the file that declares them; those of stages and targets have no file.
#[derive(Debug, Default)]
pub(super) struct Definitions {
    groups: IndexMap<String, Group>,
}

/// A plot under the id that sets it apart from all others.
#[derive(Debug)]
pub(super) struct Definition {
    pub(super) full_id: String,
    pub(super) id: String,
    pub(super) settings: Map,
}

/// What the repository declares that the targets ask for.
pub(super) fn collect(contents: &Contents<'_>, options: &PlotOptions) -> Result<Definitions> {
    let (repo, index) = (contents.repo, contents.index);
    let mut found = Definitions::default();
    let given = options.settings();
    for file in &index.pipelines {
        let declared = declared::read(repo, file)?.plots;
        if declared.is_empty() {
            continue;
        }
        let shown = repo.show(file);
        let dir = file.parent().unwrap_or(Path::new("/"));
        let group = top_level(contents, &shown, dir, &declared, options)?;
        found.merge(&shown, group);
    }
    for stage in &index.stages {
        for out in stage.outs.iter().filter(|out| out.kind == OutKind::Plot) {
            let name = called(&repo.show(&stage.wdir), &out.def_path);
            if options.wants(&repo.show(&stage.file), &repo.show(&out.path)) {
                found.merge("", unpack(contents, &name, &joined(&out.drawing, &given))?);
            }
        }
    }
    for target in &options.targets {
        let path = fsx::normalize(repo.cwd(), Path::new(target));
        if found.groups.is_empty() || !contents.find(&path)?.is_empty() {
            found.merge("", unpack(contents, target, &given)?);
        }
    }
    Ok(found)
}

fn top_level(
    contents: &Contents<'_>,
    file: &str,
    dir: &Path,
    declared: &[(String, Map)],
    options: &PlotOptions,
) -> Result<Group> {
    let repo = contents.repo;
    let given = options.settings();
    let parents: Vec<PathBuf> = declared.iter().map(|(id, _)| fsx::normalize(dir, Path::new(id))).collect();
    let shown_dir = repo.show(dir);
    let mut group = Group::new();
    for ((id, settings), path) in declared.iter().zip(&parents) {
        if !options.wants(file, id) {
            continue;
        }
        if matches!(settings.get("y"), Some(Value::Map(_))) {
            let settings = joined(&seen_from_here(&shown_dir, settings), &given);
            merge(&mut group, std::iter::once((id.clone(), settings)).collect());
            continue;
        }
        // a file belongs to the declaration that names it most closely
        let mut files = unpack(contents, &called(&shown_dir, id), &joined(settings, &given))?;
        files.retain(|name, _| {
            let file = fsx::normalize(repo.cwd(), Path::new(name));
            let closest = parents.iter().filter(|parent| file.starts_with(parent));
            closest.max_by_key(|parent| parent.components().count()).is_none_or(|closest| closest == path)
        });
        merge(&mut group, files);
    }
    Ok(group)
}

/// The settings with the paths in `x` and `y` as they are called from the current directory.
fn seen_from_here(dir: &str, settings: &Map) -> Map {
    let mut settings = settings.clone();
    for axis in ["x", "y"] {
        if let Some(Value::Map(files)) = settings.get_mut(axis) {
            let renamed = std::mem::take(files).into_iter();
            *files = renamed.map(|(file, fields)| (Key::from(called(dir, &file.text)), fields)).collect();
        }
    }
    settings
}

/// How a path in `dir` is called: as DVC does, the way leads over `dir` also where there is a shorter one.
fn called(dir: &str, path: &str) -> String {
    let mut parts: Vec<&str> = Vec::new();
    for part in dir.split('/').chain(path.split('/')).filter(|part| !matches!(*part, "" | ".")) {
        match parts.last() {
            Some(last) if part == ".." && *last != ".." => drop(parts.pop()),
            _ => parts.push(part),
        }
    }
    if parts.is_empty() { ".".into() } else { parts.join("/") }
}

/// The files that a path stands for, each with the settings.
fn unpack(contents: &Contents<'_>, name: &str, settings: &Map) -> Result<Group> {
    let path = fsx::normalize(contents.repo.cwd(), Path::new(name));
    let files = contents.expand(&path)?;
    let called = |file: &PathBuf| match file.strip_prefix(&path) {
        Ok(inside) if *file != path => format!("{}/{}", name.trim_end_matches('/'), inside.display()),
        _ => name.to_owned(),
    };
    Ok(files.iter().map(|file| (called(file), settings.clone())).collect())
}

fn joined(settings: &Map, over: &Map) -> Map {
    let mut all = settings.clone();
    all.extend(over.clone());
    all
}

fn merge(into: &mut Group, from: Group) {
    for (id, settings) in from {
        into.entry(id).or_default().extend(settings);
    }
}

impl Definitions {
    fn merge(&mut self, file: &str, group: Group) {
        merge(self.groups.entry(file.to_owned()).or_default(), group);
    }

    /// All plots. An id in several files is led by the name of its file.
    pub(super) fn all(&self) -> Vec<Definition> {
        let mut by_id: IndexMap<&String, Vec<(&String, &Map)>> = IndexMap::new();
        for (file, group) in &self.groups {
            for (id, settings) in group {
                by_id.entry(id).or_default().push((file, settings));
            }
        }
        let mut all = Vec::new();
        for (id, places) in by_id {
            let alone = places.len() == 1;
            for (file, settings) in places {
                let full_id = if alone { id.clone() } else { full_id(file, id) };
                all.push(Definition { full_id, id: id.clone(), settings: settings.clone() });
            }
        }
        all
    }
}

fn full_id(file: &str, id: &str) -> String {
    if file.is_empty() { id.to_owned() } else { format!("{file}::{id}") }
}

impl Definition {
    /// The files that the plot reads.
    pub(super) fn sources(&self) -> Vec<String> {
        let mut sources = match self.settings.get("y") {
            Some(Value::Map(files)) => files.keys().map(|file| file.text.clone()).collect(),
            _ => vec![self.id.clone()],
        };
        if let Some(Value::Map(files)) = self.settings.get("x")
            && let Some((file, _)) = files.first()
            && !sources.contains(&file.text)
        {
            sources.push(file.text.clone());
        }
        sources
    }
}

impl PlotOptions {
    fn settings(&self) -> Map {
        let mut map: Map = self
            .properties
            .iter()
            .map(|(name, value)| (name.as_str().into(), value.as_str().into()))
            .collect();
        if self.no_header {
            map.insert("header".into(), false.into());
        }
        map
    }

    /// Whether a target is the beginning of the plot's id, with or without its file.
    fn wants(&self, file: &str, id: &str) -> bool {
        let full = full_id(file, id);
        self.targets.is_empty()
            || self.targets.iter().any(|target| begins(id, target) || begins(&full, target))
    }
}

/// Whether `text` begins with `pattern`, in which a dot stands for any character, as in DVC.
fn begins(text: &str, pattern: &str) -> bool {
    let mut text = text.chars();
    pattern.chars().all(|wanted| text.next().is_some_and(|found| wanted == '.' || wanted == found))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_in_two_files_is_led_by_the_file() {
        let mut found = Definitions::default();
        let group = |ids: &[&str]| ids.iter().map(|id| ((*id).to_owned(), Map::new())).collect::<Group>();
        found.merge("dvc.yaml", group(&["a.csv", "b.csv"]));
        found.merge("", group(&["a.csv"]));
        let ids: Vec<String> = found.all().into_iter().map(|one| one.full_id).collect();
        assert_eq!(ids, ["dvc.yaml::a.csv", "a.csv", "b.csv"]);
    }

    #[test]
    fn a_path_is_called_by_the_way_over_its_directory() {
        assert_eq!(called("..", "./pl"), "../pl");
        assert_eq!(called("../a", "../b/c"), "../b/c");
        assert_eq!(called(".", "a"), "a");
    }

    #[test]
    fn a_target_is_the_beginning_of_an_id() {
        assert!(begins("dvc.yaml::roc", "dvc.yaml::r") && begins("a-csv", "a.csv") && !begins("a", "a.csv"));
    }
}
