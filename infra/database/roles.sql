-- The roles of docs/schema.md, for a master user who is no superuser, as on RDS; may be run again. Passwords are set by
-- quire-roles, so that they are in no statement.
--
-- Run in the database that is to be Quire's, with --set database=NAME.

SELECT format('CREATE ROLE %I LOGIN', name)
FROM (VALUES ('quire_owner'), ('quire_server')) AS roles (name)
WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = name) \gexec

-- To give something to a role one has to be a member of it.
SELECT format('GRANT quire_owner TO %I', current_user)
WHERE NOT pg_has_role(current_user, 'quire_owner', 'USAGE') \gexec

-- Lets the migrator say what the session does that is in its way. A master user that may not give this away does without:
-- the migrator then names the session and not its statement.
DO $$
BEGIN
    GRANT pg_read_all_stats TO quire_owner;
EXCEPTION WHEN insufficient_privilege THEN
    RAISE NOTICE 'pg_read_all_stats is not for this user to give: the migrator will not show statements that are in its way';
END
$$;

ALTER DATABASE :"database" OWNER TO quire_owner;
REVOKE ALL ON DATABASE :"database" FROM PUBLIC;
GRANT CONNECT ON DATABASE :"database" TO quire_server;

SET ROLE quire_owner;
REVOKE ALL ON SCHEMA public FROM PUBLIC;
GRANT USAGE, CREATE ON SCHEMA public TO quire_owner;
GRANT USAGE ON SCHEMA public TO quire_server;
ALTER DEFAULT PRIVILEGES FOR ROLE quire_owner IN SCHEMA public GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO quire_server;
ALTER DEFAULT PRIVILEGES FOR ROLE quire_owner IN SCHEMA public GRANT USAGE ON SEQUENCES TO quire_server;
RESET ROLE;

-- For infra/monitoring/slow_statements.sql. Who may not make it, or where the library is not loaded, does without.
DO $$
BEGIN
    CREATE EXTENSION IF NOT EXISTS pg_stat_statements;
EXCEPTION WHEN OTHERS THEN
    RAISE NOTICE 'no pg_stat_statements: %', SQLERRM;
END
$$;
