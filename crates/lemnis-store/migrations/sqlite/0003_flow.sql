-- Flow runs. `trigger_by`, `command` and `result` hold JSON; the rules of the states are in lemnis-flow.

CREATE TABLE flow_run (
    place INTEGER PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    flow TEXT NOT NULL,
    trigger_by TEXT NOT NULL,
    idempotency_key TEXT UNIQUE,
    state TEXT NOT NULL CHECK (state IN ('queued', 'running', 'succeeded', 'failed', 'cancelled')),
    attempt INTEGER NOT NULL,
    max_attempts INTEGER NOT NULL,
    command TEXT NOT NULL,
    created_ms INTEGER NOT NULL,
    not_before_ms INTEGER NOT NULL,
    started_ms INTEGER,
    ended_ms INTEGER,
    lease_until_ms INTEGER,
    worker TEXT,
    cancel_requested INTEGER NOT NULL,
    log_path TEXT,
    error TEXT,
    result TEXT NOT NULL
) STRICT;

CREATE INDEX flow_run_open ON flow_run (not_before_ms, place) WHERE state IN ('queued', 'running');
