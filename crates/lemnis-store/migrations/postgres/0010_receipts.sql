-- What was imported from another store: the digest of what was written, by which later changes here and there are told
-- apart. An artifact's digest is followed by size and moment of its source.

CREATE TABLE import_receipt (
    kind TEXT COLLATE "C" NOT NULL,
    id TEXT COLLATE "C" NOT NULL,
    digest TEXT COLLATE "C" NOT NULL,
    imported BIGINT NOT NULL,
    PRIMARY KEY (kind, id)
);
