//! Data versioning in DVC's formats: `.dvc` files, `dvc.yaml`, `dvc.lock`, the cache and the run-cache.
//!
//! Files are byte-equal to those that DVC writes, and either tool finds the other's repository clean.
//! Everything is checked before anything runs, what is written replaces its predecessor in one step, and
//! `.dvc` files and `dvc.lock` are written only after what they refer to is safe in the cache: a process
//! that is killed at any point leaves a state that the next command repairs. Remotes
//! are reached through a port that the caller opens; Git is asked through its binary.

mod add;
mod cache;
mod check_ignore;
mod checkout;
mod collect;
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
mod imports;
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
mod pull;
mod pyjson;
mod pyparams;
mod relocate;
mod remote;
mod repo;
mod reproduce;
mod restore;
mod revisions;
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
mod workspace;
mod yaml;

pub use add::{AddOptions, Added, add};
pub use check_ignore::{IgnoreMatch, check_ignore};
pub use checkout::{CheckedOut, CheckoutOptions, CheckoutStats, checkout};
pub use collect::Selection;
pub use commit::{CommitOptions, Committed, commit};
pub use config::level::Level;
pub use dag::{Dag, DagOptions, dag};
pub use destroy::destroy;
pub use environment::Environment;
pub use error::{Error, LogTail, Result};
pub use gc::{Collected, GcOptions, gc};
pub use hooks::{install_hooks, is_rebasing, merge_dvc_files};
pub use imports::{
    Extent, Get, Import, ImportUrl, Imported, Outside, UpdateOptions, get, get_url, import, import_url,
    show_url, update,
};
pub use migrate::{Migrated, migrate};
pub use pipeline::{
    LockedPath, LockedStage, Pipeline, PipelineStage, StageOut, StageParams, digest_of, lock, pipeline,
};
pub use progress::Progress;
pub use pull::{Pulled, pull};
pub use relocate::{Moved, move_output};
pub use remote::{OpenError, OpenStore, OpenedStore, Progress as TransferProgress};
pub use repo::{About, InitOptions, Repo};
pub use reproduce::{Observer, OnError, Outcome, Reproduce, Scope, StageOutcome, Stream, reproduce};
pub use settings::{OptionName, RemoteEntry, Settings};
pub use stages::{ListStages, ListedStage, NewOut, NewOutKind, NewStage, add_stage, list_stages};
pub use status::{DepChange, StageChange, Status, status};
pub use tracking::{Removed, remove, set_frozen, unprotect};
pub use transfer::{Fetched, Pushed, Transfer, cloud_status, fetch, push};
