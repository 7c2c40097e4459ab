//! Files of records: copied as streams, a few at a time, and read back to compare their digests.
//!
//! A file that was copied once has a receipt with its digest and with the size and the moment of its source; as long as
//! these stay, it is not read again.

use std::collections::HashMap;
use std::sync::Arc;

use futures::{StreamExt as _, TryStreamExt as _};
use lemnis_core::{DigestStream, ErrorKind};
use lemnis_tracking::transfer::Receipt;
use object_store::buffered::BufWriter;
use object_store::path::Path;
use object_store::{ObjectMeta, ObjectStore, ObjectStoreExt as _};
use tokio::io::AsyncWriteExt as _;

use super::{ArtifactCounts, Place, Report, Transfer};
use crate::{Context as _, Error};

const KIND: &str = "artifact";
/// Folders that are worked on at once.
const AT_ONCE: usize = 8;
/// Bytes of a part of a large file.
const PART_BYTES: usize = 8 << 20;

/// What became of one folder.
#[derive(Default)]
struct Outcome {
    counts: ArtifactCounts,
    receipts: Vec<Receipt>,
    conflicts: Vec<(String, String)>,
}

/// Copies what lies below each pair of URIs: the source's and the target's.
pub(super) async fn copy(
    transfer: &Transfer,
    roots: Vec<(String, String)>,
    report: &mut Report,
) -> Result<(), Error> {
    let mut outcomes = futures::stream::iter(roots)
        .map(|(from, to)| async move { folder(transfer, &from, &to).await })
        .buffer_unordered(AT_ONCE);
    let mut receipts = Vec::new();
    while let Some(outcome) = outcomes.try_next().await? {
        let (all, one) = (&mut report.artifacts, &outcome.counts);
        all.source += one.source;
        all.source_bytes += one.source_bytes;
        all.copied += one.copied;
        all.copied_bytes += one.copied_bytes;
        all.same += one.same;
        all.conflicts += one.conflicts;
        all.verified += one.verified;
        all.empty += one.empty;
        all.unreachable += one.unreachable;
        for (id, reason) in outcome.conflicts {
            report.conflict(KIND, &id, reason);
        }
        receipts.extend(outcome.receipts);
    }
    drop(outcomes);
    if transfer.options.dry_run || receipts.is_empty() {
        return Ok(());
    }
    transfer.to.note(&receipts, transfer.clock.now_ms()).await.context("noting what was copied")
}

async fn folder(transfer: &Transfer, from: &str, to: &str) -> Result<Outcome, Error> {
    let mut outcome = Outcome::default();
    let unreachable =
        |uri: &str, reason: String| (uri.to_owned(), format!("its files cannot be reached: {reason}"));
    let places = match (transfer.from_places.open(from).await, transfer.to_places.open(to).await) {
        (Ok(source), Ok(target)) => (source, target),
        (Err(reason), _) => {
            outcome.counts.unreachable = 1;
            outcome.conflicts.push(unreachable(from, reason));
            return Ok(outcome);
        }
        (_, Err(reason)) => {
            outcome.counts.unreachable = 1;
            outcome.conflicts.push(unreachable(to, reason));
            return Ok(outcome);
        }
    };
    let (source, target) = places;
    let files = list(&source).await?;
    if files.is_empty() {
        outcome.counts.empty = 1;
        return Ok(outcome);
    }
    let present: HashMap<String, u64> =
        list(&target).await?.into_iter().map(|(name, meta)| (name, meta.size)).collect();
    let ids: Vec<String> = files.iter().map(|(name, _)| format!("{to}/{name}")).collect();
    let receipts = transfer.to.receipts(KIND, &ids).await.context("reading receipts of artifacts")?;
    for ((name, meta), id) in files.into_iter().zip(ids) {
        outcome.counts.source += 1;
        outcome.counts.source_bytes += meta.size;
        let there = child(&target.path, &name)?;
        let stamp = format!("{} {}", meta.size, meta.last_modified.timestamp_millis());
        let receipt = receipts.get(&id).and_then(|text| text.split_once(' '));
        let here = present.get(&name).copied();
        if here == Some(meta.size) && receipt.is_some_and(|(_, noted)| noted == stamp) {
            outcome.counts.same += 1;
            outcome.counts.verified += 1;
            continue;
        }
        if let Some(size) = here {
            let ours = digest(&target.store, &there).await?;
            if size == meta.size && ours == digest(&source.store, &meta.location).await? {
                outcome.counts.same += 1;
                outcome.counts.verified += 1;
                outcome.receipts.push(noted(id, &ours, &stamp));
                continue;
            }
            let untouched = receipt.is_some_and(|(written, _)| written == ours);
            if !untouched && !transfer.options.overwrite {
                outcome.counts.conflicts += 1;
                let reason = "the file is there with other content; --overwrite replaces it";
                outcome.conflicts.push((id, reason.to_owned()));
                continue;
            }
        }
        outcome.counts.copied += 1;
        outcome.counts.copied_bytes += meta.size;
        if transfer.options.dry_run {
            continue;
        }
        let sent = send(&source.store, &meta, &target.store, &there).await?;
        if sent == digest(&target.store, &there).await? {
            outcome.counts.verified += 1;
            outcome.receipts.push(noted(id, &sent, &stamp));
        } else {
            outcome.conflicts.push((id, "what was read back is not what was written".to_owned()));
        }
    }
    Ok(outcome)
}

