-- Verdicts, gate reports and events: appended, never changed. `inputs`, `report`, `checks` and `data` hold JSON.

CREATE TABLE verdict (
    place INTEGER PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    at_ms INTEGER NOT NULL,
    subject TEXT NOT NULL,
    kind TEXT NOT NULL,
    outcome TEXT NOT NULL,
    summary TEXT NOT NULL,
    inputs TEXT NOT NULL,
    report TEXT NOT NULL
) STRICT;

CREATE INDEX verdict_newest ON verdict (subject, at_ms DESC, place DESC);

CREATE TABLE gate_report (
    place INTEGER PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    at_ms INTEGER NOT NULL,
    model TEXT NOT NULL,
    challenger_version INTEGER,
    champion_version INTEGER,
    passed INTEGER NOT NULL,
    checks TEXT NOT NULL,
    inputs TEXT NOT NULL
) STRICT;

CREATE INDEX gate_report_newest ON gate_report (model, at_ms DESC, place DESC);

CREATE TABLE event (
    place INTEGER PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    at_ms INTEGER NOT NULL,
    actor TEXT NOT NULL,
    kind TEXT NOT NULL,
    subject TEXT NOT NULL,
    data TEXT NOT NULL
) STRICT;

CREATE INDEX event_newest ON event (at_ms DESC, place DESC);
CREATE INDEX event_by_subject ON event (subject, at_ms DESC, place DESC);
