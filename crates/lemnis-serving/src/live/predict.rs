//! One request: routed, parsed for its arm's signature, answered, counted, logged.
//!
//! A canary that fails costs the caller nothing: the champion answers instead, and the failure counts against the
//! canary. So does input that the champion takes and the canary does not.

use std::sync::Arc;
use std::time::{Duration, Instant};

use lemnis_model::{Frame, Model, Signature};

use super::arm::{Arm, ArmName};
use super::endpoint::Routed;
use super::{Endpoint, Endpoints, Input};
use crate::log::{Row, Status};
use crate::{Error, RequestMeta};

/// Requests with more rows are answered on a thread that may block.
const INLINE_ROWS: usize = 256;

/// An answer.
#[derive(Clone, Debug)]
pub struct Prediction {
    /// The model's outputs, one row for each row of the input.
    pub outputs: Arc<Frame>,
    /// The version that answered.
    pub version: u32,
    /// Its model: the endpoint may have moved on by the time the answer is written.
    pub model: Arc<Model>,
    /// The arm that answered.
    pub arm: ArmName,
    /// How long the model took.
    pub latency: Duration,
    /// The request's id.
    pub request_id: String,
}

/// Why there is no answer.
#[derive(Debug)]
pub enum Refused<E> {
    /// The input is not what the model takes: the caller's mistake.
    Input(E),
    /// Serving failed.
    Serving(Error),
}

impl Endpoints {
    /// Answers a request to `name` whose body `parse` turns into a frame of the given signature.
    ///
    /// The input is parsed once, twice only when a canary refuses it. Parsing mistakes are neither counted nor logged.
    pub async fn predict<E>(
        &self,
        name: &str,
        meta: RequestMeta,
        parse: impl Fn(&Signature) -> Result<Frame, E>,
    ) -> Result<Prediction, Refused<E>> {
        let endpoint = self.named(name).map_err(Refused::Serving)?;
        self.predict_at(&endpoint, meta, parse).await
    }

    /// As [`Endpoints::predict`], for an endpoint at hand and any [`Input`].
    pub async fn predict_at<I: Input>(
        &self,
        endpoint: &Endpoint,
        meta: RequestMeta,
        input: I,
    ) -> Result<Prediction, Refused<I::Refusal>> {
        self.predict_with(endpoint, meta, input, INLINE_ROWS).await
    }

    /// As [`Endpoints::predict_at`], for a caller whose thread may block: everything happens on it. Such callers must not
    /// hold one blocking thread while they wait for another, or enough of them would wait for ever.
    pub async fn predict_here<I: Input>(
        &self,
        endpoint: &Endpoint,
        meta: RequestMeta,
        input: I,
    ) -> Result<Prediction, Refused<I::Refusal>> {
        self.predict_with(endpoint, meta, input, usize::MAX).await
    }

    async fn predict_with<I: Input>(
        &self,
        endpoint: &Endpoint,
        meta: RequestMeta,
        mut body: I,
        inline_rows: usize,
    ) -> Result<Prediction, Refused<I::Refusal>> {
        let Routed { arm, name, fallback, counts } = endpoint.route(&meta).map_err(Refused::Serving)?;
        let signature = arm.model.signature();
        let parsed = if fallback.is_some() { body.frame(signature) } else { body.last_frame(signature) };
        let (input, refusal) = match parsed {
            Ok(frame) => (Some(Arc::new(frame)), None),
            Err(refusal) => (None, Some(refusal)),
        };
        let failure = match &input {
            Some(input) => match ask(&arm, input.clone(), inline_rows).await {
                Ok((outputs, took)) => {
                    arm.answered(took, counts);
                    return Ok(self.answer(endpoint, meta, &arm, name, input, outputs, took));
                }
                Err(failure) => Some(failure),
            },
            None => None,
        };
        let Some(champion) = fallback else {
            return Err(match (refusal, failure) {
                (Some(refusal), _) => Refused::Input(refusal),
                (None, failure) => {
                    arm.failed(counts);
                    if let Some(input) = &input {
                        self.write(endpoint, &meta, &arm, name, input, None, Duration::ZERO);
                    }
                    Refused::Serving(failure.unwrap_or(Error::Drill { version: arm.version }))
                }
            });
        };
        // What neither arm can parse is the caller's mistake and no evidence against the canary.
        let for_champion = Arc::new(body.last_frame(champion.model.signature()).map_err(Refused::Input)?);
        arm.failed(counts);
        if let Some(input) = &input {
            self.write(endpoint, &meta, &arm, name, input, None, Duration::ZERO);
        }
        let (outputs, took) =
            ask(&champion, for_champion.clone(), inline_rows).await.map_err(Refused::Serving)?;
        Ok(self.answer(endpoint, meta, &champion, ArmName::Champion, &for_champion, outputs, took))
    }

    #[allow(clippy::too_many_arguments, reason = "the parts of one answer")]
    fn answer(
        &self,
        endpoint: &Endpoint,
        meta: RequestMeta,
        arm: &Arm,
        name: ArmName,
        input: &Arc<Frame>,
        outputs: Arc<Frame>,
        latency: Duration,
    ) -> Prediction {
        self.write(endpoint, &meta, arm, name, input, Some(outputs.clone()), latency);
        let (version, model) = (arm.version, arm.model.clone());
        Prediction { outputs, version, model, arm: name, latency, request_id: meta.request_id }
    }

    #[allow(clippy::too_many_arguments, reason = "the parts of one log row")]
    fn write(
        &self,
        endpoint: &Endpoint,
        meta: &RequestMeta,
        arm: &Arm,
        name: ArmName,
        features: &Arc<Frame>,
        outputs: Option<Arc<Frame>>,
        latency: Duration,
    ) {
        self.log().write(Row {
            endpoint: endpoint.shared_name().clone(),
            request_id: meta.request_id.clone(),
            at_ms: self.clock().now_ms(),
            version: arm.version,
            arm: name,
            status: if outputs.is_some() { Status::Ok } else { Status::Error },
            latency,
            features: features.clone(),
            outputs,
        });
    }
}

async fn ask(arm: &Arc<Arm>, input: Arc<Frame>, inline_rows: usize) -> Result<(Arc<Frame>, Duration), Error> {
    let started = Instant::now();
    if let Some(delay) = arm.delay() {
        tokio::time::sleep(delay).await;
    }
    if arm.drill_fails() {
        return Err(Error::Drill { version: arm.version });
    }
    let version = arm.version;
    let failed = move |source: lemnis_model::Error| Error::Predict { version, source: Box::new(source) };
    let outputs = if input.rows() > inline_rows {
        let model = arm.model.clone();
        let predicted = tokio::task::spawn_blocking(move || model.predict(&input)).await;
        predicted.map_err(|source| Error::Predict { version, source: Box::new(source) })?.map_err(failed)?
    } else {
        arm.model.predict(&input).map_err(failed)?
    };
    Ok((Arc::new(outputs), started.elapsed()))
}
