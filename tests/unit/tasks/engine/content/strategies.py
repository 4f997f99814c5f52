"""Any content, as hypothesis makes it up."""

from hypothesis import strategies as st

from tasks.engine.content import Content, LargeObjects, SchemaObject, SequenceContent, TableContent

TEXTS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=20)
NAMES = TEXTS.filter(bool)
TABLE_NAMES = st.tuples(NAMES, NAMES)
NUMBERS = st.integers(-(2**80), 2**80).map(str)

TABLES = st.builds(
    TableContent,
    schema=NAMES,
    name=NAMES,
    rows=st.integers(0, 2**63 - 1),
    fingerprint=NUMBERS,
    logged=st.booleans(),
    parents=st.lists(TABLE_NAMES, max_size=2).map(tuple),
)
SEQUENCES = st.builds(
    SequenceContent,
    schema=NAMES,
    name=NAMES,
    last_value=st.integers(-(2**63), 2**63 - 1),
    is_called=st.booleans(),
    logged=st.booleans(),
)
OBJECTS = st.builds(
    SchemaObject,
    kind=NAMES,
    identity=NAMES,
    definition=TEXTS,
    canonical=st.booleans(),
    recreate=st.none() | TEXTS,
)
CONTENTS = st.builds(
    Content,
    server_version=st.integers(140000, 190000),
    tables=st.lists(TABLES, max_size=3).map(tuple),
    sequences=st.lists(SEQUENCES, max_size=2).map(tuple),
    objects=st.lists(OBJECTS, max_size=3).map(tuple),
    large_objects=st.builds(LargeObjects, count=st.integers(0, 2**32), fingerprint=NUMBERS),
    partitioned=st.lists(TABLE_NAMES, max_size=2).map(tuple),
    partition_parents=st.lists(st.tuples(TABLE_NAMES, TABLE_NAMES), max_size=2).map(tuple),
    notes=st.none() | st.dictionaries(NAMES, st.none() | TEXTS, max_size=2),
)
