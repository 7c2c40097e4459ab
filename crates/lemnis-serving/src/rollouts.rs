//! The port that keeps endpoints, rollouts and late ground truth.

use async_trait::async_trait;
use lemnis_core::Millis;
use serde::{Deserialize, Serialize};

use crate::rollout::Rollout;
use crate::{EndpointState, Result};

/// What turned out to be true for one predicted row.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Truth {
    /// The request that predicted it.
    pub request_id: String,
    /// The row within the request, counted from 0.
    #[serde(default)]
    pub row: u32,
    /// The true class or number, as text.
    pub label: String,
    /// When it was reported.
    pub received_ms: Millis,
}

/// Durable state of serving. Each method is one transaction.
#[async_trait]
pub trait Rollouts: Send + Sync {
    /// Keeps an endpoint's state, replacing the one before.
    async fn put_endpoint(&self, endpoint: &EndpointState) -> Result<()>;

    /// The endpoint `name`.
    async fn get_endpoint(&self, name: &str) -> Result<Option<EndpointState>>;

    /// All endpoints, in the order of their first deployment: the first one answers where none is named.
    async fn list_endpoints(&self) -> Result<Vec<EndpointState>>;

    /// Keeps a rollout, replacing the state before. [`crate::Error::Conflict`] if the endpoint has another active one,
    /// or if the rollout has ended already.
    async fn put_rollout(&self, rollout: &Rollout) -> Result<()>;

    /// Keeps a rollout and its endpoint together, so that a champion never changes without its rollout ending.
    async fn settle(&self, rollout: &Rollout, endpoint: &EndpointState) -> Result<()>;

    /// The rollout with `id`.
    async fn get_rollout(&self, id: &str) -> Result<Option<Rollout>>;

    /// The rollout that gives `endpoint` its weights now.
    async fn active_rollout(&self, endpoint: &str) -> Result<Option<Rollout>>;

    /// The newest `limit` rollouts, newest first; only those of `endpoint` where one is given.
    async fn list_rollouts(&self, endpoint: Option<&str>, limit: usize) -> Result<Vec<Rollout>>;

    /// Keeps reported truth. A row that was reported before keeps its first label; returns how many were new.
    async fn feedback_insert(&self, endpoint: &str, truths: &[Truth]) -> Result<u64>;

    /// Truth that was received at or after `since_ms`, oldest first, at most `limit`.
    async fn feedback_since(&self, endpoint: &str, since_ms: Millis, limit: usize) -> Result<Vec<Truth>>;

    /// Truth about the rows of these requests, in no particular order.
    async fn feedback_for(&self, endpoint: &str, request_ids: &[String]) -> Result<Vec<Truth>>;
}
