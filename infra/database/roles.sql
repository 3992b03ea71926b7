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

-- quire_owner is the operator's role too: pg_monitor shows what other sessions do (to the migrator as well, which names the
-- session that is in its way), pg_signal_backend ends one. A master user that may not give one of them away does without.
DO $$
DECLARE
    granted text;
BEGIN
    FOREACH granted IN ARRAY ARRAY['pg_monitor', 'pg_signal_backend'] LOOP
        BEGIN
            EXECUTE format('GRANT %I TO quire_owner', granted);
        EXCEPTION WHEN insufficient_privilege THEN
            RAISE NOTICE '% is not for this user to give: docs/infrastructure.md, "The queries", says what will not work', granted;
        END;
    END LOOP;
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

-- Which arguments pg_stat_statements_reset takes depends on its version. By default only a superuser may call it.
DO $$
DECLARE
    reset regprocedure;
BEGIN
    FOR reset IN SELECT oid FROM pg_proc WHERE proname = 'pg_stat_statements_reset' LOOP
        EXECUTE format('GRANT EXECUTE ON FUNCTION %s TO quire_owner', reset);
        -- A grant by a user without the right to it is a warning.
        IF NOT has_function_privilege('quire_owner', reset, 'EXECUTE') THEN
            RAISE NOTICE 'quire_owner may not call %', reset;
        END IF;
    END LOOP;
EXCEPTION WHEN insufficient_privilege THEN
    RAISE NOTICE 'pg_stat_statements_reset is not for this user to give';
END
$$;
