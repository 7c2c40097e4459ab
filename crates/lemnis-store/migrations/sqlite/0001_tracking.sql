-- Experiment tracking and the model registry. Moments are milliseconds since 1970-01-01T00:00:00Z.

CREATE TABLE experiment (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    name TEXT NOT NULL UNIQUE,
    artifact_location TEXT NOT NULL,
    lifecycle TEXT NOT NULL DEFAULT 'active',
    created INTEGER NOT NULL,
    updated INTEGER NOT NULL
) STRICT;

CREATE TABLE experiment_tag (
    experiment INTEGER NOT NULL REFERENCES experiment (id),
    key TEXT NOT NULL,
    value TEXT NOT NULL,
    PRIMARY KEY (experiment, key)
) STRICT, WITHOUT ROWID;

INSERT INTO experiment (id, name, artifact_location, created, updated)
SELECT 0, 'Default', 'mlflow-artifacts:/0', now, now
FROM (SELECT CAST(unixepoch('subsec') * 1000 AS INTEGER) AS now);

CREATE TABLE run (
    id INTEGER PRIMARY KEY,
    run_id TEXT NOT NULL UNIQUE,
    experiment INTEGER NOT NULL REFERENCES experiment (id),
    name TEXT NOT NULL,
    user_id TEXT NOT NULL,
    status TEXT NOT NULL,
    lifecycle TEXT NOT NULL DEFAULT 'active',
    start_time INTEGER,
    end_time INTEGER,
    deleted_time INTEGER,
    artifact_uri TEXT NOT NULL
) STRICT;

-- The order of a run list: newest first within an experiment.
CREATE INDEX run_newest ON run (experiment, lifecycle, start_time DESC, run_id);

-- Names of metrics, params and tags, so that a logged row carries a small number instead of a text.
CREATE TABLE key_name (
    id INTEGER PRIMARY KEY,
    text TEXT NOT NULL UNIQUE
) STRICT;

CREATE TABLE param (
    run INTEGER NOT NULL,
    key INTEGER NOT NULL,
    value TEXT NOT NULL,
    PRIMARY KEY (run, key)
) STRICT, WITHOUT ROWID;

CREATE TABLE tag (
    run INTEGER NOT NULL,
    key INTEGER NOT NULL,
    value TEXT NOT NULL,
    PRIMARY KEY (run, key)
) STRICT, WITHOUT ROWID;

-- Every point of every metric, stored once, in the order in which a history is read. NaN is value 0 with is_nan 1.
CREATE TABLE metric (
    run INTEGER NOT NULL,
    key INTEGER NOT NULL,
    timestamp INTEGER NOT NULL,
    step INTEGER NOT NULL,
    value REAL NOT NULL,
    is_nan INTEGER NOT NULL,
    PRIMARY KEY (run, key, timestamp, step, value, is_nan)
) STRICT, WITHOUT ROWID;

-- The largest (step, timestamp, value) of each metric of each run: what a run shows and a search looks at.
CREATE TABLE latest_metric (
    run INTEGER NOT NULL,
    key INTEGER NOT NULL,
    timestamp INTEGER NOT NULL,
    step INTEGER NOT NULL,
    value REAL NOT NULL,
    is_nan INTEGER NOT NULL,
    PRIMARY KEY (run, key)
) STRICT, WITHOUT ROWID;

CREATE TABLE dataset (
    id INTEGER PRIMARY KEY,
    experiment INTEGER NOT NULL REFERENCES experiment (id),
    name TEXT NOT NULL,
    digest TEXT NOT NULL,
    source_type TEXT NOT NULL,
    source TEXT NOT NULL,
    schema TEXT,
    profile TEXT,
    UNIQUE (experiment, name, digest)
) STRICT;

CREATE TABLE run_dataset (
    run INTEGER NOT NULL,
    dataset INTEGER NOT NULL REFERENCES dataset (id),
    place INTEGER NOT NULL,
    PRIMARY KEY (run, dataset)
) STRICT, WITHOUT ROWID;

