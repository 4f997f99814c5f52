--- views
CREATE VIEW logic.simple_view AS SELECT id, name FROM logic.indexed WHERE name IN ('name 1', 'name 2', 'it''s');
CREATE VIEW logic.checked_view WITH (security_barrier = true) AS
    SELECT status, kind, amount, name FROM logic.checked WHERE status IN ('new', 'paid') WITH CASCADED CHECK OPTION;
CREATE VIEW logic.local_check WITH (check_option = local) AS SELECT * FROM logic.checked_view WHERE kind IN ('a', 'b');
CREATE RECURSIVE VIEW logic.numbers_to_five (n) AS VALUES (1) UNION ALL SELECT n + 1 FROM numbers_to_five WHERE n < 5;
CREATE VIEW logic."View; with ""Quotes""" ("Col; 1", "select") AS
    SELECT 'COPY x FROM stdin;'::text, $$back\slash; '$$::text UNION ALL SELECT '\.', E'a\n\\.\nb';
CREATE VIEW logic.grouped_by_key AS SELECT i.id, i.name, i.body, count(*) AS n FROM logic.indexed AS i
    JOIN logic.tree AS t ON t.id = i.id GROUP BY i.id;
CREATE VIEW logic.nameless AS SELECT 1 AS "?column?", row_number() OVER (PARTITION BY id % 3 ORDER BY id ROWS 2 PRECEDING) FROM logic.indexed;
CREATE VIEW logic.of_a_view AS SELECT g.*, l.n AS five FROM logic.grouped_by_key AS g CROSS JOIN LATERAL (SELECT n FROM logic.numbers_to_five LIMIT 1) AS l;
CREATE VIEW logic.no_columns AS SELECT;
CREATE VIEW logic.long_expression AS SELECT CASE WHEN name::text ~~ 'a%' THEN 1 WHEN name = ANY (ARRAY['x', 'y']) THEN 2 END AS c,
    made AT TIME ZONE 'Asia/Kathmandu' AS local_time, extract(epoch FROM made) AS seconds, name COLLATE "C" AS c_name, spot <-> point(0, 0) AS far,
    (SELECT array_agg(x ORDER BY x DESC) FILTER (WHERE x > 1) FROM unnest(tags) AS x) AS tags_down,
    xmlelement(name el, xmlattributes(id AS "an attr"), name) AS el, interval '1 day 2 hours' AS i, '2020-01-01'::date AS d FROM logic.indexed;
ALTER VIEW logic.simple_view ALTER COLUMN name SET DEFAULT 'name 1';
COMMENT ON VIEW logic.simple_view IS 'a view';
COMMENT ON COLUMN logic.simple_view.name IS 'a view''s column';

--- views with the rights of who asks since 15
CREATE VIEW logic.invoker WITH (security_invoker = true) AS SELECT id FROM logic.indexed;

--- json of the standard since 17
CREATE VIEW logic.json_of_the_standard AS SELECT id, t.k, JSON_EXISTS(doc, '$.n') AS has_n
    FROM logic.indexed, JSON_TABLE(doc, '$.k[*]' COLUMNS (k integer PATH '$')) AS t;

--- materialised views
CREATE MATERIALIZED VIEW logic.stale AS SELECT status, count(*) AS n FROM logic.checked GROUP BY status;
CREATE UNIQUE INDEX stale_status ON logic.stale (status);
INSERT INTO logic.checked (status, amount) VALUES ('it''s', 50), ('it''s', 51);
CREATE MATERIALIZED VIEW logic.never_filled AS SELECT id FROM logic.indexed WHERE name IN ('name 3') WITH NO DATA;
CREATE MATERIALIZED VIEW logic."of Another; one" WITH (fillfactor = 60) AS SELECT sum(n) AS total FROM logic.stale;
CREATE MATERIALIZED VIEW logic.of_one_never_filled AS SELECT count(*) FROM logic.never_filled WITH NO DATA;
CREATE INDEX never_filled_id ON logic.never_filled (id);
ALTER MATERIALIZED VIEW logic.stale ALTER COLUMN n SET STATISTICS 77;
CREATE STATISTICS logic.stats_of_view ON status, n FROM logic.stale;
COMMENT ON MATERIALIZED VIEW logic.stale IS 'a materialised view';

--- rules
CREATE TABLE logic.ruled (id integer, note text);
CREATE RULE "log; it" AS ON INSERT TO logic.ruled WHERE NEW.id > 100 DO ALSO (
    INSERT INTO logic.notes (note) VALUES ('inserted; ' || NEW.id);
    UPDATE logic.ruled SET note = 'a;b' WHERE id = NEW.id;
    SELECT 1;
);
CREATE RULE never_deleted AS ON DELETE TO logic.ruled DO INSTEAD NOTHING;
CREATE RULE writable AS ON UPDATE TO logic.simple_view DO INSTEAD UPDATE logic.indexed SET name = NEW.name WHERE id = OLD.id RETURNING id, name;
CREATE RULE switched_off AS ON INSERT TO logic.ruled DO ALSO NOTIFY "a channel; here";
ALTER TABLE logic.ruled DISABLE RULE switched_off;
INSERT INTO logic.ruled VALUES (1, 'one'), (2, 'two');
COMMENT ON RULE "log; it" ON logic.ruled IS 'a rule';

