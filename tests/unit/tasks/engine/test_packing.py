"""Packed dumps: what goes in comes out, what is damaged or lacks its key is refused, and nothing hangs."""

import os
from collections.abc import Iterator
from pathlib import Path

import pyrage
import pytest

from tasks.engine.errors import DumpRefused, StorageFull, ToolFailed
from tasks.engine.names import DumpForm
from tasks.engine.packing import Key, key_of, packing, unpacked

TEXT = b"".join(b"line %d of a dump\n" % number for number in range(200_000))
FORMS = {
    ".sql": DumpForm(),
    ".sql.zst": DumpForm(compressed=True),
    ".sql.age": DumpForm(encrypted=True),
    ".sql.zst.age": DumpForm(compressed=True, encrypted=True),
}


@pytest.fixture
def key() -> Key:
    return Key.new()


def packed(folder: Path, suffix: str, key: Key, text: bytes = TEXT) -> Path:
    file = folder / f"source_db_backup_20261125_060000{suffix}"
    with packing(file, FORMS[suffix], [key.recipient]) as stdout, os.fdopen(os.dup(stdout), "wb") as program:
        program.write(text)
    return file


def content(file: Path, *keys: str) -> bytes:
    with unpacked(file, keys) as stream:
        return b"".join(pieces(stream))


def pieces(stream: object) -> Iterator[bytes]:
    while piece := stream.read(1 << 16):  # type: ignore[attr-defined]
        yield piece


@pytest.mark.parametrize("suffix", FORMS)
def test_what_a_program_writes_comes_out_again(tmp_path: Path, key: Key, suffix: str) -> None:
    file = packed(tmp_path, suffix, key)
    assert content(file, key.text) == TEXT
    assert (b"line 77 of a dump" in file.read_bytes()) == (suffix == ".sql")


def test_each_of_several_keys_opens_it(tmp_path: Path, key: Key) -> None:
    other, file = Key.new(), tmp_path / "x.sql.age"
    with packing(file, DumpForm(encrypted=True), [key.recipient, other.recipient]) as stdout:
        os.write(stdout, b"text")
    assert content(file, key.text) == content(file, other.text) == b"text"


@pytest.mark.parametrize("suffix", [".sql.age", ".sql.zst.age"])
def test_without_its_key_it_is_refused_in_a_sentence(tmp_path: Path, key: Key, suffix: str) -> None:
    file = packed(tmp_path, suffix, key)
    with pytest.raises(DumpRefused, match=r"is encrypted, and no key was given"):
        content(file)
    with pytest.raises(DumpRefused, match=r"cannot be decrypted: .*; give the key that fits it"):
        content(file, Key.new().text)


@pytest.mark.parametrize("suffix", [".sql.zst", ".sql.age", ".sql.zst.age"])
@pytest.mark.parametrize("at", [0.0, 0.01, 0.5, 0.9, 0.999])
def test_what_was_cut_off_is_refused(tmp_path: Path, key: Key, suffix: str, at: float) -> None:
    file = packed(tmp_path, suffix, key)
    whole = file.read_bytes()
    file.write_bytes(whole[: int(len(whole) * at)])
    with pytest.raises(DumpRefused, match="cannot be de"):
        content(file, key.text)


@pytest.mark.parametrize("suffix", [".sql.zst", ".sql.age", ".sql.zst.age"])
@pytest.mark.parametrize("at", [0.002, 0.3, 0.7, 0.998])
def test_a_flipped_byte_is_refused(tmp_path: Path, key: Key, suffix: str, at: float) -> None:
    file = packed(tmp_path, suffix, key)
    damaged = bytearray(file.read_bytes())
    damaged[int(len(damaged) * at)] ^= 0x20
    file.write_bytes(damaged)
    with pytest.raises(DumpRefused, match="cannot be de"):
        content(file, key.text)


def test_a_reader_that_stops_early_leaves_nothing_hanging(tmp_path: Path, key: Key) -> None:
    file = packed(tmp_path, ".sql.zst.age", key)
    with unpacked(file, [key.text]) as stream:
        assert stream.read(10)


def test_the_failure_of_the_program_is_told_as_it_is(tmp_path: Path) -> None:
    def fail() -> None:
        with packing(tmp_path / "x.sql.zst", FORMS[".sql.zst"], []) as stdout:
            os.write(stdout, b"some")
            raise ToolFailed("it failed", tool="pg_dump")

    with pytest.raises(ToolFailed, match="it failed"):
        fail()


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no /dev/full")
@pytest.mark.parametrize("suffix", [".sql.zst", ".sql.zst.age", ".sql.age"])
def test_a_full_disk_is_told_as_such_and_not_as_the_broken_pipe_that_follows(
    tmp_path: Path, key: Key, suffix: str
) -> None:
    full = tmp_path / f"full{suffix}"
    full.symlink_to("/dev/full")

    def dump() -> None:
        with packing(full, FORMS[suffix], [key.recipient]) as stdout:
            try:
                with os.fdopen(os.dup(stdout), "wb") as program:
                    for _ in range(200):
                        program.write(os.urandom(1 << 16))
            except BrokenPipeError as error:
                raise ToolFailed("pg_dump: could not write", tool="pg_dump") from error

    with pytest.raises(StorageFull, match="no room"):
        dump()


def test_an_identity_file_of_age_keygen_is_read_and_nothing_else(key: Key) -> None:
    assert key_of(f"# created: today\n# public key: {key.recipient}\n{key.text}\n") == key.text
    for text in ("", "# only a comment", f"{key.text}\n{key.text}"):
        with pytest.raises(ValueError, match="one secret key"):
            key_of(text)
    with pytest.raises(pyrage.IdentityError):
        key_of("AGE-SECRET-KEY-1NONSENSE")


def test_a_key_is_not_shown(key: Key) -> None:
    assert key.text not in repr(key)
    assert key.text.startswith("AGE-SECRET-KEY-1")
