//! The secrets of webhooks are encrypted where they lie, on SQLite and on PostgreSQL.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on ends")]

use std::path::Path;

use lemnis_store::{SecretKeys, Store};
use lemnis_testkit::Postgres;
use lemnis_tracking::webhook::{Secret, WebhookChange};
use lemnis_tracking::{Webhook, WebhookEvent, Webhooks};

const OLD_ROW: &str = "INSERT INTO webhook (webhook_id, name, url, active, secret, created, updated) \
                       VALUES ('old', 'old', 'https://example.com', 1, 'an old secret', 1, 1)";

fn key(byte: char) -> SecretKeys {
    let text = format!("{}=", byte.to_string().repeat(43));
    SecretKeys::in_file("no/such/folder").with_given(&text).unwrap()
}

fn webhook(secret: &str) -> Webhook {
    Webhook {
        webhook_id: "w".into(),
        name: "hook".into(),
        description: None,
        url: "https://example.com".into(),
        events: vec![WebhookEvent::new("model_version", "created")],
        active: true,
        secret: Some(Secret::new(secret)),
        created: 1,
        updated: 1,
    }
}

async fn secret(store: &Store, id: &str) -> Option<Secret> {
    Webhooks::get(store, id).await.unwrap().unwrap().secret
}

/// Opens the same database three times: with its key, with another one, and with its own again.
async fn a_secret_is_read_with_its_key_alone(open: impl AsyncFn() -> Store) {
    let store = open().await.with_secrets(key('A')).await.unwrap();
    Webhooks::create(&store, &webhook("a new secret")).await.unwrap();
    assert_eq!(secret(&store, "w").await, Some(Secret::new("a new secret")));
    store.close().await;

    let store = open().await.with_secrets(key('E')).await.unwrap();
    assert_eq!(secret(&store, "w").await, Some(Secret::unreadable()));
    let renamed = WebhookChange { name: Some("renamed".into()), ..WebhookChange::default() };
    Webhooks::update(&store, "w", &renamed, 2).await.unwrap();
    let listed = Webhooks::list(&store, 10, 0).await.unwrap().items;
    assert_eq!(listed.iter().filter(|webhook| webhook.name == "renamed").count(), 1, "it can still be seen");
    store.announce(&WebhookEvent::new("model_version", "created"), "{}", 1).await.unwrap();
    let due = store.due(1, 10).await.unwrap();
    assert_eq!(
        due[0].webhook.secret,
        Some(Secret::unreadable()),
        "it stands in the way of no other delivery"
    );
    store.close().await;

    let store = open().await.with_secrets(key('A')).await.unwrap();
    assert_eq!(secret(&store, "w").await, Some(Secret::new("a new secret")), "the change left it as it was");
    let other = WebhookChange { secret: Some(Secret::new("another secret")), ..WebhookChange::default() };
    Webhooks::update(&store, "w", &other, 3).await.unwrap();
    assert_eq!(secret(&store, "w").await, Some(Secret::new("another secret")));
    store.close().await;
}

fn holds(folder: &Path, text: &str) -> bool {
    std::fs::read_dir(folder).unwrap().any(|file| {
        let bytes = std::fs::read(file.unwrap().path()).unwrap();
        bytes.windows(text.len()).any(|part| part == text.as_bytes())
    })
}

#[tokio::test]
async fn no_file_of_sqlite_holds_a_secret() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("lemnis.db");
    Store::open(&path).await.unwrap().close().await;
    rusqlite::Connection::open(&path).unwrap().execute_batch(OLD_ROW).unwrap();
    assert!(holds(dir.path(), "an old secret"));

    let store = Store::open(&path).await.unwrap();
    assert_eq!(secret(&store, "old").await, Some(Secret::new("an old secret")), "older rows are read");
    let store = store.with_secrets(key('A')).await.unwrap();
    assert_eq!(secret(&store, "old").await, Some(Secret::new("an old secret")));
    store.close().await;
    a_secret_is_read_with_its_key_alone(async || Store::open(&path).await.unwrap()).await;
    // The writer's thread closes its connection, and with it the write-ahead log, after the store is gone.
    rusqlite::Connection::open(&path).unwrap().execute_batch("PRAGMA wal_checkpoint(TRUNCATE)").unwrap();
    for text in ["an old secret", "a new secret", "another secret"] {
        assert!(!holds(dir.path(), text), "{text}");
    }
}

#[tokio::test]
async fn no_row_of_postgresql_holds_a_secret() {
    let Some(server) = Postgres::start().unwrap() else { return };
    let url = server.create("secrets").unwrap();
    let open = async || Store::connect(&url).await.unwrap();
    open().await.close().await;
    server.sql("secrets", OLD_ROW).unwrap();
    let store = open().await.with_secrets(key('A')).await.unwrap();
    assert_eq!(secret(&store, "old").await, Some(Secret::new("an old secret")));
    store.close().await;
    a_secret_is_read_with_its_key_alone(open).await;
    let rows = server.sql("secrets", "SELECT secret, encode(sealed, 'escape') FROM webhook").unwrap();
    assert!(rows.lines().count() >= 2 && !rows.contains("secret"), "{rows}");
}

#[tokio::test]
async fn a_store_without_a_key_keeps_no_secret() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(&dir.path().join("lemnis.db")).await.unwrap();
    assert!(Webhooks::create(&store, &webhook("a secret")).await.is_err());
    Webhooks::create(&store, &Webhook { secret: None, ..webhook("") }).await.unwrap();
    assert_eq!(secret(&store, "w").await, None);
}
