ALTER TABLE cells
    DROP COLUMN run_digest,
    DROP COLUMN run_started_at,
    DROP COLUMN run_finished_at;
