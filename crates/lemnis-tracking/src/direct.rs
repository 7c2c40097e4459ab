//! Artifacts that move between a client and the object store itself, past the server, which only signs URLs.
//!
//! A signed URL is a secret: whoever has it may do the one thing that it is for until it expires.

use std::time::Duration;

use async_trait::async_trait;

use crate::Result;

/// The most parts of one upload that an object store takes.
pub const MAX_PARTS: u32 = 10_000;

/// What a signed URL is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// One GET.
    Read,
    /// One PUT.
    Write,
}

/// An upload in parts that has begun.
#[derive(Clone, PartialEq, Eq)]
pub struct PartedUpload {
    /// The object store's name for it.
    pub id: String,
    /// Where the parts go by PUT, the first one first.
    pub part_urls: Vec<String>,
}

/// An object store that clients can reach by themselves. Paths are those of the artifact store.
#[async_trait]
pub trait DirectTransfers: Send + Sync {
    /// A URL that gives `access` to the object at `path` for the time `valid`.
    async fn signed_url(&self, access: Access, path: &str, valid: Duration) -> Result<String>;

    /// Whether uploads in parts are possible.
    fn takes_parts(&self) -> bool;

    /// Begins an upload of the object at `path` in `parts` parts, 1 to [`MAX_PARTS`].
    async fn begin_upload(&self, path: &str, parts: u32) -> Result<PartedUpload>;

    /// Makes the parts, whose entity tags are given in their order, the object at `path`.
    async fn complete_upload(&self, path: &str, id: &str, tags: Vec<String>) -> Result<()>;

    /// Gives an upload up, with all parts that have arrived.
    async fn abort_upload(&self, path: &str, id: &str) -> Result<()>;
}
