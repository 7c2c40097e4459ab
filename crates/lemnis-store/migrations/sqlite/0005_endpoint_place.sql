-- Which endpoint came first decides who answers where none is named: the order must survive restarts and vacuums.

ALTER TABLE endpoint ADD COLUMN place INTEGER NOT NULL DEFAULT 0;
UPDATE endpoint SET place = rowid;
CREATE INDEX endpoint_by_model ON endpoint (model);
