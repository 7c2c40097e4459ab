-- Traces with their spans and assessments. Moments are milliseconds since 1970, those of spans nanoseconds.

CREATE TABLE trace (
    trace_id TEXT COLLATE "C" PRIMARY KEY,
    experiment BIGINT NOT NULL REFERENCES experiment (id),
    client_request_id TEXT COLLATE "C",
    request_preview TEXT COLLATE "C",
    response_preview TEXT COLLATE "C",
    request_time BIGINT NOT NULL,
    duration_ms BIGINT,
    state TEXT COLLATE "C" NOT NULL,
    session_id TEXT COLLATE "C",
    input_tokens BIGINT,
    output_tokens BIGINT,
    total_tokens BIGINT,
    cache_read_input_tokens BIGINT,
    cache_creation_input_tokens BIGINT
);

CREATE INDEX trace_newest ON trace (experiment, request_time DESC, trace_id);
CREATE INDEX trace_by_session ON trace (session_id);

CREATE TABLE trace_tag (
    trace_id TEXT COLLATE "C" NOT NULL REFERENCES trace (trace_id) ON DELETE CASCADE,
    key TEXT COLLATE "C" NOT NULL,
    value TEXT COLLATE "C" NOT NULL,
    PRIMARY KEY (trace_id, key)
);

CREATE TABLE trace_metadata (
    trace_id TEXT COLLATE "C" NOT NULL REFERENCES trace (trace_id) ON DELETE CASCADE,
    key TEXT COLLATE "C" NOT NULL,
    value TEXT COLLATE "C" NOT NULL,
    PRIMARY KEY (trace_id, key)
);

-- `content` is the whole span as JSON; the other columns are what searches and metrics look at.
CREATE TABLE span (
    trace_id TEXT COLLATE "C" NOT NULL REFERENCES trace (trace_id) ON DELETE CASCADE,
    span_id TEXT COLLATE "C" NOT NULL,
    parent_id TEXT COLLATE "C",
    name TEXT COLLATE "C" NOT NULL,
    kind TEXT COLLATE "C",
    status TEXT COLLATE "C" NOT NULL,
    start_ns BIGINT NOT NULL,
    end_ns BIGINT,
    usage TEXT COLLATE "C",
    cost TEXT COLLATE "C",
    input_cost DOUBLE PRECISION,
    output_cost DOUBLE PRECISION,
    total_cost DOUBLE PRECISION,
    model TEXT COLLATE "C",
    provider TEXT COLLATE "C",
    content TEXT COLLATE "C" NOT NULL,
    PRIMARY KEY (trace_id, span_id)
);

-- `value`, `error` and `metadata` are JSON; `number` is what the value stands for.
CREATE TABLE assessment (
    assessment_id TEXT COLLATE "C" PRIMARY KEY,
    trace_id TEXT COLLATE "C" NOT NULL REFERENCES trace (trace_id) ON DELETE CASCADE,
    name TEXT COLLATE "C" NOT NULL,
    kind TEXT COLLATE "C" NOT NULL,
    value TEXT COLLATE "C" NOT NULL,
    error TEXT COLLATE "C",
    number DOUBLE PRECISION,
    is_number BIGINT NOT NULL,
    span_id TEXT COLLATE "C",
    source_type TEXT COLLATE "C" NOT NULL,
    source_id TEXT COLLATE "C" NOT NULL,
    rationale TEXT COLLATE "C",
    metadata TEXT COLLATE "C" NOT NULL,
    overrides TEXT COLLATE "C",
    valid BIGINT NOT NULL,
    created BIGINT NOT NULL,
    updated BIGINT NOT NULL
);

CREATE INDEX assessment_by_trace ON assessment (trace_id, created);
CREATE INDEX assessment_by_name ON assessment (name, kind);

-- What a trace is linked to: a run (kind 'run') or a version of a prompt ('prompt', as name/version). The link may come
-- before the trace.
CREATE TABLE trace_link (
    trace_id TEXT COLLATE "C" NOT NULL,
    kind TEXT COLLATE "C" NOT NULL,
    target TEXT COLLATE "C" NOT NULL,
    PRIMARY KEY (trace_id, kind, target)
);

CREATE INDEX trace_link_by_target ON trace_link (kind, target);
