//! MLflow's scoring protocol: bodies of `/invocations` into frames, frames into answers, mistakes into MLflow's errors.
//!
//! Status, error code and predictions are those of `mlflow models serve` 3.17; messages name the place of the mistake
//! and never repeat the caller's data.

mod csv;
mod enforce;
mod json;
mod rejection;
mod render;
#[cfg(test)]
mod tests;

use lemnis_model::{Frame, Signature};

use crate::Input;

pub use rejection::Rejection;
pub use render::predictions;

/// The MLflow whose protocol this is.
pub const MLFLOW_VERSION: &str = "3.17.2";

/// The most columns of a body. Far beyond any table of features; without it a line of commas takes gigabytes.
const MAX_COLUMNS: usize = 10_000;

/// What a body is written in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ContentType {
    /// `application/json`.
    Json,
    /// `text/csv`.
    Csv,
}

impl ContentType {
    /// Reads a `Content-Type` header, with MLflow's strictness: exact names, and no parameter but `charset=utf-8`.
    pub fn parse(header: Option<&str>) -> Result<Self, Rejection> {
        let Some(header) = header else {
            return Err(Rejection::media(
                "the header Content-Type is missing: send application/json or text/csv",
            ));
        };
        let mut parts = header.split(';').map(str::trim);
        let name = parts.next().unwrap_or_default();
        let mut unknown = Vec::new();
        for part in parts {
            match part.split_once('=').unwrap_or((part, "")) {
                ("charset", charset) if charset.eq_ignore_ascii_case("utf-8") => {}
                ("charset", _) => return Err(Rejection::media("The scoring server only supports UTF-8")),
                (other, _) => unknown.push(other),
            }
        }
        if !unknown.is_empty() {
            return Err(Rejection::media(&format!(
                "Unrecognized content type parameters: {}.",
                unknown.join(", ")
            )));
        }
        match name {
            "application/json" => Ok(ContentType::Json),
            "text/csv" => Ok(ContentType::Csv),
            _ => Err(Rejection::media(
                "This predictor only supports the following content types: Types: ['text/csv', 'application/json'].",
            )),
        }
    }
}

/// A body that was read but not yet typed: reading needs no model, typing does.
pub struct Body(json::Input);

impl Body {
    /// Reads the bytes of a request.
    pub fn read(content_type: ContentType, bytes: &[u8]) -> Result<Self, Rejection> {
        match content_type {
            ContentType::Json => json::read(bytes).map(Self),
            ContentType::Csv => csv::read(bytes).map(Self),
        }
    }

    /// The columns that `signature` asks for, in its order and types; further columns are left out.
    ///
    /// A missing number is NaN, a missing text empty; whole numbers with missing ones among them become floats.
    pub fn frame(&self, signature: &Signature) -> Result<Frame, Rejection> {
        enforce::frame(&self.0, signature)
    }
}

impl Input for &Body {
    type Refusal = Rejection;

    fn frame(&self, signature: &Signature) -> Result<Frame, Rejection> {
        Body::frame(self, signature)
    }
}
