//! Data that comes from elsewhere: another repository, or a URL. A `.dvc` file records where from and which
//! version, so that it can be fetched again and updated.
//!
//! Only what the user typed, or what stands in the repository's own files, is ever opened. What comes from a
//! foreign repository can name no path outside of the place it is written to.

mod artifact;
pub(crate) mod external;
mod fetch;
mod get;
mod import;
mod link;
mod list_url;
mod place;
mod source;
mod spec;
mod sync;
mod to_remote;
mod update;
mod url;

use std::path::{Path, PathBuf};

pub use artifact::{ArtifactName, find_artifact};
pub(crate) use fetch::fetch_objects;
pub use get::{Get, get, get_url, show_url};
pub use import::{Extent, Import, ImportUrl, Imported, import, import_url};
pub(crate) use link::Link;
pub use list_url::{ListUrl, ListedUrl, list_url};
pub(crate) use spec::{Document, Origin};
pub(crate) use sync::{Bring, changed_source, record, sync};
pub use to_remote::add_to_remote;
pub(crate) use update::{Download, download};
pub use update::{UpdateOptions, Updated, update};

use crate::environment::Environment;
use crate::error::{Error, Result};
use crate::fsx;
use crate::remote::{OpenStore, Progress};

/// What reaches outside of the repository.
#[derive(Clone, Copy)]
pub struct Outside<'a> {
    /// Opens stores.
    pub stores: &'a dyn OpenStore,
    /// Is told how far a transfer is.
    pub progress: &'a dyn Progress,
    /// How many objects move at once.
    pub jobs: Option<usize>,
    /// What the process that asks runs in.
    pub environment: &'a Environment,
}

/// Where `name`, the last part of a source, is to be written: at `out`, or in it when it is a directory.
fn destination(cwd: &Path, source: &str, out: Option<&Path>, force: bool) -> Result<PathBuf> {
    let path = source.split(['?', '#']).next().unwrap_or_default();
    let name = path.trim_end_matches('/').rsplit('/').next().unwrap_or_default();
    if matches!(name, "" | "." | "..") && out.is_none_or(Path::is_dir) {
        return Err(Error::hinted(format!("'{source}' has no name to write it to"), "give one with -o"));
    }
    let target = match out.map(|out| fsx::normalize(cwd, out)) {
        None => cwd.join(name),
        Some(out) if out.is_dir() => out.join(name),
        Some(out) => out,
    };
    if target.symlink_metadata().is_ok() && !force {
        return Err(Error::hinted(
            format!("'{}' already exists", fsx::relative(&target, cwd)),
            "overwrite it with --force",
        ));
    }
    Ok(target)
}
