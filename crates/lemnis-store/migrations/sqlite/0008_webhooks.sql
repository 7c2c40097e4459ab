-- Webhooks, and the deliveries that are owed to them. `secret` signs deliveries and is never shown.

CREATE TABLE webhook (
    webhook_id TEXT PRIMARY KEY,
    name TEXT NOT NULL,
    description TEXT,
    url TEXT NOT NULL,
    active INTEGER NOT NULL,
    secret TEXT,
    created INTEGER NOT NULL,
    updated INTEGER NOT NULL
) STRICT;

CREATE TABLE webhook_event (
    webhook_id TEXT NOT NULL REFERENCES webhook (webhook_id) ON DELETE CASCADE,
    place INTEGER NOT NULL,
    entity TEXT NOT NULL,
    action TEXT NOT NULL,
    PRIMARY KEY (webhook_id, place)
) STRICT, WITHOUT ROWID;

CREATE INDEX webhook_event_by_name ON webhook_event (entity, action);

CREATE TABLE webhook_delivery (
    delivery_id TEXT PRIMARY KEY,
    webhook_id TEXT NOT NULL REFERENCES webhook (webhook_id) ON DELETE CASCADE,
    body TEXT NOT NULL,
    attempts INTEGER NOT NULL,
    not_before INTEGER NOT NULL
) STRICT;

CREATE INDEX webhook_delivery_due ON webhook_delivery (not_before);
