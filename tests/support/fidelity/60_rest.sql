--- foreign data superuser
CREATE FOREIGN DATA WRAPPER no_handler OPTIONS (debug 'true', "an option" 'it''s; \');
CREATE SERVER "Server; one" TYPE 'a type' VERSION '1''2' FOREIGN DATA WRAPPER no_handler OPTIONS (host 'nowhere.invalid');
CREATE USER MAPPING FOR PUBLIC SERVER "Server; one" OPTIONS ("user" 'me', password 'it''s a secret; \');
CREATE USER MAPPING FOR postgres SERVER "Server; one";
CREATE FOREIGN TABLE logic.foreign_table (id integer OPTIONS (column_name 'Id; x') NOT NULL, v text COLLATE "C" DEFAULT 'd', CHECK (id > 0))
    SERVER "Server; one" OPTIONS (table_name 'a;b', schema_name '');
CREATE FOREIGN TABLE logic.foreign_child () INHERITS (logic.other_parent) SERVER "Server; one";
CREATE SERVER unreachable FOREIGN DATA WRAPPER file_fdw;
CREATE FOREIGN TABLE logic.over_there (id integer) SERVER unreachable OPTIONS (filename '/nowhere/at all.csv', format 'csv');
CREATE VIEW logic.of_over_there AS SELECT id FROM logic.over_there;
CREATE MATERIALIZED VIEW logic.over_there_never_filled AS SELECT id FROM logic.over_there WITH NO DATA;
COMMENT ON FOREIGN DATA WRAPPER no_handler IS 'a wrapper';
COMMENT ON SERVER "Server; one" IS 'a server';
COMMENT ON FOREIGN TABLE logic.foreign_table IS 'a foreign table';

--- publications
CREATE PUBLICATION "some; tables" FOR TABLE public.users, ONLY logic.parent, logic.two_keys WITH (publish = 'insert');
CREATE PUBLICATION no_tables;
CREATE PUBLICATION through_root FOR TABLE logic.measured WITH (publish_via_partition_root = true);
COMMENT ON PUBLICATION no_tables IS 'a publication';

--- publications of everything superuser
-- Of insertions only: it would forbid to update tables without a key.
CREATE PUBLICATION everything FOR ALL TABLES WITH (publish = 'insert, truncate');

--- publications of some rows and columns since 15
CREATE PUBLICATION filtered FOR TABLE logic.indexed (id, name, body) WHERE (id > 5 AND name = 'it''s; x' AND body IN ('a', 'b')), TABLE ONLY logic.tree (id)
    WITH (publish = 'insert');

--- publications of a schema superuser since 15
CREATE PUBLICATION of_schemas FOR TABLES IN SCHEMA "Mixed Case", public WITH (publish = 'insert');

--- grants that the owner may give
GRANT SELECT ON ALL TABLES IN SCHEMA kinds TO PUBLIC;
GRANT SELECT ("b B"), UPDATE (c) ON kinds.of_a_type TO PUBLIC;
REVOKE EXECUTE ON FUNCTION logic.overloaded(integer) FROM PUBLIC;
GRANT USAGE ON SCHEMA kinds TO pg_read_all_data;
ALTER DEFAULT PRIVILEGES IN SCHEMA logic GRANT SELECT ON TABLES TO PUBLIC;
REVOKE ALL ON TABLE logic.secured FROM CURRENT_USER;
GRANT ALL ON TABLE logic.secured TO CURRENT_USER;

--- grants to a role superuser
GRANT USAGE ON SCHEMA public, logic, "Mixed Case" TO fidelity_reader;
GRANT SELECT, UPDATE ON public.users, logic.measured TO fidelity_reader WITH GRANT OPTION;
GRANT USAGE ON SEQUENCE kinds.once_called TO fidelity_reader;
GRANT EXECUTE ON FUNCTION logic.overloaded(integer) TO fidelity_reader;
GRANT SELECT ON LARGE OBJECT 900001 TO fidelity_reader;
GRANT USAGE ON TYPE kinds.mood TO fidelity_reader;
GRANT USAGE ON FOREIGN SERVER "Server; one" TO fidelity_reader;
ALTER DEFAULT PRIVILEGES FOR ROLE postgres GRANT SELECT ON TABLES TO fidelity_reader;
ALTER DEFAULT PRIVILEGES FOR ROLE postgres REVOKE EXECUTE ON FUNCTIONS FROM PUBLIC;

--- tables that depend on each other in a circle
CREATE FUNCTION logic.next_of_circle() RETURNS integer LANGUAGE sql AS 'SELECT 1';
CREATE TABLE logic.circle (id integer DEFAULT logic.next_of_circle(), v text);
CREATE OR REPLACE FUNCTION logic.next_of_circle() RETURNS integer LANGUAGE sql
BEGIN ATOMIC
    SELECT coalesce(max(c.id), 0) + 1 FROM logic.circle AS c;
END;
INSERT INTO logic.circle (v) VALUES ('one');
INSERT INTO logic.circle (v) VALUES ('two');
CREATE FUNCTION logic.of_row(logic.circle) RETURNS text LANGUAGE sql IMMUTABLE AS 'SELECT $1.v';
CREATE VIEW logic.round_one AS SELECT 1 AS a, 'x'::text AS b;
CREATE VIEW logic.round_two AS SELECT a, b FROM logic.round_one;
CREATE OR REPLACE VIEW logic.round_one AS SELECT 2 AS a, b FROM (SELECT 'y'::text AS b) AS s WHERE EXISTS (SELECT FROM logic.circle);

--- event triggers superuser
CREATE TABLE logic.ddl_log (id integer GENERATED ALWAYS AS IDENTITY, tag text);
CREATE FUNCTION logic.log_ddl() RETURNS event_trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO logic.ddl_log (tag) VALUES (tg_event || ' ' || tg_tag);
END $$;
CREATE FUNCTION logic.forbid_ddl() RETURNS event_trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'no % here', tg_tag;
END $$;
CREATE EVENT TRIGGER log_tables ON ddl_command_end WHEN TAG IN ('CREATE TABLE', 'ALTER TABLE') EXECUTE FUNCTION logic.log_ddl();
CREATE EVENT TRIGGER "log; drops" ON sql_drop WHEN TAG IN ('DROP TABLE', 'DROP SCHEMA') EXECUTE FUNCTION logic.log_ddl();
CREATE EVENT TRIGGER switched_off ON ddl_command_start EXECUTE FUNCTION logic.forbid_ddl();
ALTER EVENT TRIGGER switched_off DISABLE;
COMMENT ON EVENT TRIGGER log_tables IS 'an event trigger';

--- settings of the database, which change how values look
DO $$
DECLARE
    setting text;
BEGIN
    FOREACH setting IN ARRAY ARRAY['"DateStyle" = ''SQL, DMY''', '"IntervalStyle" = iso_8601', '"TimeZone" = ''Asia/Kathmandu''',
        'bytea_output = escape', 'extra_float_digits = -3', 'xmlbinary = hex', 'search_path = logic, "Mixed Case"', 'default_tablespace = ''''',
        'default_text_search_config = ''simple'''] LOOP
        EXECUTE format('ALTER DATABASE %I SET %s', current_database(), setting);
    END LOOP;
END
$$;
