-- What PostgreSQL spells differently after a dump and a restore, or may: each place where an expression can stand,
-- with the comparison `varchar IN (...)`, whose text changes at the first copy.
CREATE SCHEMA deparse;
CREATE TYPE deparse.mood AS ENUM ('sad', 'ok', 'happy');
CREATE DOMAIN deparse.word AS varchar(10) DEFAULT CASE WHEN 'a'::varchar IN ('a', 'b') THEN 'x' END
    CONSTRAINT known CHECK (VALUE IN ('x', 'y', 'it''s'));
CREATE DOMAIN deparse.word_too AS deparse.word CHECK (VALUE IN ('x', 'y') AND VALUE COLLATE "C" > 'a');
CREATE DOMAIN deparse.words AS varchar(5)[] CHECK ('a' = ANY (VALUE) OR VALUE[1] IN ('b', 'c'));
CREATE DOMAIN deparse.feeling AS deparse.mood CHECK (VALUE IN ('ok', 'happy') AND VALUE::text IN ('ok', 'happy'));

CREATE TABLE deparse.main (
    id integer PRIMARY KEY,
    status varchar(10) NOT NULL DEFAULT CASE WHEN 'a'::varchar IN ('a', 'b') THEN 'new' ELSE 'old' END,
    kind char(3) DEFAULT 'a' CHECK (kind IN ('a', 'b')), amount numeric(8, 2), name text, mood deparse.mood, word deparse.word,
    tags varchar(5)[], at timestamptz DEFAULT now() + interval '1 day', doc jsonb, room integer, during tstzrange,
    open boolean GENERATED ALWAYS AS (status IN ('new', 'open') OR name IN ('x', 'y')) STORED,
    CONSTRAINT known CHECK (status IN ('new', 'open', 'it''s; closed')),
    CONSTRAINT row_known CHECK (main.* IS NOT NULL OR status NOT IN ('x', 'y')),
    CONSTRAINT tags_known CHECK (tags <@ ARRAY['a', 'b']::varchar[] AND status || name IN ('a', 'b')),
    CONSTRAINT numbers CHECK (amount BETWEEN 0 AND 100 AND (amount, room) > (0, 1) AND -room < 5 AND amount % 2 <> 1.50),
    CONSTRAINT times CHECK (at > '2020-01-01' AND at AT TIME ZONE 'UTC' > '2020-01-01' AND extract(year FROM at) > 2000
        AND (at, interval '1 day') OVERLAPS ('2020-01-01'::timestamptz, '2030-01-01'::timestamptz)),
    CONSTRAINT texts CHECK (name SIMILAR TO 'a%' OR name LIKE 'b\_%' ESCAPE '\' OR name ILIKE 'c' OR position('x' IN name) > 1
        OR trim(BOTH ' ' FROM name) = substring(name FROM 1 FOR 2) OR overlay(name PLACING 'x' FROM 1) = name
        OR coalesce(status, 'x') = nullif(name, 'y') OR greatest(status, 'a') IN ('b', 'c') OR name IS NOT DISTINCT FROM 'q'
        OR name COLLATE "C" < 'z' OR status::text = ANY ('{a,b}') OR name = ALL (ARRAY['a', NULL])),
    CONSTRAINT moods CHECK (mood IN ('sad', 'ok') OR mood > 'ok' AND word IN ('x', 'y') OR doc @> '{"a": [1]}' OR doc ->> 'k' IN ('1', '2')),
    EXCLUDE USING gist (during WITH &&) WHERE (status IN ('new', 'open')));
ALTER TABLE deparse.main ADD CONSTRAINT not_yet CHECK (status NOT IN ('p', 'q')) NOT VALID;
CREATE INDEX by_predicate ON deparse.main (name) WHERE status IN ('new', 'open') AND kind IN ('a', 'b');
CREATE INDEX by_expression ON deparse.main ((status IN ('new', 'open')), lower(status), (doc ->> 'k'), (upper(name) COLLATE "C"));
CREATE UNIQUE INDEX by_row ON deparse.main ((CASE status WHEN 'new' THEN id END)) WHERE main.* IS NOT NULL;
CREATE STATISTICS deparse.of_expressions ON (status IN ('new', 'open')), (lower(name)), id FROM deparse.main;

