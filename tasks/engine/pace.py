"""How fast something goes, and how long it may still take: from readings of what is done, of late.

Nothing is said that is not known: no figure at the beginning, and none when nothing has come for a while.
"""

from collections import deque
from dataclasses import dataclass

_WINDOW_S = 20.0  # a rate is that of so long, so that neither one slow moment nor a fast beginning makes it
_THINNED_S = 0.5
_WATCHED_S = 3.0  # before that a rate is noise
_SILENT_S = 5.0
_DAY_S = 86400.0


@dataclass(frozen=True, kw_only=True)
class Reading:
    """So much was done at that time, in seconds of some steady clock."""

    at_s: float
    done: int


class Pace:
    """The readings of one amount that grows: bytes, or tables. fewest: so much is done before an end is foretold."""

    def __init__(self, began_s: float, *, fewest: int = 1) -> None:
        self._fewest = fewest
        self._readings = deque([Reading(at_s=began_s, done=0)])
        self._gap_s = 0.0  # between the newest reading and the one before

    def read(self, at_s: float, done: int) -> None:
        """Take a reading; one that is no more than the last says nothing new."""
        newest = self._readings[-1]
        if done <= newest.done:
            return
        self._gap_s = at_s - newest.at_s
        if len(self._readings) > 1 and at_s - self._readings[-2].at_s < _THINNED_S:
            self._readings.pop()
        self._readings.append(Reading(at_s=at_s, done=done))
        while len(self._readings) > 2 and at_s - self._readings[1].at_s >= _WINDOW_S:
            self._readings.popleft()

    def per_s(self, now_s: float) -> float | None:
        """Amount per second; None while it was not watched for long enough, or when nothing comes any more."""
        first, newest = self._readings[0], self._readings[-1]
        watched_s = newest.at_s - first.at_s
        if watched_s < _WATCHED_S or now_s - newest.at_s > max(_SILENT_S, 2 * self._gap_s):
            return None
        return (newest.done - first.done) / watched_s

    def left_s(self, now_s: float, of: int) -> float | None:
        """Seconds until `of` is done if it goes on like this; None when that is not known, or it should be over."""
        rate, newest = self.per_s(now_s), self._readings[-1]
        if rate is None or not self._fewest <= newest.done < of:
            return None
        left_s = (of - newest.done) / rate - (now_s - newest.at_s)
        return left_s if left_s > 0 else None


def rate_words(bytes_per_s: float) -> str:
    """`41 MB/s`, `2.3 MB/s`, `640 KB/s`: two digits or three, since no more of it is true."""
    if bytes_per_s >= 10 * 2**20:
        return f"{bytes_per_s / 2**20:.0f} MB/s"
    if bytes_per_s >= 2**20:
        return f"{bytes_per_s / 2**20:.1f} MB/s"
    return f"{max(1.0, bytes_per_s / 2**10):.0f} KB/s"


def left_words(seconds: float) -> str:
    """`a few seconds left`, `about 25 s left`, `about 3 min left`: the farther off, the rounder."""
    if seconds <= 5:
        return "a few seconds left"
    if seconds < 57.5:
        return f"about {5 * round(seconds / 5)} s left"
    if seconds < 10 * 60:
        return f"about {round(seconds / 60)} min left"
    if seconds < 90 * 60:
        return f"about {5 * round(seconds / 300)} min left"
    return f"about {round(seconds / 3600)} h left" if seconds < _DAY_S else "more than a day left"
