"""SHA-256 beside the reading: hashlib lets go of the interpreter meanwhile, so another thread can use it."""

import hashlib
from collections import deque
from concurrent.futures import Executor, Future

_WORTH_BYTES = 64 << 10  # to hand less to a thread costs more than to hash it
_WAITING = 4  # blocks that are held in memory, for each hash


class Sha256:
    """As hashlib's, of bytes that nobody changes afterwards. by: one thread; none: whoever updates does the work."""

    def __init__(self, by: Executor | None = None) -> None:
        self._hash, self._by = hashlib.sha256(), by
        self._waiting: deque[Future[None]] = deque()

    def update(self, data: bytes) -> None:
        if self._by is None or len(data) < _WORTH_BYTES:
            self._settle()
            self._hash.update(data)
            return
        self._waiting.append(self._by.submit(self._hash.update, data))
        if len(self._waiting) > _WAITING:
            self._waiting.popleft().result()

    def hexdigest(self) -> str:
        self._settle()
        return self._hash.hexdigest()

    def _settle(self) -> None:
        while self._waiting:
            self._waiting.popleft().result()
