-- The same for owners and privileges, which only the safety manifest holds.

--- privileges on table alike.users
GRANT SELECT ON alike.users TO pg_monitor;

--- privileges on column alike.users.email
GRANT SELECT (email) ON alike.users TO PUBLIC;

--- privileges on function alike.add(integer, integer)
REVOKE EXECUTE ON FUNCTION alike.add FROM PUBLIC;

--- owner of table alike.users: pg_monitor, expected postgres
ALTER TABLE alike.users OWNER TO pg_monitor;

--- privileges on schema alike
GRANT CREATE ON SCHEMA alike TO PUBLIC;

--- privileges by default of postgres in schema alike on tables
ALTER DEFAULT PRIVILEGES IN SCHEMA alike GRANT SELECT ON TABLES TO PUBLIC;
