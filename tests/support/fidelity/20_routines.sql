--- functions whose bodies look like a dump
CREATE FUNCTION logic.looks_like_a_dump() RETURNS text LANGUAGE plpgsql AS $outer$
DECLARE
    one text := $$dollar; quoted$$;
    two text := $_$COPY public.users (id) FROM stdin;$_$;
    three text := E'a\tb\\\'c;';
BEGIN
    -- the lines below are text, and stand at the beginning of a line
    RETURN one || two || three || '
COPY public.users (id) FROM stdin;
1
\.
\connect postgres
\! touch /tmp/never
--
-- PostgreSQL database dump complete
--
\unrestrict abc
SET standard_conforming_strings = off;
BEGIN;
COMMIT;
';
END;
$outer$;
CREATE FUNCTION logic."Quoted Name"("Arg One" integer, "end" text DEFAULT 'x;y''z', VARIADIC rest integer[] DEFAULT '{}')
    RETURNS TABLE ("Col A" integer, b text) LANGUAGE sql STABLE ROWS 7 COST 3 AS 'SELECT 1, E''a\\b;$$''; -- $1
';
CREATE FUNCTION logic.all_dollars() RETURNS text LANGUAGE sql IMMUTABLE AS '
SELECT ''$$ $_$ $_X$ $_XY$ $function$ $body$ $1 $'' /* a comment; ''with a quote */ || E''\\'' -- ''
';
CREATE FUNCTION logic.overloaded(integer) RETURNS integer LANGUAGE sql IMMUTABLE AS 'SELECT $1';
CREATE FUNCTION logic.overloaded(text, OUT a text, INOUT b integer) LANGUAGE sql AS 'SELECT $1, $2';
CREATE FUNCTION logic.many(integer) RETURNS SETOF integer LANGUAGE sql SECURITY DEFINER PARALLEL SAFE
    SET search_path = pg_catalog, "Mixed Case" SET work_mem = '5MB' AS 'SELECT generate_series(1, $1)';
CREATE FUNCTION logic.any_kind(anyelement, anyarray) RETURNS anyelement LANGUAGE sql CALLED ON NULL INPUT AS 'SELECT $1';
CREATE FUNCTION logic.even(integer) RETURNS boolean LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE AS 'SELECT $1 % 2 = 0';
CREATE PROCEDURE logic.do_it(INOUT a integer DEFAULT 3, b text DEFAULT NULL) LANGUAGE plpgsql AS $$
BEGIN
    COMMIT;
    a := a + 1;
END $$;
COMMENT ON FUNCTION logic.overloaded(integer) IS 'one of two';
COMMENT ON PROCEDURE logic.do_it(integer, text) IS 'a procedure';

--- bodies in standard SQL, with bare semicolons
CREATE TABLE logic.notes (id integer GENERATED ALWAYS AS IDENTITY, note text, "end" integer);
CREATE FUNCTION logic.atomic(a integer, otherwise text DEFAULT 'x') RETURNS text LANGUAGE sql
BEGIN ATOMIC
    INSERT INTO logic.notes (note) VALUES ('one; two');
    INSERT INTO logic.notes (note, "end") SELECT CASE WHEN a > 0 THEN otherwise ELSE 'END;' END, CASE a WHEN 1 THEN 2 END;
    SELECT CASE WHEN a > 0 THEN 'positive; END' ELSE CASE WHEN a = 0 THEN 'zero' ELSE 'less' END END;
END;
CREATE FUNCTION logic.returns_at_once(a integer) RETURNS integer LANGUAGE sql IMMUTABLE RETURN a + 1;
CREATE PROCEDURE logic.atomic_procedure(a text) LANGUAGE sql
BEGIN ATOMIC
    DELETE FROM logic.notes WHERE note = a;
    UPDATE logic.notes SET note = 'it''s' WHERE id = 1;
END;
CREATE FUNCTION logic.empty_atomic() RETURNS void LANGUAGE sql BEGIN ATOMIC END;
COMMENT ON FUNCTION logic.atomic(integer, text) IS 'BEGIN ATOMIC; END;';

--- a merge in a body since 17
CREATE FUNCTION logic.merging(a integer) RETURNS SETOF integer LANGUAGE sql
BEGIN ATOMIC
    MERGE INTO logic.notes AS n USING (SELECT a AS id) AS s ON n.id = s.id
    WHEN MATCHED THEN UPDATE SET note = 'matched; here'
    WHEN NOT MATCHED THEN INSERT (note) VALUES ('new') RETURNING n.id;
