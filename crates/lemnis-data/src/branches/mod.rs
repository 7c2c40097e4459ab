//! Branches of data: Git's branches, seen as what each of them holds, with switching, merging and history.
//!
//! A branch of data is a Git branch: its `.dvc` files and `dvc.lock` name the content, which lies in the cache once.
//! So a branch costs nothing, switching links files, and a merge joins directories by path without touching a byte.

mod git;
mod held;
mod journal;
mod list;
mod log;
mod merge;
mod merged_tree;
mod records;
mod refs;
mod switch;
pub(crate) mod threeway;
mod version;

pub use held::{HeldOutput, held_at};
pub use journal::finish as finish_merge;
pub use list::{Branch, BranchOutput, create_branch, delete_branch, list_branches};
pub use log::{Change, ChangeKind, log_of};
pub use merge::{Conflict, ConflictKind, MergeOptions, MergeReport, MergedOutput, merge_branch};
pub use refs::RefStamp;
pub use switch::{Switched, switch_branch};
pub use threeway::Side;
pub use version::{FileVersion, file_version, is_revision};
