-- What a run computed from, and when it began and ended; null for runs of before. Servers of before leave the columns alone: when they
-- store results, the digest is that of an earlier run, so that the cell counts as stale until it has run again.
ALTER TABLE cells
    ADD COLUMN run_digest text,
    ADD COLUMN run_started_at timestamptz,
    ADD COLUMN run_finished_at timestamptz;
