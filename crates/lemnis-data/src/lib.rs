//! Data versioning in DVC's formats: `.dvc` files, `dvc.yaml`, `dvc.lock`, the cache and the run-cache.
//!
//! Files are byte-equal to those that DVC writes, and either tool finds the other's repository clean.
//! Everything is checked before anything runs, what is written replaces its predecessor in one step, and
//! `.dvc` files and `dvc.lock` are written only after what they refer to is safe in the cache: a process
//! that is killed at any point leaves a state that the next command repairs. Nothing here talks to a
//! network; Git is asked through its binary, and only when an output is new to it.

mod add;
mod cache;
mod check_ignore;
mod checkout;
mod commit;
mod config;
mod dag;
mod definition;
mod destroy;
mod dvcfile;
mod dvcyaml;
mod environment;
mod error;
mod fsx;
mod gc;
mod git;
mod granular;
mod hash;
mod history;
mod hooks;
mod ignore;
mod index;
mod link;
mod lockfile;
mod locks;
mod migrate;
mod missing;
mod output;
mod params;
mod pipeline;
mod progress;
mod pyjson;
mod pyparams;
mod relocate;
mod repo;
mod reproduce;
mod restore;
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
mod workspace;
mod yaml;

pub use add::{AddOptions, Added, add};
pub use check_ignore::{IgnoreMatch, check_ignore};
pub use checkout::{CheckedOut, CheckoutOptions, CheckoutStats, checkout};
pub use commit::{CommitOptions, Committed, commit};
pub use config::level::Level;
pub use dag::{Dag, DagOptions, dag};
pub use destroy::destroy;
pub use environment::Environment;
pub use error::{Error, LogTail, Result};
pub use gc::{Collected, GcOptions, gc};
pub use hooks::{install_hooks, is_rebasing, merge_dvc_files};
pub use migrate::{Migrated, migrate};
pub use pipeline::{
    LockedPath, LockedStage, Pipeline, PipelineStage, StageOut, StageParams, digest_of, lock, pipeline,
};
pub use progress::Progress;
pub use relocate::{Moved, move_output};
pub use repo::{About, InitOptions, Repo};
pub use reproduce::{Observer, OnError, Outcome, Reproduce, Scope, StageOutcome, Stream, reproduce};
pub use settings::{OptionName, RemoteEntry, Settings};
pub use stages::{ListStages, ListedStage, NewOut, NewOutKind, NewStage, add_stage, list_stages};
pub use status::{DepChange, StageChange, Status, status};
pub use tracking::{Removed, remove, set_frozen, unprotect};
