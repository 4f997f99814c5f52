"""A database dumped in two ways under one snapshot: the rows by our COPY beside pg_dump, and all by pg_dump alone."""

import re
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

from config.urls import DatabaseUrl
from tasks.engine.clients import Client
from tasks.engine.connections import Server
from tasks.engine.dump_writing import Asked, dump_command, list_rows, write_rows_by_copy
from tasks.engine.dumping import server_major
from tasks.engine.process import tool_environment
from tasks.engine.rows.listing import LeftToPgDump
from tasks.engine.service_file import service_environment
from tasks.engine.snapshot import take_snapshot
from tasks.engine.watch import Watch
from worker.demo.servers import PostgresBinaries

ODD = Path(__file__).with_name("rows_odd.sql")
"""Names and values that look like something else to whoever reads them on the way."""

_LIMIT_S = 120.0
_CHANCE = re.compile(rb"^\\(?:un)?restrict .*\n", re.MULTILINE)


@dataclass(frozen=True, kw_only=True)
class BothWays:
    """Two dumps without what is another one in each; `ours` is empty where there is a reason against it."""

    ours: bytes
    theirs: bytes
    reason: str

    @property
    def first_difference(self) -> str:
        """The lines where they part, for a message; empty when they are equal."""
        if self.ours == self.theirs:
            return ""
        ours, theirs = self.ours.split(b"\n"), self.theirs.split(b"\n")
        pairs = zip(ours, theirs, strict=False)
        at = next((number for number, (one, other) in enumerate(pairs) if one != other), min(len(ours), len(theirs)))
        return f"line {at + 1}: {ours[at : at + 2]} and not {theirs[at : at + 2]}"


def dump_both_ways(url: str, binaries: PostgresBinaries, *, encoding: str = "UTF8", owners: bool = False) -> BothWays:
    """The database of this URL; by the clients of these binaries, which may be newer than its server."""
    client = Client(path=Path(binaries.tool("pg_dump")), major=binaries.major, version=str(binaries.major))
    parsed = DatabaseUrl.parse(url)
    with (
        tempfile.TemporaryDirectory(prefix="rns-both-") as folder,
        Watch("both ways", _LIMIT_S) as watch,
        service_environment({**parsed.params, "client_encoding": encoding}, Path(folder), run_id="both") as credentials,
    ):
        server = Server(role="source", url=parsed, application_name="both ways", watch=watch, read_only=True)
        with server.open() as connection:
            snapshot = take_snapshot(server, connection, lock_timeout_s=10)
            listing, reason = list_rows(snapshot.connection, client)
            asked = Asked(
                server=server,
                server_major=server_major(snapshot.connection),
                client=client,
                client_for_rows=client,
                snapshot=snapshot.name,
                encoding=encoding,
                keep_owners=owners,
                lock_timeout_s=10,
                listing=listing,
                reason=reason,
            )
            ours = Path(folder, "ours.sql")
            with ours.open("wb") as out:
                if listing is not None:
                    try:
                        write_rows_by_copy(
                            asked, listing, out, credentials=credentials, watch=watch, progress=lambda _: None
                        )
                    except LeftToPgDump as error:
                        reason = str(error)
            command = dump_command(asked, file=None, excluding="none.none")
            done = subprocess.run(command, env=tool_environment(credentials), capture_output=True, check=False)
            assert reason or not done.returncode, done.stderr
            theirs = done.stdout
            if asked.server_major < 17:  # a setting that this server does not know
                theirs = theirs.replace(b"\nSET transaction_timeout = 0;\n", b"\n", 1)
        return BothWays(
            ours=b"" if reason else _CHANCE.sub(b"", ours.read_bytes()),
            theirs=_CHANCE.sub(b"", theirs),
            reason=reason,
        )
