//! OpenTelemetry's `POST /v1/traces`: spans of any tracing library, as protocol buffers or as JSON.
//!
//! A request is kept whole or not at all. Ids have their fixed lengths, so that a span has one name in every form.

mod json;
mod message;

use axum::body::to_bytes;
use axum::extract::{Request, State};
use axum::http::header;
use axum::response::{IntoResponse, Response};
use base64::Engine as _;
use lemnis_tracking::trace::{Attributes, Span, SpanStatus, translate};
use lemnis_tracking::{Code, Error, Result, TraceId, TraceLink};
use prost::Message as _;
use serde_json::{Value, json};

use super::super::experiments::parse_id;
use super::super::failure::Failure;
use crate::Server;
use message::{AnyValue, ExportTraceServiceRequest, KeyValue, any_value};

/// The largest request, after decompression.
const MAX_BYTES: usize = 64 << 20;
const PROTOBUF: &str = "application/x-protobuf";
const JSON: &str = "application/json";

fn bad(message: impl Into<String>) -> Error {
    Error::Refused { code: Code::BadRequest, message: message.into() }
}

pub(super) async fn export(State(server): State<Server>, request: Request) -> Result<Response, Failure> {
    let (parts, body) = request.into_parts();
    let header =
        |name: &str| parts.headers.get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
    let kind = header(header::CONTENT_TYPE.as_str()).unwrap_or_default();
    let kind = kind.split(';').next().unwrap_or_default().trim().to_owned();
    let experiment = header("x-mlflow-experiment-id")
        .ok_or_else(|| bad("The header x-mlflow-experiment-id is missing."))?;
    let experiment = parse_id(&experiment)?;
    let run = header("x-mlflow-run-id").filter(|run| !run.is_empty());
    if kind != PROTOBUF && kind != JSON {
        return Err(bad(format!("Invalid Content-Type: {kind}. Expected: {PROTOBUF} or {JSON}")).into());
    }
    let body = to_bytes(body, MAX_BYTES)
        .await
        .map_err(|_| bad(format!("The request broke off, or is larger than {MAX_BYTES} bytes.")))?;
    let parsed = match kind.as_str() {
        JSON => json::parse(&body),
        _ => ExportTraceServiceRequest::decode(body).map_err(|_| ()),
    };
    let parsed = parsed.map_err(|()| bad("Invalid OpenTelemetry format"))?;
    if parsed.resource_spans.is_empty() {
        return Err(bad("Invalid OpenTelemetry format - no spans found").into());
    }
    let spans = spans(parsed)?;
    if !spans.is_empty() {
        server.app.traces.log_spans(experiment, &spans).await?;
    }
    if let Some(run) = run {
        let mut done: Vec<TraceId> = Vec::new();
        for span in spans.iter().filter(|span| span.parent_id.is_none()) {
            if !done.contains(&span.trace_id) {
                done.push(span.trace_id.clone());
            }
        }
        server.app.traces.link(&done, TraceLink::Run, &[run]).await?;
    }
    let (kind, body): (&str, &str) = if kind == JSON { (JSON, "{}") } else { (PROTOBUF, "") };
    Ok(([(header::CONTENT_TYPE, kind)], body).into_response())
}

fn spans(request: ExportTraceServiceRequest) -> Result<Vec<Span>> {
    let mut found = Vec::new();
    for block in request.resource_spans {
        let resource = attributes(block.resource.map(|resource| resource.attributes).unwrap_or_default());
        for span in block.scope_spans.into_iter().flat_map(|scope| scope.spans) {
            found.push(read(span, &resource)?);
        }
    }
    Ok(found)
}

/// An id of this length that is not all zeros.
fn checked(id: Vec<u8>, length: usize, what: &str) -> Result<Vec<u8>> {
    if id.len() == length && id.iter().any(|byte| *byte != 0) {
        return Ok(id);
    }
    Err(bad(format!("A span's {what} must have {length} bytes that are not all zero.")))
}

