//! One endpoint: its arms, and how they are swapped.

use std::sync::Arc;

use lemnis_core::Millis;
use lemnis_model::Model;
use parking_lot::{Mutex, RwLock};
use serde::Serialize;

use super::arm::{Arm, ArmName, ArmView};
use super::route;
use crate::rollout::Rollout;
use crate::{Error, RequestMeta, Result};

/// A stable name that answers.
pub struct Endpoint {
    name: Arc<str>,
    arms: RwLock<Arc<Arms>>,
    /// Held while arms are changed, so that two changes never start from the same snapshot.
    changing: Mutex<()>,
}

/// What pages show of an endpoint.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct EndpointView {
    /// The endpoint's name.
    pub name: String,
    /// The version that serves.
    pub champion: ArmView,
    /// The version that is being tried.
    pub canary: Option<ArmView>,
    /// The canary's share of the traffic, in hundredths of a percent.
    pub weight_bp: u32,
    /// The loaded version that a rollback returns to.
    pub previous_version: Option<u32>,
}

/// A snapshot of who answers.
pub(crate) struct Arms {
    champion: Arc<Arm>,
    canary: Option<Canary>,
    previous: Option<Arc<Arm>>,
}

#[derive(Clone)]
struct Canary {
    arm: Arc<Arm>,
    rollout: Arc<Rollout>,
    salt: u64,
}

/// The arm that a request goes to.
pub(crate) struct Routed {
    pub(crate) arm: Arc<Arm>,
    pub(crate) name: ArmName,
    /// Who answers instead when the arm fails.
    pub(crate) fallback: Option<Arc<Arm>>,
    /// Whether the request is evidence about the arm in a rollout: those that insisted on a version are not.
    pub(crate) counts: bool,
}

impl Endpoint {
    pub(crate) fn new(name: &str, version: u32, model: Arc<Model>) -> Self {
        let champion = Arc::new(Arm::new(version, model, None));
        let arms = Arms { champion, canary: None, previous: None };
        Self { name: Arc::from(name), arms: RwLock::new(Arc::new(arms)), changing: Mutex::new(()) }
    }

    /// The endpoint's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The model that serves.
    pub fn model(&self) -> Arc<Model> {
        self.arms().champion.model.clone()
    }

    /// The version that serves.
    pub fn version(&self) -> u32 {
        self.arms().champion.version
    }

    /// The loaded model of `version`: the champion's where none is named, or the canary's.
    pub fn model_of(&self, version: Option<u32>) -> Option<(u32, Arc<Model>)> {
        let arms = self.arms();
        let canary = arms.canary.as_ref().map(|canary| &canary.arm);
        let wanted = version.unwrap_or(arms.champion.version);
        let arm = std::iter::once(&arms.champion).chain(canary).find(|arm| arm.version == wanted)?;
        Some((arm.version, arm.model.clone()))
    }

    /// The rollout that gives this endpoint its weights.
    pub fn rollout(&self) -> Option<Arc<Rollout>> {
        self.arms().canary.as_ref().map(|canary| canary.rollout.clone())
    }

    /// What there is to show.
    pub fn view(&self) -> EndpointView {
        let arms = self.arms();
        EndpointView {
            name: self.name.to_string(),
            champion: arms.champion.view(),
            canary: arms.canary.as_ref().map(|canary| canary.arm.view()),
            weight_bp: arms.canary.as_ref().map_or(0, |canary| canary.rollout.weight_bp),
            previous_version: arms.previous.as_ref().map(|arm| arm.version),
        }
    }

    pub(crate) fn shared_name(&self) -> &Arc<str> {
        &self.name
    }

    pub(crate) fn route(&self, meta: &RequestMeta) -> Result<Routed> {
        let arms = self.arms();
        let to_champion =
            |counts| Routed { arm: arms.champion.clone(), name: ArmName::Champion, fallback: None, counts };
        let Some(canary) = &arms.canary else {
            return match meta.version {
                Some(version) if version != arms.champion.version => Err(self.no_version(version)),
                // Nobody compares: a rollout's first step counts from its beginning.
                _ => Ok(to_champion(false)),
            };
        };
        let to_canary =
            |counts, fallback| Routed { arm: canary.arm.clone(), name: ArmName::Canary, fallback, counts };
        match meta.version {
            Some(version) if version == arms.champion.version => Ok(to_champion(false)),
            Some(version) if version == canary.arm.version => Ok(to_canary(false, None)),
            Some(version) => Err(self.no_version(version)),
            None if route::goes_to_canary(canary.salt, meta.routing_key(), canary.rollout.weight_bp) => {
                Ok(to_canary(true, Some(arms.champion.clone())))
            }
            None => Ok(to_champion(true)),
        }
    }

