//! Endpoints that answer in this process.
//!
//! Arms are an immutable snapshot behind one pointer: a request takes the pointer and never sees half a change, and a
//! change never waits for a request. Durable state comes first: callers persist what [`Endpoints::tick`] proposes and
//! then [`Endpoints::apply`] it.

mod arm;
mod endpoint;
mod input;
mod predict;
mod route;
#[cfg(test)]
mod tests;

use std::sync::{Arc, OnceLock};

use indexmap::IndexMap;
use lemnis_core::{Clock, Millis};
use lemnis_model::Model;
use parking_lot::RwLock;

use crate::rollout::{Rollout, RolloutState};
use crate::{Error, PredictionLog, Result, Rollouts};

pub use arm::{ArmName, ArmView};
pub use endpoint::{Endpoint, EndpointView};
pub use input::Input;
pub use predict::{Prediction, Refused};

/// Every endpoint of the process, by name.
pub struct Endpoints {
    endpoints: RwLock<Arc<IndexMap<String, Arc<Endpoint>>>>,
    /// The endpoint that answers where none is named, once it is known.
    default: OnceLock<String>,
    log: Arc<PredictionLog>,
    clock: Arc<dyn Clock>,
}

impl Endpoints {
    /// No endpoint yet; predictions will be written to `log`.
    pub fn new(log: Arc<PredictionLog>, clock: Arc<dyn Clock>) -> Self {
        Self { endpoints: RwLock::default(), default: OnceLock::new(), log, clock }
    }

    /// The endpoint `name`.
    pub fn get(&self, name: &str) -> Option<Arc<Endpoint>> {
        self.endpoints.read().get(name).cloned()
    }

    /// Every endpoint, in the order of their first deployment.
    pub fn list(&self) -> Vec<Arc<Endpoint>> {
        self.endpoints.read().values().cloned().collect()
    }

    /// The endpoint that answers where none is named: the first one that was ever deployed, according to the durable
    /// state. It stays the same until the process ends, whichever endpoints are up: a caller never gets another model's
    /// answers. `None` while nothing was deployed; [`Error::NotUp`] while that endpoint does not answer here.
    pub async fn default(&self, durable: &dyn Rollouts) -> Result<Option<Arc<Endpoint>>> {
        let name = match self.default.get() {
            Some(name) => name,
            None => match durable.list_endpoints().await?.into_iter().next() {
                Some(first) => self.default.get_or_init(|| first.name),
                None => return Ok(None),
            },
        };
        match self.get(name) {
            Some(endpoint) => Ok(Some(endpoint)),
            None => Err(Error::NotUp { name: name.clone() }),
        }
    }

    /// The endpoints that the durable state knows and that do not answer here.
    pub async fn missing(&self, durable: &dyn Rollouts) -> Result<Vec<String>> {
        let known = durable.list_endpoints().await?.into_iter().map(|state| state.name);
        Ok(known.filter(|name| self.get(name).is_none()).collect())
    }

    /// Gives all traffic of `name` to `version` at once, making the endpoint if it is new. The champion before it stays
    /// loaded for [`Endpoints::rollback`]; a canary is dropped. The version that answers already keeps its statistics.
    pub fn deploy(&self, name: &str, version: u32, model: Arc<Model>) {
        if let Some(endpoint) = self.get(name) {
            endpoint.deploy(version, model);
            return;
        }
        let mut endpoints = self.endpoints.write();
        // Another caller may have been first since the look above.
        if let Some(endpoint) = endpoints.get(name) {
            endpoint.deploy(version, model);
            return;
        }
        Arc::make_mut(&mut endpoints).insert(name.to_owned(), Arc::new(Endpoint::new(name, version, model)));
    }

    /// Keeps `model` loaded as the version that a rollback returns to, for an endpoint that was restored after a start.
    pub fn keep_previous(&self, name: &str, version: u32, model: Arc<Model>) -> Result<()> {
        self.named(name)?.keep_previous(version, model);
        Ok(())
    }

    /// Starts or resumes `rollout`: its canary gets the weight that the durable state says, and counting begins anew.
    /// Fails if the endpoint is not here or its champion is not the version that the rollout starts from.
    pub fn begin(&self, rollout: &Rollout, canary: Arc<Model>) -> Result<()> {
        self.named(&rollout.endpoint)?.begin(rollout, canary)
    }

    /// Judges every running rollout and returns those that are to change, as they are to become. Nothing changes until
    /// they are handed to [`Endpoints::apply`], so a caller that cannot persist one is offered it again.
    pub fn tick(&self, now: Millis) -> Vec<Rollout> {
        let endpoints = self.endpoints.read().clone();
        endpoints.values().filter_map(|endpoint| endpoint.judge(now)).collect()
    }

    /// Routes by the changed `rollout`: another weight, the canary as champion, or the champion alone.
    pub fn apply(&self, rollout: &Rollout) -> Result<()> {
        let endpoint = self.named(&rollout.endpoint)?;
        match rollout.state {
            RolloutState::Progressing => endpoint.reweigh(rollout),
            RolloutState::Promoted => endpoint.promote(rollout),
            RolloutState::Aborted | RolloutState::Superseded => {
                endpoint.drop_canary(&rollout.id);
                Ok(())
            }
        }
    }

    /// Gives all traffic back to the version before the champion, which becomes the one that a further rollback returns
    /// to; a canary is dropped. Returns the version that answers now.
    pub fn rollback(&self, name: &str) -> Result<u32> {
        self.named(name)?.rollback()
    }

    /// Where predictions are written.
    pub fn log(&self) -> &Arc<PredictionLog> {
        &self.log
    }

    pub(crate) fn clock(&self) -> &dyn Clock {
        self.clock.as_ref()
    }

    pub(crate) fn named(&self, name: &str) -> Result<Arc<Endpoint>> {
        self.get(name).ok_or_else(|| Error::NoEndpoint { name: name.to_owned() })
    }
}
