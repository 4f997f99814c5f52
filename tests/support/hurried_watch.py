"""Loaded into a worker of a test (`-I`): its own watch looks every half second, not every minute."""

from worker import lifecycle

lifecycle.WATCH_S = 0.5
