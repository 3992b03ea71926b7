-- This database as a whole: how much of what it reads is in memory, deadlocks, transactions undone, temporary files.
--
-- To read it: counts are since `counted_since` (or since the server was made). `cached_share` is what was found in PostgreSQL's own memory; below
-- 0.99 for days means that what people use does not fit. `deadlocks` are 0: our statements take their locks in one order.
-- `rolled_back` counts refusals too (a key that is there already), so a few in a thousand are normal. `temporary_bytes` that grow are sorts
-- that do not fit into work_mem.
-- To do: a low `cached_share`: a larger instance (docs/infrastructure.md), after slow_statements.sql has shown that no
-- single statement causes it. A deadlock: its statements are in the server's log.
SELECT
    datname AS name,
    round(blks_hit::numeric / nullif(blks_hit + blks_read, 0), 4) AS cached_share,
    deadlocks,
    xact_commit AS committed,
    xact_rollback AS rolled_back,
    conflicts AS cancelled_on_replica,
    temp_files AS temporary_files,
    temp_bytes AS temporary_bytes,
    sessions_fatal + sessions_killed AS sessions_ended_by_force,
    stats_reset AS counted_since
FROM pg_stat_database
WHERE datname = current_database();
