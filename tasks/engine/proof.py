"""The proof: a database holds exactly what a manifest says."""

from sqlalchemy.engine import Connection

from tasks.engine.content import Content, compare_content
from tasks.engine.errors import NotEqual

_SHOWN = 5


def demand_equal(
    expected: Content, found: Content, connection: Connection, *, what: str, unlogged: bool = True
) -> None:
    """NotEqual, naming the first differences, unless both contents are the same. No tolerance."""
    differences = compare_content(expected, found, connection, unlogged=unlogged)
    if differences:
        more = f"; and {len(differences) - _SHOWN} more" if len(differences) > _SHOWN else ""
        raise NotEqual(f"{what} differs from its manifest: {'; '.join(differences[:_SHOWN])}{more}", differences)
