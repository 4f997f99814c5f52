--- schemas
CREATE SCHEMA "Mixed Case";
CREATE SCHEMA "dots.and;semi%colons'quotes""both$$\back";
CREATE SCHEMA ext;
CREATE SCHEMA kinds;
CREATE SCHEMA logic;
CREATE SCHEMA "select";
CREATE SCHEMA empty_one;
COMMENT ON SCHEMA empty_one IS 'nothing in here';
COMMENT ON SCHEMA "dots.and;semi%colons'quotes""both$$\back" IS 'it''s "quoted"; -- not a comment /* nor this */
COPY kinds.nothing (a) FROM stdin;
\.
$$ $_$ \connect nowhere
last line, 100 %';

--- comments that the owner of public may set superuser
COMMENT ON SCHEMA public IS 'the application''s own';

--- roles superuser
DO $$
BEGIN
    CREATE ROLE fidelity_reader;
EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL;
END
$$;

--- extensions that every owner of a database may create
CREATE EXTENSION citext WITH SCHEMA public VERSION '1.4';
CREATE EXTENSION hstore WITH SCHEMA ext;
CREATE EXTENSION pg_trgm WITH SCHEMA ext;
CREATE EXTENSION btree_gist WITH SCHEMA ext;
CREATE EXTENSION ltree WITH SCHEMA "Mixed Case";
CREATE EXTENSION pgcrypto WITH SCHEMA ext;
CREATE EXTENSION unaccent;
CREATE EXTENSION cube;
CREATE EXTENSION lo WITH SCHEMA ext;
COMMENT ON EXTENSION hstore IS 'key''s and values';

--- extensions that are not trusted superuser
CREATE EXTENSION earthdistance;
CREATE EXTENSION bloom WITH SCHEMA ext;
CREATE EXTENSION file_fdw;

--- collations
CREATE COLLATION kinds."C too" (provider = libc, locale = 'C');
CREATE COLLATION kinds.posix_copy FROM "POSIX";
COMMENT ON COLLATION kinds."C too" IS 'bytes';

--- collations of the server itself since 17
CREATE COLLATION kinds.builtin_utf8 (provider = builtin, locale = 'C.UTF-8');

--- collations of ICU icu
CREATE COLLATION kinds.ignore_case (provider = icu, locale = 'und-u-ks-level2', deterministic = false);
CREATE COLLATION kinds.german_phonebook (provider = icu, locale = 'de-u-co-phonebk');
CREATE TABLE kinds.of_icu (a text COLLATE kinds.ignore_case PRIMARY KEY, b text COLLATE kinds.german_phonebook);
INSERT INTO kinds.of_icu VALUES ('Straße', 'Göbel'), ('x', 'Goethe');

--- enums
CREATE TYPE kinds.mood AS ENUM ('sad', 'so so', 'it''s "fine"; \ %', '', 'größer');
CREATE TYPE kinds.no_labels AS ENUM ();
CREATE TYPE "Mixed Case"."Enum Type" AS ENUM ('Z', 'a', 'M');
COMMENT ON TYPE kinds.mood IS 'how it''s going';

--- enum labels out of order
ALTER TYPE kinds.mood ADD VALUE 'ecstatic' BEFORE 'sad';
ALTER TYPE kinds.mood ADD VALUE 'between' AFTER 'so so';
ALTER TYPE kinds.mood RENAME VALUE 'between' TO 'in between';

--- domains
CREATE DOMAIN kinds.positive AS integer DEFAULT 1 NOT NULL CONSTRAINT "is > 0" CHECK (VALUE > 0) CHECK (VALUE < 1000000);
CREATE DOMAIN kinds.short_name AS varchar(20) COLLATE "C" CHECK (VALUE IN ('ann', 'bob', 'O''Brien'));
CREATE DOMAIN kinds.of_domain AS kinds.positive CHECK (VALUE % 2 = 0);
CREATE DOMAIN kinds.some_array AS integer[] CHECK (array_length(VALUE, 1) <= 3);
CREATE DOMAIN kinds.late_rule AS text;
CREATE TABLE kinds.domain_before_its_rule (v kinds.late_rule);
INSERT INTO kinds.domain_before_its_rule VALUES ('breaks the rule'), ('ok');
ALTER DOMAIN kinds.late_rule ADD CONSTRAINT later CHECK (VALUE <> 'never') NOT VALID;
COMMENT ON DOMAIN kinds.positive IS 'a domain';
COMMENT ON CONSTRAINT "is > 0" ON DOMAIN kinds.positive IS 'its constraint';

--- composite types and ranges
CREATE TYPE kinds.pair AS (a integer, "b B" text COLLATE "C", c kinds.mood);
CREATE TYPE kinds.nested AS (p kinds.pair, ps kinds.pair[], n numeric(10, 3));
CREATE TYPE kinds.dropped AS (gone text, stays integer);
ALTER TYPE kinds.dropped DROP ATTRIBUTE gone;
ALTER TYPE kinds.dropped ADD ATTRIBUTE added boolean;
CREATE TYPE kinds.nothing_at_all AS ();
CREATE FUNCTION kinds.float_difference(double precision, double precision) RETURNS double precision
    LANGUAGE sql IMMUTABLE STRICT AS 'SELECT $1 - $2';
CREATE TYPE kinds.float_span AS RANGE (subtype = double precision, subtype_diff = kinds.float_difference,
    multirange_type_name = kinds."Float Spans");
CREATE TYPE kinds.text_span AS RANGE (subtype = text, collation = "C");
COMMENT ON COLUMN kinds.pair."b B" IS 'an attribute';

--- a base type of its own, with a shell type beside it superuser
CREATE TYPE kinds.int42;
CREATE FUNCTION kinds.int42_in(cstring) RETURNS kinds.int42 LANGUAGE internal IMMUTABLE STRICT AS 'int4in';
CREATE FUNCTION kinds.int42_out(kinds.int42) RETURNS cstring LANGUAGE internal IMMUTABLE STRICT AS 'int4out';
CREATE TYPE kinds.int42 (INPUT = kinds.int42_in, OUTPUT = kinds.int42_out, INTERNALLENGTH = 4, PASSEDBYVALUE,
    ALIGNMENT = int4, DEFAULT = 42, CATEGORY = 'N', DELIMITER = ';');
CREATE TABLE kinds.of_base_type (a kinds.int42, b kinds.int42[], c kinds.int42 DEFAULT '7');
INSERT INTO kinds.of_base_type VALUES ('1', '{1;2;NULL}', '3'), (NULL, '{}', NULL);
CREATE TYPE kinds.only_a_shell;
