//! Who acts where several servers share one state.

use async_trait::async_trait;

/// Of all servers that share a state, one advances rollouts and runs monitors.
#[async_trait]
pub trait Leader: Send + Sync {
    /// Whether this server is the one. It stays the one until it loses its connection to the state.
    async fn leads(&self) -> bool;

    /// Whether other servers may share the state.
    fn is_shared(&self) -> bool;
}
