-- The size of the database and of each of its tables.
--
-- To read it: `toast_bytes` is where long code and outputs are; `index_bytes` beyond the table's own is a sign of bloat
-- (vacuum.sql). The first row is the whole database.
-- To do: compare with the week before. Storage grows by itself up to max_allocated_storage_gb, and never shrinks again.
SELECT
    '(database)' AS name,
    NULL::bigint AS live_rows,
    pg_database_size(current_database()) AS total_bytes,
    NULL::bigint AS table_bytes,
    NULL::bigint AS toast_bytes,
    NULL::bigint AS index_bytes
UNION ALL
(
    SELECT
        t.relname,
        s.n_live_tup,
        pg_total_relation_size(t.oid),
        pg_relation_size(t.oid),
        coalesce(pg_total_relation_size(nullif(t.reltoastrelid, 0)), 0),
        pg_indexes_size(t.oid)
    FROM pg_class AS t
    JOIN pg_stat_user_tables AS s ON s.relid = t.oid
    WHERE t.relnamespace = 'public'::regnamespace
    ORDER BY pg_total_relation_size(t.oid) DESC
);
