//! What a database answers when it refuses or cannot be reached.

/// A statement failed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error(transparent)]
    Sqlite(#[from] rusqlite::Error),
    #[error(transparent)]
    Postgres(#[from] sqlx::Error),
    #[error("column {column} holds what cannot be read: {reason}")]
    Column { column: usize, reason: String },
    #[error("no row answers a statement that always has one")]
    NoRow,
}

/// PostgreSQL's codes of two transactions in each other's way: serialization failure, deadlock, lock not available.
const CONFLICTS: &[&str] = &["40001", "40P01", "55P03"];
/// A server that shuts down, crashed, starts or has no connection left.
const AWAY: &[&str] = &["57P01", "57P02", "57P03", "53300"];

impl Error {
    pub(crate) fn column(column: usize, reason: impl std::fmt::Display) -> Self {
        Error::Column { column, reason: reason.to_string() }
    }

    /// A value that must be unique is there already.
    pub(crate) fn is_taken(&self) -> bool {
        match self {
            Error::Sqlite(error) => error.sqlite_error().is_some_and(|error| {
                // SQLITE_CONSTRAINT_UNIQUE, SQLITE_CONSTRAINT_PRIMARYKEY, SQLITE_CONSTRAINT_ROWID
                [2067, 1555, 2579].contains(&error.extended_code)
            }),
            Error::Postgres(error) => {
                error.as_database_error().is_some_and(sqlx::error::DatabaseError::is_unique_violation)
            }
            _ => false,
        }
    }

    /// Another transaction was in the way: the same work may succeed when it is done again.
    pub(crate) fn is_conflict(&self) -> bool {
        matches!(self, Error::Postgres(_)) && (self.is_taken() || self.has_code(CONFLICTS))
    }

    /// The database cannot be reached now.
    pub(crate) fn is_away(&self) -> bool {
        let Error::Postgres(error) = self else { return false };
        matches!(
            error,
            sqlx::Error::Io(_)
                | sqlx::Error::PoolTimedOut
                | sqlx::Error::PoolClosed
                | sqlx::Error::WorkerCrashed
                | sqlx::Error::Protocol(_)
        ) || self.has_code(AWAY)
    }

    /// A text holds NUL, which PostgreSQL cannot keep: its `character_not_in_repertoire`.
    pub(crate) fn is_nul(&self) -> bool {
        self.has_code(&["22021"])
    }

    fn has_code(&self, codes: &[&str]) -> bool {
        let Error::Postgres(error) = self else { return false };
        let code = error.as_database_error().and_then(|error| error.code());
        code.is_some_and(|code| codes.contains(&code.as_ref()) || (codes == AWAY && code.starts_with("08")))
    }
}
