//! `why`: the chain of evidence.

use lemnis_core::rfc3339;
use serde_json::Value;

use super::runs::escape;
use crate::cli::Why;
use crate::client::Client;
use crate::context::Context;
use crate::output::{self, FAINT, Failure, STRONG};

pub fn why(context: &Context, arguments: &Why) -> Result<(), Failure> {
    let path = format!("/api/v1/why/{}", escape(&arguments.name));
    let chain = context.block_on(async { Client::connect(context).await?.get(&path).await })?;
    if context.json {
        return output::json(&chain);
    }
    print(&chain);
    Ok(())
}

/// Prints a chain as the API gives it.
pub fn print(chain: &Value) {
    let links = chain["links"].as_array().cloned().unwrap_or_default();
    for (place, link) in links.iter().enumerate() {
        let what = link["what"].as_str().unwrap_or_default();
        let title = link["title"].as_str().unwrap_or_default();
        let at = link["at_ms"].as_i64().map(rfc3339).unwrap_or_default();
        output::line(format!("{STRONG}{what:<14}{STRONG:#} {title}  {FAINT}{at}{FAINT:#}"));
        let bar = if place + 1 < links.len() { "│" } else { " " };
        for fact in link["facts"].as_array().into_iter().flatten() {
            let (name, value) = (fact[0].as_str().unwrap_or_default(), fact[1].as_str().unwrap_or_default());
            if !value.is_empty() {
                output::line(format!("  {FAINT}{bar}{FAINT:#}            {FAINT}{name}:{FAINT:#} {value}"));
            }
        }
    }
}
