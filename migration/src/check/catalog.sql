-- Returns the objects of a schema: the table of each object, and a line that names and describes it. PostgreSQL 14 to
-- 18 return the same text. Storage parameters, statistics targets, owners and rights are left to the operator.
WITH relations AS (
    SELECT c.oid, c.relname, c.relkind, c.relpersistence, c.relrowsecurity
    FROM pg_class c
    JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE pg_table_is_visible(c.oid)
      AND n.nspname NOT IN ('pg_catalog', 'information_schema', 'pg_toast')
      AND c.relkind IN ('r', 'p', 'S')
      AND NOT EXISTS (
          SELECT FROM pg_depend d WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e'
      )
), tables AS (
    SELECT oid, relname, relkind, relpersistence, relrowsecurity FROM relations WHERE relkind <> 'S'
), lines AS (
    SELECT relname::text AS owner,
           'table ' || relname || CASE relkind WHEN 'p' THEN ': partitioned' ELSE ': plain' END
               || CASE relpersistence WHEN 'u' THEN ', unlogged: lost by a crash' ELSE '' END
               || CASE WHEN relrowsecurity THEN ', row-level security' ELSE '' END
               || CASE WHEN EXISTS (SELECT FROM pg_trigger t WHERE t.tgrelid = tables.oid AND t.tgisinternal AND t.tgenabled <> 'O')
                      THEN ', triggers of foreign keys disabled' ELSE '' END AS line
    FROM tables
    UNION ALL
    SELECT c.relname::text,
           format('sequence %s: %s from %s by %s', c.relname, format_type(s.seqtypid, NULL), s.seqmin, s.seqincrement)
           || CASE WHEN s.seqcycle THEN ' cycle' ELSE '' END
    FROM relations c
    JOIN pg_sequence s ON s.seqrelid = c.oid
    UNION ALL
    SELECT c.relname::text,
           format('column %s.%s: %s', c.relname, a.attname, format_type(a.atttypid, a.atttypmod))
           || CASE WHEN a.attcollation <> t.typcollation THEN format(' collate "%s"', l.collname) ELSE '' END
           || CASE WHEN a.attnotnull THEN ' not null' ELSE '' END
           || CASE WHEN a.attidentity <> '' THEN ' identity' WHEN a.attgenerated <> '' THEN ' generated' ELSE '' END
           || coalesce(' default ' || pg_get_expr(d.adbin, d.adrelid), '')
    FROM tables c
    JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
    JOIN pg_type t ON t.oid = a.atttypid
    LEFT JOIN pg_collation l ON l.oid = a.attcollation
    LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
    UNION ALL
    -- PostgreSQL 18 lists NOT NULL as constraints too (contype n); the lines of the columns contain it already.
    SELECT c.relname::text, format('constraint %s.%s: %s', c.relname, k.conname, pg_get_constraintdef(k.oid, true))
    FROM tables c
    JOIN pg_constraint k ON k.conrelid = c.oid AND k.contype NOT IN ('n', 't')
    UNION ALL
    -- Those that a constraint made are named with it.
    SELECT c.relname::text,
           format('index %s.%s: %s', c.relname, i.relname, pg_get_indexdef(x.indexrelid, 0, true))
           || CASE WHEN x.indisvalid THEN '' ELSE ' (invalid)' END
    FROM tables c
    JOIN pg_index x ON x.indrelid = c.oid
    JOIN pg_class i ON i.oid = x.indexrelid
    WHERE NOT EXISTS (SELECT FROM pg_constraint k WHERE k.conindid = x.indexrelid AND k.contype IN ('p', 'u', 'x'))
    UNION ALL
    SELECT c.relname::text, format('trigger %s.%s: %s', c.relname, g.tgname, pg_get_triggerdef(g.oid, true))
    FROM tables c
    JOIN pg_trigger g ON g.tgrelid = c.oid AND NOT g.tgisinternal
)
SELECT owner, replace(line, E'\n', ' ') FROM lines ORDER BY line COLLATE "C"
