-- Dead rows, when they were last cleared away, how well edits stay on their page, and how old the oldest transaction is
-- that a table still remembers.
--
-- To read it: `hot_share` is the share of updates that touched no index; near 1 for notebooks, and for cells unless rows are
-- long. `heap_factor` is how many times larger a table is than its rows, guessed from statistics: 1 to 2 is normal
-- (pages are kept a fifth empty), far more is bloat; nothing is shown before the table was analysed. `xid_age` begins to be a danger at a billion.
-- To do: many dead rows with an old `last_vacuum` mean that a transaction holds vacuum back (horizon.sql) or that it is
-- too slow: VACUUM (VERBOSE) the table. Bloat goes with pg_repack, or with VACUUM FULL, which stops the service.
SELECT
    s.relname AS table_name,
    s.n_live_tup AS live_rows,
    s.n_dead_tup AS dead_rows,
    round(s.n_dead_tup::numeric / nullif(s.n_live_tup + s.n_dead_tup, 0), 3) AS dead_share,
    round(s.n_tup_hot_upd::numeric / nullif(s.n_tup_upd, 0), 3) AS hot_share,
    -- A table that was never analysed has -1 rows and no widths: nothing to guess from.
    round(pg_relation_size(s.relid) / nullif(greatest(c.reltuples, 0) * (28 + w.row_bytes), 0)::numeric, 2) AS heap_factor,
    greatest(s.last_vacuum, s.last_autovacuum) AS last_vacuum,
    greatest(s.last_analyze, s.last_autoanalyze) AS last_analyze,
    age(c.relfrozenxid) AS xid_age
FROM pg_stat_user_tables AS s
JOIN pg_class AS c ON c.oid = s.relid
CROSS JOIN LATERAL (
    -- Long values are kept elsewhere; in the row they are 18 bytes.
    SELECT sum(CASE WHEN avg_width > 2000 THEN 18 ELSE avg_width END)::numeric AS row_bytes
    FROM pg_stats WHERE schemaname = s.schemaname AND tablename = s.relname
) AS w
ORDER BY s.n_dead_tup DESC, s.relname;
