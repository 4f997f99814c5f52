"""Damage: what may be wrong with a copy, one thing after the other, and what the oracle must say of it."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Mutation:
    """One thing done to a correct copy of the fidelity database (superuser's), and all that it makes different."""

    what: str
    statement: str
    noticed: tuple[str, ...]


# They do not stand in each other's way: all of them can be done to the same copy, in this order.
MUTATIONS = (
    Mutation("a row gone", "DELETE FROM kinds.many_rows WHERE id = 5", ("content: rows of kinds.many_rows",)),
    Mutation(
        "a row doubled", "INSERT INTO kinds.duplicates VALUES (1, 'the same')", ("content: rows of kinds.duplicates",)
    ),
    Mutation(
        "a row moved to a child",
        "WITH p AS (DELETE FROM ONLY logic.parent WHERE id = 1 RETURNING name) INSERT INTO "
        "logic.child (id, name) SELECT 1, name FROM p",
        (
            "content: rows of logic.child",
            "content: rows of logic.parent",
        ),
    ),
    Mutation(
        "values swapped between two rows",
        "UPDATE kinds.swapped SET b = 3 - b WHERE a <> b OR a = 1",
        ("content: rows of kinds.swapped",),
    ),
    Mutation(
        "one cell changed", "UPDATE public.users SET country = 'SE' WHERE id = 7", ("content: rows of public.users",)
    ),
    Mutation(
        "null for an empty string",
        "UPDATE kinds.of_strings SET t = NULL WHERE id = 1",
        ("content: rows of kinds.of_strings",),
    ),
    Mutation(
        "a trailing space",
        'UPDATE kinds.of_ranges SET t = \'["a","b c ")\' WHERE id = 1',
        ("content: rows of kinds.of_ranges",),
    ),
    Mutation(
        "the last digit of a float",
        "UPDATE kinds.of_numbers SET d = 0.3 WHERE id = 8",
        ("content: rows of kinds.of_numbers",),
    ),
    Mutation(
        "the scale of a numeric",
        "UPDATE kinds.some_dropped SET added_later = 1.5 WHERE a = 4",
        ("content: rows of kinds.some_dropped",),
    ),
    Mutation(
        "a negative zero",
        "UPDATE kinds.of_the_rest SET p = '(1.5,0)' WHERE id = 1",
        ("content: rows of kinds.of_the_rest",),
    ),
    Mutation(
        "an array's lower bound",
        "UPDATE kinds.of_arrays SET i = '{7,8,9}' WHERE id = 3",
        ("content: rows of kinds.of_arrays",),
    ),
    Mutation("a row without columns", "INSERT INTO kinds.nothing DEFAULT VALUES", ("content: rows of kinds.nothing",)),
    Mutation("an unlogged row", "DELETE FROM kinds.unlogged WHERE id = 1", ("content: rows of kinds.unlogged",)),
    Mutation(
        "an index missing", "DROP INDEX logic.covering", ("schema: covering; Type: INDEX; Schema: logic; Owner: -",)
    ),
    Mutation(
        "an index invalid",
        "UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'logic.gin'::regclass",
        ("schema: gin; Type: INDEX; Schema: logic; Owner: -",),
    ),
    Mutation(
        "a view",
        "CREATE OR REPLACE VIEW logic.numbers_to_five AS SELECT 1 AS n",
        ("schema: numbers_to_five; Type: VIEW; Schema: logic; Owner: -",),
    ),
    Mutation(
        "a materialised view emptied",
        "REFRESH MATERIALIZED VIEW logic.stale WITH NO DATA",
        ("content: logic.stale is populated",),
    ),
    Mutation(
        "a trigger switched off",
        "ALTER TABLE logic.triggered DISABLE TRIGGER before_row",
        (
            "content: rows of logic.ddl_log",
            "content: sequence logic.ddl_log_id_seq",
            "schema: triggered before_row; Type: TRIGGER; Schema: logic; Owner: -",
        ),
    ),
    Mutation(
        "a rule missing",
        'DROP RULE "log; it" ON logic.ruled',
        (
            'schema: RULE "log; it" ON ruled; Type: COMMENT; Schema: logic; Owner: -',
            "schema: ruled log; it; Type: RULE; Schema: logic; Owner: -",
        ),
    ),
    Mutation(
        "a policy",
        "ALTER POLICY known_status ON logic.secured USING (true)",
        ("schema: secured known_status; Type: POLICY; Schema: logic; Owner: -",),
    ),
    Mutation(
        "row security switched off",
        "ALTER TABLE logic.secured DISABLE ROW LEVEL SECURITY",
        ("schema: secured; Type: ROW SECURITY; Schema: logic; Owner: -",),
    ),
    Mutation(
        "a default",
        "ALTER TABLE public.users ALTER role SET DEFAULT 'buyer'",
        ("schema: users; Type: TABLE; Schema: public; Owner: -",),
    ),
    Mutation(
        "a check constraint",
        "ALTER TABLE public.wallets DROP CONSTRAINT wallets_never_negative",
        ("schema: wallets; Type: TABLE; Schema: public; Owner: -",),
    ),
    Mutation(
        "a constraint validated",
        "UPDATE pg_constraint SET convalidated = true WHERE conname = 'not_valid'",
        (
            "schema: checked not_valid; Type: CHECK CONSTRAINT; Schema: logic; Owner: -",
            "schema: checked; Type: TABLE; Schema: logic; Owner: -",
        ),
    ),
    Mutation(
        "a foreign key missing",
        "ALTER TABLE logic.egg DROP CONSTRAINT egg_hen_fkey",
        ("schema: egg egg_hen_fkey; Type: FK CONSTRAINT; Schema: logic; Owner: -",),
    ),
    Mutation(
        "a sequence behind",
        "SELECT setval('public.escrow_numbers', 1003)",
        ("content: sequence public.escrow_numbers",),
    ),
    Mutation(
        "a sequence called",
        "SELECT setval('kinds.set_but_not_called', 77, true)",
        ("content: sequence kinds.set_but_not_called",),
    ),
    Mutation(
        "a sequence's step",
        "ALTER SEQUENCE kinds.downwards INCREMENT -8",
        ("schema: downwards; Type: SEQUENCE; Schema: kinds; Owner: -",),
    ),
    Mutation(
        "the order of an enum",
        "UPDATE pg_enum SET enumsortorder = 99 WHERE enumlabel = 'sad'",
        ("schema: mood; Type: TYPE; Schema: kinds; Owner: -",),
    ),
    Mutation(
        "a function's body",
        "CREATE OR REPLACE FUNCTION logic.even(integer) RETURNS boolean LANGUAGE sql IMMUTABLE "
        "STRICT PARALLEL SAFE AS 'SELECT $1 % 2 = 1'",
        ("schema: even(integer); Type: FUNCTION; Schema: logic; Owner: -",),
    ),
    Mutation(
        "a cast",
        "DROP CAST (kinds.mood AS text)",
        ("schema: CAST (kinds.mood AS text); Type: CAST; Schema: -; Owner: -",),
    ),
    Mutation(
        "an operator",
        "ALTER OPERATOR logic.=== (kinds.pair, kinds.pair) SET (JOIN = neqjoinsel)",
        ("schema: ===; Type: OPERATOR; Schema: logic; Owner: -",),
    ),
    Mutation(
        "text search",
        "ALTER TEXT SEARCH CONFIGURATION logic.our_config DROP MAPPING FOR email",
        ("schema: our_config; Type: TEXT SEARCH CONFIGURATION; Schema: logic; Owner: -",),
    ),
    Mutation(
        "extended statistics",
        "ALTER STATISTICS logic.stats_columns SET STATISTICS 51",
        ("schema: stats_columns; Type: STATISTICS; Schema: logic; Owner: -",),
    ),
    Mutation(
        "a column's storage",
        "ALTER TABLE kinds.stored ALTER b SET STORAGE PLAIN",
        ("schema: stored; Type: TABLE; Schema: kinds; Owner: -",),
    ),
    Mutation(
        "an access method",
        "UPDATE pg_class SET relam = 2 WHERE oid = 'logic.of_another_method'::regclass",
        ("schema: of_another_method; Type: TABLE; Schema: logic; Owner: -",),
    ),
    Mutation("a large object's byte", "SELECT lo_put(900001, 5000, '\\x00')", ("content: large object 900001",)),
    Mutation("a large object gone", "SELECT lo_unlink(900002)", ("content: large object 900002",)),
    Mutation(
        "a comment",
        "COMMENT ON TABLE logic.measured IS 'the roots'",
        ("schema: TABLE measured; Type: COMMENT; Schema: logic; Owner: -",),
    ),
    Mutation(
        "a publication",
        'ALTER PUBLICATION "some; tables" DROP TABLE public.users',
        ("schema: some; tables users; Type: PUBLICATION TABLE; Schema: public; Owner: -",),
    ),
    Mutation(
        "a foreign server's option",
        "ALTER SERVER \"Server; one\" OPTIONS (SET host 'elsewhere')",
        ("schema: Server; one; Type: SERVER; Schema: -; Owner: -",),
    ),
    Mutation(
        "an event trigger",
        "ALTER EVENT TRIGGER log_tables ENABLE ALWAYS",
        ("schema: log_tables; Type: EVENT TRIGGER; Schema: -; Owner: -",),
    ),
    Mutation("something more", "CREATE SCHEMA one_more", ("schema: one_more; Type: SCHEMA; Schema: -; Owner: -",)),
)
