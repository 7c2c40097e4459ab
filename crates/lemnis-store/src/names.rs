//! The numbers that stand for the names of metrics, params and tags.
//!
//! The memory holds only what a committed row says: it is emptied whenever anything is rolled back.

use std::collections::HashMap;

use parking_lot::RwLock;
use sqlx::sqlite::SqliteConnection;

/// Names that are remembered; beyond that the memory starts anew.
const CAPACITY: usize = 100_000;

#[derive(Default)]
pub(crate) struct Names(RwLock<HashMap<String, i64>>);

impl Names {
    /// The number of `text`, which is given one if it has none. Call it inside a write.
    pub(crate) async fn number(
        &self,
        connection: &mut SqliteConnection,
        text: &str,
    ) -> Result<i64, sqlx::Error> {
        if let Some(number) = self.0.read().get(text).copied() {
            return Ok(number);
        }
        let known: Option<i64> = sqlx::query_scalar("SELECT id FROM key_name WHERE text = ?")
            .bind(text)
            .fetch_optional(&mut *connection)
            .await?;
        let number = match known {
            Some(number) => number,
            None => sqlx::query("INSERT INTO key_name (text) VALUES (?)")
                .bind(text)
                .execute(&mut *connection)
                .await?
                .last_insert_rowid(),
        };
        let mut memory = self.0.write();
        if memory.len() >= CAPACITY {
            memory.clear();
        }
        memory.insert(text.to_owned(), number);
        Ok(number)
    }

    /// Forgets everything, because a number may have been rolled back.
    pub(crate) fn forget(&self) {
        self.0.write().clear();
    }
}
