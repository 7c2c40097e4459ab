-- Webhooks, and the deliveries that are owed to them. `secret` signs deliveries and is never shown.

CREATE TABLE webhook (
    webhook_id TEXT COLLATE "C" PRIMARY KEY,
    name TEXT COLLATE "C" NOT NULL,
    description TEXT COLLATE "C",
    url TEXT COLLATE "C" NOT NULL,
    active BIGINT NOT NULL,
    secret TEXT COLLATE "C",
    created BIGINT NOT NULL,
    updated BIGINT NOT NULL
);

CREATE TABLE webhook_event (
    webhook_id TEXT COLLATE "C" NOT NULL REFERENCES webhook (webhook_id) ON DELETE CASCADE,
    place BIGINT NOT NULL,
    entity TEXT COLLATE "C" NOT NULL,
    action TEXT COLLATE "C" NOT NULL,
    PRIMARY KEY (webhook_id, place)
);

CREATE INDEX webhook_event_by_name ON webhook_event (entity, action);

CREATE TABLE webhook_delivery (
    delivery_id TEXT COLLATE "C" PRIMARY KEY,
    webhook_id TEXT COLLATE "C" NOT NULL REFERENCES webhook (webhook_id) ON DELETE CASCADE,
    body TEXT COLLATE "C" NOT NULL,
    attempts BIGINT NOT NULL,
    not_before BIGINT NOT NULL
);

CREATE INDEX webhook_delivery_due ON webhook_delivery (not_before);