--- triggers
CREATE TABLE logic.triggered (id integer PRIMARY KEY, v text, w integer);
CREATE FUNCTION logic.on_row() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.w := coalesce(NEW.w, 0) + 1;
    RETURN NEW;
END $$;
CREATE FUNCTION logic.on_statement() RETURNS trigger LANGUAGE plpgsql AS $body$
BEGIN
    INSERT INTO logic.notes (note) VALUES (TG_NAME || '; ' || TG_OP);
    RETURN NULL;
END $body$;
INSERT INTO logic.triggered SELECT n, 'v' || n, n FROM generate_series(1, 10) AS n;
CREATE TRIGGER before_row BEFORE INSERT OR UPDATE OF v, w ON logic.triggered FOR EACH ROW WHEN (NEW.v IS DISTINCT FROM 'skip; it''s') EXECUTE FUNCTION logic.on_row();
CREATE TRIGGER "After; Statement" AFTER INSERT OR DELETE OR TRUNCATE ON logic.triggered FOR EACH STATEMENT EXECUTE FUNCTION logic.on_statement('arg; one', 'two''s', E'\\x', '');
CREATE TRIGGER with_tables AFTER UPDATE ON logic.triggered REFERENCING OLD TABLE AS old_ones NEW TABLE AS "New Ones" FOR EACH STATEMENT EXECUTE FUNCTION logic.on_statement();
CREATE CONSTRAINT TRIGGER in_the_end AFTER INSERT ON logic.triggered DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION logic.on_statement();
CREATE CONSTRAINT TRIGGER from_another AFTER UPDATE ON logic.triggered FROM logic.tree NOT DEFERRABLE FOR EACH ROW EXECUTE FUNCTION logic.on_statement();
CREATE TRIGGER switched_off BEFORE DELETE ON logic.triggered FOR EACH ROW EXECUTE FUNCTION logic.on_row();
CREATE TRIGGER on_replicas BEFORE DELETE ON logic.triggered FOR EACH ROW EXECUTE FUNCTION logic.on_row();
CREATE TRIGGER on_all BEFORE UPDATE ON logic.triggered FOR EACH ROW EXECUTE FUNCTION logic.on_row();
ALTER TABLE logic.triggered DISABLE TRIGGER switched_off, ENABLE REPLICA TRIGGER on_replicas, ENABLE ALWAYS TRIGGER on_all;
CREATE TRIGGER instead_of INSTEAD OF INSERT ON logic.of_a_view FOR EACH ROW EXECUTE FUNCTION logic.on_row();
CREATE TRIGGER of_partitions AFTER INSERT ON logic.measured FOR EACH ROW EXECUTE FUNCTION logic.on_statement();
ALTER TABLE logic.measured_2024 DISABLE TRIGGER of_partitions;
CREATE TRIGGER large_objects BEFORE UPDATE OR DELETE ON kinds.stored FOR EACH ROW EXECUTE FUNCTION ext.lo_manage(a);
COMMENT ON TRIGGER before_row ON logic.triggered IS 'a trigger';

--- row security
CREATE TABLE logic.secured (id integer, owner text, status varchar(10));
INSERT INTO logic.secured VALUES (1, 'ann', 'open'), (2, 'bob', 'closed'), (3, NULL, NULL);
ALTER TABLE logic.secured ENABLE ROW LEVEL SECURITY;
CREATE POLICY known_status ON logic.secured USING (status IN ('open', 'closed'));
CREATE POLICY "own; rows" ON logic.secured AS RESTRICTIVE FOR UPDATE TO pg_read_all_data USING (owner = CURRENT_USER) WITH CHECK (id > 0 AND status IN ('open'));
CREATE POLICY of_subquery ON logic.secured FOR SELECT TO PUBLIC USING (EXISTS (SELECT FROM logic.tree AS t WHERE t.id = secured.id));
COMMENT ON POLICY known_status ON logic.secured IS 'a policy';

--- row security that binds owners too superuser
CREATE TABLE logic.forced (id integer, status varchar(10));
INSERT INTO logic.forced VALUES (1, 'open'), (2, 'hidden');
ALTER TABLE logic.forced ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY only_open ON logic.forced USING (status IN ('open', 'closed'));
CREATE TABLE logic.forced_not_enabled (id integer);
ALTER TABLE logic.forced_not_enabled FORCE ROW LEVEL SECURITY;
