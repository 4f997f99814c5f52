"""Draws docs/pictures from what `railway-neon-sync demo` really prints: `.venv/bin/python tools/picture.py`.

The demo runs in a pseudo-terminal, as a person would see it; the pictures show its first and its last act.
"""  # noqa: INP001 - a program, not a package

import fcntl
import os
import pty
import re
import struct
import subprocess
import sys
import termios
from collections.abc import Iterator
from pathlib import Path

from rich.console import Console
from rich.text import Text

ROOT = Path(__file__).parents[1]
PICTURES = {1: ROOT / "docs" / "pictures" / "run.svg", 3: ROOT / "docs" / "pictures" / "failed-run.svg"}
_WIDTH = 116
_COMMAND = [sys.executable, "-m", "worker", "demo"]
_MOVE = re.compile(r"\r\n|\r|\n|\x1b\[\?25[lh]|\x1b\[1A|\x1b\[2K")
_COLOUR = re.compile(r"\x1b\[[0-9;]*m")
# Fonts of the reader's machine: a picture that loads one from elsewhere shows nothing where that is forbidden.
_FORMAT = """<svg class="rich-terminal" viewBox="0 0 {width} {height}" xmlns="http://www.w3.org/2000/svg">
<style>
.{unique_id}-matrix {{ font-family: monospace; font-size: {char_height}px; line-height: {line_height}px; }}
.{unique_id}-title {{ font-size: 18px; font-weight: bold; font-family: sans-serif; }}
{styles}
</style>
<defs>
<clipPath id="{unique_id}-clip-terminal">
<rect x="0" y="0" width="{terminal_width}" height="{terminal_height}" />
</clipPath>
{lines}
</defs>
{chrome}
<g transform="translate({terminal_x}, {terminal_y})" clip-path="url(#{unique_id}-clip-terminal)">
{backgrounds}
<g class="{unique_id}-matrix">
{matrix}
</g>
</g>
</svg>
"""


def terminal_output(command: list[str]) -> str:
    """What a command writes to a terminal."""
    process, terminal = pty.fork()
    if process == 0:
        os.execvpe(command[0], command, {**os.environ, "TERM": "xterm-256color"})  # noqa: S606 - our own program
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 50, _WIDTH, 0, 0))
    written = b""
    try:
        while piece := os.read(terminal, 65536):
            written += piece
    except OSError:  # so ends a terminal on Linux
        pass
    status = os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])
    if status != 0:
        raise subprocess.CalledProcessError(status, command, output=written)
    return written.decode()


def lines_that_stay(output: str) -> list[str]:
    """The lines on the terminal in the end, without the spinners that were written over; colours are kept."""
    lines, place, position = [""], 0, 0
    for found in [*_MOVE.finditer(output), None]:
        text = output[position : found.start() if found else None]
        lines[place] += text
        if found is None:
            break
        position = found.end()
        if found[0] in ("\n", "\r\n"):
            place += 1
            if place == len(lines):
                lines.append("")
        elif found[0] == "\x1b[1A":
            place -= 1
        elif found[0] == "\x1b[2K":
            lines[place] = ""
    return lines


def act(number: int, lines: list[str]) -> Iterator[str]:
    """The lines of one act."""
    current = 0
    for line in lines:
        heading = re.match(r"Act (\d) of", _COLOUR.sub("", line))
        if heading or "acts went" in line:
            current = int(heading[1]) if heading else 0
        if current == number:
            yield line


def draw(lines: Iterator[str], picture: Path) -> None:
    """Write the picture of a terminal with these lines."""
    picture.parent.mkdir(exist_ok=True)
    with Path(os.devnull).open("w") as nowhere:
        console = Console(record=True, width=_WIDTH, file=nowhere, force_terminal=True)
        for line in lines:
            console.print(Text.from_ansi(line), soft_wrap=True)
        console.save_svg(str(picture), title="railway-neon-sync demo", code_format=_FORMAT, unique_id="run")


def main() -> None:
    """Make both pictures anew."""
    lines = lines_that_stay(terminal_output(_COMMAND))
    for number, picture in PICTURES.items():
        draw(act(number, lines), picture)


if __name__ == "__main__":
    main()
