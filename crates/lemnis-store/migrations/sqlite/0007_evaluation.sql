-- Evaluation datasets, scorers and issues.

CREATE TABLE evaluation_dataset (
    dataset_id TEXT PRIMARY KEY,
    name TEXT NOT NULL,
    digest TEXT NOT NULL,
    created INTEGER NOT NULL,
    updated INTEGER NOT NULL,
    created_by TEXT,
    updated_by TEXT,
    schema TEXT,
    profile TEXT
) STRICT;

CREATE TABLE evaluation_dataset_tag (
    dataset_id TEXT NOT NULL REFERENCES evaluation_dataset (dataset_id) ON DELETE CASCADE,
    key TEXT NOT NULL,
    value TEXT NOT NULL,
    PRIMARY KEY (dataset_id, key)
) STRICT, WITHOUT ROWID;

CREATE TABLE evaluation_dataset_experiment (
    dataset_id TEXT NOT NULL REFERENCES evaluation_dataset (dataset_id) ON DELETE CASCADE,
    experiment INTEGER NOT NULL,
    PRIMARY KEY (dataset_id, experiment)
) STRICT, WITHOUT ROWID;

-- `identity` is the digest of the inputs. The JSON columns hold what clients sent.
CREATE TABLE evaluation_record (
    record_id TEXT PRIMARY KEY,
    dataset_id TEXT NOT NULL REFERENCES evaluation_dataset (dataset_id) ON DELETE CASCADE,
    identity TEXT NOT NULL,
    inputs TEXT NOT NULL,
    outputs TEXT,
    expectations TEXT,
    tags TEXT,
    source TEXT,
    created INTEGER NOT NULL,
    updated INTEGER NOT NULL,
    created_by TEXT,
    updated_by TEXT,
    UNIQUE (dataset_id, identity)
) STRICT;

CREATE INDEX evaluation_record_oldest ON evaluation_record (dataset_id, created, record_id);

CREATE TABLE scorer (
    scorer_id TEXT PRIMARY KEY,
    experiment INTEGER NOT NULL REFERENCES experiment (id),
    name TEXT NOT NULL,
    UNIQUE (experiment, name)
) STRICT;

CREATE TABLE scorer_version (
    scorer_id TEXT NOT NULL REFERENCES scorer (scorer_id) ON DELETE CASCADE,
    version INTEGER NOT NULL,
    serialized TEXT NOT NULL,
    created INTEGER NOT NULL,
    PRIMARY KEY (scorer_id, version)
) STRICT;

CREATE TABLE online_scoring (
    config_id TEXT PRIMARY KEY,
    scorer_id TEXT NOT NULL UNIQUE REFERENCES scorer (scorer_id) ON DELETE CASCADE,
    experiment INTEGER NOT NULL,
    sample_rate REAL NOT NULL,
    filter TEXT
) STRICT;

-- `root_causes` and `categories` are JSON lists; `severity_rank` grows with the severity.
CREATE TABLE issue (
    issue_id TEXT PRIMARY KEY,
    experiment INTEGER NOT NULL REFERENCES experiment (id),
    name TEXT NOT NULL,
    description TEXT NOT NULL,
    status TEXT NOT NULL,
    severity TEXT,
    severity_rank INTEGER NOT NULL,
    root_causes TEXT NOT NULL,
    source_run_id TEXT,
    categories TEXT NOT NULL,
    created INTEGER NOT NULL,
    updated INTEGER NOT NULL,
    created_by TEXT
) STRICT;

CREATE INDEX issue_worst ON issue (experiment, severity_rank DESC, created DESC);
