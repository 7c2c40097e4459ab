-- Evaluation datasets, scorers and issues.

CREATE TABLE evaluation_dataset (
    dataset_id TEXT COLLATE "C" PRIMARY KEY,
    name TEXT COLLATE "C" NOT NULL,
    digest TEXT COLLATE "C" NOT NULL,
    created BIGINT NOT NULL,
    updated BIGINT NOT NULL,
    created_by TEXT COLLATE "C",
    updated_by TEXT COLLATE "C",
    schema TEXT COLLATE "C",
    profile TEXT COLLATE "C"
);

CREATE TABLE evaluation_dataset_tag (
    dataset_id TEXT COLLATE "C" NOT NULL REFERENCES evaluation_dataset (dataset_id) ON DELETE CASCADE,
    key TEXT COLLATE "C" NOT NULL,
    value TEXT COLLATE "C" NOT NULL,
    PRIMARY KEY (dataset_id, key)
);

CREATE TABLE evaluation_dataset_experiment (
    dataset_id TEXT COLLATE "C" NOT NULL REFERENCES evaluation_dataset (dataset_id) ON DELETE CASCADE,
    experiment BIGINT NOT NULL,
    PRIMARY KEY (dataset_id, experiment)
);

-- `identity` is the digest of the inputs. The JSON columns hold what clients sent.
CREATE TABLE evaluation_record (
    record_id TEXT COLLATE "C" PRIMARY KEY,
    dataset_id TEXT COLLATE "C" NOT NULL REFERENCES evaluation_dataset (dataset_id) ON DELETE CASCADE,
    identity TEXT COLLATE "C" NOT NULL,
    inputs TEXT COLLATE "C" NOT NULL,
    outputs TEXT COLLATE "C",
    expectations TEXT COLLATE "C",
    tags TEXT COLLATE "C",
    source TEXT COLLATE "C",
    created BIGINT NOT NULL,
    updated BIGINT NOT NULL,
    created_by TEXT COLLATE "C",
    updated_by TEXT COLLATE "C",
    UNIQUE (dataset_id, identity)
);

CREATE INDEX evaluation_record_oldest ON evaluation_record (dataset_id, created, record_id);

CREATE TABLE scorer (
    scorer_id TEXT COLLATE "C" PRIMARY KEY,
    experiment BIGINT NOT NULL REFERENCES experiment (id),
    name TEXT COLLATE "C" NOT NULL,
    UNIQUE (experiment, name)
);

CREATE TABLE scorer_version (
    scorer_id TEXT COLLATE "C" NOT NULL REFERENCES scorer (scorer_id) ON DELETE CASCADE,
    version BIGINT NOT NULL,
    serialized TEXT COLLATE "C" NOT NULL,
    created BIGINT NOT NULL,
    PRIMARY KEY (scorer_id, version)
);

CREATE TABLE online_scoring (
    config_id TEXT COLLATE "C" PRIMARY KEY,
    scorer_id TEXT COLLATE "C" NOT NULL UNIQUE REFERENCES scorer (scorer_id) ON DELETE CASCADE,
    experiment BIGINT NOT NULL,
    sample_rate DOUBLE PRECISION NOT NULL,
    filter TEXT COLLATE "C"
);

-- `root_causes` and `categories` are JSON lists; `severity_rank` grows with the severity.
CREATE TABLE issue (
    issue_id TEXT COLLATE "C" PRIMARY KEY,
    experiment BIGINT NOT NULL REFERENCES experiment (id),
    name TEXT COLLATE "C" NOT NULL,
    description TEXT COLLATE "C" NOT NULL,
    status TEXT COLLATE "C" NOT NULL,
    severity TEXT COLLATE "C",
    severity_rank BIGINT NOT NULL,
    root_causes TEXT COLLATE "C" NOT NULL,
    source_run_id TEXT COLLATE "C",
    categories TEXT COLLATE "C" NOT NULL,
    created BIGINT NOT NULL,
    updated BIGINT NOT NULL,
    created_by TEXT COLLATE "C"
);

CREATE INDEX issue_worst ON issue (experiment, severity_rank DESC, created DESC);
