//! Where a model version comes from: its source must lie under the run or logged model that the request names, so that
//! registering one cannot make the server read anything else.

use lemnis_tracking::{Error, LoggedModelId, ModelVersion, Result, RunId, Stage, rules};

use super::artifact_paths::decode;
use crate::Server;

/// What the request says.
pub(super) struct Given {
    pub(super) source: String,
    pub(super) run_id: Option<String>,
    pub(super) model_id: Option<String>,
}

/// A source that was checked, with what is known about it.
pub(super) struct Found {
    pub(super) source: String,
    pub(super) storage_location: Option<String>,
    pub(super) run_id: Option<RunId>,
    pub(super) model_id: Option<LoggedModelId>,
}

/// A prompt has no files: its source is a placeholder.
pub(super) fn prompt(given: Given) -> Result<Found> {
    if !matches!(given.source.as_str(), "dummy-source" | "prompt-template") {
        return Err(Error::invalid(format!(
            "Invalid prompt source: '{}'. Prompt sources must use an MLflow placeholder.",
            given.source
        )));
    }
    let run_id = given.run_id.filter(|id| !id.is_empty()).map(RunId::from);
    Ok(Found { source: given.source, storage_location: None, run_id, model_id: None })
}

/// Checks the source of a model version and follows it to its files.
pub(super) async fn resolve(server: &Server, given: Given) -> Result<Found> {
    let filled = |id: &Option<String>| id.clone().filter(|id| !id.is_empty());
    let mut found = Found {
        run_id: filled(&given.run_id).map(RunId::from),
        model_id: filled(&given.model_id).map(LoggedModelId::from),
        source: given.source.clone(),
        storage_location: None,
    };
    if let Some(reference) = given.source.strip_prefix("models:") {
        let reference = reference.strip_prefix('/').filter(|rest| !rest.starts_with('/'));
        let reference = reference.ok_or_else(|| not_within(&given.source, "model_id"))?;
        if reference.contains(['/', '@']) {
            follow_version(server, reference, &given, &mut found).await?;
        } else {
            follow_logged_model(server, reference, &given.source, &mut found).await?;
        }
    } else {
        check_location(server, &given.source, &found).await?;
    }
    if let (None, Some(id)) = (&found.run_id, &found.model_id) {
        found.run_id = server.app.logged_models.get(id).await?.and_then(|model| model.source_run_id);
    }
    Ok(found)
}

fn not_within(source: &str, id: &str) -> Error {
    Error::invalid(format!(
        "Invalid model version source: '{source}'. The {id} request parameter must identify the resource that \
         contains the source."
    ))
}

/// `models:/m-…`
async fn follow_logged_model(server: &Server, id: &str, source: &str, found: &mut Found) -> Result<()> {
    if found.model_id.as_ref().is_none_or(|given| given.as_str() != id) {
        return Err(not_within(source, "model_id"));
    }
    let id = LoggedModelId::from(id);
    let model = server.app.logged_models.get(&id).await?.ok_or_else(|| not_within(source, "model_id"))?;
    found.storage_location = Some(model.artifact_uri);
    found.run_id = found.run_id.take().or(model.source_run_id);
    Ok(())
}

/// `models:/name/3`, `models:/name/Production`, `models:/name/latest` or `models:/name@alias`
async fn follow_version(server: &Server, reference: &str, given: &Given, found: &mut Found) -> Result<()> {
    let version = referenced(server, reference, &given.source).await?;
    let differs = |given: &Option<String>, own: Option<&str>| {
        given.as_ref().is_some_and(|given| given.as_str() != own.unwrap_or_default())
    };
    if differs(&given.run_id, version.run_id.as_ref().map(RunId::as_str))
        || differs(&given.model_id, version.model_id.as_ref().map(LoggedModelId::as_str))
    {
        return Err(Error::invalid(format!(
            "Invalid model version source: '{}'. The run_id and model_id request parameters must match the \
             referenced model version.",
            given.source
        )));
    }
    found.source = format!("models:/{}/{}", version.name, version.version);
    found.storage_location = Some(version.artifact_uri().to_owned());
    found.run_id = version.run_id;
    found.model_id = version.model_id;
    Ok(())
}

async fn referenced(server: &Server, reference: &str, source: &str) -> Result<ModelVersion> {
    let registry = &server.app.registry;
    if let Some((name, alias)) = reference.rsplit_once('@') {
        let version = registry.version_by_alias(name, alias).await?;
        return version.ok_or_else(|| Error::no_alias(alias));
    }
    let (name, suffix) = reference.split_once('/').ok_or_else(|| not_within(source, "model_id"))?;
    rules::model_name(name, "name")?;
    let model = registry.get_model(name).await?.ok_or_else(|| Error::no_model(name))?;
    if let Ok(number) = suffix.parse::<u32>() {
        return registry.get_version(name, number).await?.ok_or_else(|| Error::no_version(name, number));
    }
    let newest = match suffix.eq_ignore_ascii_case(lemnis_tracking::LATEST) {
        true => registry.version_by_alias(name, lemnis_tracking::LATEST).await?,
        false => {
            let stage = Stage::parse(suffix)?;
            model.latest_versions.into_iter().find(|version| version.current_stage == stage)
        }
    };
    newest.ok_or_else(|| Error::missing(format!("No version of model '{name}' in '{suffix}' found")))
}

