//! What a transfer did, in numbers that can be compared with the source's.

use serde::Serialize;

/// The outcome of a transfer.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Report {
    /// Where records came from.
    pub source: String,
    /// The version of the source's schema.
    pub schema: String,
    /// Where they went.
    pub target: String,
    /// Nothing was changed.
    pub dry_run: bool,
    /// Everything of the source is at the target as it is in the source, or was changed there since.
    pub ok: bool,
    /// Records by kind.
    pub records: Vec<Counts>,
    /// Files.
    pub artifacts: ArtifactCounts,
    /// Where each experiment went.
    pub experiments: Vec<ExperimentMove>,
    /// What was left as it is because both sides changed it, and what could not be reached.
    pub conflicts: Vec<Conflict>,
    /// What the source holds that is not moved.
    pub left_out: Vec<(String, u64)>,
}

/// Records of one kind.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Counts {
    /// The kind.
    pub kind: String,
    /// How many the source has.
    pub source: u64,
    /// Those that were not at the target.
    pub new: u64,
    /// Those that the source changed since.
    pub changed: u64,
    /// Those that are the same.
    pub same: u64,
    /// Those that the target alone changed since.
    pub kept: u64,
    /// Those that differ, and nobody can tell whose word counts.
    pub conflicts: u64,
    /// Those whose digest at the target is the source's, after reading them back.
    pub verified: u64,
}

/// Files of artifacts.
#[derive(Clone, Debug, Default, Serialize)]
pub struct ArtifactCounts {
    /// How many the source has.
    pub source: u64,
    /// Their bytes.
    pub source_bytes: u64,
    /// Those that were copied.
    pub copied: u64,
    /// Their bytes.
    pub copied_bytes: u64,
    /// Those that were there already.
    pub same: u64,
    /// Those that differ.
    pub conflicts: u64,
    /// Those whose digest is the source's: read back after copying, or known from then.
    pub verified: u64,
    /// Folders of records in which the source shows no file: nothing was logged, or the files lie elsewhere by now.
    pub empty: u64,
    /// Folders of records that could not be reached.
    pub unreachable: u64,
}

/// Where an experiment went.
#[derive(Clone, Debug, Serialize)]
pub struct ExperimentMove {
    /// Its name.
    pub name: String,
    /// Its id in the source.
    pub source_id: String,
    /// Its id at the target; `None` where it stayed.
    pub target_id: Option<String>,
}

/// What was not moved, and why.
#[derive(Clone, Debug, Serialize)]
pub struct Conflict {
    /// The kind of the thing.
    pub kind: String,
    /// Its id, name or path.
    pub id: String,
    /// Why.
    pub reason: String,
}

impl Report {
    /// The counts of `kind`.
    pub(super) fn counts(&mut self, kind: &str) -> &mut Counts {
        let place = match self.records.iter().position(|counts| counts.kind == kind) {
            Some(place) => place,
            None => {
                self.records.push(Counts { kind: kind.to_owned(), ..Counts::default() });
                self.records.len() - 1
            }
        };
        &mut self.records[place]
    }

    pub(super) fn conflict(&mut self, kind: &str, id: &str, reason: impl Into<String>) {
        self.conflicts.push(Conflict { kind: kind.to_owned(), id: id.to_owned(), reason: reason.into() });
    }

    /// Draws the verdict from the numbers.
    pub(super) fn judge(&mut self) {
        let whole = |counts: &Counts| {
            counts.conflicts == 0 && (self.dry_run || counts.verified + counts.kept == counts.source)
        };
        let files = &self.artifacts;
        let there = self.dry_run || files.verified == files.source;
        self.ok = self.conflicts.is_empty()
            && self.records.iter().all(whole)
            && files.conflicts == 0
            && files.unreachable == 0
            && there;
    }
}
