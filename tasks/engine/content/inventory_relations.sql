SELECT 'schema', name, '', NULL::text FROM schemas
UNION ALL
SELECT 'extension', ident(extname), 'in schema ' || ident(nspname), NULL
FROM pg_extension e JOIN pg_namespace n ON n.oid = extnamespace
UNION ALL
SELECT CASE relkind WHEN 'v' THEN 'view' WHEN 'm' THEN 'materialized view' WHEN 'f' THEN 'foreign table' ELSE 'table' END, r.name,
       concat_ws(', ',
         CASE relkind WHEN 'p' THEN 'partitioned' END,
         CASE relpersistence WHEN 'u' THEN 'unlogged' END,
         'of type ' || (SELECT name FROM types WHERE types.oid = reloftype AND reloftype <> 0),
         CASE WHEN relispartition THEN pg_get_expr(relpartbound, r.oid) END,
         CASE WHEN amname <> 'heap' THEN 'using ' || ident(amname) END,
         'with (' || (SELECT string_agg(o, ', ' ORDER BY o) FROM unnest(reloptions) o) || ')',
         CASE WHEN relrowsecurity THEN 'row security' END,
         CASE WHEN relforcerowsecurity THEN 'forced row security' END,
         CASE relreplident WHEN 'n' THEN 'replica identity nothing' WHEN 'f' THEN 'replica identity full' WHEN 'i' THEN 'replica identity by index' END,
         CASE WHEN relkind = 'm' AND NOT relispopulated THEN 'not populated' END), NULL
FROM relations r LEFT JOIN pg_am a ON a.oid = relam WHERE relkind IN ('r', 'p', 'v', 'm', 'f')
UNION ALL
SELECT 'inheritance', r.name || ' of ' || p.name, '', NULL
FROM pg_inherits JOIN relations r ON r.oid = inhrelid JOIN relations p ON p.oid = inhparent
UNION ALL
SELECT 'view definition', name, pg_get_viewdef(oid), '["query", "", ""]' FROM relations WHERE relkind IN ('v', 'm')
UNION ALL
SELECT 'column', r.name || '.' || ident(attname),
       concat_ws(', ',
         CASE WHEN atttypmod >= 0 THEN format_type(atttypid, atttypmod) ELSE t.name END,
         CASE WHEN attcollation <> typcollation THEN (SELECT 'collation ' || ident(nspname) || '.' || ident(collname)
           FROM pg_collation c JOIN pg_namespace n ON n.oid = collnamespace WHERE c.oid = attcollation) END,
         CASE WHEN attnotnull THEN 'not null' END,
         CASE attidentity WHEN 'a' THEN 'identity always' WHEN 'd' THEN 'identity by default' END,
         CASE attgenerated WHEN 's' THEN 'stored' WHEN 'v' THEN 'virtual' END,
         CASE WHEN attstorage <> typstorage THEN 'storage ' || attstorage::text END,
         CASE attcompression WHEN 'p' THEN 'compression pglz' WHEN 'l' THEN 'compression lz4' END,
         CASE WHEN attstattarget >= 0 THEN 'statistics ' || attstattarget END,
         'with (' || (SELECT string_agg(o, ', ' ORDER BY o) FROM unnest(attoptions) o) || ')'), NULL
FROM pg_attribute a JOIN relations r ON r.oid = attrelid JOIN types t ON t.oid = atttypid JOIN pg_type y ON y.oid = atttypid
WHERE attnum > 0 AND NOT attisdropped AND relkind IN ('r', 'p', 'v', 'm', 'f')
UNION ALL
SELECT 'default', r.name || '.' || ident(attname), pg_get_expr(adbin, adrelid),
       json_build_array('query', 'SELECT 1 AS one FROM ONLY ' || r.sql || ' WHERE ROW(', ') IS NULL')::text
