"""Large objects: counted and hashed on the server, in pieces, so that none is too large and no statement too long."""

import psycopg2
import sqlalchemy

from tasks.engine.content.batches import Batches
from tasks.engine.content.values import LargeObjects
from tasks.engine.errors import BackupError

LARGE_OBJECTS = "SELECT count(*), pg_relation_size('pg_largeobject')::text FROM pg_largeobject_metadata"
_PIECE_BYTES = 2**20
_BATCH_BYTES = 64 * 2**20
_BATCH_OBJECTS = 2_000

# lo_get, not pg_largeobject's pages: a hole in an object becomes zeroes when it is restored, and owners may call it.
# sha256, not md5: the latter fails where OpenSSL is in FIPS mode. lo_get is volatile, so it is called once a piece.
_BATCH = """
    WITH RECURSIVE piece (loid, start, length, hash) AS (
        SELECT object.oid, 0::bigint, length(part.data), encode(sha256(part.data), 'hex')
        FROM (SELECT oid FROM pg_largeobject_metadata WHERE oid > {after} ORDER BY oid LIMIT {objects}) object,
             LATERAL (SELECT lo_get(object.oid, 0, {piece}) AS data OFFSET 0) part
        UNION ALL
        SELECT loid, start + {piece}, length(part.data), encode(sha256(part.data), 'hex')
        FROM piece, LATERAL (SELECT lo_get(loid, start + {piece}, {piece}) AS data OFFSET 0) part
        WHERE length = {piece}
    )
    SELECT count(*) FILTER (WHERE start = 0), max(loid),
           coalesce(sum(hashtextextended(loid || ',' || start || ',' || hash COLLATE "C", 0)), 0)::text
    FROM piece
"""


def read_large_objects(batches: Batches, size: tuple[int, str] | None = None) -> LargeObjects:
    """All of them; BackupError naming the one that the role may not read. size: what LARGE_OBJECTS has answered."""
    count, size_bytes = size or batches.query(LARGE_OBJECTS)[0]
    if not count:
        return LargeObjects()
    objects = max(1, min(_BATCH_OBJECTS, _BATCH_BYTES * count // max(int(size_bytes), 1)))
    done, after, total = 0, 0, 0
    while done < count:
        try:
            [(found, last, part)] = batches.query(_BATCH.format(after=after, objects=objects, piece=_PIECE_BYTES))
        except sqlalchemy.exc.DBAPIError as error:
            raise _clearer(error) from error
        if not found:
            break
        done, after, total = done + found, last, total + int(part)
    return LargeObjects(count=done, fingerprint=str(total))


def _clearer(error: sqlalchemy.exc.DBAPIError) -> Exception:
    if isinstance(error.orig, psycopg2.errors.InsufficientPrivilege):
        text = " ".join(str(error.orig).split())
        return BackupError(f"the role may not read every large object: {text}; GRANT SELECT ON LARGE OBJECT to it")
    return error
