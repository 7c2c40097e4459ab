//! The numbers that stand for the names of metrics, params and tags.
//!
//! A name gets its number in a transaction of its own, before the work that uses it, and the memory holds only numbers
//! that are committed.

use std::collections::HashMap;

use lemnis_tracking::Error;
use parking_lot::RwLock;

use crate::Store;
use crate::sql::{Columns as _, List, insert_many, query};

/// Names that are remembered; beyond that the memory starts anew.
const CAPACITY: usize = 100_000;

/// The numbers that this process has seen.
#[derive(Default)]
pub(crate) struct Names(RwLock<HashMap<String, i64>>);

impl Names {
    /// The numbers of `texts` in their order, or the texts that are not known.
    fn known<'t>(&self, texts: impl Iterator<Item = &'t str>) -> Result<Vec<i64>, Vec<String>> {
        let memory = self.0.read();
        let mut numbers = Vec::new();
        let mut unknown = Vec::new();
        for text in texts {
            match memory.get(text) {
                Some(number) => numbers.push(*number),
                None => unknown.push(text.to_owned()),
            }
        }
        if unknown.is_empty() { Ok(numbers) } else { Err(unknown) }
    }

    fn learn(&self, numbers: Vec<(String, i64)>) {
        let mut memory = self.0.write();
        if memory.len() >= CAPACITY {
            memory.clear();
        }
        memory.extend(numbers);
    }
}

impl Store {
    /// The numbers of `texts` in their order; who has none is given one.
    pub(crate) async fn numbers<'t>(
        &self,
        texts: impl Iterator<Item = &'t str> + Clone,
    ) -> Result<Vec<i64>, Error> {
        let mut unknown = match self.names.known(texts.clone()) {
            Ok(numbers) => return Ok(numbers),
            Err(unknown) => unknown,
        };
        // In one order for everyone, so that two transactions never wait for each other.
        unknown.sort();
        unknown.dedup();
        let found = self
            .append(move |connection| {
                Box::pin(async move {
                    let rows = unknown.iter().map(|text| vec![text.into()]).collect();
                    insert_many(connection, "INSERT INTO key_name (text)", rows, "ON CONFLICT DO NOTHING")
                        .await?;
                    let mut found: Vec<(String, i64)> = Vec::with_capacity(unknown.len());
                    query("SELECT text, id FROM key_name WHERE text IN (SELECT value FROM json_each(?))")
                        .bind(List(unknown))
                        .each(connection, |row| {
                            found.push((row.try_get(0)?, row.try_get(1)?));
                            Ok(())
                        })
                        .await?;
                    Ok::<_, crate::Fail<Error>>(found)
                })
            })
            .await?;
        let fresh: HashMap<&str, i64> = found.iter().map(|(text, number)| (text.as_str(), *number)).collect();
        let memory = self.names.0.read();
        let number = |text: &str| fresh.get(text).or_else(|| memory.get(text)).copied();
        let numbers: Option<Vec<i64>> = texts.map(number).collect();
        drop(memory);
        self.names.learn(found);
        numbers.ok_or_else(|| Error::store(crate::Error::Stopped))
    }
}
