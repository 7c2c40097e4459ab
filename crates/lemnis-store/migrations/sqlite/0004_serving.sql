-- Endpoints, rollouts and late ground truth. `rollout.body` holds the rollout as JSON.

CREATE TABLE endpoint (
    name TEXT PRIMARY KEY,
    model TEXT NOT NULL,
    champion_version INTEGER NOT NULL,
    previous_version INTEGER,
    updated_ms INTEGER NOT NULL
) STRICT;

CREATE TABLE rollout (
    place INTEGER PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    endpoint TEXT NOT NULL,
    state TEXT NOT NULL,
    body TEXT NOT NULL
) STRICT;

CREATE UNIQUE INDEX rollout_active ON rollout (endpoint) WHERE state = 'progressing';
CREATE INDEX rollout_newest ON rollout (endpoint, place DESC);

CREATE TABLE ground_truth (
    place INTEGER PRIMARY KEY,
    endpoint TEXT NOT NULL,
    request_id TEXT NOT NULL,
    row INTEGER NOT NULL,
    label TEXT NOT NULL,
    received_ms INTEGER NOT NULL,
    UNIQUE (endpoint, request_id, row)
) STRICT;

CREATE INDEX ground_truth_by_time ON ground_truth (endpoint, received_ms, place);
