-- Holders of the server's xmin horizon, which keep vacuum from clearing rows away, the oldest first.
--
-- To read it: `transactions_behind` is how many transactions have begun since what the holder still sees or needs. Rows that
-- died since then stay in every table, whichever database the holder uses. Some hundreds are normal; they go within seconds.
-- To do: a `session` is ended with SELECT pg_terminate_backend(pid), where `holder` is its pid; a `prepared transaction` with
-- ROLLBACK PREPARED and its name, by the role that prepared it; a `slot` without a consumer is dropped (replication.sql); a `replica` ends its
-- long query, or gives up hot_standby_feedback.
WITH holders (kind, holder, detail, since, xmin) AS (
    SELECT
        'session', pid::text, concat_ws(' ', usename, application_name, state), xact_start,
        -- Of the two, the older: what it sees, and what it is.
        CASE WHEN age(backend_xid) > age(backend_xmin) THEN backend_xid ELSE coalesce(backend_xmin, backend_xid) END
    FROM pg_stat_activity
    WHERE (backend_xmin IS NOT NULL OR backend_xid IS NOT NULL) AND pid <> pg_backend_pid()
    UNION ALL
    SELECT 'prepared transaction', gid, concat_ws(' ', owner, database), prepared, transaction FROM pg_prepared_xacts
    UNION ALL
    SELECT
        'slot', slot_name::text, concat_ws(' ', slot_type, CASE WHEN active THEN 'active' ELSE 'inactive' END), NULL,
        CASE WHEN age(catalog_xmin) > age(xmin) THEN catalog_xmin ELSE coalesce(xmin, catalog_xmin) END
    FROM pg_replication_slots
    WHERE xmin IS NOT NULL OR catalog_xmin IS NOT NULL
    UNION ALL
    SELECT 'replica', pid::text, application_name, backend_start, backend_xmin FROM pg_stat_replication WHERE backend_xmin IS NOT NULL
)
SELECT kind, holder, detail, now() - since AS held_for, age(xmin) AS transactions_behind
FROM holders
ORDER BY transactions_behind DESC, held_for DESC NULLS LAST;
