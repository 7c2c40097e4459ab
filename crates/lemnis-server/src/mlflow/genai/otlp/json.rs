//! The JSON form of OpenTelemetry's trace protocol: names in camel case, ids in hex, 64-bit numbers as texts.

use serde_json::Value;

use super::message::{
    AnyValue, ArrayValue, Event, ExportTraceServiceRequest, KeyValue, KeyValueList, Link, Resource,
    ResourceSpans, ScopeSpans, Span, Status, any_value,
};

/// Reads a request; `Err` where it is none.
pub(super) fn parse(body: &[u8]) -> Result<ExportTraceServiceRequest, ()> {
    let value: Value = serde_json::from_slice(body).map_err(drop)?;
    if !value.is_object() {
        return Err(());
    }
    let resource_spans = each(&value["resourceSpans"], |block| {
        let attributes = pairs(&block["resource"]["attributes"])?;
        let scope_spans =
            each(&block["scopeSpans"], |scope| Ok(ScopeSpans { spans: each(&scope["spans"], span)? }))?;
        Ok(ResourceSpans { resource: Some(Resource { attributes }), scope_spans })
    })?;
    Ok(ExportTraceServiceRequest { resource_spans })
}

fn each<T>(list: &Value, read: impl Fn(&Value) -> Result<T, ()>) -> Result<Vec<T>, ()> {
    match list {
        Value::Null => Ok(Vec::new()),
        Value::Array(items) => items.iter().map(read).collect(),
        _ => Err(()),
    }
}

fn span(given: &Value) -> Result<Span, ()> {
    let events = each(&given["events"], |event| {
        Ok(Event {
            time_unix_nano: number(&event["timeUnixNano"])?,
            name: text(&event["name"])?,
            attributes: pairs(&event["attributes"])?,
        })
    })?;
    let links = each(&given["links"], |link| {
        Ok(Link {
            trace_id: hex(&link["traceId"])?,
            span_id: hex(&link["spanId"])?,
            attributes: pairs(&link["attributes"])?,
        })
    })?;
    let code = match &given["status"]["code"] {
        Value::Null => 0,
        Value::Number(number) => number.as_i64().and_then(|code| i32::try_from(code).ok()).ok_or(())?,
        Value::String(name) if name == "STATUS_CODE_OK" => 1,
        Value::String(name) if name == "STATUS_CODE_ERROR" => 2,
        Value::String(_) => 0,
        _ => return Err(()),
    };
    Ok(Span {
        trace_id: hex(&given["traceId"])?,
        span_id: hex(&given["spanId"])?,
        parent_span_id: hex(&given["parentSpanId"])?,
        name: text(&given["name"])?,
        start_time_unix_nano: number(&given["startTimeUnixNano"])?,
        end_time_unix_nano: number(&given["endTimeUnixNano"])?,
        attributes: pairs(&given["attributes"])?,
        events,
        links,
        status: Some(Status { message: text(&given["status"]["message"])?, code }),
    })
}

fn text(value: &Value) -> Result<String, ()> {
    match value {
        Value::Null => Ok(String::new()),
        Value::String(text) => Ok(text.clone()),
        _ => Err(()),
    }
}

fn number(value: &Value) -> Result<u64, ()> {
    match value {
        Value::Null => Ok(0),
        Value::Number(number) => number.as_u64().ok_or(()),
        Value::String(text) => text.parse().map_err(drop),
        _ => Err(()),
    }
}

fn hex(value: &Value) -> Result<Vec<u8>, ()> {
    let text = text(value)?;
    let digits: Option<Vec<u32>> = text.chars().map(|c| c.to_digit(16)).collect();
    let digits = digits.filter(|digits| digits.len() % 2 == 0).ok_or(())?;
    Ok(digits.chunks(2).map(|pair| (pair[0] * 16 + pair[1]) as u8).collect())
}

fn pairs(list: &Value) -> Result<Vec<KeyValue>, ()> {
    each(list, |pair| Ok(KeyValue { key: text(&pair["key"])?, value: any(&pair["value"])? }))
}

fn any(given: &Value) -> Result<Option<AnyValue>, ()> {
    let Value::Object(map) = given else { return if given.is_null() { Ok(None) } else { Err(()) } };
    let Some((name, value)) = map.iter().next() else { return Ok(None) };
    let value = match (name.as_str(), value) {
        ("stringValue", value) => any_value::Value::String(text(value)?),
        ("boolValue", Value::Bool(flag)) => any_value::Value::Bool(*flag),
        ("intValue", Value::Number(number)) => any_value::Value::Int(number.as_i64().ok_or(())?),
        ("intValue", Value::String(text)) => any_value::Value::Int(text.parse().map_err(drop)?),
        ("doubleValue", Value::Number(number)) => any_value::Value::Double(number.as_f64().ok_or(())?),
        ("doubleValue", Value::String(text)) => any_value::Value::Double(text.parse().map_err(drop)?),
        ("arrayValue", value) => {
            let values = each(&value["values"], |item| Ok(any(item)?.unwrap_or_default()))?;
            any_value::Value::Array(ArrayValue { values })
        }
        ("kvlistValue", value) => any_value::Value::Kvlist(KeyValueList { values: pairs(&value["values"])? }),
        ("bytesValue", Value::String(text)) => any_value::Value::String(text.clone()),
        _ => return Err(()),
    };
    Ok(Some(AnyValue { value: Some(value) }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_in_json_is_read() {
        let body = serde_json::json!({"resourceSpans": [{
            "resource": {"attributes": [{"key": "service.name", "value": {"stringValue": "s"}}]},
            "scopeSpans": [{"spans": [{
                "traceId": "5b8efff798038103d269b633813fc60c", "spanId": "eee19b7ec3c1b174",
                "name": "n", "startTimeUnixNano": "1544712660000000000", "endTimeUnixNano": 1544712661000000000_u64,
                "attributes": [{"key": "n", "value": {"intValue": "5"}}], "status": {"code": 2},
            }]}],
        }]});
        let request = parse(body.to_string().as_bytes()).unwrap();
        let span = &request.resource_spans[0].scope_spans[0].spans[0];
        assert_eq!((span.trace_id.len(), span.span_id.len()), (16, 8));
        assert_eq!(span.start_time_unix_nano, 1_544_712_660_000_000_000);
        assert_eq!(span.status.as_ref().unwrap().code, 2);
        for wrong in
            ["[]", "{\"resourceSpans\": 1}", "{\"resourceSpans\": [{\"scopeSpans\": [{\"spans\": [1]}]}]}"]
        {
            let _ = parse(wrong.as_bytes());
        }
        assert!(parse(b"{\"resourceSpans\": 1}").is_err());
    }
}
