-- Who may do what with which object of the current database: one row for each object whose rights are worth a look.
-- normal: what PostgreSQL gives by itself; initial: what the server's or an extension's installation gave.
-- A grantee is a role's name, 'public' (no role can be called so) or '' for the object's owner, whose grant options
-- are implied. Needs search_path = '', so that nothing in the database can stand in for a function of PostgreSQL.
WITH wanted AS (
  SELECT value AS identity FROM jsonb_array_elements(%(wanted)s::jsonb)
), type_names AS (
  SELECT t.oid, CASE WHEN e.oid IS NULL THEN format('%%I.%%I', n.nspname, t.typname)
                     ELSE format('%%I.%%I[]', en.nspname, e.typname) END AS name
  FROM pg_type t JOIN pg_namespace n ON n.oid = t.typnamespace
  LEFT JOIN pg_type e ON e.typarray = t.oid LEFT JOIN pg_namespace en ON en.oid = e.typnamespace
), objects AS (
  SELECT 'schema' AS kind, jsonb_build_array(nspname) AS name, 'pg_namespace'::regclass AS class, oid AS id, 0 AS sub,
         nspowner AS owner, nspacl AS acl, 'n'::"char" AS code, true AS plain
  FROM pg_namespace
  UNION ALL
  SELECT CASE relkind WHEN 'S' THEN 'sequence' ELSE 'table' END, jsonb_build_array(nspname, relname), 'pg_class', c.oid, 0,
         relowner, relacl, CASE relkind WHEN 'S' THEN 's' ELSE 'r' END::"char", true
  FROM pg_class c JOIN pg_namespace n ON n.oid = relnamespace WHERE relkind IN ('r', 'p', 'v', 'm', 'f', 'S')
  UNION ALL
  SELECT 'column', jsonb_build_array(nspname, relname, attname), 'pg_class', c.oid, attnum, relowner, attacl, 'c', false
  FROM pg_attribute JOIN pg_class c ON c.oid = attrelid JOIN pg_namespace n ON n.oid = relnamespace
  WHERE NOT attisdropped AND relkind IN ('r', 'p', 'v', 'm', 'f', 'S')
    AND (attacl IS NOT NULL OR (nspname, relname, attname) IN
         (SELECT identity->>1, identity->>2, identity->>3 FROM wanted WHERE identity->>0 = 'column'))
  UNION ALL
  SELECT 'function', jsonb_build_array(nspname, proname,
           (SELECT coalesce(string_agg('IN ' || name, ', ' ORDER BY place), '')
            FROM unnest(proargtypes) WITH ORDINALITY AS a (type, place) JOIN type_names ON oid = type)),
         'pg_proc', p.oid, 0, proowner, proacl, 'f', true
  FROM pg_proc p JOIN pg_namespace n ON n.oid = pronamespace
  WHERE p.oid >= 16384 OR proacl IS NOT NULL OR (nspname, proname) IN
        (SELECT identity->>1, identity->>2 FROM wanted WHERE identity->>0 = 'function')
  UNION ALL
  -- A table's row type and a type's array are made with it, and have no rights of their own unless somebody gave them.
  SELECT 'type', jsonb_build_array(nspname, typname), 'pg_type', t.oid, 0, typowner, typacl, 'T',
         typcategory <> 'A' AND typtype <> 'm' AND (typrelid = 0 OR relkind = 'c')
  FROM pg_type t JOIN pg_namespace n ON n.oid = typnamespace LEFT JOIN pg_class c ON c.oid = typrelid
  UNION ALL
  SELECT 'language', jsonb_build_array(lanname), 'pg_language', oid, 0, lanowner, lanacl, 'l', false FROM pg_language
  UNION ALL
  SELECT 'large object', jsonb_build_array(oid::text), 'pg_largeobject', oid, 0, lomowner, lomacl, 'L', true
  FROM pg_largeobject_metadata
  UNION ALL
  SELECT 'foreign server', jsonb_build_array(srvname), 'pg_foreign_server', oid, 0, srvowner, srvacl, 'S', true
  FROM pg_foreign_server
  UNION ALL
  SELECT 'foreign data wrapper', jsonb_build_array(fdwname), 'pg_foreign_data_wrapper', oid, 0, fdwowner, fdwacl, 'F', true
  FROM pg_foreign_data_wrapper
  UNION ALL
  SELECT 'default', jsonb_build_array(pg_get_userbyid(defaclrole), coalesce(nspname, ''), defaclobjtype::text),
         'pg_default_acl', d.oid, defaclnamespace::integer, defaclrole, defaclacl,
         CASE defaclobjtype WHEN 'S' THEN 's' ELSE defaclobjtype END, false
  FROM pg_default_acl d LEFT JOIN pg_namespace n ON n.oid = defaclnamespace
), judged AS (
  SELECT o.*, initprivs,
         -- The rights of public are put back even where a restore made that schema anew.
         (id >= 16384 OR (kind = 'schema' AND name->>0 = 'public')) AND plain
           AND NOT EXISTS (SELECT FROM pg_depend WHERE classid = class AND objid = id AND deptype = 'e') AS ours,
         jsonb_build_array(kind) || name IN (SELECT identity FROM wanted) AS is_wanted,
         -- The rights by schema are added to the general ones, and start from none.
         CASE WHEN kind <> 'default' OR sub = 0 THEN acldefault(code, owner) END AS normal
  FROM objects o
  LEFT JOIN pg_init_privs i ON i.objoid = id AND i.classoid = class AND i.objsubid = sub
    AND NOT (kind = 'schema' AND name->>0 = 'public')
  -- As pg_dump: the information schema is the server's, temporary objects are their session's.
  WHERE kind NOT IN ('schema', 'table', 'column', 'sequence', 'function', 'type')
     OR name->>0 <> 'information_schema' AND NOT starts_with(name->>0, 'pg_temp') AND NOT starts_with(name->>0, 'pg_toast')
)
SELECT kind, name::text, pg_get_userbyid(owner) AS owner, owner = current_role_id AS mine, ours,
       acl IS NULL AS no_acl, initprivs IS NULL AS no_initial,
       (SELECT coalesce(jsonb_agg(jsonb_build_array(list,
          CASE grantee WHEN 0 THEN 'public' WHEN owner THEN '' ELSE pg_get_userbyid(grantee) END,
          privilege_type, is_grantable)), '[]')::text
        FROM (SELECT 'acl' AS list, a.* FROM aclexplode(acl) AS a
              UNION ALL SELECT 'normal', a.* FROM aclexplode(normal) AS a
              UNION ALL SELECT 'initial', a.* FROM aclexplode(initprivs) AS a) AS each) AS rights
FROM judged, (SELECT oid AS current_role_id FROM pg_roles WHERE rolname = current_user) AS me
WHERE acl IS NOT NULL OR is_wanted
   OR ours AND (%(everything)s OR owner <> current_role_id OR EXISTS (SELECT FROM pg_default_acl))
