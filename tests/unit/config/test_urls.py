"""Database URLs as providers write them, and what a wrong one may say."""

import pickle
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st
from psycopg2.extensions import make_dsn
from sqlalchemy import make_url

from config.urls import DatabaseUrl, UrlFault

NEON = "postgresql://neondb_owner:npg_Geheim1@ep-cool-sun-a1b2-pooler.eu-central-1.aws.neon.tech/neondb?sslmode=require"

anything = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1, max_size=30)
badly_quoted = st.lists(st.sampled_from([*"@/:?#%&=[] +", "geheim"]), max_size=8).map("".join)


@pytest.mark.parametrize(
    "scheme",
    ["postgres://", "postgresql://", "postgresql+psycopg2://", "postgres+asyncpg://", "POSTGRESQL://"],
)
def test_every_scheme_for_postgresql_means_the_same(scheme: str) -> None:
    url = DatabaseUrl.parse(f"{scheme}ann:geheim@host.example:6543/shop")
    assert (url.host, url.port, url.user, url.dbname) == ("host.example", 6543, "ann", "shop")
    assert url.params["password"] == "geheim"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("postgresql://u:p%40x@[::1]:5433/db", {"host": "::1", "port": "5433", "password": "p@x"}),
        ("postgresql:///db?host=/var/run/postgresql", {"host": "/var/run/postgresql", "dbname": "db"}),
        ("postgresql://u:p@%2Fvar%2Frun%2Fpostgresql/db", {"host": "/var/run/postgresql", "user": "u"}),
        ("postgresql://u:p@/db?host=/run/pg&port=5544", {"host": "/run/pg", "port": "5544"}),
        ("host=h dbname=shop user=ann password='a b'", {"host": "h", "password": "a b", "port": "5432"}),
        ("postgresql://u:p@h/my%20shop", {"dbname": "my shop"}),
        ("postgresql://u:p@h?dbname=shop", {"host": "h", "dbname": "shop"}),
        ("postgresql://h/db?user=ann&password=geheim", {"user": "ann", "password": "geheim"}),
        ("postgresql://u:p@h/db?options=endpoint%3Dep-1", {"options": "endpoint=ep-1"}),
        ("postgresql://u:p@h/db?sslmode=require&channel_binding=require", {"channel_binding": "require"}),
        ("  postgresql://u:p@h/db\n", {"host": "h", "dbname": "db"}),
    ],
)
def test_what_libpq_understands_is_understood(text: str, expected: dict[str, str]) -> None:
    params = DatabaseUrl.parse(text).params
    assert {name: params[name] for name in expected} == expected


def test_a_port_is_always_named_so_that_no_environment_variable_decides() -> None:
    assert DatabaseUrl.parse("postgresql://u:p@h/db").params["port"] == "5432"


@pytest.mark.parametrize("name", ["pgbouncer", "connection_limit", "pool_timeout", "schema", "sslaccept"])
def test_a_parameter_of_another_program_is_dropped_and_told(name: str) -> None:
    url = DatabaseUrl.parse(f"postgresql://u:p@h/db?{name}=geheim&sslmode=require")
    assert set(url.params) == {"host", "port", "user", "password", "dbname", "sslmode"}
    assert url.notes == (f"the parameter {name} is not PostgreSQL's and was dropped",)


@pytest.mark.parametrize("name", ["client_encoding", "replication"])
def test_a_parameter_that_changes_what_is_read_is_dropped_and_told(name: str) -> None:
    url = DatabaseUrl.parse(f"postgresql://u:p@h/db?{name}=true")
    assert name not in url.params
    assert name in url.notes[0]


@pytest.mark.parametrize(
    ("written", "meant"),
    [("ssl=true", "require"), ("ssl=verify-full", "verify-full"), ("sslmode=no-verify", "require")],
)
def test_encryption_asked_for_in_another_programs_words_is_kept(written: str, meant: str) -> None:
    url = DatabaseUrl.parse(f"postgresql://u:p@h/db?{written}")
    assert url.params["sslmode"] == meant
    assert len(url.notes) == 1


def test_quotes_that_docker_hands_on_are_dropped_and_told() -> None:
    url = DatabaseUrl.parse('"postgresql://u:p@h/db"')
    assert url.dbname == "db"
    assert url.notes == ("the quotes around the URL were dropped",)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "is not a PostgreSQL URL"),
        ("shop", "is not a PostgreSQL URL"),
        ("mysql://u:geheim@h/db", "begins with mysql://"),
        ("postgresql://u:geheim@h", "names no database"),
        ("postgresql://u:geheim@h/", "names no database"),
        ("postgresql://u:geheim@/db", "names no host"),
        ("postgresql://u:geheim@h1,h2/db", "several hosts"),
        ("postgresql://u:geheim@h:5432x/db", "port that is not a number"),
        ("postgresql://u:geheim@h:99999/db", "port that is not a number"),
        ("postgresql://u:geheim@h/db?sslmode=on", "unknown sslmode"),
        ("postgresql://u:geheim@h/db?channel_binding=yes", "unknown channel_binding"),
        ("postgresql://u:geheim@h/db?service=prod", "names a service"),
        ("postgresql://u:geheim@h/db?sslmode", "not name=value"),
        ("postgresql://u:geheim@h/db/", "a / too many"),
        ("postgresql://u:geheim@h!/db", "a host that cannot be one"),
        ("postgresql://u:geheim%00@h/db", "cannot be read"),
        ("postgresql://u:geheim%ff@h/db", "cannot be read"),
        ("postgresql://u:gehe\0im@h/db", "cannot be read"),
        ("host=h dbname=db password=gut geheim", "cannot be read as keywords"),
        ("host=h dbname=db password=gut geheim=1", "cannot be read as keywords"),
    ],
)
def test_what_cannot_be_used_is_said_in_one_sentence(text: str, said: str) -> None:
    with pytest.raises(UrlFault, match=said) as caught:
        DatabaseUrl.parse(text)
    assert "geheim" not in str(caught.value)
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__ or caught.value.__context__ is None


