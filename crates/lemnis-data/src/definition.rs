//! Edits of what defines a stage: its entry in a `dvc.yaml`, or its `.dvc` file. Comments and layout stay.

use std::path::Path;

use crate::error::{Error, Result};
use crate::fsx;
use crate::index::Index;
use crate::repo::Repo;
use crate::stage::Stage;
use crate::yaml::{Key, Map, Value, parse, rewrite};

/// The stages that targets of `remove`, `freeze` and the like name: stages and files, never data.
pub(crate) fn stages_of(repo: &Repo, index: &Index, target: &str) -> Result<Vec<usize>> {
    let path = fsx::normalize(repo.cwd(), Path::new(target));
    let found = index.find(repo, target)?;
    let by_data = found.iter().any(|at| {
        let stage = &index.stages[*at];
        let named =
            stage.name.as_ref().is_some_and(|name| target == name || target.ends_with(&format!(":{name}")));
        stage.file != path && !named
    });
    if !by_data {
        return Ok(found);
    }
    let beside = crate::add::beside(&path);
    let hint = match beside.is_file() {
        true => format!("did you mean '{}'?", repo.show(&beside)),
        false => "name the stage or the .dvc file".to_owned(),
    };
    Err(Error::hinted(format!("'{target}' is neither a stage nor a .dvc file"), hint))
}

/// Freezes or unfreezes a stage; says whether anything changed.
pub(crate) fn set_frozen(repo: &Repo, stage: &Stage, frozen: bool) -> Result<bool> {
    edit(repo, &stage.file, |root| {
        let body = match &stage.name {
            None => Some(root),
            Some(name) => root
                .get_mut("stages")
                .and_then(map_mut)
                .and_then(|stages| stages.get_mut(name.as_str()))
                .and_then(map_mut),
        };
        let body = body.ok_or_else(|| generated(repo, stage))?;
        body.shift_remove("locked");
        if frozen {
            body.insert(Key::from("frozen"), Value::from(true));
        } else {
            body.shift_remove("frozen");
        }
        Ok(true)
    })
}

/// Takes the stage out of `dvc.lock`, then out of the file that defines it. Files that hold nothing more
/// are removed.
pub(crate) fn remove(repo: &Repo, stage: &Stage) -> Result<()> {
    let Some(name) = &stage.name else { return fsx::remove(&stage.file) };
    check_removable(repo, stage)?;
    let take = |root: &mut Map| {
        let Some(stages) = root.get_mut("stages").and_then(map_mut) else { return Ok(false) };
        let found = stages.shift_remove(name.as_str()).is_some();
        if found && stages.is_empty() {
            root.shift_remove("stages");
        }
        Ok(found)
    };
    if stage.lock_path().is_file() {
        edit(repo, &stage.lock_path(), take)?;
    }
    edit(repo, &stage.file, take).map(drop)
}

/// Refuses stages that a template generates: they have no entry of their own.
pub(crate) fn check_removable(repo: &Repo, stage: &Stage) -> Result<()> {
    let Some(name) = &stage.name else { return Ok(()) };
    let file = repo.show(&stage.file);
    let text = fsx::read_text(&stage.file)?.unwrap_or_default();
    let root = parse(&text, &file)?.to_value();
    match root.get("stages").and_then(|stages| stages.get(name)) {
        Some(_) => Ok(()),
        None => Err(generated(repo, stage)),
    }
}

pub(crate) fn generated(repo: &Repo, stage: &Stage) -> Error {
    Error::hinted(
        format!("'{}' is generated from a template", stage.address(repo)),
        format!("change the template in {}", repo.show(&stage.file)),
    )
}

pub(crate) fn map_mut(value: &mut Value) -> Option<&mut Map> {
    match value {
        Value::Map(map) => Some(map),
        _ => None,
    }
}

/// Changes a YAML file. `change` says whether it did anything; a file that then holds at most a schema is
/// removed.
pub(crate) fn edit(repo: &Repo, path: &Path, change: impl FnOnce(&mut Map) -> Result<bool>) -> Result<bool> {
    let file = repo.show(path);
    let old = fsx::read_text(path)?.ok_or_else(|| Error::Missing { what: "file", path: file.clone() })?;
    let Value::Map(mut root) = parse(&old, &file)?.to_value() else {
        return Err(Error::invalid(format!("{file} is not a mapping")));
    };
    if !change(&mut root)? {
        return Ok(false);
    }
    if root.keys().all(|key| key.text == "schema") {
        return fsx::remove(path).map(|()| true);
    }
    let text = rewrite(&old, &Value::Map(root));
    if text == old {
        return Ok(false);
    }
    fsx::write_text(path, &text).map(|()| true)
}
