//! The port of webhooks and of the deliveries that are owed to them.

use std::collections::HashMap;

use async_trait::async_trait;
use lemnis_core::Millis;
use lemnis_tracking::webhook::{Delivery, Outcome, Secret, WebhookChange};
use lemnis_tracking::{Error, Page, Result, Webhook, WebhookEvent, Webhooks};

use super::{Done, clause, offset, one_more};
use crate::Store;
use crate::secrets::SecretKeys;
use crate::sql::{self, Columns as _, Connection, QueryBuilder, Row, query, query_scalar};

const COLUMNS: &str = "w.webhook_id, w.name, w.description, w.url, w.active, w.secret, w.sealed, \
                       w.created, w.updated";

#[async_trait]
impl Webhooks for Store {
    async fn create(&self, webhook: &Webhook) -> Result<()> {
        let secret = self.sealed(&webhook.webhook_id, webhook.secret.as_ref())?;
        let webhook = webhook.clone();
        self.write::<_, Error, _>(move |connection| {
            Box::pin(async move { put(connection, &webhook, secret).await })
        })
        .await
    }

    async fn get(&self, id: &str) -> Result<Option<Webhook>> {
        let (id, keys) = (id.to_owned(), self.secrets.clone());
        self.read::<_, Error, _>(move |connection| {
            Box::pin(async move { find(connection, &keys, &id).await })
        })
        .await
    }

    async fn list(&self, limit: usize, from: u64) -> Result<Page<Webhook>> {
        let keys = self.secrets.clone();
        self.read::<_, Error, _>(move |connection| {
            Box::pin(async move {
                let mut sql = QueryBuilder::new(format!(
                    "SELECT {COLUMNS} FROM webhook w ORDER BY w.created DESC, w.webhook_id LIMIT "
                ));
                sql.push_bind(one_more(limit)).push(" OFFSET ").push_bind(offset(from));
                let rows = sql.build().fetch_all(connection).await?;
                let found = rows.iter().map(|row| webhook(row, 0, &keys)).collect::<Result<Vec<_>, _>>()?;
                let mut page = Page::cut(found, limit, from);
                complete(connection, page.items.iter_mut()).await?;
                Ok(page)
            })
        })
        .await
    }

    async fn update(&self, id: &str, change: &WebhookChange, at_ms: Millis) -> Result<Option<Webhook>> {
        let secret = self.sealed(id, change.secret.as_ref())?;
        let (id, change, keys) = (id.to_owned(), change.clone(), self.secrets.clone());
        self.write::<_, Error, _>(move |connection| {
            Box::pin(async move {
                let Some(mut webhook) = find(connection, &keys, &id).await? else { return Ok(None) };
                change.apply(&mut webhook, at_ms);
                put(connection, &webhook, secret).await?;
                Ok(Some(webhook))
            })
        })
        .await
    }

    async fn delete(&self, id: &str) -> Result<bool> {
        let id = id.to_owned();
        self.write::<_, Error, _>(move |connection| {
            Box::pin(async move {
                let gone =
                    query("DELETE FROM webhook WHERE webhook_id = ?").bind(&id).execute(connection).await?;
                Ok(gone > 0)
            })
        })
        .await
    }

    async fn announce(&self, event: &WebhookEvent, body: &str, at_ms: Millis) -> Result<u64> {
        let (event, body) = (event.clone(), body.to_owned());
        self.write::<_, Error, _>(move |connection| {
            Box::pin(async move {
                let listeners: Vec<String> = query_scalar(
                    "SELECT DISTINCT w.webhook_id FROM webhook w JOIN webhook_event e \
                     ON e.webhook_id = w.webhook_id WHERE w.active = 1 AND e.entity = ? AND e.action = ?",
                )
                .bind(&event.entity)
                .bind(&event.action)
                .fetch_all(connection)
                .await?;
                for listener in &listeners {
                    query(
                        "INSERT INTO webhook_delivery (delivery_id, webhook_id, body, attempts, not_before) \
                         VALUES (?, ?, ?, 0, ?)",
                    )
                    .bind(uuid::Uuid::new_v4().to_string())
                    .bind(listener)
                    .bind(&body)
                    .bind(at_ms)
                    .execute(connection)
                    .await?;
                }
                Ok(listeners.len() as u64)
            })
        })
        .await
    }

    async fn due(&self, now: Millis, limit: usize) -> Result<Vec<Delivery>> {
        let keys = self.secrets.clone();
        self.read::<_, Error, _>(move |connection| {
            Box::pin(async move {
                let mut sql = QueryBuilder::new(format!(
                    "SELECT q.delivery_id, q.body, q.attempts, {COLUMNS} FROM webhook_delivery q \
                     JOIN webhook w ON w.webhook_id = q.webhook_id WHERE w.active = 1 AND q.not_before <= "
                ));
                sql.push_bind(now).push(" ORDER BY q.not_before, q.delivery_id LIMIT ");
                sql.push_bind(i64::try_from(limit).unwrap_or(i64::MAX));
                let mut found = Vec::new();
                for row in &sql.build().fetch_all(connection).await? {
                    found.push(Delivery {
                        delivery_id: row.try_get(0)?,
                        body: row.try_get(1)?,
                        attempts: u32::try_from(row.try_get::<i64>(2)?).unwrap_or(u32::MAX),
                        webhook: webhook(row, 3, &keys)?,
                    });
                }
                Ok(found)
            })
        })
        .await
    }

