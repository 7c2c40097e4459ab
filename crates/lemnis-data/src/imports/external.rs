//! Dependencies of stages that lie in a store: `s3://…`, `https://…`, `remote://NAME/…`. Only what the store says of
//! them is asked and recorded; nothing is downloaded.

use std::path::Path;

use lemnis_core::{Digest, ErrorKind};

use super::link::Link;
use super::spec;
use super::sync::{named, outside};
use super::url::Thing;
use crate::error::{Error, Result};
use crate::remote::OpenStore;
use crate::repo::Repo;
use crate::stage::External;
use crate::workspace::Workspace;
use crate::yaml::{Key, Map, Node, Value};

/// What the store says of the dependency now, as `dvc.lock` records it; `None` when nothing is there.
pub(crate) fn look_at(
    workspace: &mut Workspace<'_>,
    wdir: &Path,
    external: &External,
    stores: &dyn OpenStore,
) -> Result<Option<Map>> {
    let repo = workspace.repo;
    // As in DVC it is what is there now that counts, also behind a remote that keeps versions.
    let link = Link::new(&external.url).without_versions();
    let version = link.version.clone();
    match Thing::find_any(Some(repo), wdir, &link, version.as_deref(), &outside(repo, stores)) {
        Ok(Some(thing)) => thing.content(workspace).map(Some),
        Ok(None) => Ok(None),
        // As in DVC a place that cannot hold anything holds nothing.
        Err(Error::Store { kind: ErrorKind::Invalid, .. }) => Ok(None),
        Err(error) => Err(error),
    }
}

/// How the dependency changed since it was recorded, in DVC's words.
pub(crate) fn change(
    workspace: &mut Workspace<'_>,
    wdir: &Path,
    external: &External,
    stores: &dyn OpenStore,
) -> Result<Option<&'static str>> {
    let Some(now) = look_at(workspace, wdir, external, stores)? else { return Ok(Some("deleted")) };
    let same = external.recorded.as_ref().is_some_and(|then| named(then) == named(&now));
    Ok((!same).then_some("modified"))
}

/// Where it lies as DVC's listings call it: the path in its store.
pub(crate) fn path(repo: &Repo, external: &External) -> String {
    let full = Link::new(&external.url).resolved(Some(repo)).map_or(external.url.clone(), |(full, _)| full);
    match full.split_once("://") {
        Some((scheme @ ("http" | "https"), rest)) => format!("{scheme}:/{rest}"),
        Some((_, rest)) => rest.trim_end_matches('/').to_owned(),
        None => full,
    }
}

/// What names the content in a record of it.
pub(crate) fn digest(content: &Map) -> Option<Digest> {
    let text = |key: &str| content.get(key).and_then(Value::as_str).map(str::to_owned);
    let tag = |key: &str| text(key).map(|tag| Digest::tag(key, &tag));
    tag("md5").or_else(|| tag("etag")).or_else(|| tag("checksum"))
}

/// The dependency as an entry of `dvc.lock`.
pub(crate) fn line(external: &External) -> Map {
    let mut map = Map::from([(Key::from("path"), Value::from(external.url.as_str()))]);
    if let Some(recorded) = &external.recorded {
        map.insert("hash".into(), Value::from("md5"));
        let rest = recorded.iter().filter(|(key, _)| key.text != "hash");
        map.extend(rest.map(|(key, value)| (key.clone(), value.clone())));
    }
    map
}

/// What an entry of `dvc.lock` records of its content.
pub(crate) fn content(node: &Node) -> Map {
    match node.to_value() {
        Value::Map(map) => spec::content(&map),
        _ => Map::new(),
    }
}
