-- Names, columns and values that look like something else to pg_dump's readers, to psql, to COPY, to a shell.
CREATE TABLE "back\slash" ("a\b" text, "c\\" text); INSERT INTO "back\slash" VALUES ('\.', E'\\.\n\\.'), ('\', NULL);
CREATE TABLE "tab	in it" ("	" int, "\N" int); INSERT INTO "tab	in it" VALUES (1, 2);
CREATE TABLE "line
end" ("
" text, "-- Name: x" text); INSERT INTO "line
end" VALUES (E'\r\n', E'\x01\x7f');
CREATE TABLE "quo'te""s" ("'" text, """" text, ":a" int, ":'DBNAME'" int); INSERT INTO "quo'te""s" VALUES ('''', '"', 1);
CREATE TABLE "per%cent %b" ("%s" int); CREATE TABLE "a,b" ("," int); CREATE TABLE "back\and	tab" ("\." int);
CREATE TABLE json (json_table json, "system_user" text, "Upper" int, "select" int);
CREATE TABLE "Größe 😀" ("ß" text); INSERT INTO "Größe 😀" VALUES ('ü');
CREATE TABLE nothing (); INSERT INTO nothing DEFAULT VALUES; INSERT INTO nothing DEFAULT VALUES;
CREATE TABLE gone (a int, b int); INSERT INTO gone VALUES (1, 2); ALTER TABLE gone DROP a; ALTER TABLE gone DROP b;
CREATE TABLE computed (a int GENERATED ALWAYS AS (1 + 1) STORED); INSERT INTO computed DEFAULT VALUES;
CREATE UNLOGGED TABLE unlogged (id int GENERATED ALWAYS AS IDENTITY); INSERT INTO unlogged DEFAULT VALUES;
CREATE SEQUENCE "a,b'c""d %s" START 7; CREATE SEQUENCE "Größe" INCREMENT -3; SELECT nextval('"Größe"');
CREATE SCHEMA "Zuletzt"; CREATE SCHEMA "a b"; CREATE SEQUENCE "a b".s; CREATE TABLE "a b".t (id serial);
CREATE FUNCTION says() RETURNS text LANGUAGE sql AS $$ SELECT '
--
-- Name: says; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX' $$;
COMMENT ON FUNCTION says() IS 'a;
--
-- Data for Name: x; Type: TABLE DATA; Schema: public; Owner: -
--
';
CREATE MATERIALIZED VIEW v AS SELECT 1 AS a; CREATE MATERIALIZED VIEW vv AS SELECT a FROM v;
CREATE MATERIALIZED VIEW "v (1)*?.$|[x]\" AS SELECT 1 AS a; CREATE MATERIALIZED VIEW "Ärger" AS SELECT 2 AS a;
CREATE MATERIALIZED VIEW "V" AS SELECT 3 AS a; CREATE MATERIALIZED VIEW not_yet AS SELECT 4 AS a WITH NO DATA;
CREATE TABLE v1 (a int); CREATE TABLE vvv (a int); CREATE TABLE "v (1)" (a int);
