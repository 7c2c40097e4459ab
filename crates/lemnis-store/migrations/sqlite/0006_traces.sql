-- Traces with their spans and assessments. Moments are milliseconds since 1970, those of spans nanoseconds.

CREATE TABLE trace (
    trace_id TEXT PRIMARY KEY,
    experiment INTEGER NOT NULL REFERENCES experiment (id),
    client_request_id TEXT,
    request_preview TEXT,
    response_preview TEXT,
    request_time INTEGER NOT NULL,
    duration_ms INTEGER,
    state TEXT NOT NULL,
    session_id TEXT,
    input_tokens INTEGER,
    output_tokens INTEGER,
    total_tokens INTEGER,
    cache_read_input_tokens INTEGER,
    cache_creation_input_tokens INTEGER
) STRICT;

CREATE INDEX trace_newest ON trace (experiment, request_time DESC, trace_id);
CREATE INDEX trace_by_session ON trace (session_id);

CREATE TABLE trace_tag (
    trace_id TEXT NOT NULL REFERENCES trace (trace_id) ON DELETE CASCADE,
    key TEXT NOT NULL,
    value TEXT NOT NULL,
    PRIMARY KEY (trace_id, key)
) STRICT, WITHOUT ROWID;

CREATE TABLE trace_metadata (
    trace_id TEXT NOT NULL REFERENCES trace (trace_id) ON DELETE CASCADE,
    key TEXT NOT NULL,
    value TEXT NOT NULL,
    PRIMARY KEY (trace_id, key)
) STRICT, WITHOUT ROWID;

-- `content` is the whole span as JSON; the other columns are what searches and metrics look at.
CREATE TABLE span (
    trace_id TEXT NOT NULL REFERENCES trace (trace_id) ON DELETE CASCADE,
    span_id TEXT NOT NULL,
    parent_id TEXT,
    name TEXT NOT NULL,
    kind TEXT,
    status TEXT NOT NULL,
    start_ns INTEGER NOT NULL,
    end_ns INTEGER,
    usage TEXT,
    cost TEXT,
    input_cost REAL,
    output_cost REAL,
    total_cost REAL,
    model TEXT,
    provider TEXT,
    content TEXT NOT NULL,
    PRIMARY KEY (trace_id, span_id)
) STRICT;

-- `value`, `error` and `metadata` are JSON; `number` is what the value stands for.
CREATE TABLE assessment (
    assessment_id TEXT PRIMARY KEY,
    trace_id TEXT NOT NULL REFERENCES trace (trace_id) ON DELETE CASCADE,
    name TEXT NOT NULL,
    kind TEXT NOT NULL,
    value TEXT NOT NULL,
    error TEXT,
    number REAL,
    is_number INTEGER NOT NULL,
    span_id TEXT,
    source_type TEXT NOT NULL,
    source_id TEXT NOT NULL,
    rationale TEXT,
    metadata TEXT NOT NULL,
    overrides TEXT,
    valid INTEGER NOT NULL,
    created INTEGER NOT NULL,
    updated INTEGER NOT NULL
) STRICT;

CREATE INDEX assessment_by_trace ON assessment (trace_id, created);
CREATE INDEX assessment_by_name ON assessment (name, kind);

-- What a trace is linked to: a run (kind 'run') or a version of a prompt ('prompt', as name/version). The link may come
-- before the trace.
CREATE TABLE trace_link (
    trace_id TEXT NOT NULL,
    kind TEXT NOT NULL,
    target TEXT NOT NULL,
    PRIMARY KEY (trace_id, kind, target)
) STRICT, WITHOUT ROWID;

CREATE INDEX trace_link_by_target ON trace_link (kind, target);