CREATE TABLE deparse.plain (id integer, status varchar(10), note text);
CREATE FUNCTION deparse.fire() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
CREATE TRIGGER "WHEN (x) FOR EACH ROW" BEFORE UPDATE OF status ON deparse.main FOR EACH ROW
    WHEN (OLD.status IN ('new', 'open') AND NEW.status IS DISTINCT FROM OLD.status AND (OLD.* IS NOT NULL OR NEW.name = 'WHEN (('))
    EXECUTE FUNCTION deparse.fire(') EXECUTE FUNCTION x(', 'WHEN (a)');
CREATE TRIGGER of_statement AFTER INSERT ON deparse.main WHEN (1 = 1 OR CURRENT_USER IN ('a', 'b')) EXECUTE FUNCTION deparse.fire();
CREATE RULE "rule AS ON INSERT TO x" AS ON INSERT TO deparse.plain WHERE NEW.status IN ('new', 'open') DO ALSO
    (UPDATE deparse.main SET name = NEW.note WHERE main.id = NEW.id AND main.status IN ('a', 'b'); DELETE FROM deparse.main WHERE status IN ('p', 'q'));
CREATE RULE instead AS ON UPDATE TO deparse.plain WHERE OLD.status IN ('a', 'b') DO INSTEAD NOTHING;
ALTER TABLE deparse.main ENABLE ROW LEVEL SECURITY;
CREATE POLICY by_status ON deparse.main USING (status IN ('new', 'open')) WITH CHECK (kind IN ('a', 'b') AND status IN ('a', 'b'));
CREATE POLICY by_query ON deparse.main FOR SELECT USING (EXISTS (SELECT FROM deparse.plain AS p WHERE p.status IN ('a', 'b') AND p.id = main.id)
    AND id IN (SELECT m.id FROM deparse.main AS m WHERE m.status IN ('a', 'b')));

CREATE VIEW deparse.seen WITH (check_option = local) AS SELECT id, status, name AS "as; it is" FROM deparse.main WHERE status IN ('new', 'open');
ALTER VIEW deparse.seen ALTER COLUMN status SET DEFAULT CASE WHEN 'a'::varchar IN ('a', 'b') THEN 'new' END;
CREATE RULE updated AS ON UPDATE TO deparse.seen WHERE NEW.status IN ('a', 'b') DO ALSO UPDATE deparse.plain SET note = NEW."as; it is" WHERE id = OLD.id;
CREATE RULE deleted AS ON DELETE TO deparse.seen DO INSTEAD DELETE FROM deparse.main WHERE id = OLD.id AND status IN ('a', 'b')
    RETURNING id, status, name;
CREATE VIEW deparse.joined AS SELECT m.*, p.note, (SELECT count(*) FROM deparse.plain q WHERE q.status IN ('a', 'b') AND q.id = m.id) AS n
    FROM deparse.main AS m LEFT JOIN deparse.plain AS p USING (id) WHERE p.status IN ('a', 'b') OR m.status NOT IN ('c', 'd');
CREATE VIEW deparse.of_joined AS WITH j AS MATERIALIZED (SELECT * FROM deparse.joined WHERE status IN ('a', 'b'))
    SELECT status, sum(amount) FILTER (WHERE kind IN ('a', 'b')) AS total, GROUPING (status) AS g, array_agg(DISTINCT name ORDER BY name DESC) AS names
    FROM j GROUP BY ROLLUP (status) HAVING count(*) > 1 ORDER BY 1 NULLS FIRST LIMIT 10;
CREATE VIEW deparse.sets AS (SELECT status FROM deparse.main WHERE status IN ('a', 'b') INTERSECT ALL SELECT status FROM deparse.plain)
    EXCEPT (SELECT 'x' UNION SELECT name FROM deparse.main TABLESAMPLE bernoulli (50)) ORDER BY 1;
CREATE VIEW deparse.windows AS SELECT id, rank() OVER w, lag(status, 1, 'x') OVER (w ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW) AS before
    FROM deparse.main WHERE status IN ('a', 'b') WINDOW w AS (PARTITION BY kind ORDER BY id);