FROM pg_attrdef d JOIN pg_attribute a ON attrelid = adrelid AND attnum = adnum JOIN relations r ON r.oid = adrelid
UNION ALL
SELECT 'sequence', r.name, concat_ws(', ', format_type(seqtypid, NULL), 'start ' || seqstart, 'increment ' || seqincrement,
         'from ' || seqmin || ' to ' || seqmax, 'cache ' || seqcache, CASE WHEN seqcycle THEN 'cycle' END,
         CASE relpersistence WHEN 'u' THEN 'unlogged' END,
         (SELECT CASE deptype WHEN 'i' THEN 'identity of ' ELSE 'owned by ' END || o.name || '.' || ident(attname)
          FROM pg_depend d JOIN relations o ON o.oid = refobjid JOIN pg_attribute a ON attrelid = refobjid AND attnum = refobjsubid
          WHERE d.classid = 'pg_class'::regclass AND d.objid = r.oid AND d.objsubid = 0 AND refclassid = 'pg_class'::regclass AND deptype IN ('a', 'i'))), NULL
FROM pg_sequence s JOIN relations r ON r.oid = seqrelid
UNION ALL
SELECT 'constraint', r.name || '.' || ident(conname), pg_get_constraintdef(c.oid), CASE contype
         WHEN 'c' THEN json_build_array('check', r.sql)::text ELSE NULL END
FROM pg_constraint c JOIN relations r ON r.oid = conrelid WHERE contype IN ('c', 'p', 'u', 'f', 'x') AND NOT (contype = 'f' AND conparentid <> 0)
UNION ALL
SELECT 'index', s.name || '.' || ident(i.relname), pg_get_indexdef(indexrelid), '["index"]'
FROM pg_index x JOIN relations r ON r.oid = indrelid JOIN pg_class i ON i.oid = indexrelid JOIN schemas s ON s.oid = i.relnamespace
WHERE indisready AND (indisvalid OR r.relkind = 'p')
UNION ALL
SELECT 'trigger', r.name || '.' || ident(tgname), concat_ws(', ', pg_get_triggerdef(t.oid),
         CASE tgenabled WHEN 'D' THEN 'disabled' WHEN 'R' THEN 'on replicas' WHEN 'A' THEN 'always' END), '["trigger"]'
FROM pg_trigger t JOIN relations r ON r.oid = tgrelid WHERE NOT tgisinternal
UNION ALL
SELECT 'function', s.name || '.' || ident(proname) || '(' ||
         (SELECT coalesce(string_agg(name, ', ' ORDER BY place), '') FROM unnest(proargtypes) WITH ORDINALITY u (type, place) JOIN types ON types.oid = type) || ')',
       CASE prokind WHEN 'a' THEN 'aggregate' ELSE pg_get_functiondef(p.oid) END, '["function"]'
FROM pg_proc p JOIN schemas s ON s.oid = pronamespace
WHERE p.oid NOT IN (SELECT objid FROM members WHERE classid = 'pg_proc'::regclass)
UNION ALL
SELECT 'type', s.name || '.' || ident(typname), CASE typtype
         WHEN 'e' THEN 'enum (' || (SELECT coalesce(string_agg(quote_literal(enumlabel), ', ' ORDER BY enumsortorder), '') FROM pg_enum WHERE enumtypid = t.oid) || ')'
         WHEN 'c' THEN 'composite (' || (SELECT coalesce(string_agg(ident(attname) || ' ' || format_type(atttypid, atttypmod), ', ' ORDER BY attnum), '') FROM pg_attribute
                                         WHERE attrelid = typrelid AND attnum > 0 AND NOT attisdropped) || ')'
         WHEN 'd' THEN 'domain over ' || format_type(typbasetype, typtypmod) ELSE typtype::text END, NULL
FROM pg_type t JOIN schemas s ON s.oid = typnamespace LEFT JOIN pg_class c ON c.oid = typrelid
WHERE (typrelid = 0 OR relkind = 'c') AND typtype <> 'm' AND NOT EXISTS (SELECT FROM named_types WHERE typarray = t.oid)
  AND t.oid NOT IN (SELECT objid FROM members WHERE classid = 'pg_type'::regclass)
