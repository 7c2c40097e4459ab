//! `openapi`: the document that a server answers at `/api/openapi.json`, without a server.

use lemnis_core::ErrorKind;

use crate::output::{self, Failure};

pub fn openapi() -> Result<(), Failure> {
    let document = lemnis_server::openapi()
        .map_err(|malformed| Failure::new(ErrorKind::Internal, malformed.to_string()))?;
    output::json(&document)
}
