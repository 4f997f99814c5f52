--- numbers
CREATE TABLE kinds.of_numbers (id integer, i2 smallint, i8 bigint, r real, d double precision, n numeric, ns numeric(20, 6), m money, b boolean);
INSERT INTO kinds.of_numbers VALUES
    (1, -32768, -9223372036854775808, 'NaN', 'NaN', 'NaN', 0.1, '-92233720368547758.08', true),
    (2, 32767, 9223372036854775807, 'Infinity', '-Infinity', 'Infinity', -0.000001, '$1,234.56', false),
    (3, 0, 0, '-0', '-0', '-Infinity', 0, 0, NULL),
    (4, 1, 1, 1.1, 0.1, 1.10, 1.1, 1, true), (5, 1, 1, 1.1, 0.1, 1.1000, 1.1, 1, true),
    (6, 1, 1, 1e-45, 5e-324, 1e-300, 1, 1, true), (7, 1, 1, 3.4028235e38, 1.7976931348623157e308, 1e300 + 0.5, 99999999999999.999999, 1, true),
    (8, 1, 1, 0.333333343, 0.30000000000000004, 0.00, 0.000000, 0, false), (9, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL);

--- times
CREATE TABLE kinds.of_times (id integer, d date, t time, tz timetz, ts timestamp, tsz timestamptz(3), i interval, ih interval hour to minute, t0 timestamp(0));
INSERT INTO kinds.of_times VALUES
    (1, 'infinity', '24:00', '23:59:59.999999-15:59', 'infinity', '-infinity', '1 year 2 mons -3 days 04:05:06.789', '25:30', '2020-02-29 23:59:59.5'),
    (2, '-infinity', '00:00', '00:00+14', '-infinity', 'infinity', '-178000000 years', '-1:00', NULL),
    (3, '4714-11-24 BC', '12:34:56.000001', '12:00+05:45', '4714-11-24 00:00:00 BC', '0044-03-15 12:00:00+00 BC', '0', '0', '0001-01-01 00:00:00 BC'),
    (4, '5874897-12-31', NULL, NULL, '294276-12-31 23:59:59.999999', '1883-11-18 12:03:58-00:00', '-1 day +1 hour', NULL, NULL),
    (5, NULL, NULL, NULL, NULL, '2025-03-30 01:30:00.123456+00', NULL, NULL, NULL);

