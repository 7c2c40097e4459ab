//! Pages of a search: offset tokens in MLflow's form, base64 of `{"offset": n}`.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::{Error, Result};

/// One page of a search.
#[derive(Clone, Debug, PartialEq)]
pub struct Page<T> {
    /// The rows, in the order asked for.
    pub items: Vec<T>,
    /// Where the next page starts; `None` on the last one.
    pub next_offset: Option<u64>,
}

impl<T> Page<T> {
    /// A page from up to `limit + 1` rows read at `offset`: the row too many only says that a next page exists.
    pub fn cut(mut items: Vec<T>, limit: usize, offset: u64) -> Self {
        let more = items.len() > limit;
        items.truncate(limit);
        Self { items, next_offset: more.then(|| offset + limit as u64) }
    }

    /// The token that asks for the next page.
    pub fn next_token(&self) -> Option<String> {
        self.next_offset.map(token)
    }
}

/// The token of the page that starts at `offset`.
pub fn token(offset: u64) -> String {
    STANDARD.encode(format!("{{\"offset\": {offset}}}"))
}

/// Where the page of `token` starts; an empty token is the first page.
pub fn offset(token: &str) -> Result<u64> {
    if token.is_empty() {
        return Ok(0);
    }
    let bytes =
        STANDARD.decode(token).map_err(|_| Error::invalid("Invalid page token, could not base64-decode"))?;
    let value: serde_json::Value = serde_json::from_slice(&bytes)
        .map_err(|_| Error::invalid("Invalid page token, could not parse JSON"))?;
    value["offset"]
        .as_u64()
        .filter(|offset| *offset <= i64::MAX as u64)
        .ok_or_else(|| Error::invalid("Invalid page token, parsed value is not an offset"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_leads_back_to_its_offset() {
        assert_eq!(offset(&token(1000)).unwrap(), 1000);
        assert_eq!(offset("").unwrap(), 0);
        assert!(offset("%%%").unwrap_err().to_string().contains("could not base64-decode"));
    }

    #[test]
    fn a_next_page_is_announced_only_when_a_row_is_left() {
        assert_eq!(Page::cut(vec![1, 2], 2, 0).next_offset, None);
        let page = Page::cut(vec![1, 2, 3], 2, 4);
        assert_eq!((page.items, page.next_offset), (vec![1, 2], Some(6)));
    }
}