END;

--- aggregates and window functions
CREATE FUNCTION logic.add_up(numeric, integer) RETURNS numeric LANGUAGE sql IMMUTABLE AS 'SELECT $1 + $2';
CREATE FUNCTION logic.finish(numeric) RETURNS text LANGUAGE sql IMMUTABLE AS 'SELECT ''total: '' || $1';
CREATE AGGREGATE logic.total(integer) (SFUNC = logic.add_up, STYPE = numeric, FINALFUNC = logic.finish, INITCOND = '0',
    PARALLEL = SAFE);
CREATE AGGREGATE logic.total_of_many(VARIADIC integer[]) (SFUNC = array_cat, STYPE = integer[]);
CREATE AGGREGATE logic.middle(ORDER BY double precision) (SFUNC = array_append, STYPE = double precision[], FINALFUNC = array_dims);
COMMENT ON AGGREGATE logic.total(integer) IS 'an aggregate';

--- a window function and one without leaks, a language and a transform superuser
CREATE FUNCTION logic.row_number_again() RETURNS bigint LANGUAGE internal WINDOW IMMUTABLE AS 'window_row_number';
CREATE FUNCTION logic.no_leak(text, text) RETURNS boolean LANGUAGE internal IMMUTABLE STRICT LEAKPROOF AS 'texteq';
CREATE FUNCTION logic.plagain_call_handler() RETURNS language_handler LANGUAGE c AS '$libdir/plpgsql', 'plpgsql_call_handler';
CREATE FUNCTION logic.plagain_inline_handler(internal) RETURNS void LANGUAGE c STRICT AS '$libdir/plpgsql', 'plpgsql_inline_handler';
CREATE TRUSTED LANGUAGE plagain HANDLER logic.plagain_call_handler INLINE logic.plagain_inline_handler;
COMMENT ON LANGUAGE plagain IS 'PL/pgSQL by another name';
CREATE FUNCTION logic.in_plagain() RETURNS integer LANGUAGE plagain AS $$ BEGIN RETURN 1; END $$;
CREATE TRANSFORM FOR integer LANGUAGE sql (FROM SQL WITH FUNCTION prsd_lextype(internal), TO SQL WITH FUNCTION int4recv(internal));
CREATE FUNCTION logic.transformed(integer) RETURNS integer LANGUAGE sql TRANSFORM FOR TYPE integer AS 'SELECT $1';
COMMENT ON TRANSFORM FOR integer LANGUAGE sql IS 'a transform';

--- operators and casts
CREATE FUNCTION logic.same_pair(kinds.pair, kinds.pair) RETURNS boolean LANGUAGE sql IMMUTABLE AS 'SELECT ($1).a = ($2).a';
CREATE FUNCTION logic.not_same_pair(kinds.pair, kinds.pair) RETURNS boolean LANGUAGE sql IMMUTABLE AS 'SELECT ($1).a <> ($2).a';
CREATE OPERATOR logic.=== (FUNCTION = logic.same_pair, LEFTARG = kinds.pair, RIGHTARG = kinds.pair,
    COMMUTATOR = OPERATOR(logic.===), NEGATOR = OPERATOR(logic.!===), RESTRICT = eqsel, JOIN = eqjoinsel);
CREATE OPERATOR logic.!=== (FUNCTION = logic.not_same_pair, LEFTARG = kinds.pair, RIGHTARG = kinds.pair,
    COMMUTATOR = OPERATOR(logic.!===), NEGATOR = OPERATOR(logic.===));
CREATE OPERATOR logic.!% (FUNCTION = logic.even, RIGHTARG = integer);
COMMENT ON OPERATOR logic.!% (NONE, integer) IS 'even; %';
CREATE FUNCTION logic.pair_to_text(kinds.pair) RETURNS text LANGUAGE sql IMMUTABLE AS 'SELECT ($1).a::text';
CREATE FUNCTION logic.text_to_pair(text) RETURNS kinds.pair LANGUAGE sql IMMUTABLE AS 'SELECT ROW(1, $1, NULL)::kinds.pair';
CREATE CAST (kinds.pair AS text) WITH FUNCTION logic.pair_to_text(kinds.pair) AS ASSIGNMENT;
CREATE CAST (text AS kinds.pair) WITH FUNCTION logic.text_to_pair(text);
CREATE CAST (kinds.mood AS text) WITH INOUT AS ASSIGNMENT;
COMMENT ON CAST (kinds.pair AS text) IS 'a cast';

