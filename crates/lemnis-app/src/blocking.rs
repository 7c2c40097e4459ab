//! Heavy work off the async threads: the server has two of them, and both must go on answering.

use crate::Error;

/// Runs work that reads files or computes for long on a thread of its own.
pub(crate) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Error> + Send + 'static,
) -> Result<T, Error> {
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => done,
        Err(error) => Err(Error::conflict(format!("the work was cut off: {error}"), "try again")),
    }
}
