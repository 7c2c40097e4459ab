-- Which endpoint came first decides who answers where none is named: the order must survive restarts and vacuums.

ALTER TABLE endpoint ADD COLUMN place BIGINT NOT NULL DEFAULT 0;
UPDATE endpoint SET place = earlier.place
FROM (SELECT name, row_number() OVER (ORDER BY updated_ms, name) AS place FROM endpoint) AS earlier
WHERE earlier.name = endpoint.name;
CREATE INDEX endpoint_by_model ON endpoint (model);
