//! What a page can show of a file: the first rows of a table, a text, JSON, or that the browser draws it by itself.
//!
//! No file is read whole that is larger than its kind's limit; what was left out is said.

use std::io::Write as _;
use std::path::Path;

use lemnis_table::{ReadLimits, Table};
use object_store::ObjectStoreExt as _;
use object_store::path::Path as ObjectPath;
use serde::Serialize;
use serde_json::Value;

use crate::{App, Error, artifact, blocking};

/// Bytes of a text, or of a CSV file, that are shown.
const TEXT_BYTES: u64 = 512 << 10;
/// The largest JSON document that is folded; a larger one is shown as text.
const JSON_BYTES: u64 = 2 << 20;
/// The largest Parquet file that is opened.
const PARQUET_BYTES: u64 = 64 << 20;
/// Rows and columns of a table that are shown.
const ROWS: usize = 100;
const COLUMNS: usize = 200;
/// The largest image and page that the browser is given to draw.
const DRAWN_BYTES: u64 = 32 << 20;

/// What is shown of a file.
#[derive(Clone, Debug, Serialize)]
pub enum Preview {
    /// The browser draws the image.
    Image,
    /// The browser draws the page, shut off from everything else.
    Html,
    /// The first rows.
    Rows {
        /// Names of the columns with their kinds.
        columns: Vec<(String, String)>,
        /// The values; `None` is missing.
        rows: Vec<Vec<Option<String>>>,
        /// Whether there are more rows or columns.
        cut: bool,
    },
    /// A document of JSON.
    Json(Value),
    /// The text.
    Text {
        /// The text, or its beginning.
        text: String,
        /// Whether there is more.
        cut: bool,
    },
    /// Why nothing is shown.
    Nothing(String),
}

/// A file with its preview.
#[derive(Clone, Debug, Serialize)]
pub struct Previewed {
    /// Its size.
    pub size_bytes: u64,
    /// What is shown of it.
    pub preview: Preview,
}

/// The preview of the artifact at `path`; the kind follows from its name.
pub async fn preview(app: &App, path: &ObjectPath) -> Result<Previewed, Error> {
    let size_bytes = match app.artifacts.head(path).await {
        Ok(meta) => meta.size,
        Err(object_store::Error::NotFound { .. }) => {
            return Err(Error::Missing { what: "artifact", name: path.to_string() });
        }
        Err(error) => return Err(artifact::store_error(path.as_ref(), error)),
    };
    let name = path.filename().unwrap_or_default().to_ascii_lowercase();
    let extension = name.rsplit_once('.').map_or("", |(_, extension)| extension);
    let preview = match extension {
        "png" | "jpg" | "jpeg" | "gif" | "webp" | "bmp" | "svg" | "avif" if size_bytes <= DRAWN_BYTES => {
            Preview::Image
        }
        "html" | "htm" if size_bytes <= DRAWN_BYTES => Preview::Html,
        "csv" | "tsv" | "parquet" | "pq" => table(app, path, extension, size_bytes).await?,
        "json" | "geojson" | "ipynb" if size_bytes <= JSON_BYTES => {
            match serde_json::from_slice(&part(app, path, JSON_BYTES).await?) {
                Ok(value) => Preview::Json(value),
                Err(_) => text(app, path, size_bytes).await?,
            }
        }
        _ => text(app, path, size_bytes).await?,
    };
    Ok(Previewed { size_bytes, preview })
}

async fn part(app: &App, path: &ObjectPath, bytes: u64) -> Result<Vec<u8>, Error> {
    if bytes == 0 {
        return Ok(Vec::new());
    }
    let part = app.artifacts.get_range(path, 0..bytes).await;
    Ok(part.map_err(|error| artifact::store_error(path.as_ref(), error))?.to_vec())
}

async fn text(app: &App, path: &ObjectPath, size_bytes: u64) -> Result<Preview, Error> {
    let cut = size_bytes > TEXT_BYTES;
    let mut bytes = part(app, path, size_bytes.min(TEXT_BYTES)).await?;
    if cut {
        // A character that the cut went through would make the whole no text.
        while std::str::from_utf8(&bytes).is_err_and(|error| error.error_len().is_none()) {
            bytes.pop();
        }
    }
    match String::from_utf8(bytes) {
        Ok(text) if !text.contains('\0') => Ok(Preview::Text { text, cut }),
        _ => Ok(Preview::Nothing("this is no text".to_owned())),
    }
}

async fn table(app: &App, path: &ObjectPath, extension: &str, size_bytes: u64) -> Result<Preview, Error> {
    let is_parquet = matches!(extension, "parquet" | "pq");
    if is_parquet && size_bytes > PARQUET_BYTES {
        return Ok(Preview::Nothing("the file is too large to be opened here".to_owned()));
    }
    let limit = if is_parquet { PARQUET_BYTES } else { TEXT_BYTES };
    let mut bytes = part(app, path, size_bytes.min(limit)).await?;
    let is_part = (bytes.len() as u64) < size_bytes;
    if is_part {
        // Only whole lines; a line break in quotes at this very place shows as a file that cannot be read.
        let end = bytes.iter().rposition(|byte| *byte == b'\n').map_or(0, |place| place + 1);
        bytes.truncate(end);
    }
    let folder = app.project.state_dir().join("cache");
    let suffix = format!(".{extension}");
    let read = blocking(move || {
        std::fs::create_dir_all(&folder).map_err(Error::file(&folder, "created"))?;
        let made = tempfile::Builder::new().prefix(".preview").suffix(&suffix).tempfile_in(&folder);
        let mut file = made.map_err(Error::file(&folder, "written"))?;
        file.write_all(&bytes).map_err(Error::file(file.path(), "written"))?;
        Ok(rows(file.path(), is_part))
    });
    Ok(match read.await? {
        Ok(preview) => preview,
        // What is no table may still be read by people.
        Err(_) if !is_parquet => text(app, path, size_bytes).await?,
        Err(error) => Preview::Nothing(error.to_string()),
    })
}

fn rows(path: &Path, is_part: bool) -> Result<Preview, lemnis_table::Error> {
    let table = Table::read(path, &ReadLimits::default())?;
    let cut = is_part || table.rows() > ROWS || table.names().len() > COLUMNS;
    let table = table.slice(0, table.rows().min(ROWS))?;
    let kinds = table.kinds().into_iter().take(COLUMNS);
    let columns: Vec<(String, String)> =
        kinds.map(|(name, kind)| (name.to_owned(), kind.name().to_owned())).collect();
    let mut rows = vec![Vec::with_capacity(columns.len()); table.rows()];
    for (name, _) in &columns {
        for (row, value) in rows.iter_mut().zip(table.texts(name)?) {
            row.push(value);
        }
    }
    Ok(Preview::Rows { columns, rows, cut })
}
