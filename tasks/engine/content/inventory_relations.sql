-- Schemas, extensions, tables and views; columns, a set; sequences. Only what is not the default stands in a definition,
-- so that what one server's version does not know does not differ.
SELECT kind, identity, NULL::text AS definition, NULL::text AS recreate FROM named WHERE class = 'pg_namespace'::regclass
UNION ALL
SELECT kind, identity, 'in schema ' || ident(nspname), NULL
FROM named JOIN pg_extension e ON class = 'pg_extension'::regclass AND id = e.oid
JOIN pg_namespace n ON n.oid = extnamespace
UNION ALL
SELECT kind, identity, concat_ws(', ',
         CASE r.relpersistence WHEN 'u' THEN 'unlogged' END,
         'of type ' || type(r.reloftype),
         CASE WHEN r.relispartition THEN 'partition of ' WHEN r.relkind IN ('r', 'f') THEN 'inherits ' END
           || (SELECT string_agg(relation(inhparent), ' and ' ORDER BY relation(inhparent)) FROM pg_inherits WHERE inhrelid = r.oid),
         CASE WHEN r.relispartition THEN pg_get_expr(r.relpartbound, r.oid) END,
         (SELECT 'partitioned by ' || CASE partstrat WHEN 'r' THEN 'range' WHEN 'l' THEN 'list' ELSE 'hash' END || ' (' || string_agg(
                   concat_ws(' ', coalesce(ident(attname), '<expression>'), CASE WHEN key.coll <> 100 THEN 'collate ' || collation(key.coll) END,
                             CASE WHEN NOT opcdefault THEN operator_class(key.class) END), ', ' ORDER BY place) || ')'
          FROM pg_partitioned_table, unnest(partattrs::int2[], partcollation::oid[], partclass::oid[]) WITH ORDINALITY AS key (number, coll, class, place)
          JOIN pg_opclass o ON o.oid = key.class LEFT JOIN pg_attribute ON attrelid = r.oid AND attnum = number AND number > 0
          WHERE partrelid = r.oid GROUP BY partstrat),
         CASE WHEN amname <> 'heap' THEN 'using ' || ident(amname) END,
         listed('with', r.reloptions), listed('toast with', t.reloptions),
         CASE WHEN r.relrowsecurity THEN 'row security' END,
         CASE WHEN r.relforcerowsecurity THEN 'row security for the owner' END,
         CASE WHEN r.relkind IN ('r', 'p', 'm') THEN CASE r.relreplident
           WHEN 'n' THEN 'replica identity nothing' WHEN 'f' THEN 'replica identity full' WHEN 'i' THEN (SELECT 'replica identity by index' FROM pg_index WHERE indrelid = r.oid AND indisreplident) END END,
         CASE WHEN r.relkind = 'm' AND NOT r.relispopulated THEN 'not populated' END,
         (SELECT 'on server ' || ident(srvname) FROM pg_foreign_table JOIN pg_foreign_server s ON s.oid = ftserver WHERE ftrelid = r.oid),
         (SELECT options(ftoptions) FROM pg_foreign_table WHERE ftrelid = r.oid)), NULL
FROM named JOIN relations r ON class = 'pg_class'::regclass AND id = r.oid LEFT JOIN pg_am a ON a.oid = r.relam
LEFT JOIN pg_class t ON t.oid = r.reltoastrelid WHERE r.relkind IN ('r', 'p', 'v', 'm', 'f')
UNION ALL
SELECT 'table partition key', name, pg_get_expr(partexprs, partrelid), expression_of(sql)
FROM relations r JOIN pg_partitioned_table ON partrelid = r.oid WHERE partexprs IS NOT NULL
UNION ALL
SELECT CASE relkind WHEN 'v' THEN 'view query' ELSE 'materialized view query' END, name, rtrim(pg_get_viewdef(oid), ';'),
       json_build_array('query', '', '')::text
FROM relations WHERE relkind IN ('v', 'm')
UNION ALL
SELECT 'column', r.name || '.' || ident(attname), concat_ws(', ',
         CASE WHEN typnamespace = 'pg_catalog'::regnamespace THEN format_type(atttypid, atttypmod) ELSE type_with(atttypid, atttypmod) END,
         CASE WHEN attcollation <> typcollation THEN 'collation ' || collation(attcollation) END,
         -- Before 18 a child may allow the null that its parent forbids; a dump cannot say so, its copy forbids it too.
         CASE WHEN attnotnull OR attinhcount > 0 AND NOT relispartition AND EXISTS (
           SELECT FROM pg_attribute p WHERE p.attrelid IN ancestors(a.attrelid) AND p.attname = a.attname AND p.attnotnull
             AND NOT EXISTS (SELECT FROM pg_constraint WHERE contype = 'n' AND conrelid = p.attrelid AND conkey = ARRAY[p.attnum] AND connoinherit) -- since 18
           ) THEN 'not null' END,
         CASE attidentity WHEN 'a' THEN 'identity always' WHEN 'd' THEN 'identity by default' END,
         CASE attgenerated WHEN 's' THEN 'generated, stored' WHEN 'v' THEN 'generated, virtual' END,
         CASE WHEN attstorage <> typstorage THEN 'storage ' || CASE attstorage WHEN 'p' THEN 'plain' WHEN 'e' THEN 'external' WHEN 'm' THEN 'main' ELSE 'extended' END END,
         CASE attcompression WHEN 'p' THEN 'compression pglz' WHEN 'l' THEN 'compression lz4' END,
         CASE WHEN attstattarget >= 0 THEN 'statistics ' || attstattarget END,
         CASE WHEN NOT attislocal THEN 'inherited' END,
         (SELECT concat_ws(', ', CASE WHEN NOT convalidated THEN 'not null not validated' END, CASE WHEN connoinherit THEN 'not null not inherited' END) -- since 18
          FROM pg_constraint WHERE contype = 'n' AND conrelid = attrelid AND conkey = ARRAY[attnum] AND (connoinherit OR NOT convalidated)), -- since 18
         listed('with', attoptions), options(attfdwoptions)), NULL
FROM pg_attribute a JOIN relations r ON r.oid = attrelid JOIN pg_type y ON y.oid = atttypid
WHERE attnum > 0 AND NOT attisdropped AND relkind IN ('r', 'p', 'v', 'm', 'f')
UNION ALL
SELECT 'column default', r.name || '.' || ident(attname), pg_get_expr(adbin, adrelid), expression_of(r.sql)
FROM pg_attrdef d JOIN pg_attribute a ON attrelid = adrelid AND attnum = adnum JOIN relations r ON r.oid = adrelid
UNION ALL
SELECT kind, identity, concat_ws(', ', format_type(seqtypid, NULL), 'start ' || seqstart, 'increment ' || seqincrement,
         'from ' || seqmin || ' to ' || seqmax, 'cache ' || seqcache, CASE WHEN seqcycle THEN 'cycle' END,
         CASE relpersistence WHEN 'u' THEN 'unlogged' END,
         (SELECT CASE deptype WHEN 'i' THEN 'identity of ' ELSE 'owned by ' END || relation(refobjid) || '.' || ident(attname)
          FROM pg_depend d JOIN pg_attribute ON attrelid = refobjid AND attnum = refobjsubid
          WHERE d.classid = 'pg_class'::regclass AND d.objid = id AND d.objsubid = 0
            AND refclassid = 'pg_class'::regclass AND refobjsubid > 0 AND deptype IN ('a', 'i'))), NULL
FROM named JOIN pg_sequence ON class = 'pg_class'::regclass AND id = seqrelid JOIN pg_class c ON c.oid = seqrelid
