-- What looks outside of the database, what is told about its objects, and what listens to all of them.
SELECT kind, identity, concat_ws(', ', 'handler ' || routine(fdwhandler), 'validator ' || routine(fdwvalidator), options(fdwoptions)), NULL::text
FROM named JOIN pg_foreign_data_wrapper w ON class = 'pg_foreign_data_wrapper'::regclass AND id = w.oid
UNION ALL
SELECT kind, identity, concat_ws(', ', 'of ' || ident(fdwname), 'type ' || quote_literal(srvtype), 'version ' || quote_literal(srvversion), options(srvoptions)), NULL
FROM named JOIN pg_foreign_server s ON class = 'pg_foreign_server'::regclass AND id = s.oid JOIN pg_foreign_data_wrapper w ON w.oid = srvfdw
UNION ALL
SELECT kind, identity, listed('options', (SELECT array_agg(hidden(option)) FROM unnest(umoptions) AS option)), NULL
FROM named JOIN pg_user_mappings m ON class = 'pg_user_mapping'::regclass AND id = umid
UNION ALL
SELECT kind, identity, concat_ws(', ', CASE WHEN puballtables THEN 'all tables' END, CASE WHEN pubinsert THEN 'insert' END, CASE WHEN pubupdate THEN 'update' END,
         CASE WHEN pubdelete THEN 'delete' END, CASE WHEN pubtruncate THEN 'truncate' END,
         CASE WHEN pubgencols <> 'n' THEN 'generated columns' END, -- since 18
         CASE WHEN pubviaroot THEN 'as the root' END), NULL
FROM named JOIN pg_publication p ON class = 'pg_publication'::regclass AND id = p.oid
UNION ALL
SELECT 'publication table', identity || ': ' || relation(prrelid),
       listed('columns', (SELECT array_agg(ident(attname)) FROM pg_attribute WHERE attrelid = prrelid AND attnum = ANY (prattrs::int2[]))), -- since 15
       NULL, -- until 14
       NULL
FROM named JOIN pg_publication_rel p ON class = 'pg_publication'::regclass AND id = prpubid
UNION ALL
SELECT 'publication table filter', identity || ': ' || r.name, pg_get_expr(prqual, prrelid), expression_of(r.sql) -- since 15
FROM named JOIN pg_publication_rel p ON class = 'pg_publication'::regclass AND id = prpubid JOIN relations r ON r.oid = prrelid WHERE prqual IS NOT NULL -- since 15
UNION ALL -- since 15
SELECT 'publication schema', identity || ': ' || ident(nspname), NULL, NULL -- since 15
FROM named JOIN pg_publication_namespace p ON class = 'pg_publication'::regclass AND id = pnpubid JOIN pg_namespace n ON n.oid = pnnspid -- since 15
UNION ALL -- since 15
SELECT kind, identity, concat_ws(', ', 'on ' || evtevent, 'execute ' || routine(evtfoid), listed('of', evttags), enabled(evtenabled)), NULL
FROM named JOIN pg_event_trigger t ON class = 'pg_event_trigger'::regclass AND id = t.oid
UNION ALL
SELECT 'extension dependency', kind || ' ' || identity || ' on ' || ident(extname), NULL, NULL
FROM named JOIN pg_depend ON classid = class AND objid = id AND objsubid = 0 AND deptype = 'x' JOIN pg_extension e ON e.oid = refobjid
UNION ALL
-- Two that the server itself writes, pg_dump leaves to it.
SELECT 'comment', 'on ' || kind || ' ' || identity, description, NULL
FROM pg_description JOIN named ON class = classoid AND id = objoid
WHERE objsubid = 0 AND NOT (kind = 'schema' AND identity = 'public' AND description = 'standard public schema')
  AND NOT (kind = 'extension' AND identity = 'plpgsql')
UNION ALL
SELECT 'comment', 'on column ' || r.name || '.' || ident(attname), description, NULL
FROM pg_description JOIN relations r ON r.oid = objoid JOIN pg_attribute ON attrelid = objoid AND attnum = objsubid
WHERE classoid = 'pg_class'::regclass AND objsubid > 0
UNION ALL
SELECT 'security label', ident(provider) || ' on ' || kind || ' ' || identity, label, NULL
FROM pg_seclabel JOIN named ON class = classoid AND id = objoid WHERE objsubid = 0
UNION ALL
SELECT 'security label', ident(provider) || ' on column ' || r.name || '.' || ident(attname), label, NULL
FROM pg_seclabel JOIN relations r ON r.oid = objoid JOIN pg_attribute ON attrelid = objoid AND attnum = objsubid
WHERE classoid = 'pg_class'::regclass AND objsubid > 0
