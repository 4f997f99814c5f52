"""Figures as people read them. page.js says ages in the same words; a test holds the two together."""

from datetime import datetime

_MINUTES_SHOWN_H = 48  # an age above this is told in days


def age(seconds: float) -> str:
    """The two largest units: `2 d 3 h`, `3 h 12 min`, `12 min`."""
    minutes = int(max(0.0, seconds) // 60)
    hours = minutes // 60
    if minutes < 1:
        return "less than a minute"
    if hours < 1:
        return f"{minutes} min"
    if hours < _MINUTES_SHOWN_H:
        return f"{hours} h {minutes % 60} min" if minutes % 60 else f"{hours} h"
    return f"{hours // 24} d {hours % 24} h" if hours % 24 else f"{hours // 24} d"


def unit_of(n_bytes: float) -> tuple[float, str]:
    """The unit in which a size is told; powers of 1024, as in the log."""
    if n_bytes < 1024:
        return 1.0, "B"
    if n_bytes < 0.1 * 2**20:
        return 2.0**10, "KB"
    return (2.0**20, "MB") if n_bytes < 2**30 else (2.0**30, "GB")


def size(n_bytes: float) -> str:
    """`41.30 MB`, `812 B`."""
    unit_size, unit = unit_of(n_bytes)
    return f"{n_bytes / unit_size:.{0 if unit == 'B' else 2}f} {unit}"


def took(seconds: float | None) -> str:
    """`2.3 s`, `4 min 12 s`; a dash for what was not measured."""
    if seconds is None:
        return "–"
    if seconds < 100:
        return f"{seconds:.1f} s"
    return f"{int(seconds // 60)} min {int(seconds % 60)} s"


def count(rows: int | None) -> str:
    return "–" if rows is None else f"{rows:,}"


def instant(at: datetime) -> str:
    return f"{at:%Y-%m-%d %H:%M} UTC"


def change(before: int | None, now: int | None) -> str:
    """How a count moved: `+12`, `−3`; nothing when it did not, or when one of the two is not known."""
    if before is None or now is None or before == now:
        return ""
    return f"+{now - before:,}" if now > before else f"−{before - now:,}"