CREATE VIEW deparse.lateral_values AS SELECT v.*, f.ordinality FROM (VALUES (1, 'a'::varchar), (2, 'b')) AS v (n, s)
    CROSS JOIN LATERAL ROWS FROM (generate_series(1, v.n), unnest(ARRAY[v.s])) WITH ORDINALITY AS f WHERE v.s IN ('a', 'b');
CREATE MATERIALIZED VIEW deparse.kept AS SELECT id, status FROM deparse.main WHERE status IN ('new', 'open') AND kind IN ('a', 'b');
CREATE INDEX kept_status ON deparse.kept (id) WHERE status IN ('new', 'open');
CREATE INDEX kept_expression ON deparse.kept ((status IN ('new', 'open')));

CREATE FUNCTION deparse.atomic(status varchar, id integer DEFAULT CASE WHEN 'a'::varchar IN ('a', 'b') THEN 1 END) RETURNS SETOF deparse.main LANGUAGE sql
BEGIN ATOMIC
    UPDATE deparse.plain SET note = 'a;b' WHERE plain.status IN ('a', 'b') AND plain.id = atomic.id;
    SELECT * FROM deparse.main AS m WHERE m.status IN ('new', 'open') AND atomic.status IN ('a', 'b') AND m.id = atomic.id;
END;
CREATE FUNCTION deparse.atomic(integer) RETURNS boolean LANGUAGE sql IMMUTABLE RETURN $1::varchar IN ('1', '2');
CREATE PROCEDURE deparse.atomic_too(a varchar DEFAULT 'x') LANGUAGE sql BEGIN ATOMIC DELETE FROM deparse.plain WHERE plain.status IN ('a', 'b') AND note = a; END;
CREATE FUNCTION deparse.table_of(wanted varchar) RETURNS TABLE (id integer, status varchar) LANGUAGE sql
BEGIN ATOMIC
    SELECT p.id, p.status FROM deparse.plain AS p WHERE p.status IN ('a', 'b') AND p.note = wanted;
END;

CREATE TABLE deparse.parted (a varchar(10), b integer) PARTITION BY LIST ((a IN ('a', 'b')));
CREATE TABLE deparse.parted_true PARTITION OF deparse.parted (CHECK (a IN ('a', 'b'))) FOR VALUES IN (true);
CREATE TABLE deparse.parted_rest PARTITION OF deparse.parted DEFAULT;
CREATE INDEX parted_where ON deparse.parted (b) WHERE a IN ('a', 'b');
CREATE TRIGGER of_parted AFTER INSERT ON deparse.parted FOR EACH ROW WHEN (NEW.a IN ('a', 'b')) EXECUTE FUNCTION deparse.fire();
CREATE TABLE deparse.heir (CHECK (status IN ('a', 'b'))) INHERITS (deparse.plain);
ALTER TABLE deparse.plain ADD CONSTRAINT for_all CHECK (status IN ('a', 'b', 'c'));
CREATE FOREIGN DATA WRAPPER nowhere;
CREATE SERVER away FOREIGN DATA WRAPPER nowhere OPTIONS (host 'h', password 'not to be shown');
CREATE USER MAPPING FOR CURRENT_USER SERVER away OPTIONS ("user" 'u', password 'not to be shown');
CREATE FOREIGN TABLE deparse.far (a varchar(10) DEFAULT CASE WHEN 'a'::varchar IN ('a', 'b') THEN 'x' END, b integer OPTIONS (name 'B'), CHECK (a IN ('a', 'b')))
    SERVER away OPTIONS (t 'x');
CREATE PUBLICATION filtered FOR TABLE deparse.main (id, status) WHERE (id > 1 AND kind IN ('a', 'b')), deparse.plain;
ALTER TABLE deparse.plain REPLICA IDENTITY FULL;

-- What a copy must have alike, one of each, for the mutations.
CREATE SCHEMA alike;
CREATE TYPE alike.pair AS (a integer, b text);
CREATE TYPE alike.span AS RANGE (subtype = integer);
CREATE TABLE alike.users (
    id integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY, email varchar(50) NOT NULL UNIQUE, name text COLLATE "C" DEFAULT 'nobody',
    score real DEFAULT 0.1, doubled integer GENERATED ALWAYS AS (2) STORED, mood deparse.mood, CONSTRAINT named CHECK (name <> ''));
