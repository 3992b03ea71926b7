-- The steps of the schema that were applied, the newest first, and who applies one at this moment.
--
-- To read it: `state` is `applied` for every row. `unfinished` is a step that was begun and not ended: a migrator works on
-- it if `migrator_pid` is there, and was killed if not.
-- To do: unfinished without a migrator: run `quire-migrate status`, and then `quire-migrate up`, which completes it. Servers
-- do not start meanwhile.
SELECT
    m.name,
    m.kind,
    CASE WHEN m.finished_at IS NULL THEN 'unfinished' ELSE 'applied' END AS state,
    m.started_at,
    m.finished_at - m.started_at AS took,
    (
        -- The migrator's lock: the two halves of its number.
        SELECT max(l.pid) FROM pg_locks AS l
        WHERE l.locktype = 'advisory' AND l.classid = 113 AND l.objid = 1969844837
            AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
    ) AS migrator_pid
FROM quire_migrations AS m
ORDER BY m.name DESC;
