-- Whose objects are ours to compare, what kind each is, and a name that no search path and no list of keywords changes.
-- The members of an extension come with it; the system's own objects have an oid below 16384.
-- named.acl_kind: the letter by which acldefault() knows the kind; null where there are no privileges.
WITH members AS MATERIALIZED (
  SELECT classid, objid FROM pg_depend WHERE deptype = 'e'
), schemas AS MATERIALIZED (
  SELECT n.*, ident(nspname) AS name, quoted(nspname) AS sql
  FROM pg_namespace n WHERE nspname !~ '^pg_' AND nspname <> 'information_schema'
), relations AS MATERIALIZED (
  SELECT c.*, s.name || '.' || ident(relname) AS name, s.sql || '.' || quoted(relname) AS sql
  FROM pg_class c JOIN schemas s ON s.oid = relnamespace
  WHERE relkind IN ('r', 'p', 'v', 'm', 'f', 'S', 'c')
    AND c.oid NOT IN (SELECT objid FROM members WHERE classid = 'pg_class'::regclass)
), type_names AS NOT MATERIALIZED (
  SELECT t.oid, t.typnamespace = 'pg_catalog'::regnamespace AS own_, CASE WHEN t.typnamespace = 'pg_catalog'::regnamespace THEN format_type(t.oid, NULL)
         ELSE ident(nspname) || '.' || coalesce(ident(e.typname) || '[]', ident(t.typname)) END AS name
  FROM pg_type t JOIN pg_namespace n ON n.oid = t.typnamespace LEFT JOIN pg_type e ON e.oid = t.typelem AND e.typarray = t.oid
), relation_names AS NOT MATERIALIZED (
  SELECT c.oid, in_schema(nspname) ident(relname) AS name FROM pg_class c JOIN pg_namespace n ON n.oid = relnamespace
), routine_names AS NOT MATERIALIZED (
  SELECT p.oid, in_schema(nspname) ident(proname) || '(' || coalesce((
           SELECT string_agg(type(argument), ', ' ORDER BY place) FROM unnest(proargtypes) WITH ORDINALITY AS u (argument, place)), '') || ')' AS name
  FROM pg_proc p JOIN pg_namespace n ON n.oid = pronamespace
), operator_names AS NOT MATERIALIZED (
  SELECT o.oid, in_schema(nspname) oprname || ' (' || coalesce(type(oprleft) || ', ', '') || type(oprright) || ')' AS name
  FROM pg_operator o JOIN pg_namespace n ON n.oid = oprnamespace
), operator_class_names AS NOT MATERIALIZED (
  SELECT o.oid, in_schema(nspname) ident(opcname) AS name FROM pg_opclass o JOIN pg_namespace n ON n.oid = opcnamespace
), collation_names AS NOT MATERIALIZED (
  SELECT c.oid, in_schema(nspname) ident(collname) AS name FROM pg_collation c JOIN pg_namespace n ON n.oid = collnamespace
), every AS (
  SELECT 'pg_namespace'::regclass AS class, s.oid AS id, 'schema' AS kind, s.name AS identity, nspowner AS owner,
         nspacl AS acl, 'n'::"char" AS acl_kind
  FROM schemas s
  UNION ALL
  SELECT 'pg_extension', oid, 'extension', ident(extname), 0, NULL, NULL FROM pg_extension
  UNION ALL
  SELECT 'pg_class', oid, CASE relkind WHEN 'v' THEN 'view' WHEN 'm' THEN 'materialized view' WHEN 'f' THEN 'foreign table'
           WHEN 'S' THEN 'sequence' ELSE 'table' END,
         name, relowner, relacl, CASE relkind WHEN 'S' THEN 's' ELSE 'r' END::"char"
  FROM relations WHERE relkind <> 'c'
  UNION ALL
  -- As pg_dump: an index that is not valid is left out, unless it waits for the indexes of partitions.
  SELECT 'pg_class', i.oid, 'index', s.name || '.' || ident(i.relname), 0, NULL, NULL
  FROM pg_index x JOIN relations r ON r.oid = indrelid JOIN pg_class i ON i.oid = indexrelid
  JOIN schemas s ON s.oid = i.relnamespace
  WHERE indisready AND (indisvalid OR r.relkind = 'p')
  UNION ALL
  -- A partition's copies of its root's foreign keys are made, and named, by the server.
  SELECT 'pg_constraint', c.oid, CASE contype WHEN 'n' THEN 'not null constraint' ELSE 'constraint' END,
         r.name || '.' || CASE contype WHEN 'n' THEN ident(attname) ELSE ident(conname) END, 0, NULL, NULL
  FROM pg_constraint c JOIN relations r ON r.oid = conrelid
  LEFT JOIN pg_attribute ON contype = 'n' AND attrelid = conrelid AND attnum = conkey[1]
  WHERE contype IN ('c', 'p', 'u', 'f', 'x', 'n') AND NOT (contype = 'f' AND conparentid <> 0)
  UNION ALL
  SELECT 'pg_trigger', t.oid, 'trigger', r.name || '.' || ident(tgname), 0, NULL, NULL
  FROM pg_trigger t JOIN relations r ON r.oid = tgrelid LEFT JOIN pg_constraint c ON c.oid = tgconstraint
  WHERE NOT tgisinternal OR (tgparentid <> 0 AND coalesce(contype, 't') = 't')
  UNION ALL
  SELECT 'pg_rewrite', w.oid, 'rule', r.name || '.' || ident(rulename), 0, NULL, NULL
  FROM pg_rewrite w JOIN relations r ON r.oid = ev_class WHERE NOT (relkind IN ('v', 'm') AND ev_type = '1')
  UNION ALL
  SELECT 'pg_policy', p.oid, 'policy', r.name || '.' || ident(polname), 0, NULL, NULL
  FROM pg_policy p JOIN relations r ON r.oid = polrelid
  UNION ALL
  SELECT 'pg_statistic_ext', x.oid, 'statistics', s.name || '.' || ident(stxname), stxowner, NULL, NULL
  FROM pg_statistic_ext x JOIN schemas s ON s.oid = stxnamespace JOIN relations r ON r.oid = stxrelid
  UNION ALL
  SELECT 'pg_proc', p.oid, CASE prokind WHEN 'a' THEN 'aggregate' WHEN 'p' THEN 'procedure' ELSE 'function' END,
         routine(p.oid), proowner, proacl, 'f'
  FROM pg_proc p JOIN schemas s ON s.oid = pronamespace
  WHERE NOT EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_proc'::regclass AND d.objid = p.oid AND deptype = 'i')
  UNION ALL
  SELECT 'pg_type', t.oid, CASE typtype WHEN 'd' THEN 'domain' ELSE 'type' END, s.name || '.' || ident(typname), typowner, typacl, 'T'
  FROM pg_type t JOIN schemas s ON s.oid = typnamespace LEFT JOIN pg_class c ON c.oid = typrelid
  WHERE (typrelid = 0 OR relkind = 'c') AND typtype <> 'm'
    AND NOT EXISTS (SELECT FROM pg_type e WHERE e.oid = t.typelem AND e.typarray = t.oid)
  UNION ALL
  SELECT 'pg_constraint', c.oid, 'domain constraint', s.name || '.' || ident(typname) || '.' || ident(conname), 0, NULL, NULL
  FROM pg_constraint c JOIN pg_type t ON t.oid = contypid JOIN schemas s ON s.oid = typnamespace WHERE contype = 'c'
    AND t.oid NOT IN (SELECT objid FROM members WHERE classid = 'pg_type'::regclass)
  UNION ALL
  SELECT 'pg_operator', o.oid, 'operator', operator(o.oid), oprowner, NULL, NULL
  FROM pg_operator o WHERE oprnamespace IN (SELECT oid FROM schemas) AND oprcode <> 0
  UNION ALL
  SELECT 'pg_opfamily', f.oid, 'operator family', s.name || '.' || ident(opfname) || ' using ' || ident(amname), opfowner, NULL, NULL
  FROM pg_opfamily f JOIN schemas s ON s.oid = opfnamespace JOIN pg_am a ON a.oid = opfmethod
  UNION ALL
  SELECT 'pg_opclass', c.oid, 'operator class', s.name || '.' || ident(opcname) || ' using ' || ident(amname), opcowner, NULL, NULL
  FROM pg_opclass c JOIN schemas s ON s.oid = opcnamespace JOIN pg_am a ON a.oid = opcmethod
  UNION ALL
  SELECT 'pg_conversion', c.oid, 'conversion', s.name || '.' || ident(conname), conowner, NULL, NULL
  FROM pg_conversion c JOIN schemas s ON s.oid = connamespace
  UNION ALL
  SELECT 'pg_collation', c.oid, 'collation', collation(c.oid), collowner, NULL, NULL
  FROM pg_collation c JOIN schemas s ON s.oid = collnamespace
  UNION ALL
  SELECT 'pg_ts_config', c.oid, 'text search configuration', s.name || '.' || ident(cfgname), cfgowner, NULL, NULL
  FROM pg_ts_config c JOIN schemas s ON s.oid = cfgnamespace
  UNION ALL
  SELECT 'pg_ts_dict', d.oid, 'text search dictionary', s.name || '.' || ident(dictname), dictowner, NULL, NULL
  FROM pg_ts_dict d JOIN schemas s ON s.oid = dictnamespace
  UNION ALL
  SELECT 'pg_ts_parser', p.oid, 'text search parser', s.name || '.' || ident(prsname), 0, NULL, NULL
  FROM pg_ts_parser p JOIN schemas s ON s.oid = prsnamespace
  UNION ALL
  SELECT 'pg_ts_template', t.oid, 'text search template', s.name || '.' || ident(tmplname), 0, NULL, NULL
  FROM pg_ts_template t JOIN schemas s ON s.oid = tmplnamespace
  UNION ALL
  SELECT 'pg_cast', oid, 'cast', 'from ' || type(castsource) || ' to ' || type(casttarget), 0, NULL, NULL
  FROM pg_cast WHERE oid >= 16384
  UNION ALL
  SELECT 'pg_language', oid, 'language', ident(lanname), lanowner, lanacl, 'l' FROM pg_language WHERE oid >= 16384
  UNION ALL
  SELECT 'pg_transform', t.oid, 'transform', 'of ' || type(trftype) || ' for ' || ident(lanname), 0, NULL, NULL
  FROM pg_transform t JOIN pg_language l ON l.oid = trflang WHERE t.oid >= 16384
  UNION ALL
  SELECT 'pg_am', oid, 'access method', ident(amname), 0, NULL, NULL FROM pg_am WHERE oid >= 16384
  UNION ALL
  SELECT 'pg_foreign_data_wrapper', oid, 'foreign data wrapper', ident(fdwname), fdwowner, fdwacl, 'F' FROM pg_foreign_data_wrapper
  UNION ALL
  SELECT 'pg_foreign_server', oid, 'server', ident(srvname), srvowner, srvacl, 'S' FROM pg_foreign_server
  UNION ALL
  SELECT 'pg_user_mapping', umid, 'user mapping', 'of ' || ident(usename) || ' on ' || ident(srvname), 0, NULL, NULL
  FROM pg_user_mappings
  UNION ALL
  SELECT 'pg_publication', oid, 'publication', ident(pubname), pubowner, NULL, NULL FROM pg_publication
  UNION ALL
  SELECT 'pg_event_trigger', oid, 'event trigger', ident(evtname), evtowner, NULL, NULL FROM pg_event_trigger
  UNION ALL
  SELECT 'pg_largeobject', oid, 'large object', oid::text, lomowner, lomacl, 'L' FROM pg_largeobject_metadata
), named AS MATERIALIZED (
  SELECT every.* FROM every LEFT JOIN members ON classid = class AND objid = id WHERE objid IS NULL
)