--- strings
CREATE TABLE kinds.of_strings (id integer, t text, v varchar(20), c char(5), c1 "char", n name, ci public.citext);
INSERT INTO kinds.of_strings VALUES
    (1, '', '', '', '', '', ''), (2, NULL, NULL, NULL, NULL, NULL, NULL),
    (3, E'tab\there\nline\rreturn\b\f\v\x01\x7f', E'\\', 'a', 'x', 'name', 'CaSe'),
    (4, E'\\.', E'\\.', E'\\.', E'\\', E'\\.', E'\\.'), (5, E'\\\\.', E'\\N', E'\\N', 'N', E'\\N', E'\\N'),
    (6, E'\n\\.\n', E'\n', E'\n', E'\n', E'\n', E'\n'), (7, E'COPY kinds.nothing FROM stdin;\n1\n\\.\nDROP SCHEMA kinds CASCADE;\n', '--', '/*', ';', '$$', ';'),
    (8, '''single'' "double" `back` $$dollar$$ %s %% {0} \u0041', ' lead', 'trail', ' ', 'trail ', 'x '),
    (9, '😀 größe 日本語 ' || U&'\00a0\200b\202e\feff\FFFD' || 'e' || U&'\0301' || 'é', '😀', '日本', '~', '日本', 'Größe'),
    (10, 'trailing space ', 'x ', 'x ', '0', 'null', 'NULL'), (11, 'trailing space', 'x', 'x', '0', 'NULL', 'null'),
    (12, E'\r\n', E'\r', E'\t', E'\t', E'\t', E'\t'), (13, E'\\restrict abc\n\\unrestrict abc', E'\\!', E'\\c', E'\\', E'\\q', E'\\i');
INSERT INTO kinds.of_strings (id, t) VALUES (100, (SELECT string_agg(md5(n::text) || chr(97 + n % 26) || E'\\\n', '') FROM generate_series(1, 30000) AS n));
INSERT INTO kinds.of_strings (id, t) SELECT 200 + n, chr(n) FROM generate_series(1, 255) AS n;

--- bytes, bits, documents
CREATE TABLE kinds.of_bytes (id integer, b bytea, bits bit(5), vbits bit varying, j json, jb jsonb, x xml, u uuid, p jsonpath);
INSERT INTO kinds.of_bytes VALUES
    (1, '', B'10101', B'', '{"a" : 1,  "a":2, "b": [ ] }', '{"a" : 1,  "a":2, "b": [ ] }', '<a b="c">&lt;;</a>', 'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11', '$.a[*] ? (@ > 1)'),
    (2, '\x00ff5c2e0a09275c', B'00000', B'101010101010101010101', '"\u0041\\ud800\n"', '"\u0041\n\\."', 'a<b/>c<!-- ; COPY -->'::text::xml, NULL, 'strict $."a b"'),
    (3, decode(repeat('deadbeef', 3000), 'hex'), NULL, NULL, 'null', 'null', NULL, NULL, NULL),
    (4, NULL, NULL, NULL, ' 1.0000 ', '1.0000', '', NULL, NULL), (5, convert_to(E'\\.', 'UTF8'), NULL, NULL, '""', '1e400', NULL, NULL, NULL);


--- arrays
CREATE TABLE kinds.of_arrays (id integer, i integer[], t text[], m integer[][], e kinds.mood[], p kinds.pair[], d kinds.some_array, r int4range[], v varchar(3)[3]);
INSERT INTO kinds.of_arrays VALUES
    (1, '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}'),
    (2, '{1,NULL,3}', ARRAY['', NULL, 'NULL', 'null', ',', '{', '"', E'\\', ' ', E'\n', 'a;b'], '{{1,2},{3,NULL}}', '{ecstatic,"so so","it''s \"fine\"; \\ %",""}', ARRAY[ROW(1, NULL, NULL), NULL]::kinds.pair[], '{1,2}', '{"[1,2)",empty,NULL}', '{abc,d}'),
    (3, '[-2:0]={7,8,9}', '[5:6]={a,b}', '[0:1][-1:0]={{1,2},{3,4}}', NULL, NULL, NULL, NULL, NULL),
    (4, '{{{1}},{{2}}}', NULL, NULL, NULL, NULL, NULL, NULL, NULL), (5, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL);

--- ranges and domains
CREATE TABLE kinds.of_ranges (id integer, i4 int4range, n numrange, ts tstzrange, d daterange, f kinds.float_span, t kinds.text_span, im int4multirange, fm kinds."Float Spans");
INSERT INTO kinds.of_ranges VALUES
    (1, '[1,5]', '(1.0,2.50]', '[2025-01-01 00:00+00,infinity)', '[2025-01-01,2025-01-31]', '[0.1,0.3)', '["a","b c")', '{[1,3),[7,9)}', '{[0.1,0.2],(3,4)}'),
    (2, 'empty', '(,)', '(,2025-01-01 00:00+00)', '(,infinity]', 'empty', '["",]', '{}', '{}'), (3, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL);
CREATE TABLE kinds.of_domains (id integer, p kinds.positive, o kinds.of_domain, s kinds.short_name, m kinds.mood DEFAULT 'in between', q "Mixed Case"."Enum Type");
INSERT INTO kinds.of_domains VALUES (1, 5, 4, 'O''Brien', 'it''s "fine"; \ %', 'Z'), (2, 6, 8, NULL, '', 'a'), (3, 1, 2, 'ann', 'ecstatic', NULL);

--- networks, geometry, text search, the system's own
CREATE TABLE kinds.of_the_rest (id integer, i inet, c cidr, m macaddr, m8 macaddr8, p point, l line, ls lseg, b box, pa path, po polygon, ci circle,
    tv tsvector, tq tsquery, rc regclass, rt regtype, rp regprocedure, o oid, x xid8, ln pg_lsn, h ext.hstore, lt "Mixed Case".ltree, cu public.cube);
INSERT INTO kinds.of_the_rest VALUES
    (1, '192.168.0.1/24', '10.0.0.0/8', '08:00:2b:01:02:03', '08:00:2b:01:02:03:04:05', '(1.5,-0)', '{1,-1,0.1}', '[(0,0),(1,1)]', '(2,2),(1,1)', '[(0,0),(1,1),(2,0)]', '((0,0),(1,1),(2,0))', '<(0,0),0.30000000000000004>',
     $$'a':1A,2B 'it''s; \\':3 'ü'$$, $$!'a' & ('b':AB* <-> 'c')$$, 'kinds.of_the_rest', 'kinds.mood', 'logic.overloaded(integer)', 4294967295, '18446744073709551615', '16/B374D848', '"a;b"=>"c\\d", e=>NULL, ""=>""', 'Top.Science', '(1,2),(3,4)'),
    (2, '::1', '2001:db8::/32', NULL, NULL, '(NaN,Infinity)', NULL, NULL, NULL, '((0,0),(1,1))', NULL, NULL, '', '', NULL, 'integer[]', NULL, 0, '0', '0/0', '', '', '0'),
    (3, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL);

--- lengths, scales and fields, also within arrays, composites and domains
CREATE DOMAIN kinds.padded AS char(4) CHECK (VALUE <> 'none');
CREATE DOMAIN kinds.padded_again AS kinds.padded NOT NULL;
CREATE DOMAIN kinds.minutes AS interval hour to minute;
CREATE DOMAIN kinds.one_pair AS kinds.pair CHECK ((VALUE).a > 0);
CREATE TYPE kinds.measures AS (c char(3), v varchar(3), n numeric(4, 2), b bit(3), i interval minute to second(1), t timestamptz(0));
CREATE TABLE kinds.of_lengths (id bigint GENERATED ALWAYS AS IDENTITY, c char(3), cs char(3)[], any_c bpchar, v varchar(3), vb bit varying(4), bs bit(3)[],
    n numeric(4, 2), ns numeric(4, 2)[], t time(2), tz timetz(1), ts timestamp(1), tsz timestamptz(0)[], i interval(0), days interval day, ys interval year to month,
    ds interval day to second(2), p kinds.padded, pa kinds.padded_again, m kinds.minutes, ms kinds.minutes[], op kinds.one_pair, me kinds.measures, mes kinds.measures[]);
INSERT INTO kinds.of_lengths OVERRIDING SYSTEM VALUE VALUES
    (-9223372036854775808, 'a', '{a,"b ",NULL,""}', 'a  ', 'a  ', '10', '{101,000}', 99.99, '{-0.00,1.1,NaN}', '23:59:59.99', '24:00:00+15:59', '1999-12-31 23:59:59.9',
     '{infinity,-infinity,"2025-03-30 01:30:00+00"}', '1 mon -1 day -00:00:01', '-3 days', '-1 year -2 mons', '-3 days +04:05:06.78', 'ab', '', '-01:30', '{"100:59","-00:01"}',
     '(1," x ",sad)', '(a,"b  ",-0.50,111,-01:02.5,"2020-01-01 00:00:00+00")', '{"(\"  a\",\"\",,,,infinity)",NULL}'),
    (DEFAULT, NULL, NULL, '', '', '', '{}', 0, '{}', NULL, NULL, NULL, '{}', '0', '0', '0', '0', NULL, ' x', NULL, '{}', NULL, NULL, '{}');
CREATE TABLE kinds.of_the_system (i2 int2vector, ov oidvector, tid tid, x xid, c cid, n regnamespace, cl regcollation, cf regconfig, d regdictionary, o regoperator, s pg_snapshot, a aclitem, c1 "char"[]);
INSERT INTO kinds.of_the_system VALUES ('1 -2 3', '4294967295 0', '(4294967295,65535)', '4294967295', '7', '"Mixed Case"', '"C"', 'simple', 'simple', 'pg_catalog.+(integer,integer)', '10:20:10,14', '=r/postgres', '{a,"",NULL,"\"","\\\\"}'),
    ('', '', '(0,0)', '3', '0', NULL, NULL, NULL, NULL, NULL, NULL, NULL, '{}');

--- more than one page
CREATE TABLE kinds.many_rows (id integer PRIMARY KEY, filler text, half numeric);
INSERT INTO kinds.many_rows SELECT n, md5(n::text), n / 2.0 FROM generate_series(1, 3000) AS n;
UPDATE kinds.many_rows SET half = half + 1 WHERE id % 7 = 0;
DELETE FROM kinds.many_rows WHERE id % 11 = 0;

--- large objects
SELECT lo_from_bytea(900001, decode(repeat('00112233445566778899aabbccddeeff', 1200), 'hex')), lo_create(900002), lo_from_bytea(900003, convert_to(E'small\n\\.\n', 'UTF8'));
SELECT lo_from_bytea(900004, '\x01'), lo_put(900004, 10000, '\xff');
COMMENT ON LARGE OBJECT 900003 IS 'it''s large; not really';
CREATE TABLE kinds.refers_to_large_objects (id integer, picture oid, "lo" ext.lo);
INSERT INTO kinds.refers_to_large_objects VALUES (1, 900001, 900003);
