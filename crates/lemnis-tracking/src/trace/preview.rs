//! A preview of a request or an answer: the last message where it is a chat, else its text, cut.

use serde_json::Value;

/// Longest preview, in characters.
const LENGTH: usize = 1000;

/// The preview of `value`; `role` names whose message is wanted.
pub(super) fn preview(value: &Value, role: &str) -> String {
    let text = messages(value).and_then(|messages| text_of_last(&messages, role));
    let text = match text.filter(|text| !text.is_empty()) {
        Some(text) => text,
        None => value.to_string(),
    };
    if text.chars().count() <= LENGTH {
        return text;
    }
    format!("{}...", crate::rules::cut(&text, LENGTH - 3))
}

/// The messages of a chat, in the shapes in which the common APIs write them.
fn messages(value: &Value) -> Option<Vec<&Value>> {
    let is_message = |item: &&Value| item.get("role").is_some() && item.get("content").is_some();
    if let Some(items) = value.get("messages").and_then(Value::as_array).filter(|items| !items.is_empty()) {
        return Some(items.iter().filter(is_message).collect());
    }
    let choice = value.get("choices").and_then(|choices| choices.get(0)?.get("message"));
    if let Some(message) = choice.filter(is_message) {
        return Some(vec![message]);
    }
    for name in ["input", "output"] {
        if let Some(items) = value.get(name).and_then(Value::as_array).filter(|items| !items.is_empty()) {
            return Some(items.iter().filter(is_message).collect());
        }
    }
    messages(value.get("request")?)
}

fn text_of_last(messages: &[&Value], role: &str) -> Option<String> {
    let wanted = messages.iter().rev().find(|message| message["role"] == role).or(messages.last())?;
    match &wanted["content"] {
        Value::String(text) => Some(text.clone()),
        Value::Array(parts) => parts.iter().find_map(|part| match part {
            Value::String(text) => Some(text.clone()),
            part if part["type"] == "text" || part["type"] == "output_text" => {
                part["text"].as_str().map(str::to_owned)
            }
            _ => None,
        }),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_chat_shows_the_last_message_of_its_side() {
        let chat = json!({"messages": [
            {"role": "user", "content": "first"},
            {"role": "user", "content": [{"type": "text", "text": "second"}]},
            {"role": "assistant", "content": "third"},
        ]});
        assert_eq!(preview(&chat, "user"), "second");
        assert_eq!(preview(&json!({"request": {"input": [{"role": "x", "content": "y"}]}}), "user"), "y");
        assert_eq!(preview(&json!({"a": 1}), "user"), r#"{"a":1}"#);
        assert_eq!(preview(&json!("é".repeat(2000)), "user").chars().count(), 1000);
    }
}