    async fn settle(&self, delivery_id: &str, outcome: &Outcome) -> Result<()> {
        let (id, outcome) = (delivery_id.to_owned(), outcome.clone());
        self.write::<_, Error, _>(move |connection| {
            Box::pin(async move {
                match outcome {
                    Outcome::Retry(at_ms) => {
                        query(
                            "UPDATE webhook_delivery SET attempts = attempts + 1, not_before = ? \
                             WHERE delivery_id = ?",
                        )
                        .bind(at_ms)
                        .bind(&id)
                        .execute(connection)
                        .await?
                    }
                    Outcome::Delivered | Outcome::GivenUp => {
                        query("DELETE FROM webhook_delivery WHERE delivery_id = ?")
                            .bind(&id)
                            .execute(connection)
                            .await?
                    }
                };
                Ok(())
            })
        })
        .await
    }
}

impl Store {
    /// `secret` as it is kept for the webhook `id`.
    fn sealed(&self, id: &str, secret: Option<&Secret>) -> Result<Option<Vec<u8>>> {
        let text = secret.and_then(Secret::expose);
        text.map(|text| self.secrets.seal(id, text)).transpose().map_err(Error::store)
    }

    /// Encrypts the secrets that an older Lemnis kept in plain text.
    pub(crate) async fn seal_plain_secrets(&self) -> Result<()> {
        let keys = self.secrets.clone();
        self.write::<_, Error, _>(move |connection| {
            Box::pin(async move {
                let plain = query("SELECT webhook_id, secret FROM webhook WHERE secret IS NOT NULL")
                    .fetch_all(connection)
                    .await?;
                if plain.is_empty() {
                    return Ok(());
                }
                connection.overwrite_what_goes().await?;
                for row in &plain {
                    let id: &str = row.try_get(0)?;
                    let sealed = keys.seal(id, row.try_get(1)?).map_err(Error::store)?;
                    query(
                        "UPDATE webhook SET secret = NULL, sealed = coalesce(sealed, ?) WHERE webhook_id = ?",
                    )
                    .bind(sealed)
                    .bind(id)
                    .execute(connection)
                    .await?;
                }
                Ok(())
            })
        })
        .await
    }
}

/// A webhook without its events, from the columns after `first`.
fn webhook(row: &Row, first: usize, keys: &SecretKeys) -> Result<Webhook, sql::Error> {
    let webhook_id: String = row.try_get(first)?;
    let secret = match row.try_get::<Option<&[u8]>>(first + 6)? {
        Some(sealed) => Some(keys.open(&webhook_id, sealed).map_or_else(Secret::unreadable, Secret::new)),
        None => row.try_get::<Option<String>>(first + 5)?.map(Secret::new),
    };
    Ok(Webhook {
        webhook_id,
        name: row.try_get(first + 1)?,
        description: row.try_get(first + 2)?,
        url: row.try_get(first + 3)?,
        events: Vec::new(),
        active: row.try_get::<i64>(first + 4)? != 0,
        secret,
        created: row.try_get(first + 7)?,
        updated: row.try_get(first + 8)?,
    })
}

async fn find(connection: &mut Connection, keys: &SecretKeys, id: &str) -> Done<Option<Webhook>> {
    let row = query(format!("SELECT {COLUMNS} FROM webhook w WHERE w.webhook_id = ?"))
        .bind(id)
        .fetch_optional(connection)
        .await?;
    let mut found = row.as_ref().map(|row| webhook(row, 0, keys)).transpose()?;
    complete(connection, found.iter_mut()).await?;
    Ok(found)
}

/// Adds their events.
async fn complete<'w>(
    connection: &mut Connection,
    webhooks: impl Iterator<Item = &'w mut Webhook>,
) -> Done<()> {
    let mut by_id: HashMap<String, &mut Webhook> =
        webhooks.map(|webhook| (webhook.webhook_id.clone(), webhook)).collect();
    let mut sql =
        QueryBuilder::new("SELECT webhook_id, entity, action FROM webhook_event WHERE webhook_id IN ");
    clause::texts(&mut sql, by_id.keys().map(String::as_str));
    sql.push(" ORDER BY webhook_id, place");
    for row in &sql.build().fetch_all(connection).await? {
        if let Some(webhook) = by_id.get_mut(row.try_get::<&str>(0)?) {
            webhook.events.push(WebhookEvent { entity: row.try_get(1)?, action: row.try_get(2)? });
        }
    }
    Ok(())
}

/// Makes a webhook or changes it; without `secret` it keeps the one that it has.
async fn put(connection: &mut Connection, webhook: &Webhook, secret: Option<Vec<u8>>) -> Done<()> {
    query(
        "INSERT INTO webhook (webhook_id, name, description, url, active, sealed, created, updated) \
         VALUES (?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (webhook_id) DO UPDATE SET name = excluded.name, \
         description = excluded.description, url = excluded.url, active = excluded.active, \
         sealed = coalesce(excluded.sealed, webhook.sealed), updated = excluded.updated",
    )
    .bind(&webhook.webhook_id)
    .bind(&webhook.name)
    .bind(&webhook.description)
    .bind(&webhook.url)
    .bind(i64::from(webhook.active))
    .bind(secret)
    .bind(webhook.created)
    .bind(webhook.updated)
    .execute(connection)
    .await?;
    query("DELETE FROM webhook_event WHERE webhook_id = ?")
        .bind(&webhook.webhook_id)
        .execute(connection)
        .await?;
    for (place, event) in (0_i64..).zip(&webhook.events) {
        query("INSERT INTO webhook_event (webhook_id, place, entity, action) VALUES (?, ?, ?, ?)")
            .bind(&webhook.webhook_id)
            .bind(place)
            .bind(&event.entity)
            .bind(&event.action)
            .execute(connection)
            .await?;
    }
    Ok(())
}
