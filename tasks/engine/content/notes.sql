-- One row: the server's version; what a proof notes of the database beside its content; the catalogs in which the
-- database has nothing of its own. Nothing need be asked about their objects: that is half of what planning the
-- inventory costs. An entry of `used` may be true without need, never false.
WITH own AS (
  SELECT oid FROM pg_namespace WHERE nspname !~ '^pg_' AND nspname <> 'information_schema'
), note (name, value) AS (
  SELECT 'extension ' || extname, extversion FROM pg_extension
  UNION ALL
  SELECT 'collation ' || quote_ident(n.nspname) || '.' || quote_ident(c.collname), c.collversion
  FROM pg_collation c JOIN pg_namespace n ON n.oid = c.collnamespace
  WHERE c.collversion IS NOT NULL AND n.oid IN (SELECT oid FROM own)
  UNION ALL
  SELECT setting.name, setting.value
  FROM pg_database d, LATERAL (VALUES
    ('encoding', pg_encoding_to_char(d.encoding)), ('collate', d.datcollate::text), ('ctype', d.datctype::text)
  ) setting (name, value)
  WHERE d.datname = current_database()
  UNION ALL
  -- Which content is blind to, and `INSERT INTO t VALUES` is not.
  SELECT 'column order', coalesce(sum(hashtextextended(listed COLLATE "C", 0)), 0)::text
  FROM (
    SELECT array_to_json(ARRAY[n.nspname::text, c.relname::text] || array_agg(a.attname::text ORDER BY a.attnum))::text
    FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace JOIN pg_attribute a ON a.attrelid = c.oid
    WHERE c.relkind IN ('r', 'p', 'f', 'c') AND n.oid IN (SELECT oid FROM own) AND a.attnum > 0 AND NOT a.attisdropped
      AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid
                      AND d.objsubid = 0 AND d.deptype = 'e')
    GROUP BY n.nspname, c.relname
  ) relation (listed)
), catalog (name, used) AS (VALUES
  ('pg_proc', EXISTS (SELECT FROM pg_proc WHERE pronamespace IN (SELECT oid FROM own))),
  ('pg_operator', EXISTS (SELECT FROM pg_operator WHERE oprnamespace IN (SELECT oid FROM own))),
  ('pg_opfamily', EXISTS (SELECT FROM pg_opfamily WHERE opfnamespace IN (SELECT oid FROM own))),
  ('pg_opclass', EXISTS (SELECT FROM pg_opclass WHERE opcnamespace IN (SELECT oid FROM own))),
  ('pg_conversion', EXISTS (SELECT FROM pg_conversion WHERE connamespace IN (SELECT oid FROM own))),
  ('pg_collation', EXISTS (SELECT FROM pg_collation WHERE collnamespace IN (SELECT oid FROM own))),
  ('pg_ts_config', EXISTS (SELECT FROM pg_ts_config WHERE cfgnamespace IN (SELECT oid FROM own))),
  ('pg_ts_dict', EXISTS (SELECT FROM pg_ts_dict WHERE dictnamespace IN (SELECT oid FROM own))),
  ('pg_ts_parser', EXISTS (SELECT FROM pg_ts_parser WHERE prsnamespace IN (SELECT oid FROM own))),
  ('pg_ts_template', EXISTS (SELECT FROM pg_ts_template WHERE tmplnamespace IN (SELECT oid FROM own))),
  ('pg_cast', EXISTS (SELECT FROM pg_cast WHERE oid >= 16384)),
  ('pg_language', EXISTS (SELECT FROM pg_language WHERE oid >= 16384)),
  ('pg_transform', EXISTS (SELECT FROM pg_transform)),
  ('pg_am', EXISTS (SELECT FROM pg_am WHERE oid >= 16384)),
  ('pg_trigger', EXISTS (SELECT FROM pg_trigger)),
  ('pg_policy', EXISTS (SELECT FROM pg_policy)),
  ('pg_statistic_ext', EXISTS (SELECT FROM pg_statistic_ext)),
  ('pg_publication', EXISTS (SELECT FROM pg_publication)),
  ('pg_event_trigger', EXISTS (SELECT FROM pg_event_trigger)),
  ('pg_foreign_data_wrapper', EXISTS (SELECT FROM pg_foreign_data_wrapper)),
  ('pg_foreign_server', EXISTS (SELECT FROM pg_foreign_server)),
  ('pg_user_mapping', EXISTS (SELECT FROM pg_foreign_server)) -- the mappings themselves are for superusers only
)
SELECT current_setting('server_version_num')::int, (SELECT jsonb_object_agg(name, value) FROM note),
       ARRAY(SELECT name FROM catalog WHERE NOT used)
