//! Git's side of teamwork: hooks that call this program, and the driver that merges `.dvc` files.

use std::path::Path;

use crate::branches::threeway::{self, Files};
use crate::error::{Error, Result};
use crate::repo::Repo;
use crate::stage::{Out, Stage};
use crate::workspace::Workspace;
use crate::yaml::{Map, Value, emit, parse, rewrite};
use crate::{dvcfile, fsx, git};

const HOOKS: [&str; 3] = ["post-checkout", "pre-commit", "pre-push"];
const DRIVER: &str = "lemnis git-hook merge-driver --ancestor %O --our %A --their %B ";

/// Installs the hooks and the merge driver `dvc` in the Git repository; hooks that are there are never replaced.
/// With `pre_commit` the hooks go into the configuration of that tool instead. Without Git there is nothing to do.
pub fn install_hooks(repo: &Repo, pre_commit: bool) -> Result<()> {
    let Some(git_root) = repo.git_root() else { return Ok(()) };
    if pre_commit {
        set_driver(git_root)?;
        return add_to_pre_commit(&git_root.join(".pre-commit-config.yaml"));
    }
    let dir = git::hooks_dir(git_root)?;
    if let Some(hook) = HOOKS.into_iter().find(|hook| dir.join(hook).exists()) {
        return Err(Error::hinted(
            format!("there is already a git hook '{}'", dir.join(hook).display()),
            format!("add the line `exec lemnis git-hook {hook} \"$@\"` to it, or remove it"),
        ));
    }
    set_driver(git_root)?;
    fsx::create_dirs(&dir)?;
    for hook in HOOKS {
        let path = dir.join(hook);
        fsx::write_text(&path, &format!("#!/bin/sh\nexec lemnis git-hook {hook} \"$@\"\n"))?;
        fsx::chmod(&path, 0o777)?;
    }
    Ok(())
}

fn set_driver(git_root: &Path) -> Result<()> {
    git::set(git_root, "merge.dvc.name", "DVC merge driver")?;
    git::set(git_root, "merge.dvc.driver", DRIVER)
}

/// Adds the hooks to the file, once; comments in it stay. They call the `lemnis` in `PATH`, as Git's do.
fn add_to_pre_commit(file: &Path) -> Result<()> {
    let text = fsx::read_text(file)?.unwrap_or_default();
    let root = parse(&text, ".pre-commit-config.yaml")?;
    let mut config = match root.to_value() {
        Value::Map(map) => map,
        Value::Null => Map::new(),
        other => return Err(cannot_install(other.type_name())),
    };
    let hook = |name: &str| {
        let mut hook = Map::new();
        let mut set = |key: &str, value: Value| drop(hook.insert(key.into(), value));
        set("id", format!("lemnis-{name}").as_str().into());
        set("name", format!("lemnis {name}").as_str().into());
        set("entry", format!("lemnis git-hook {name}").as_str().into());
        set("language", "system".into());
        set("stages", Value::Seq(vec![name.into()]));
        set("always_run", true.into());
        set("pass_filenames", false.into());
        Value::Map(hook)
    };
    let mut entry = Map::new();
    entry.insert("repo".into(), "local".into());
    let hooks = ["pre-commit", "pre-push", "post-checkout"].map(hook);
    entry.insert("hooks".into(), Value::Seq(hooks.into()));
    let repos = config.entry("repos".into()).or_insert_with(|| Value::Seq(Vec::new()));
    match repos {
        Value::Seq(repos) if repos.contains(&Value::Map(entry.clone())) => return Ok(()),
        Value::Seq(repos) => repos.push(Value::Map(entry)),
        Value::Null => *repos = Value::Seq(vec![Value::Map(entry)]),
        other => return Err(cannot_install(other.type_name())),
    }
    let wanted = Value::Map(config);
    fsx::write_text(file, &if text.trim().is_empty() { emit(&wanted) } else { rewrite(&text, &wanted) })
}

fn cannot_install(what: &str) -> Error {
    Error::hinted(
        format!(".pre-commit-config.yaml holds a {what} where a mapping or list belongs"),
        "mend that file first",
    )
}

/// Whether Git is in the middle of a rebase, which a checkout of data must not disturb.
pub fn is_rebasing(repo: &Repo) -> bool {
    repo.git_root().is_some_and(|root| root.join(".git/rebase-merge").is_dir())
}

/// Merges two versions of a `.dvc` file that tracks a directory into `our`: what either side did since
/// `ancestor` is done to its files. Both sides having changed one file is an error.
pub fn merge_dvc_files(repo: &Repo, ancestor: &Path, our: &Path, their: &Path) -> Result<()> {
    let workspace = Workspace::open(repo)?;
    let path = |file: &Path| fsx::normalize(repo.cwd(), file);
    let (ancestor, our, their) = (path(ancestor), path(our), path(their));
    let load = |file: &Path| dvcfile::load(repo, file);
    let (old, ours, theirs) = (load(&ancestor)?, load(&our)?, load(&their)?);
    let Some(their_out) = only_out(&theirs)? else { return workspace.close() };
    let Some(our_out) = only_out(&ours)? else {
        let text = fsx::read_text(&their)?.unwrap_or_default();
        fsx::write_text(&our, &text)?;
        return workspace.close();
    };
    let files = |out: &Out| {
        let recorded = out.recorded.as_ref().filter(|recorded| recorded.is_dir());
        let recorded = recorded.ok_or_else(|| cannot("only directories can be merged"))?;
        threeway::files_of(&workspace.cache, &repo.in_repo(&out.path), recorded)
    };
    let base = match only_out(&old)? {
        Some(out) => {
            same_options(out, our_out)?;
            files(out)?
        }
        None => Files::new(),
    };
    same_options(our_out, their_out)?;
    let merged = threeway::by_path(&[&base], &files(our_out)?, &files(their_out)?, None);
    if !merged.conflicts.is_empty() {
        return Err(cannot(&format!("both sides changed {}", merged.conflicts.join(", "))));
    }
    let shown = repo.in_repo(&our_out.path);
    let (recorded, bytes) = threeway::directory(&workspace.cache, &shown, &merged.files)?;
    let mut batch = workspace.cache.batch();
    batch.add_bytes(&recorded.md5, &bytes)?;
    batch.commit()?;
    dvcfile::save(&our, &our_out.def_path, &recorded)?;
    workspace.close()
}

fn cannot(why: &str) -> Error {
    Error::hinted(format!("cannot merge: {why}"), "settle the conflict by hand and add the data again")
}

/// The output of a file that `add` wrote; `None` for an empty one.
fn only_out(stage: &Stage) -> Result<Option<&Out>> {
    if stage.import || stage.cmd.is_some() || stage.outs.len() > 1 {
        return Err(cannot("the .dvc file was not made by 'add'"));
    }
    Ok(stage.outs.first())
}

fn same_options(one: &Out, other: &Out) -> Result<()> {
    let options = |out: &Out| (out.def_path.clone(), out.cache, out.persist);
    if options(one) == options(other) { Ok(()) } else { Err(cannot("the outputs have different options")) }
}