CREATE TABLE alike.orders (id serial PRIMARY KEY, buyer integer REFERENCES alike.users ON DELETE CASCADE, total numeric(8, 2) NOT NULL, note text) WITH (fillfactor = 80);
INSERT INTO alike.users (email, name) SELECT n || '@example.org', CASE n % 3 WHEN 0 THEN '' || n WHEN 1 THEN 'user ' || n END FROM generate_series(1, 20) AS n;
INSERT INTO alike.orders (buyer, total, note) SELECT 1 + n % 20, n, '' FROM generate_series(1, 30) AS n;
CREATE INDEX orders_total ON alike.orders (total DESC);
CREATE UNIQUE INDEX users_name ON alike.users (name, id);
CREATE STATISTICS alike.stats (ndistinct, dependencies) ON buyer, total FROM alike.orders;
CREATE VIEW alike.rich WITH (security_barrier = true) AS SELECT buyer, sum(total) AS total FROM alike.orders GROUP BY buyer;
CREATE MATERIALIZED VIEW alike.kept AS SELECT count(*) AS n FROM alike.orders;
CREATE FUNCTION alike.add(a integer, b integer DEFAULT 1) RETURNS integer LANGUAGE sql IMMUTABLE AS 'SELECT a + b';
CREATE FUNCTION alike.touch() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
CREATE TRIGGER touched BEFORE UPDATE ON alike.orders FOR EACH ROW EXECUTE FUNCTION alike.touch();
CREATE RULE quiet AS ON DELETE TO alike.orders WHERE OLD.total < 0 DO INSTEAD NOTHING;
ALTER TABLE alike.users ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON alike.users FOR SELECT USING (name = CURRENT_USER);
CREATE AGGREGATE alike.total(integer) (SFUNC = int4pl, STYPE = integer, INITCOND = '0');
CREATE OPERATOR alike.=== (FUNCTION = alike.add, LEFTARG = integer, RIGHTARG = integer);
CREATE FUNCTION alike.to_text(alike.pair) RETURNS text LANGUAGE sql IMMUTABLE AS 'SELECT ($1).b';
CREATE CAST (alike.pair AS text) WITH FUNCTION alike.to_text(alike.pair) AS ASSIGNMENT;
CREATE TEXT SEARCH CONFIGURATION alike.search (COPY = pg_catalog.english);
CREATE TEXT SEARCH DICTIONARY alike.words (TEMPLATE = simple, STOPWORDS = english);
CREATE COLLATION alike.bytes (provider = libc, locale = 'C');
CREATE OPERATOR FAMILY alike.family USING btree;
CREATE CONVERSION alike.latin FOR 'LATIN1' TO 'UTF8' FROM iso8859_1_to_utf8;
CREATE SEQUENCE alike.counter INCREMENT 5;
SELECT nextval('alike.counter');
CREATE TABLE alike.parted (a integer, at date) PARTITION BY RANGE (at);
CREATE TABLE alike.parted_1 PARTITION OF alike.parted FOR VALUES FROM ('2025-01-01') TO ('2026-01-01');
CREATE TABLE alike.parted_2 PARTITION OF alike.parted FOR VALUES FROM ('2026-01-01') TO ('2027-01-01');
INSERT INTO alike.parted VALUES (1, '2025-05-05'), (2, '2026-05-05');
CREATE TRIGGER of_parted AFTER INSERT ON alike.parted FOR EACH ROW EXECUTE FUNCTION alike.touch();
CREATE TABLE alike.parent (a integer);
CREATE TABLE alike.heir (b integer) INHERITS (alike.parent);
CREATE TABLE alike.watched (a integer);
CREATE PUBLICATION told FOR TABLE alike.users, alike.watched;
CREATE FUNCTION alike.noticed() RETURNS event_trigger LANGUAGE plpgsql AS 'BEGIN END';
CREATE EVENT TRIGGER noticed ON sql_drop WHEN TAG IN ('DROP TABLE') EXECUTE FUNCTION alike.noticed();
CREATE EXTENSION citext WITH SCHEMA alike;
COMMENT ON TABLE alike.users IS 'people';
COMMENT ON COLUMN alike.users.email IS 'unique';
SELECT lo_from_bytea(4711, '\xcafe');
