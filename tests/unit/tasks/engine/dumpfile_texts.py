"""Dump files as text, for the tests of the reader."""

from collections.abc import Callable
from pathlib import Path

HEADER = b"--\n-- PostgreSQL database dump\n--\n\n\\restrict abcDEF123\n\n-- Dumped by pg_dump version 17.10\n\n"
PREAMBLE = b"""SET statement_timeout = 0;
SET client_encoding = 'UTF8';
SET standard_conforming_strings = on;
SELECT pg_catalog.set_config('search_path', '', false);
SET row_security = off;

"""
TRAILER = b"--\n-- PostgreSQL database dump complete\n--\n\n\\unrestrict abcDEF123\n\n"
USERS = b'COPY public.users (id, "full name") FROM stdin;\n1\tAda\n2\tGrace\n\\.\n\n'
BODY_LINE = 1 + (HEADER + PREAMBLE).count(b"\n")
"""The number of the first line behind the preamble."""

WriteDump = Callable[[bytes], Path]


def dump_text(body: bytes, *, preamble: bytes = PREAMBLE) -> bytes:
    return HEADER + preamble + body + TRAILER
