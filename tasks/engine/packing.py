"""Dump files that are not plain: compressed with zstd, encrypted with age, or both; written and read as streams."""

import os
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import BinaryIO, Protocol

import pyrage

from tasks.engine.errors import BackupError, DumpRefused
from tasks.engine.names import DumpForm, form_of
from tasks.engine.storage import told_when_full

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

_BLOCK_BYTES = 1 << 18


class Readable(Protocol):
    """What gives bytes until it gives none."""

    def read(self, size: int = -1, /) -> bytes: ...


class Key:
    """A key of one run: its dump is encrypted to it too, so that the run can load it. Forgotten when the run ends."""

    def __init__(self, text: str) -> None:
        self.text = text

    @classmethod
    def new(cls) -> "Key":
        return cls(str(pyrage.x25519.Identity.generate()))

    @property
    def recipient(self) -> str:
        return str(pyrage.x25519.Identity.from_str(self.text).to_public())

    def __repr__(self) -> str:
        return "Key(***)"


@contextmanager
def packing(file: Path, form: DumpForm, recipients: Sequence[str]) -> Iterator[int]:
    """A file descriptor for a program to write to: it lies packed in the file when this is left without an error.

    recipients: age's public keys; needed when the form is encrypted.
    """
    reading, writing = os.pipe()
    failures: list[BaseException] = []

    def pack() -> None:
        try:
            with os.fdopen(reading, "rb", buffering=0) as plain, told_when_full(file), file.open("wb") as packed:
                _pack(plain, packed, form, recipients)
        except BaseException as error:  # noqa: BLE001 - raised again by whoever waits for this thread
            failures.append(error)

    packer = threading.Thread(target=pack, name="packing", daemon=True)
    packer.start()
    try:
        yield writing
    except BackupError as error:
        _close_and_wait(writing, packer)
        if failures:  # the program's pipe broke because of it
            raise failures[0] from error
        raise
    except BaseException:
        _close_and_wait(writing, packer)
        raise
    _close_and_wait(writing, packer)
    if failures:
        raise failures[0]


@contextmanager
def unpacked(file: Path, keys: Sequence[str] = ()) -> Iterator[Readable]:
    """The dump's own bytes, whatever form the file's name says it has.

    keys: age's secret keys (AGE-SECRET-KEY-1...), one of which must fit an encrypted file.
    Raises DumpRefused, also while it is read: cut off, damaged, or no key fits.
    """
    form = form_of(file.name)
    with ExitStack() as stack:
        stream: Readable = stack.enter_context(_opened(file))
        if form.encrypted:
            stream = stack.enter_context(_decrypting(stream, file, keys))
        if form.compressed:
            stream = _Decompressed(stream, file)
        yield stream


def key_of(text: str) -> str:
    """A secret key as it stands in an identity file of age-keygen, whose other lines are comments."""
    lines = [line.strip() for line in text.splitlines() if line.strip() and not line.startswith("#")]
    if len(lines) != 1:
        raise ValueError("must hold one secret key of age, AGE-SECRET-KEY-1...")
    return str(pyrage.x25519.Identity.from_str(lines[0]))


def _opened(file: Path) -> BinaryIO:
    try:
        return file.open("rb", buffering=0)
    except OSError as error:
        raise DumpRefused(f"the dump {file.name} cannot be read ({error.strerror}); make a new one") from error


def _close_and_wait(writing: int, packer: threading.Thread) -> None:
    with suppress(OSError):
        os.close(writing)
    packer.join()


def _pack(plain: Readable, packed: BinaryIO, form: DumpForm, recipients: Sequence[str]) -> None:
    source = _Compressed(plain) if form.compressed else plain
    if form.encrypted:
        try:
            pyrage.encrypt_io(source, packed, [pyrage.x25519.Recipient.from_str(text) for text in recipients])
        except pyrage.EncryptError as error:
            raise BackupError(f"the dump could not be encrypted: {error}") from error
        return
    while block := source.read(_BLOCK_BYTES):
        packed.write(block)


class _Compressed:
    """The compressed form of a stream, as something to read."""

    def __init__(self, plain: Readable) -> None:
        self._plain = plain
        self._compressor = zstd.ZstdCompressor(options={zstd.CompressionParameter.checksum_flag: 1})
        self._ready = bytearray()
        self._ended = False

    def read(self, size: int = -1, /) -> bytes:
        while not self._ended and (size < 0 or len(self._ready) < size):
            block = self._plain.read(_BLOCK_BYTES)
            self._ready += self._compressor.compress(block) if block else self._compressor.flush()
            self._ended = not block
        end = len(self._ready) if size < 0 else size
        piece = bytes(self._ready[:end])
        del self._ready[:end]
        return piece


class _Decompressed:
    """A dump's own bytes out of their compressed form; DumpRefused where it is cut off or damaged."""

    def __init__(self, packed: Readable, file: Path) -> None:
        self._stream = zstd.ZstdFile(packed, "rb")  # type: ignore[call-overload]
        self._file = file

    def read(self, size: int = -1, /) -> bytes:
        try:
            return bytes(self._stream.read(size))
        except (zstd.ZstdError, EOFError) as error:
            raise DumpRefused(f"the dump {self._file.name} cannot be decompressed: {error}; make a new one") from error


class _Decrypted:
    """What the decrypting thread writes into its pipe; its failure comes up where its bytes end."""

    def __init__(self, pipe: BinaryIO, failures: list[BaseException], file: Path) -> None:
        self._pipe, self._failures, self._file = pipe, failures, file
        self.over: threading.Thread | None = None

    def read(self, size: int = -1, /) -> bytes:
        block = self._pipe.read(size)
        if not block and self.over is not None:
            self.over.join()
            if self._failures:
                raise self._refusal(self._failures[0])
        return block

    def _refusal(self, error: BaseException) -> BaseException:
        if isinstance(error, pyrage.DecryptError | OSError | ValueError):
            return DumpRefused(f"the dump {self._file.name} cannot be decrypted: {error}; give the key that fits it")
        return error


@contextmanager
def _decrypting(packed: Readable, file: Path, keys: Sequence[str]) -> Iterator[Readable]:
    """Decryption writes and does not let itself be read: a thread and a pipe turn it round."""
    if not keys:
        raise DumpRefused(
            f"the dump {file.name} is encrypted, and no key was given; its key is with whoever set ENCRYPT_TO"
        )
    reading, writing = os.pipe()
    failures: list[BaseException] = []

    def decrypt() -> None:
        try:
            with os.fdopen(writing, "wb", buffering=0) as plain:
                pyrage.decrypt_io(packed, plain, [pyrage.x25519.Identity.from_str(key) for key in keys])
        except BaseException as error:  # noqa: BLE001 - raised again where the bytes are read
            failures.append(error)

    with os.fdopen(reading, "rb", buffering=0) as pipe:
        stream = _Decrypted(pipe, failures, file)
        stream.over = threading.Thread(target=decrypt, name="decrypting", daemon=True)
        stream.over.start()
        yield stream
    stream.over.join()  # its pipe is closed: it ends at its next write
