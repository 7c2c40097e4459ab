//! Everything that Lemnis answers over HTTP: MLflow's REST API, scoring, its own API and the pages, on one port.
//!
//! Handlers translate and nothing more: the rules are in `lemnis-app` and the domains.

mod api;
mod guard;
mod mlflow;
mod mounted;
mod pages;
mod scoring;

use std::sync::Arc;

pub use axum::Router;
use lemnis_app::App;
use lemnis_core::Principal;

pub use guard::Access;
pub use mounted::call;

/// What every handler can reach.
#[derive(Clone)]
pub struct Server {
    /// The use-cases and their ports.
    pub app: Arc<App>,
    /// Whom requests act for, once the guard let them in.
    pub principal: Arc<Principal>,
    /// Changes with every start, so that a client can tell this server from an earlier one on the same port.
    pub instance: Arc<str>,
}

/// The whole server behind its guard.
pub fn router(server: Server, access: Access) -> Router {
    Router::new()
        .merge(mlflow::routes())
        .merge(scoring::routes())
        .merge(api::routes())
        .merge(pages::routes())
        .with_state(server)
        .layer(axum::middleware::from_fn_with_state(Arc::new(access), guard::guard))
        .layer(tower_http::catch_panic::CatchPanicLayer::new())
}

/// Answers on `listener` until `stop` ends; open requests are finished first.
pub async fn serve(
    listener: tokio::net::TcpListener,
    router: Router,
    stop: impl Future<Output = ()> + Send + 'static,
) -> std::io::Result<()> {
    // Small answers must not wait for the next packet.
    let listener = axum::serve::ListenerExt::tap_io(listener, |stream| {
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!(%error, "a connection keeps Nagle's algorithm");
        }
    });
    axum::serve(listener, router).with_graceful_shutdown(stop).await
}
