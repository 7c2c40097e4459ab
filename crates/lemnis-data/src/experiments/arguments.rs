//! How an experiment that waits is to be reproduced: `.dvc/tmp/repro.dat` in its tree, a pickle of the
//! arguments, as DVC's own workers read it.

use std::path::Path;

use serde_json::{Map, Value, json};

use crate::error::{Error, Result};
use crate::fsx;
use crate::repo::Repo;
use crate::reproduce::{OnError, Reproduce, Scope};

/// Where it lies, from the repository's root.
pub(crate) const FILE: &str = ".dvc/tmp/repro.dat";

const MAX_BYTES: usize = 1 << 20;

/// What the file holds.
pub(crate) struct Arguments {
    pub(crate) request: Reproduce,
    /// Where targets start, from the repository's root. DVC keeps no such thing and passes it over.
    pub(crate) wdir: String,
}

/// The file's bytes.
pub(crate) fn pack(how: &Reproduce, repo: &Repo, baseline: &str, name: &str) -> Result<Vec<u8>> {
    let (root, wdir) = (repo.root(), fsx::relative(repo.cwd(), repo.root()));
    write(how, root, &wdir, baseline, name)
}

fn write(how: &Reproduce, root: &Path, wdir: &str, baseline: &str, name: &str) -> Result<Vec<u8>> {
    let on_error = match how.on_error {
        OnError::Stop => "fail",
        OnError::KeepGoing => "keep-going",
        OnError::Ignore => "ignore",
    };
    let mut kwargs = json!({
        "run_env": {
            "DVC_EXP_BASELINE_REV": baseline,
            "DVC_EXP_NAME": name,
            "DVC_ROOT": root.to_string_lossy(),
        },
        "targets": how.targets,
        "single_item": how.scope == Scope::Single,
        "force": how.force,
        "dry": false,
        "interactive": false,
        "pipeline": how.scope == Scope::Pipelines,
        "all_pipelines": how.scope == Scope::All,
        "downstream": how.scope == Scope::Downstream,
        "recursive": how.recursive,
        "force_downstream": how.force_downstream,
        "pull": how.pull,
        "allow_missing": how.allow_missing,
        "on_error": on_error,
    });
    if how.glob {
        kwargs["glob"] = true.into();
    }
    if how.no_run_cache {
        kwargs["run_cache"] = false.into();
    }
    if how.no_commit {
        kwargs["no_commit"] = true.into();
    }
    let whole = json!({ "args": [], "kwargs": kwargs, "wdir": wdir });
    let options = serde_pickle::SerOptions::new().proto_v2();
    serde_pickle::to_vec(&whole, options).map_err(|error| Error::invalid(format!("{FILE}: {error}")))
}

/// What the file asks for.
pub(crate) fn unpack(bytes: &[u8]) -> Result<Arguments> {
    let broken = |what: String| Error::invalid(format!("{FILE} of the experiment {what}"));
    if bytes.len() > MAX_BYTES {
        return Err(broken("is larger than 1 MiB".into()));
    }
    let whole: Value = serde_pickle::from_slice(bytes, serde_pickle::DeOptions::new())
        .map_err(|error| broken(format!("cannot be read: {error}")))?;
    let kwargs = whole["kwargs"].as_object().cloned().unwrap_or_else(Map::new);
    let is = |name: &str| kwargs.get(name).and_then(Value::as_bool).unwrap_or_default();
    let texts = |value: &Value| match value {
        Value::String(one) => vec![one.clone()],
        Value::Array(items) => items.iter().filter_map(Value::as_str).map(str::to_owned).collect(),
        _ => Vec::new(),
    };
    let scope = match () {
        () if is("all_pipelines") => Scope::All,
        () if is("pipeline") => Scope::Pipelines,
        () if is("single_item") => Scope::Single,
        () if is("downstream") => Scope::Downstream,
        () => Scope::Upstream,
    };
    let on_error = match kwargs.get("on_error").and_then(Value::as_str) {
        Some("keep-going") => OnError::KeepGoing,
        Some("ignore") => OnError::Ignore,
        _ => OnError::Stop,
    };
    let env = kwargs.get("run_env").and_then(Value::as_object).into_iter().flatten();
    let request = Reproduce {
        targets: kwargs.get("targets").map(texts).unwrap_or_default(),
        recursive: is("recursive"),
        glob: is("glob"),
        scope,
        force: is("force"),
        force_downstream: is("force_downstream"),
        pull: is("pull"),
        allow_missing: is("allow_missing"),
        no_run_cache: kwargs.get("run_cache").and_then(Value::as_bool) == Some(false),
        no_commit: is("no_commit"),
        on_error,
        env: env.filter_map(|(name, value)| Some((name.clone(), value.as_str()?.to_owned()))).collect(),
        ..Reproduce::default()
    };
    Ok(Arguments { request, wdir: whole["wdir"].as_str().unwrap_or(".").to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments_survive_the_file() {
        let how = Reproduce {
            targets: vec!["train".into()],
            scope: Scope::Downstream,
            force: true,
            no_run_cache: true,
            on_error: OnError::KeepGoing,
            ..Reproduce::default()
        };
        let bytes = write(&how, Path::new("/r"), "sub", "abc", "e1").expect("packs");
        let Arguments { request: back, wdir } = unpack(&bytes).expect("unpacks");
        assert_eq!(wdir, "sub");
        assert_eq!((back.targets, back.scope, back.force), (how.targets, how.scope, true));
        assert_eq!((back.no_run_cache, back.on_error), (true, OnError::KeepGoing));
        assert!(back.env.contains(&("DVC_EXP_NAME".into(), "e1".into())));
    }

    #[test]
    fn what_dvc_wrote_is_read() {
        let bytes = include_bytes!("../../tests/vectors/repro.dat");
        let back = unpack(bytes).expect("unpacks").request;
        assert_eq!((back.targets.len(), back.scope, back.force), (0, Scope::Upstream, false));
        assert!(back.env.contains(&("DVC_EXP_NAME".into(), "q1".into())));
    }

    #[test]
    fn a_pickle_that_names_code_is_refused() {
        assert!(unpack(b"cos\nsystem\n(S'true'\ntR.").is_err());
    }
}
