"""Names and definitions as a sentence shows them: short, on one line, and with no sign that a terminal obeys."""

import re

from tasks.engine.content.values import TableName

_PLAIN = re.compile(r"[a-z_][a-z0-9_$]*")
_UNSAFE = re.compile(r"[\x00-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff\ud800-\udfff]")
_HIDDEN = re.compile(r"=#[0-9a-f]{16}")  # what stands for a password
_LONGEST = 500  # a function's name may hold the names of a hundred types
_SHOWN = 90  # characters of each side
_BEFORE = 30  # characters shown before the first that differs


def name_of(table: TableName) -> str:
    """`schema.name`, each quoted where it is not plain, as in the inventory."""
    return ".".join(part if _PLAIN.fullmatch(part) else '"' + part.replace('"', '""') + '"' for part in table)


def shown(text: str) -> str:
    """The text with every control character, and every one that hides or turns others, escaped; not overlong."""
    text = text if len(text) <= _LONGEST else text[: _LONGEST - 1] + "…"
    return _UNSAFE.sub(lambda sign: ascii(sign[0])[1:-1], text)


def both_sides(there: str, wanted: str) -> tuple[str, str]:
    """Both texts, cut to where they differ."""
    there, wanted = (_HIDDEN.sub("=(hidden)", " ".join(text.split())) for text in (there, wanted))
    same = next(
        (place for place, pair in enumerate(zip(there, wanted, strict=False)) if pair[0] != pair[1]),
        min(len(there), len(wanted)),
    )
    start = max(0, same - _BEFORE) if max(len(there), len(wanted)) > _SHOWN else 0
    return _cut(there, start), _cut(wanted, start)


def _cut(text: str, start: int) -> str:
    part = text[start : start + _SHOWN]
    return ("…" if start else "") + part + ("…" if start + _SHOWN < len(text) else "") or "nothing"