async fn check_location(server: &Server, source: &str, found: &Found) -> Result<()> {
    let (scheme, rest) = scheme(source);
    let owner = if found.model_id.is_some() { "model_id" } else { "run_id" };
    if matches!(scheme, None | Some("file")) {
        let root = root(server, found).await?;
        return match root {
            Some(root) if is_local(&root) && within(source, &root) && !has_dots(source) => Ok(()),
            _ => Err(Error::invalid(format!(
                "Invalid model version source: '{source}'. To use a local path as a model version source, the \
                 {owner} request parameter has to be specified and the local path has to be contained within the \
                 artifact directory of the run specified by the {owner}."
            ))),
        };
    }
    check_relative(source)?;
    match scheme {
        Some("runs") => {
            let id = rest.trim_start_matches('/').split('/').next().unwrap_or_default();
            let same = found.run_id.as_ref().is_some_and(|run| run.as_str() == id);
            match same && found.model_id.is_none() && !rest.starts_with("//") {
                true => Ok(()),
                false => Err(not_within(source, owner)),
            }
        }
        Some("mlflow-artifacts") => match root(server, found).await? {
            Some(root) if within(source, &root) => Ok(()),
            _ => Err(not_within(source, owner)),
        },
        Some("http" | "https") if rest.contains("/api/2.0/mlflow-artifacts/artifacts") => {
            Err(not_within(source, owner))
        }
        _ => Ok(()),
    }
}

/// The artifact root of the model or run that the request names.
async fn root(server: &Server, found: &Found) -> Result<Option<String>> {
    if let Some(id) = &found.model_id {
        return Ok(server.app.logged_models.get(id).await?.map(|model| model.artifact_uri));
    }
    match &found.run_id {
        Some(id) => Ok(server.app.runs.info(id).await?.map(|info| info.artifact_uri)),
        None => Ok(None),
    }
}

/// The scheme of a URI, if it has one, and the rest.
fn scheme(uri: &str) -> (Option<&str>, &str) {
    match uri.split_once(':') {
        Some((scheme, rest))
            if scheme.len() > 1 && scheme.chars().all(|c| c.is_ascii_alphanumeric() || "+-.".contains(c)) =>
        {
            (Some(scheme), rest)
        }
        _ => (None, uri),
    }
}

fn is_local(uri: &str) -> bool {
    matches!(scheme(uri).0, None | Some("file"))
}

/// Whether `uri` lies at or below `root`, both without dot segments.
fn within(uri: &str, root: &str) -> bool {
    let parts = |uri: &str| -> Vec<String> {
        let (scheme, rest) = scheme(uri);
        let host = rest.strip_prefix("//").filter(|_| scheme != Some("file"));
        let (host, path) = match host {
            Some(rest) => rest.split_once('/').unwrap_or((rest, "")),
            None => ("", rest),
        };
        let scheme = scheme.filter(|scheme| *scheme != "file").unwrap_or_default();
        let mut parts = vec![scheme.to_lowercase(), host.to_lowercase()];
        parts.extend(path.split('/').filter(|part| !part.is_empty()).map(fully_decoded));
        parts
    };
    let (uri, root) = (parts(uri), parts(root));
    root.len() > 2 && uri.starts_with(&root)
}

fn fully_decoded(text: &str) -> String {
    let mut text = text.to_owned();
    for _ in 0..8 {
        match decode(&text) {
            Some(decoded) if decoded != text => text = decoded,
            _ => break,
        }
    }
    text
}

fn has_dots(uri: &str) -> bool {
    fully_decoded(uri).split('/').any(|part| matches!(part, "." | ".."))
}

/// Refuses path tricks: dot segments and NUL, plain or encoded, and a path that does not start at the root.
fn check_relative(source: &str) -> Result<()> {
    let plain = fully_decoded(source);
    let (_, rest) = scheme(&plain);
    let path = match rest.strip_prefix("//") {
        Some(rest) => rest.find('/').map_or("", |at| &rest[at..]),
        None => rest,
    };
    let path = path.split(['?', '#']).next().unwrap_or_default();
    let relative = !path.is_empty() && !path.starts_with('/');
    if has_dots(source) || plain.contains('\0') || relative {
        return Err(Error::invalid(format!(
            "Invalid model version source: '{source}'. If supplying a source as an http, https, local file path, \
             ftp, objectstore, or mlflow-artifacts uri, an absolute path must be provided without relative path \
             references present. Please provide an absolute path."
        )));
    }
    Ok(())
}

/// Checks where an experiment wants its artifacts. A relative folder is one below the server's `directory`.
pub(super) fn storage_location(location: &str, directory: &std::path::Path) -> Result<String> {
    if location.contains('#') || location.contains(';') {
        return Err(Error::invalid("'artifact_location' URL can't include fragments or params."));
    }
    let query = location.split_once('?').map_or("", |(_, query)| query);
    if query.contains("..") || has_dots(query) {
        return Err(Error::invalid("Invalid query string"));
    }
    rules::artifact_location(location)?;
    match scheme(location) {
        (None, path) => Ok(directory.join(path).to_string_lossy().into_owned()),
        _ => Ok(location.to_owned()),
    }
}