fn nanoseconds(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

fn read(given: message::Span, resource: &Attributes) -> Result<Span> {
    let otel_trace_id = checked(given.trace_id, 16, "trace_id")?;
    let span_id = checked(given.span_id, 8, "span_id")?;
    let parent_id = match given.parent_span_id.iter().any(|byte| *byte != 0) {
        true => Some(checked(given.parent_span_id, 8, "parent_span_id")?),
        false => None,
    };
    let trace_id = TraceId::of_otel(&otel_trace_id);
    let status = given.status.unwrap_or_default();
    let mut attributes = attributes(given.attributes);
    // Which trace a span belongs to is for its id to say.
    attributes.insert("mlflow.traceRequestId".to_owned(), trace_id.as_str().into());
    let events = given.events.into_iter().map(|event| {
        json!({
            "name": event.name,
            "time_unix_nano": nanoseconds(event.time_unix_nano),
            "attributes": self::attributes(event.attributes),
        })
    });
    let links = given.links.into_iter().map(|link| {
        json!({
            "trace_id": TraceId::of_otel(&link.trace_id),
            "span_id": link.span_id.iter().map(|byte| format!("{byte:02x}")).collect::<String>(),
            "attributes": self::attributes(link.attributes),
        })
    });
    let mut span = Span {
        trace_id,
        otel_trace_id,
        span_id,
        parent_id,
        name: given.name,
        start_ns: nanoseconds(given.start_time_unix_nano),
        end_ns: (given.end_time_unix_nano > 0).then(|| nanoseconds(given.end_time_unix_nano)),
        status: match status.code {
            1 => SpanStatus::Ok,
            2 => SpanStatus::Error,
            _ => SpanStatus::Unset,
        },
        status_message: Some(status.message).filter(|message| !message.is_empty()),
        events: events.collect(),
        links: links.collect(),
        attributes,
        resource: resource.clone(),
    };
    translate(&mut span);
    Ok(span)
}

fn attributes(pairs: Vec<KeyValue>) -> Attributes {
    pairs.into_iter().map(|pair| (pair.key, value(pair.value))).collect()
}

fn value(any: Option<AnyValue>) -> Value {
    match any.and_then(|any| any.value) {
        None => Value::Null,
        Some(any_value::Value::String(text)) => text.into(),
        Some(any_value::Value::Bool(flag)) => flag.into(),
        Some(any_value::Value::Int(number)) => number.into(),
        Some(any_value::Value::Double(number)) => number.into(),
        Some(any_value::Value::Array(list)) => {
            list.values.into_iter().map(|item| value(Some(item))).collect()
        }
        Some(any_value::Value::Kvlist(list)) => Value::Object(attributes(list.values)),
        Some(any_value::Value::Bytes(bytes)) => {
            base64::engine::general_purpose::STANDARD.encode(bytes).into()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn span(trace: usize, id: usize) -> message::Span {
        message::Span { trace_id: vec![1; trace], span_id: vec![2; id], ..message::Span::default() }
    }

    #[test]
    fn ids_have_their_fixed_lengths() {
        assert!(read(span(16, 8), &Attributes::new()).is_ok());
        for (trace, id) in [(0, 8), (16, 0), (15, 8), (16, 9), (8, 16)] {
            assert!(read(span(trace, id), &Attributes::new()).is_err());
        }
    }

    #[test]
    fn random_bytes_never_break_the_reader() {
        let mut state = 0x2545_f491_4f6c_dd1d_u64;
        for length in 0..600 {
            let bytes: Vec<u8> = (0..length)
                .map(|_| {
                    state ^= state << 13;
                    state ^= state >> 7;
                    state ^= state << 17;
                    state as u8
                })
                .collect();
            if let Ok(request) = ExportTraceServiceRequest::decode(&bytes[..]) {
                let _ = spans(request);
            }
            let _ = json::parse(&bytes);
        }
    }

    #[test]
    fn values_nested_too_deep_are_refused() {
        let mut any = AnyValue { value: Some(any_value::Value::Bool(true)) };
        for _ in 0..200 {
            any =
                AnyValue { value: Some(any_value::Value::Array(message::ArrayValue { values: vec![any] })) };
        }
        let bytes = any.encode_to_vec();
        assert!(AnyValue::decode(&bytes[..]).is_err());
    }
}