fn noted(id: String, digest: &str, stamp: &str) -> Receipt {
    Receipt { kind: KIND.to_owned(), id, digest: format!("{digest} {stamp}") }
}

/// The files below a place, by their path in it.
async fn list(place: &Place) -> Result<Vec<(String, ObjectMeta)>, Error> {
    let found: Result<Vec<ObjectMeta>, _> = place.store.list(Some(&place.path)).try_collect().await;
    let found = match found {
        Ok(found) => found,
        Err(object_store::Error::NotFound { .. }) => Vec::new(),
        Err(error) => return Err(failed("listing", &place.path, error)),
    };
    let mut files = Vec::with_capacity(found.len());
    for meta in found {
        let Some(parts) = meta.location.prefix_match(&place.path) else { continue };
        let name: Vec<String> = parts.map(|part| part.as_ref().to_owned()).collect();
        files.push((name.join("/"), meta));
    }
    files.sort_by(|a, b| a.0.cmp(&b.0));
    Ok(files)
}

/// The file `name` in `folder`, spelled as it is: joining parts would encode what is not ASCII.
fn child(folder: &Path, name: &str) -> Result<Path, Error> {
    Path::parse(format!("{folder}/{name}"))
        .map_err(|error| Error::invalid(format!("{name:?} is no name of an artifact: {error}")))
}

/// Copies one file and returns the digest of what was sent. The target shows it whole or not at all.
async fn send(
    from: &Arc<dyn ObjectStore>,
    meta: &ObjectMeta,
    to: &Arc<dyn ObjectStore>,
    path: &Path,
) -> Result<String, Error> {
    let mut content = from
        .get(&meta.location)
        .await
        .map_err(|error| failed("reading", &meta.location, error))?
        .into_stream();
    let mut writer = BufWriter::with_capacity(to.clone(), path.clone(), PART_BYTES);
    let mut hash = DigestStream::default();
    let writing = |error: std::io::Error| {
        failed("writing", path, object_store::Error::Generic { store: "artifacts", source: error.into() })
    };
    while let Some(bytes) =
        content.try_next().await.map_err(|error| failed("reading", &meta.location, error))?
    {
        hash.update(&bytes);
        writer.write_all(&bytes).await.map_err(writing)?;
    }
    writer.shutdown().await.map_err(writing)?;
    Ok(hash.finish().as_str().to_owned())
}

async fn digest(store: &Arc<dyn ObjectStore>, path: &Path) -> Result<String, Error> {
    let reading = |error| failed("reading", path, error);
    let mut content = store.get(path).await.map_err(reading)?.into_stream();
    let mut hash = DigestStream::default();
    while let Some(bytes) = content.try_next().await.map_err(reading)? {
        hash.update(&bytes);
    }
    Ok(hash.finish().as_str().to_owned())
}

fn failed(doing: &str, path: &Path, source: object_store::Error) -> Error {
    Error::Domain {
        context: format!("{doing} {path}"),
        kind: ErrorKind::Unavailable,
        hint: None,
        source: Box::new(source),
    }
}
