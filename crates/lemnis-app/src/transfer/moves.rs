//! Where things lie at the target: the ids of experiments and the URIs of artifacts, translated from the source's.

use std::collections::HashMap;

use lemnis_tracking::trace::ARTIFACT_LOCATION_TAG;
use lemnis_tracking::transfer::Record;
use lemnis_tracking::{Experiment, ExperimentId};

/// What is known of the translation so far.
#[derive(Default)]
pub(super) struct Moves {
    experiments: HashMap<ExperimentId, Experiment>,
    /// The source's roots of artifacts, and the target's.
    roots: HashMap<String, String>,
}

impl Moves {
    /// Notes that the source's experiment `id` is `there` at the target.
    pub(super) fn experiment(&mut self, id: ExperimentId, there: Experiment) {
        self.experiments.insert(id, there);
    }

    /// The record as it is at the target, and the two URIs of its artifacts, if it has a root of its own. `None` where
    /// its experiment was not moved.
    pub(super) fn translate(&mut self, mut record: Record) -> Option<(Record, Option<(String, String)>)> {
        let roots = match &mut record {
            Record::Run(run) => {
                let there = self.experiments.get(&run.info.experiment_id)?;
                run.info.experiment_id = there.experiment_id;
                let uri = below(&there.artifact_location, &[run.info.run_id.as_str(), "artifacts"]);
                Some((std::mem::replace(&mut run.info.artifact_uri, uri.clone()), uri))
            }
            Record::LoggedModel(model) => {
                let there = self.experiments.get(&model.experiment_id)?;
                model.experiment_id = there.experiment_id;
                let uri = below(&there.artifact_location, &["models", model.model_id.as_str(), "artifacts"]);
                Some((std::mem::replace(&mut model.artifact_uri, uri.clone()), uri))
            }
            Record::Trace(whole) => {
                let trace = &mut whole.trace;
                let there = self.experiments.get(&trace.experiment_id)?;
                trace.experiment_id = there.experiment_id;
                let uri = below(&there.artifact_location, &["traces", trace.trace_id.as_str(), "artifacts"]);
                let location = trace.tags.get_mut(ARTIFACT_LOCATION_TAG);
                location.map(|location| (std::mem::replace(location, uri.clone()), uri))
            }
            Record::Model(family) => {
                for version in &mut family.versions {
                    version.source = self.uri(&version.source);
                    version.storage_location = version.storage_location.as_deref().map(|uri| self.uri(uri));
                    if version.storage_location.as_ref() == Some(&version.source) {
                        version.storage_location = None;
                    }
                }
                None
            }
        };
        if let Some((from, to)) = &roots {
            self.roots.insert(plain(from).to_owned(), to.clone());
        }
        Some((record.sorted(), roots))
    }

    /// `uri` below the root that it lies in; one that lies in none stays as it is.
    fn uri(&self, uri: &str) -> String {
        let whole = plain(uri);
        let mut root = whole;
        while !root.is_empty() {
            if let Some(there) = self.roots.get(root) {
                return format!("{there}{}", &whole[root.len()..]);
            }
            root = root.rsplit_once('/').map_or("", |(parent, _)| parent);
        }
        uri.to_owned()
    }
}

/// A URI in the one spelling that URIs are compared in.
fn plain(uri: &str) -> &str {
    uri.strip_prefix("file://").unwrap_or(uri).trim_end_matches('/')
}

/// `parts` below `base`.
pub(super) fn below(base: &str, parts: &[&str]) -> String {
    format!("{}/{}", base.trim_end_matches('/'), parts.join("/"))
}

#[cfg(test)]
mod tests {
    use super::Moves;

    #[test]
    fn a_uri_moves_with_the_root_that_it_lies_in() {
        let mut moves = Moves::default();
        moves.roots.insert("/old/1/r/artifacts".to_owned(), "mlflow-artifacts:/7/r/artifacts".to_owned());
        assert_eq!(moves.uri("file:///old/1/r/artifacts/model"), "mlflow-artifacts:/7/r/artifacts/model");
        assert_eq!(moves.uri("/old/1/r/artifacts/"), "mlflow-artifacts:/7/r/artifacts");
        assert_eq!(moves.uri("/old/1/r/artifacts2/model"), "/old/1/r/artifacts2/model");
        assert_eq!(moves.uri("models:/m-1"), "models:/m-1");
    }
}
