//! Data versioning in DVC's formats: `.dvc` files, `dvc.yaml`, `dvc.lock`, the cache and the run-cache.
//!
//! Files are byte-equal to those that DVC writes, and either tool finds the other's repository clean.
//! Everything is checked before anything runs, what is written replaces its predecessor in one step, and
//! `.dvc` files and `dvc.lock` are written only after what they refer to is safe in the cache: a process
//! that is killed at any point leaves a state that the next command repairs. Nothing here talks to a
//! network; Git is asked through its binary, and only when an output is new to it.

mod add;
mod cache;
mod checkout;
mod compare;
mod config;
mod contents;
mod datafile;
mod datastatus;
mod datatree;
mod declared;
mod diff;
mod dvcfile;
mod dvcyaml;
mod error;
mod experiments;
mod fsx;
mod git;
mod hash;
mod ignore;
mod index;
mod listing;
mod lockfile;
mod output;
mod params;
mod pipeline;
mod plots;
mod pyjson;
mod pyparams;
mod repo;
mod reproduce;
mod revision;
mod run;
mod runcache;
mod stage;
mod state;
mod status;
mod template;
mod values;
mod workspace;
mod yaml;

pub use add::{AddOptions, Added, add};
pub use checkout::{CheckedOut, CheckoutOptions, checkout};
pub use compare::{CompareOptions, Metrics, ValueTable, ValuesDiff, metrics_diff, metrics_show, params_diff};
pub use datastatus::{DataChanges, DataStatus, DataStatusOptions, Untracked, data_status};
pub use diff::{Diff, DiffEntry, Revised, diff};
pub use error::{Error, Result};
pub use experiments::{
    Baseline, Experiment, ExperimentTable, SaveExperiment, apply_experiment, branch_experiment,
    diff_experiments, experiment_name, experiments, list_experiments, override_params, remove_experiments,
    rename_experiment, save_experiment, show_experiments,
};
pub use listing::{ListOptions, Listed, Source, list, open_source};
pub use pipeline::{
    LockedPath, LockedStage, Pipeline, PipelineStage, StageOut, StageParams, digest_of, lock, pipeline,
};
pub use plots::{PlotOptions, Plots, plot_revisions, plot_template, plots};
pub use repo::{InitOptions, Repo};
pub use reproduce::{Observer, Outcome, Reproduce, StageOutcome, reproduce};
pub use status::{DepChange, StageChange, Status, StatusOptions, status};
pub use values::RevisionScope;
