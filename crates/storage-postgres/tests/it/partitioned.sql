-- Returns the statements, in order, that partition `notebooks` and every table whose foreign keys lead to it by a hash of
-- the notebook's id. Everything else about the tables is taken from the live schema, so the variant follows each step of
-- the migration by itself.
WITH RECURSIVE dependents AS (
    SELECT 'notebooks'::regclass::oid AS oid, 'id'::name AS key
    UNION
    SELECT f.conrelid, own.attname
    FROM dependents
    JOIN pg_constraint f ON f.confrelid = dependents.oid AND f.contype = 'f'
    CROSS JOIN unnest(f.conkey, f.confkey) AS pair (own, other)
    JOIN pg_attribute own ON own.attrelid = f.conrelid AND own.attnum = pair.own
    JOIN pg_attribute other
        ON other.attrelid = f.confrelid AND other.attnum = pair.other AND other.attname = dependents.key
), tables AS (
    SELECT c.oid, c.relname AS name, dependents.key, array_to_string(c.reloptions, ', ') AS options
    FROM dependents
    JOIN pg_class c ON c.oid = dependents.oid
), statements (place, statement) AS (
    SELECT 1, 'CREATE SCHEMA plain'
    UNION ALL
    SELECT 2, format('ALTER TABLE %I SET SCHEMA plain', name) FROM tables
    UNION ALL
    SELECT 3, format(
        'CREATE TABLE %1$I (LIKE plain.%1$I INCLUDING ALL EXCLUDING INDEXES) PARTITION BY HASH (%2$I)', name, key
    )
    FROM tables
    UNION ALL
    -- PostgreSQL keeps storage parameters with the partitions only.
    SELECT 4, format('CREATE TABLE %I PARTITION OF %I FOR VALUES WITH (MODULUS 8, REMAINDER %s)', name || '_' || part, name, part)
        || coalesce(' WITH (' || options || ')', '')
    FROM tables, generate_series(0, 7) AS part
    UNION ALL
    SELECT CASE k.contype WHEN 'f' THEN 6 ELSE 5 END,
        format('ALTER TABLE %I ADD CONSTRAINT %I %s', name, k.conname, pg_get_constraintdef(k.oid))
    FROM tables
    JOIN pg_constraint k ON k.conrelid = tables.oid AND k.contype IN ('p', 'u', 'x', 'f')
    UNION ALL
    SELECT 5, pg_get_indexdef(x.indexrelid)
    FROM tables
    JOIN pg_index x ON x.indrelid = tables.oid
    WHERE NOT EXISTS (SELECT FROM pg_constraint k WHERE k.conindid = x.indexrelid AND k.contype IN ('p', 'u', 'x'))
    UNION ALL
    SELECT 7, 'DROP SCHEMA plain CASCADE'
)
SELECT statement FROM statements ORDER BY place
