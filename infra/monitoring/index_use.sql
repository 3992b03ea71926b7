-- Use of each index, and sequential scans of each table.
--
-- To read it: counts are since `counted_since` (or since the server was made). `table_scans` on a large table with few
-- `index_scans` means a query without its index. Constraints need their indexes even when no query does (`needed`).
-- PostgreSQL 16 and newer also tell when an index was last used: pg_stat_user_indexes.last_idx_scan.
-- To do: an index that is not needed and was not used for a month costs each write; take it away with a step of the schema.
SELECT
    i.relname AS table_name,
    i.indexrelname AS index_name,
    i.idx_scan AS index_scans,
    t.seq_scan AS table_scans,
    t.n_live_tup AS live_rows,
    pg_relation_size(i.indexrelid) AS index_bytes,
    (x.indisprimary OR x.indisunique) AS needed,
    x.indisvalid AS valid,
    (SELECT stats_reset FROM pg_stat_database WHERE datname = current_database()) AS counted_since
FROM pg_stat_user_indexes AS i
JOIN pg_stat_user_tables AS t ON t.relid = i.relid
JOIN pg_index AS x ON x.indexrelid = i.indexrelid
ORDER BY i.idx_scan, index_bytes DESC;
