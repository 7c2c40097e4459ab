//! Tables become files that appear whole or not at all.

use std::io::Write;
use std::path::Path;

use crate::{Error, Result};

pub(crate) fn atomically(
    path: &Path,
    fill: impl FnOnce(&mut (dyn Write + Send)) -> std::io::Result<()>,
) -> Result<()> {
    lemnis_core::write_whole(path, fill).map_err(|source| Error::Io {
        path: path.to_path_buf(),
        action: "written",
        source,
    })
}
