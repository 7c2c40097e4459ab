//! How bad a failure is and whose fault: one kind, mapped once to HTTP statuses and exit codes.

use serde::Serialize;

/// The class of a failure. Every crate's error enum classifies its variants through [`Classify`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ErrorKind {
    /// The caller sent something wrong: a bad argument, a malformed file, an unknown column.
    Invalid,
    /// The caller is not known.
    Unauthenticated,
    /// The caller is known but may not do this.
    PermissionDenied,
    /// The thing asked for does not exist.
    NotFound,
    /// The thing to create is already there.
    AlreadyExists,
    /// The request contradicts the present state; a retry after a refresh may succeed.
    Conflict,
    /// A limit was reached: size, rate or space.
    Exhausted,
    /// Something that this depends on cannot be reached now.
    Unavailable,
    /// A defect or a broken machine: nothing the caller can mend.
    Internal,
}

impl ErrorKind {
    /// The HTTP status that answers a failure of this kind.
    pub fn http_status(self) -> u16 {
        match self {
            ErrorKind::Invalid => 400,
            ErrorKind::Unauthenticated => 401,
            ErrorKind::PermissionDenied => 403,
            ErrorKind::NotFound => 404,
            ErrorKind::AlreadyExists | ErrorKind::Conflict => 409,
            ErrorKind::Exhausted => 429,
            ErrorKind::Unavailable => 503,
            ErrorKind::Internal => 500,
        }
    }

    /// The exit code of a command that ends with a failure of this kind: 2 for usage, 1 for the rest.
    pub fn exit_code(self) -> u8 {
        match self {
            ErrorKind::Invalid => 2,
            _ => 1,
        }
    }
}

/// Implemented by every error enum of the workspace: says its [`ErrorKind`] and, where it can, a remedy.
pub trait Classify: std::error::Error {
    /// The class of this failure.
    fn kind(&self) -> ErrorKind;

    /// One sentence that tells the user how to mend it.
    fn hint(&self) -> Option<String> {
        None
    }
}
