//! A store in memory, for tests.

use std::collections::BTreeMap;
use std::sync::Arc;

use object_store::memory::InMemory;

use super::{OpenError, OpenStore, OpenedStore};

/// Whatever URL is opened, it is this store.
#[derive(Default)]
pub(super) struct Memory(pub(super) Arc<InMemory>);

impl OpenStore for Memory {
    fn open(&self, _: &str, _: &BTreeMap<String, String>) -> Result<OpenedStore, OpenError> {
        Ok(OpenedStore { store: self.0.clone(), prefix: "some/prefix".into() })
    }
}