@pytest.mark.parametrize("password", ["ge@heim", "12/geheim", "ge@he/im", "ge%heim", "@geheim", "12/ge?a=b@c"])
def test_a_raw_sign_in_the_password_is_refused_with_advice_and_shows_nothing_of_it(password: str) -> None:
    with pytest.raises(UrlFault, match="percent-encoded") as caught:
        DatabaseUrl.parse(f"postgresql://u:{password}@h/db")
    assert "ge" not in str(caught.value).replace("percent-encoded", "")


def told_about(text: str) -> str:
    """Everything that a person may read of a URL, or of what is wrong with it."""
    try:
        url = DatabaseUrl.parse(text)
    except UrlFault as fault:
        return f"{fault} {fault.predicate} {fault!r}"
    return f"{url} {url!r} {url.shown} {url.notes} {url.identity} {url.direct()}"


@given(badly_quoted)
def test_no_badly_quoted_password_shows_in_anything_a_person_reads(password: str) -> None:
    assert "geheim" not in told_about(f"postgresql://u:{password}@h/db?sslmode=require")


@given(anything)
def test_any_password_comes_through_percent_encoding_whole(password: str) -> None:
    url = DatabaseUrl.parse(f"postgresql://u:{quote(password, safe='')}@h/db")
    assert url.params["password"] == password
    assert {password, quote(password, safe="")} <= set(url.secrets)


@given(anything, anything, anything)
def test_a_revealed_url_reads_back_to_the_same_database(user: str, dbname: str, password: str) -> None:
    text = f"postgresql://{quote(user, safe='')}:{quote(password, safe='')}@h:1/{quote(dbname, safe='')}"
    url = DatabaseUrl.parse(text + "?sslmode=require")
    assert DatabaseUrl.parse(url.revealed()) == url
    assert make_url(url.revealed("postgresql+psycopg2")).password == password


def test_a_revealed_socket_url_reads_back() -> None:
    url = DatabaseUrl.parse("postgresql://u:p@/db?host=/var/run/postgresql&port=5544")
    assert DatabaseUrl.parse(url.revealed()) == url
    assert url.shown == "postgresql://u:***@:5544/db?host=/var/run/postgresql"


def test_the_shown_form_has_no_password_and_no_parameters() -> None:
    url = DatabaseUrl.parse("postgresql://ann:geheim@[::1]/shop?sslmode=require")
    assert url.shown == str(url) == "postgresql://ann:***@[::1]:5432/shop"
    assert repr(url) == "DatabaseUrl('postgresql://ann:***@[::1]:5432/shop')"
    assert f"{url.with_database('other')}" == "postgresql://ann:***@[::1]:5432/other"


def test_every_secret_keyword_and_spelling_is_among_the_secrets() -> None:
    url = DatabaseUrl.parse("postgresql://u:a%3ab@h/db?sslpassword=key%2Fword")
    assert {"a:b", "a%3Ab", "a%3ab", "key/word", "key%2Fword"} <= set(url.secrets)
    assert {"x /", "x%20%2F"} <= set(DatabaseUrl.parse("host=h dbname=db password='x /'").secrets)


def test_the_parameters_make_a_connection_string() -> None:
    params = DatabaseUrl.parse("postgresql://u:a%20'b@h/db?sslmode=require").params
    assert DatabaseUrl.parse(make_dsn(**params)).params == params


def test_another_database_keeps_everything_else() -> None:
    url = DatabaseUrl.parse(NEON)
    other = url.with_database("postgres")
    assert {**other.params, "dbname": "neondb"} == url.params
    assert url.dbname == "neondb"


def test_a_pooled_neon_host_becomes_the_direct_one_and_that_is_told() -> None:
    url, note = DatabaseUrl.parse(NEON).direct()
    assert url.host == "ep-cool-sun-a1b2.eu-central-1.aws.neon.tech"
    assert note is not None
    assert "ep-cool-sun-a1b2-pooler.eu-central-1.aws.neon.tech is a pooler" in note
    assert url.direct() == (url, None)


@pytest.mark.parametrize("host", ["db-pooler", "my.db-pooler.example", "pooler.example", "10.0.0.7"])
def test_a_host_that_only_looks_a_little_like_a_pooler_stays(host: str) -> None:
    url = DatabaseUrl.parse(f"postgresql://u:p@{host}/db")
    assert url.direct() == (url, None)


def test_the_identity_is_blind_to_user_password_pooler_and_case() -> None:
    one = DatabaseUrl.parse("postgres://a:b@EP-x-pooler.neon.tech/db?sslmode=require")
    other = DatabaseUrl.parse("postgresql://c@ep-x.neon.tech.:5432/db")
    assert one.identity == other.identity == "ep-x.neon.tech:5432/db"


def test_a_url_is_a_value() -> None:
    url = DatabaseUrl.parse(NEON)
    assert url == DatabaseUrl.parse(NEON)
    assert len({url, DatabaseUrl.parse(NEON)}) == 1
    assert pickle.loads(pickle.dumps(url)) == url  # noqa: S301 - our own value
