//! What is known of a request besides its rows: its id, its routing key, the version it insists on.

use uuid::Uuid;

/// The longest accepted id or key, in bytes.
const MAX_BYTES: usize = 128;

/// A request's envelope.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequestMeta {
    /// Stands in the log and in the answer; truth that arrives later refers to it.
    pub request_id: String,
    /// What decides the arm: requests with equal keys go to the same one. The request id where nothing is given.
    pub key: Option<String>,
    /// Ask this version, whatever its weight.
    pub version: Option<u32>,
}

impl RequestMeta {
    /// The envelope of a request that sent `request_id`; an id that is not sane is replaced.
    pub fn new(request_id: Option<&str>) -> Self {
        let request_id = match request_id.filter(|id| is_sane(id)) {
            Some(id) => id.to_owned(),
            None => Uuid::new_v4().simple().to_string(),
        };
        Self { request_id, key: None, version: None }
    }

    /// The same request, routed by `key` if that is sane.
    #[must_use]
    pub fn with_key(mut self, key: Option<&str>) -> Self {
        self.key = key.filter(|key| is_sane(key)).map(str::to_owned);
        self
    }

    /// The same request for one version.
    #[must_use]
    pub fn with_version(mut self, version: Option<u32>) -> Self {
        self.version = version;
        self
    }

    pub(crate) fn routing_key(&self) -> &str {
        self.key.as_deref().unwrap_or(&self.request_id)
    }
}

/// 1 to 128 printable ASCII characters without blanks, quotes or backslashes: safe in headers, logs and files.
fn is_sane(text: &str) -> bool {
    let allowed =
        |byte: u8| byte.is_ascii_graphic() && !matches!(byte, b'"' | b'\'' | b'\\' | b'<' | b'>' | b'`');
    (1..=MAX_BYTES).contains(&text.len()) && text.bytes().all(allowed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sane_id_is_kept_and_another_replaced() {
        for id in ["replay-same-12", "a", "trace/1:2.3_4=+", &"x".repeat(128)] {
            assert_eq!(RequestMeta::new(Some(id)).request_id, id);
        }
        for id in ["", "a b", "a\nb", "ä", "<script>", &"x".repeat(129)] {
            let given = RequestMeta::new(Some(id)).request_id;
            assert_eq!(given.len(), 32, "{id:?}");
        }
        assert_ne!(RequestMeta::new(None).request_id, RequestMeta::new(None).request_id);
    }

    #[test]
    fn the_request_id_routes_where_no_key_is_given() {
        let meta = RequestMeta::new(Some("r"));
        assert_eq!(meta.routing_key(), "r");
        assert_eq!(meta.clone().with_key(Some("customer-7")).routing_key(), "customer-7");
        assert_eq!(meta.with_key(Some("")).routing_key(), "r");
    }
}