CREATE TABLE run_dataset_tag (
    run INTEGER NOT NULL,
    dataset INTEGER NOT NULL,
    key TEXT NOT NULL,
    value TEXT NOT NULL,
    PRIMARY KEY (run, dataset, key)
) STRICT, WITHOUT ROWID;

-- Logged models that a run read (direction 'input') or made ('output').
CREATE TABLE run_model (
    run INTEGER NOT NULL,
    direction TEXT NOT NULL,
    model_id TEXT NOT NULL,
    step INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (run, direction, model_id, step)
) STRICT, WITHOUT ROWID;

CREATE TABLE logged_model (
    model_id TEXT PRIMARY KEY,
    experiment INTEGER NOT NULL REFERENCES experiment (id),
    name TEXT NOT NULL,
    artifact_uri TEXT NOT NULL,
    created INTEGER NOT NULL,
    updated INTEGER NOT NULL,
    status TEXT NOT NULL,
    lifecycle TEXT NOT NULL DEFAULT 'active',
    model_type TEXT,
    source_run_id TEXT
) STRICT;

CREATE INDEX logged_model_newest ON logged_model (experiment, lifecycle, created DESC);
CREATE INDEX logged_model_by_run ON logged_model (source_run_id);

CREATE TABLE logged_model_tag (
    model_id TEXT NOT NULL REFERENCES logged_model (model_id),
    key TEXT NOT NULL,
    value TEXT NOT NULL,
    PRIMARY KEY (model_id, key)
) STRICT, WITHOUT ROWID;

CREATE TABLE logged_model_param (
    model_id TEXT NOT NULL REFERENCES logged_model (model_id),
    key TEXT NOT NULL,
    value TEXT NOT NULL,
    PRIMARY KEY (model_id, key)
) STRICT, WITHOUT ROWID;

CREATE TABLE logged_model_metric (
    model_id TEXT NOT NULL,
    key TEXT NOT NULL,
    timestamp INTEGER NOT NULL,
    step INTEGER NOT NULL,
    run_id TEXT NOT NULL,
    value REAL NOT NULL,
    is_nan INTEGER NOT NULL,
    dataset_name TEXT,
    dataset_digest TEXT,
    PRIMARY KEY (model_id, key, timestamp, step, run_id)
) STRICT, WITHOUT ROWID;

CREATE TABLE registered_model (
    name TEXT PRIMARY KEY,
    description TEXT,
    created INTEGER NOT NULL,
    updated INTEGER NOT NULL
) STRICT;

CREATE TABLE registered_model_tag (
    model TEXT NOT NULL REFERENCES registered_model (name) ON UPDATE CASCADE ON DELETE CASCADE,
    key TEXT NOT NULL,
    value TEXT NOT NULL,
    PRIMARY KEY (model, key)
) STRICT, WITHOUT ROWID;

-- A deleted version keeps its row, so that its number is never used again.
CREATE TABLE model_version (
    model TEXT NOT NULL REFERENCES registered_model (name) ON UPDATE CASCADE ON DELETE CASCADE,
    version INTEGER NOT NULL,
    created INTEGER NOT NULL,
    updated INTEGER NOT NULL,
    description TEXT,
    user_id TEXT,
    stage TEXT NOT NULL,
    source TEXT NOT NULL,
    storage_location TEXT,
    run_id TEXT,
    run_link TEXT,
    model_id TEXT,
    deleted INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (model, version)
) STRICT;

CREATE INDEX model_version_by_run ON model_version (run_id);
CREATE INDEX model_version_by_source ON model_version (source);

CREATE TABLE model_version_tag (
    model TEXT NOT NULL,
    version INTEGER NOT NULL,
    key TEXT NOT NULL,
    value TEXT NOT NULL,
    PRIMARY KEY (model, version, key),
    FOREIGN KEY (model, version) REFERENCES model_version (model, version) ON UPDATE CASCADE ON DELETE CASCADE
) STRICT, WITHOUT ROWID;

CREATE TABLE model_alias (
    model TEXT NOT NULL REFERENCES registered_model (name) ON UPDATE CASCADE ON DELETE CASCADE,
    alias TEXT NOT NULL,
    version INTEGER NOT NULL,
    PRIMARY KEY (model, alias)
) STRICT, WITHOUT ROWID;
