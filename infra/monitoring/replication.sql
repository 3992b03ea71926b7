-- Replicas, and what slots keep for them. A database without either shows one row, which says so.
--
-- To read it: the standby of a Multi-AZ instance is a copy of its disk and not here; this is about read replicas and logical
-- slots. `behind_bytes` is what the replica has not replayed, or what the slot makes the database keep.
-- To do: an inactive slot keeps every byte written since, until the storage is full: pg_drop_replication_slot(name), once it is certain
-- that its consumer does not come back. That needs the right REPLICATION (on RDS, rds_replication), which the master user has and
-- quire_owner has not.
WITH here AS (
    SELECT
        pg_is_in_recovery() AS is_replica,
        CASE WHEN pg_is_in_recovery() THEN pg_last_wal_replay_lsn() ELSE pg_current_wal_lsn() END AS lsn
)
SELECT
    'replica' AS kind, application_name AS name, state, replay_lag AS lag, pg_wal_lsn_diff(here.lsn, replay_lsn) AS behind_bytes
FROM pg_stat_replication, here
UNION ALL
SELECT
    'slot', slot_name::text, CASE WHEN active THEN 'active' ELSE 'inactive' END, NULL, pg_wal_lsn_diff(here.lsn, restart_lsn)
FROM pg_replication_slots, here
UNION ALL
SELECT
    'this database', current_database()::text, CASE WHEN is_replica THEN 'replica' ELSE 'primary' END,
    CASE WHEN is_replica THEN now() - pg_last_xact_replay_timestamp() END, NULL
FROM here;
