//! Data versioning in DVC's formats: `.dvc` files, `dvc.yaml`, `dvc.lock`, the cache and the run-cache.
//!
//! Files are byte-equal to those that DVC writes, and either tool finds the other's repository clean.
//! Everything is checked before anything runs, what is written replaces its predecessor in one step, and
//! `.dvc` files and `dvc.lock` are written only after what they refer to is safe in the cache: a process
//! that is killed at any point leaves a state that the next command repairs. Remotes
//! are reached through a port that the caller opens; Git is asked through its binary.

mod add;
mod branches;
mod cache;
mod check_ignore;
mod checkout;
mod collect;
mod commit;
mod compare;
mod config;
mod contents;
mod copy;
mod dag;
mod datafile;
mod datastatus;
mod datatree;
mod declared;
mod definition;
mod destroy;
mod diff;
mod dvcfile;
mod dvcyaml;
mod environment;
mod error;
mod experiments;
mod fsx;
mod gc;
mod git;
mod granular;
mod hash;
mod holder;
mod hooks;
mod ignore;
mod imports;
mod index;
mod ingest;
mod lanes;
mod legacy;
mod link;
mod listing;
mod lockfile;
mod locks;
mod members;
mod migrate;
mod output;
mod params;
mod pipeline;
mod plots;
mod process;
mod progress;
mod pull;
mod pyjson;
mod pyparams;
mod relocate;
mod remote;
mod repo;
mod reproduce;
mod restore;
mod revision;
mod run;
mod runcache;
mod rwlock;
mod select;
mod settings;
mod stage;
mod stages;
mod state;
mod status;
mod template;
mod tracking;
mod transfer;
mod unpushed;
mod values;
mod versioned;
mod versions;
mod walk;
mod workspace;
mod yaml;

pub use add::{AddOptions, Added, add};
pub use branches::{
    Branch, BranchOutput, Change, ChangeKind, Conflict, ConflictKind, FileVersion, HeldOutput, MergeOptions,
    MergeReport, MergedOutput, RefStamp, Side, Switched, create_branch, delete_branch, file_version,
    finish_merge, held_at, is_revision, list_branches, log_of, merge_branch, switch_branch,
};
pub use check_ignore::{IgnoreMatch, check_ignore};
pub use checkout::{CheckedOut, CheckoutOptions, CheckoutStats, checkout};
pub use collect::Selection;
pub use commit::{CommitOptions, Committed, commit};
pub use compare::{CompareOptions, Metrics, ValueTable, ValuesDiff, metrics_diff, metrics_show, params_diff};
pub use config::level::Level;
pub use dag::{Dag, DagOptions, dag};
pub use datastatus::{DataChanges, DataStatus, DataStatusOptions, Untracked, data_status};
pub use destroy::destroy;
pub use diff::{Diff, DiffEntry, Revised, diff};
pub use environment::Environment;
pub use error::{Error, LogTail, Result};
pub use experiments::{
    Apart, Baseline, Baselines, DiffExperiments, Enqueue, Experiment, ExperimentTable, ExperimentsDiff,
    Overrides, QueueTask, RemoveExperiments, SaveExperiment, ShareExperiments, Shared, ShowExperiments,
    Style, TableOptions, TakenTask, TaskState, Temporary, Worker, Workers, apply_experiment,
    branch_experiment, clean_experiments, close_apart, diff_experiments, end_task, enqueue,
    experiment_environment, experiment_name, experiments, fail_task, give_back_lost, kill_tasks,
    list_experiments, list_remote_experiments, note_process, open_apart, override_params, pull_experiments,
    push_experiments, queue_tasks, record_data, remove_experiments, remove_tasks, rename_experiment,
    save_experiment, show_experiments, stop_workers, sweeps, take_task, take_worker, task_log, task_output,
    waiting_tasks, worker_log, workers,
};
pub use gc::{Collected, GcOptions, GcRemote, gc, gc_with_remote};
pub use hooks::{install_hooks, is_rebasing, merge_dvc_files};
pub use imports::{
    ArtifactName, Extent, Get, Import, ImportUrl, Imported, ListUrl, ListedUrl, Outside, UpdateOptions,
    Updated, add_to_remote, find_artifact, get, get_url, import, import_url, list_url, show_url, update,
};
pub use listing::{ListOptions, Listed, Source, list, open_source};
pub use migrate::{Migrated, migrate};
pub use pipeline::{
    LockedPath, LockedStage, Pipeline, PipelineStage, StageOut, StageParams, digest_of, lock, pipeline,
};
pub use plots::{PlotOptions, Plots, modify_plot, plot_revisions, plot_template, plot_templates, plots};
pub use progress::Progress;
pub use pull::{Pulled, pull};
pub use relocate::{Moved, move_output};
pub use remote::{OpenError, OpenStore, OpenedStore, Progress as TransferProgress};
pub use repo::{About, InitOptions, Repo};
pub use reproduce::{Observer, OnError, Outcome, Reproduce, Scope, StageOutcome, Stream, reproduce};
pub use settings::{OptionName, RemoteEntry, Settings};
pub use stages::{AddedStage, ListStages, ListedStage, NewOut, NewOutKind, NewStage, add_stage, list_stages};
pub use status::{DepChange, StageChange, Status, StatusOptions, status};
pub use tracking::{Removed, remove, set_frozen, unprotect};
pub use transfer::{Fetched, Pushed, Transfer, cloud_status, fetch, push};
pub use unpushed::AskRemote;
pub use values::RevisionScope;