    pub(crate) fn deploy(&self, version: u32, model: Arc<Model>) {
        self.change(|arms| {
            if arms.champion.version == version {
                let champion = arms.champion.clone();
                return Ok(Arms { champion, canary: None, previous: arms.previous.clone() });
            }
            let champion = Arc::new(Arm::new(version, model, None));
            Ok(Arms { champion, canary: None, previous: Some(arms.champion.clone()) })
        })
        .ok();
    }

    pub(crate) fn keep_previous(&self, version: u32, model: Arc<Model>) {
        self.change(|arms| {
            let previous = Some(Arc::new(Arm::new(version, model, None)));
            Ok(Arms { champion: arms.champion.clone(), canary: arms.canary.clone(), previous })
        })
        .ok();
    }

    pub(crate) fn begin(&self, rollout: &Rollout, model: Arc<Model>) -> Result<()> {
        self.change(|arms| {
            if arms.champion.version != rollout.from_version {
                return Err(self.conflict(format!(
                    "the rollout starts from version {}, but version {} serves",
                    rollout.from_version, arms.champion.version
                )));
            }
            if !rollout.state.is_active() {
                return Err(self.conflict(format!("the rollout {} has ended", rollout.id)));
            }
            let arm = Arc::new(Arm::new(rollout.to_version, model, rollout.fault));
            let canary = Canary { arm, rollout: Arc::new(rollout.clone()), salt: route::salt(&rollout.id) };
            let champion = Arc::new(arms.champion.anew(None));
            Ok(Arms { champion, canary: Some(canary), previous: arms.previous.clone() })
        })
    }

    /// What the running rollout is to become, if anything.
    pub(crate) fn judge(&self, now: Millis) -> Option<Rollout> {
        let arms = self.arms();
        let canary = arms.canary.as_ref()?;
        let (decision, evidence) = canary.rollout.judge(&arms.champion.step(), &canary.arm.step());
        canary.rollout.after(&decision, &evidence, now)
    }

    pub(crate) fn reweigh(&self, rollout: &Rollout) -> Result<()> {
        self.change(|arms| {
            let canary = self.canary_of(arms, rollout)?;
            let arm = Arc::new(canary.arm.anew(rollout.fault));
            let canary = Canary { arm, rollout: Arc::new(rollout.clone()), salt: canary.salt };
            let champion = Arc::new(arms.champion.anew(None));
            Ok(Arms { champion, canary: Some(canary), previous: arms.previous.clone() })
        })
    }

    pub(crate) fn promote(&self, rollout: &Rollout) -> Result<()> {
        self.change(|arms| {
            let canary = self.canary_of(arms, rollout)?;
            let champion = Arc::new(canary.arm.anew(None));
            Ok(Arms { champion, canary: None, previous: Some(arms.champion.clone()) })
        })
    }

    pub(crate) fn drop_canary(&self, rollout_id: &str) {
        self.change(|arms| {
            let canary = arms.canary.clone().filter(|canary| canary.rollout.id != rollout_id);
            Ok(Arms { champion: arms.champion.clone(), canary, previous: arms.previous.clone() })
        })
        .ok();
    }

    pub(crate) fn rollback(&self) -> Result<u32> {
        self.change(|arms| {
            let Some(previous) = &arms.previous else {
                return Err(self.conflict("no version before the champion is loaded".to_owned()));
            };
            let champion = Arc::new(previous.anew(None));
            Ok(Arms { champion, canary: None, previous: Some(arms.champion.clone()) })
        })?;
        Ok(self.version())
    }

    fn canary_of<'a>(&self, arms: &'a Arms, rollout: &Rollout) -> Result<&'a Canary> {
        arms.canary
            .as_ref()
            .filter(|canary| canary.rollout.id == rollout.id)
            .ok_or_else(|| self.conflict(format!("the rollout {} does not run here", rollout.id)))
    }

    fn arms(&self) -> Arc<Arms> {
        self.arms.read().clone()
    }

    fn change(&self, next: impl FnOnce(&Arms) -> Result<Arms>) -> Result<()> {
        let _changing = self.changing.lock();
        let next = next(&self.arms())?;
        *self.arms.write() = Arc::new(next);
        Ok(())
    }

    fn no_version(&self, version: u32) -> Error {
        Error::NoVersion { endpoint: self.name.to_string(), version }
    }

    fn conflict(&self, reason: String) -> Error {
        Error::Conflict { endpoint: self.name.to_string(), reason }
    }
}