--- operator classes and families, access methods superuser
CREATE OPERATOR FAMILY logic.backwards_family USING btree;
CREATE FUNCTION logic.compare_backwards(integer, integer) RETURNS integer LANGUAGE sql IMMUTABLE STRICT AS 'SELECT btint4cmp($2, $1)';
CREATE OPERATOR CLASS logic.backwards FOR TYPE integer USING btree FAMILY logic.backwards_family AS
    OPERATOR 1 >, OPERATOR 2 >=, OPERATOR 3 =, OPERATOR 4 <=, OPERATOR 5 <, FUNCTION 1 logic.compare_backwards(integer, integer);
CREATE OPERATOR FAMILY logic.nobody_uses_it USING hash;
ALTER OPERATOR FAMILY logic.nobody_uses_it USING hash ADD OPERATOR 1 = (integer, bigint), FUNCTION 1 (integer, integer) hashint4(integer);
CREATE OPERATOR CLASS logic.default_of_mood FOR TYPE "Mixed Case"."Enum Type" USING hash AS
    OPERATOR 1 = (anyenum, anyenum), FUNCTION 1 hashenum(anyenum);
COMMENT ON OPERATOR CLASS logic.backwards USING btree IS 'a class';
COMMENT ON OPERATOR FAMILY logic.backwards_family USING btree IS 'a family';
CREATE ACCESS METHOD heap_again TYPE TABLE HANDLER heap_tableam_handler;
CREATE ACCESS METHOD "btree again" TYPE INDEX HANDLER bthandler;
COMMENT ON ACCESS METHOD heap_again IS 'an access method';
CREATE OPERATOR CLASS logic.again_int4 DEFAULT FOR TYPE integer USING "btree again" AS
    OPERATOR 1 <, OPERATOR 2 <=, OPERATOR 3 =, OPERATOR 4 >=, OPERATOR 5 >, FUNCTION 1 btint4cmp(integer, integer);
CREATE TABLE logic.of_another_method (a integer, b text) USING heap_again;
INSERT INTO logic.of_another_method VALUES (1, 'one'), (2, 'two');
CREATE INDEX backwards ON logic.of_another_method (a logic.backwards);
CREATE MATERIALIZED VIEW logic.of_another_method_too USING heap_again AS SELECT a FROM logic.of_another_method;
CREATE TABLE logic.plain_again (a integer);

--- text search and conversions
CREATE TEXT SEARCH DICTIONARY logic.our_simple (TEMPLATE = pg_catalog.simple, STOPWORDS = english, ACCEPT = false);
CREATE TEXT SEARCH DICTIONARY logic."Our Snow; ball" (TEMPLATE = snowball, LANGUAGE = german);
CREATE TEXT SEARCH CONFIGURATION logic.our_config (COPY = pg_catalog.english);
ALTER TEXT SEARCH CONFIGURATION logic.our_config ALTER MAPPING FOR asciiword, word WITH logic."Our Snow; ball", logic.our_simple, simple;
ALTER TEXT SEARCH CONFIGURATION logic.our_config DROP MAPPING FOR url;
COMMENT ON TEXT SEARCH DICTIONARY logic.our_simple IS 'a dictionary';
COMMENT ON TEXT SEARCH CONFIGURATION logic.our_config IS 'a configuration';
CREATE CONVERSION logic.latin1 FOR 'LATIN1' TO 'UTF8' FROM iso8859_1_to_utf8;
CREATE DEFAULT CONVERSION logic.latin1_by_default FOR 'LATIN1' TO 'UTF8' FROM iso8859_1_to_utf8;
COMMENT ON CONVERSION logic.latin1 IS 'a conversion';

--- text search templates and parsers superuser
CREATE TEXT SEARCH TEMPLATE logic.our_template (INIT = dsimple_init, LEXIZE = dsimple_lexize);
CREATE TEXT SEARCH PARSER logic.our_parser (START = prsd_start, GETTOKEN = prsd_nexttoken, END = prsd_end, LEXTYPES = prsd_lextype,
    HEADLINE = prsd_headline);
CREATE TEXT SEARCH CONFIGURATION logic.own_parser (PARSER = logic.our_parser);
COMMENT ON TEXT SEARCH TEMPLATE logic.our_template IS 'a template';
COMMENT ON TEXT SEARCH PARSER logic.our_parser IS 'a parser';
