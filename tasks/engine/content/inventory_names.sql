-- What all kinds need: whose objects are ours to compare, and names that no search path and no keyword list changes.
WITH members AS MATERIALIZED (
  SELECT classid, objid FROM pg_depend WHERE deptype = 'e'
), schemas AS MATERIALIZED (
  SELECT oid, nspname, ident(nspname) AS name, quoted(nspname) AS sql
  FROM pg_namespace WHERE nspname !~ '^pg_' AND nspname <> 'information_schema'
    AND oid NOT IN (SELECT objid FROM members WHERE classid = 'pg_namespace'::regclass)
), named_types AS MATERIALIZED (
  SELECT t.oid, t.typarray, CASE WHEN nspname = 'pg_catalog' THEN format_type(t.oid, NULL)
                     ELSE ident(nspname) || '.' || ident(typname) END AS name
  FROM pg_type t JOIN pg_namespace n ON n.oid = typnamespace
), types AS MATERIALIZED (
  SELECT t.oid, coalesce(e.name || '[]', t.name) AS name FROM named_types t LEFT JOIN named_types e ON e.typarray = t.oid
), relations AS MATERIALIZED (
  SELECT c.*, s.name || '.' || ident(relname) AS name, s.sql || '.' || quoted(relname) AS sql
  FROM pg_class c JOIN schemas s ON s.oid = relnamespace
  WHERE relkind IN ('r', 'p', 'v', 'm', 'f', 'S', 'c')
    AND c.oid NOT IN (SELECT objid FROM members WHERE classid = 'pg_class'::regclass)
)
