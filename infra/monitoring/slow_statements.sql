-- The statements that take the most time in all. Needs pg_stat_statements: the parameter shared_preload_libraries, and
-- `CREATE EXTENSION pg_stat_statements`, which quire-roles makes; and pg_monitor to see others' statements.
--
-- To read it: values are placeholders, so no user's data is here. An edit is one statement (it begins WITH), and so is
-- opening a notebook. `cached_share` below 0.99 for those means that the memory is too small.
-- To do: a mean far above the benchmarks (docs/benchmarks.md) is waiting (locks.sql) or reading (cached_share). To
-- begin to count anew: SELECT pg_stat_statements_reset(); where quire-roles could not give that right away, compare two
-- answers instead. The columns of the time of reads, which PostgreSQL 17 renamed, are not used here.
SELECT
    calls,
    round(total_exec_time::numeric / 1000, 1) AS total_seconds,
    round(mean_exec_time::numeric, 2) AS mean_ms,
    round(max_exec_time::numeric, 1) AS max_ms,
    rows,
    round(shared_blks_hit::numeric / nullif(shared_blks_hit + shared_blks_read, 0), 4) AS cached_share,
    wal_bytes,
    -- Without the comments, which the statements of this program begin with.
    left(btrim(regexp_replace(regexp_replace(query, '--[^\n]*', '', 'g'), '\s+', ' ', 'g')), 200) AS statement
FROM pg_stat_statements
WHERE dbid = (SELECT oid FROM pg_database WHERE datname = current_database())
ORDER BY total_exec_time DESC
LIMIT 25;
