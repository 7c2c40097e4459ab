-- The points of a metric, packed: `points` holds `count` of them in columns. What was logged together lies together;
-- many small parts are packed into few large ones. The same point may stand in two parts, and counts once.

CREATE TABLE metric_points (
    part INTEGER PRIMARY KEY,
    run INTEGER NOT NULL,
    key INTEGER NOT NULL,
    count INTEGER NOT NULL,
    points BLOB NOT NULL
) STRICT;

CREATE INDEX metric_points_of_run ON metric_points (run, key);

-- Searches for a param's or tag's value. Values may be long, and the first letters tell most of them apart.
CREATE INDEX param_by_value ON param (key, substr(value, 1, 32));
CREATE INDEX tag_by_value ON tag (key, substr(value, 1, 32));
