-- Owners, and rights where they are not what PostgreSQL gives by itself.
SELECT 'owner', 'of ' || kind || ' ' || identity, ident(pg_get_userbyid(owner)), NULL::text FROM named
-- That of public is the server's business: pg_database_owner, a superuser before version 15.
WHERE owner <> 0 AND NOT (kind = 'schema' AND identity = 'public')
UNION ALL
SELECT 'privileges', identity, rights, NULL FROM (
  SELECT 'on ' || kind || ' ' || identity, changed(acl, acldefault(acl_kind, owner))
  FROM named WHERE acl IS NOT NULL AND acl_kind IS NOT NULL
  UNION ALL
  SELECT 'on column ' || r.name || '.' || ident(attname), changed(attacl, NULL::aclitem[])
  FROM pg_attribute JOIN relations r ON r.oid = attrelid WHERE attacl IS NOT NULL AND NOT attisdropped
  UNION ALL
  -- The rights by schema are added to the general ones, and start from none.
  SELECT concat_ws(' ', 'by default of', ident(pg_get_userbyid(defaclrole)), 'in schema ' || ident(nspname), 'on',
           CASE defaclobjtype WHEN 'r' THEN 'tables' WHEN 'S' THEN 'sequences' WHEN 'f' THEN 'functions' WHEN 'T' THEN 'types' WHEN 'n' THEN 'schemas' ELSE defaclobjtype::text END),
         changed(defaclacl, CASE WHEN defaclnamespace = 0 THEN acldefault(CASE defaclobjtype WHEN 'S' THEN 's' ELSE defaclobjtype END, defaclrole) END)
  FROM pg_default_acl d LEFT JOIN pg_namespace n ON n.oid = defaclnamespace
) AS given (identity, rights) WHERE rights IS NOT NULL
