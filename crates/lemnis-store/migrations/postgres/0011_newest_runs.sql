-- The order of a list of runs of several experiments: newest first. The experiment stands in the index, so that runs of
-- others are skipped without looking at them.
CREATE INDEX run_newest_of_all ON run (lifecycle, start_time DESC NULLS LAST, run_id, experiment);
