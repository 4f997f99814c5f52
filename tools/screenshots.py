"""Takes docs/pictures/*.png: the status page of an invented quarter of a year, and Flower beside real runs.

`make pictures` runs it, after tools/picture.py has drawn the terminal's.
"""  # noqa: INP001 - a program, not a package

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from tasks.engine.page.writing import page_of
from tests.support.browser import PHONE, Browser, browsing
from tests.support.flower import flowering
from tests.support.installation import CHANGES, installed
from tests.support.reports import a_history, an_overview
from tests.support.workers import client_of, wait_until, working
from worker.demo.servers import PostgresServer, ValkeyServer, find_postgres

PICTURES = Path(__file__).parents[1] / "docs" / "pictures"
MISHAPS = {14: "failed", 15: "failed", 41: "skipped", 62: "missed", 90: "held", 91: "held", 122: "rolled_back"}
_DESKTOP, _HEIGHT, _PHONE_HEIGHT = 1100, 980, 980
_FLOWER, _FLOWER_HEIGHT = 1720, 700


def picture_page(browser: Browser, folder: Path) -> None:
    """As a person sees it who opens it now: on a desk by day, on a phone at night."""
    now = datetime.now(UTC)
    page = folder / "status.html"
    page.write_text(page_of(an_overview(a_history(now, mishaps=MISHAPS), now)), encoding="utf-8")
    browser.open(page.as_uri(), width=_DESKTOP)
    browser.picture(PICTURES / "status.png", width=_DESKTOP, height=_HEIGHT)
    browser.open(page.as_uri(), theme="dark", width=PHONE)
    browser.picture(PICTURES / "status-phone.png", width=PHONE, height=_PHONE_HEIGHT)


def picture_flower(browser: Browser, folder: Path) -> None:
    """Its list of tasks after a good run and one that was rolled back."""
    with (
        _postgres(folder / "source") as source,
        _postgres(folder / "target") as target,
        _valkey(folder / "valkey") as valkey,
        installed(source, target, valkey, folder) as installation,
        working(installation) as worker,
        flowering(installation) as flower,
        client_of(installation) as client,
    ):
        client.run()
        installation.on_source(CHANGES)
        worker.fault("publish.before=raise")
        client.run()
        browser.open(flower.url("/tasks"), width=_FLOWER)
        shown = "return document.querySelector('#tasks-table tbody')?.innerText ?? ''"
        wait_until(lambda: "tasks.rollback" in browser.run(shown), "the tasks in Flower")
        browser.picture(PICTURES / "flower.png", width=_FLOWER, height=_FLOWER_HEIGHT)


@contextmanager
def _postgres(root: Path) -> Iterator[PostgresServer]:
    server = PostgresServer(root, find_postgres()).create().start()
    try:
        yield server
    finally:
        server.remove()


@contextmanager
def _valkey(root: Path) -> Iterator[ValkeyServer]:
    server = ValkeyServer(root).start()
    try:
        yield server
    finally:
        server.stop()


def main() -> None:
    """Take all of them anew."""
    PICTURES.mkdir(exist_ok=True)
    # Directly below /tmp, where the servers' user can reach it, and short enough for a socket's path.
    folder = tempfile.TemporaryDirectory(prefix="rns-pictures-", dir="/tmp", ignore_cleanup_errors=True)
    with folder as name, browsing() as browser:
        picture_page(browser, Path(name))
        picture_flower(browser, Path(name))


if __name__ == "__main__":
    main()
