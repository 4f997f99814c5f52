"""A real, headless Chromium, driven through its own driver: Debian's `chromium` and `chromium-driver`."""

import base64
import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from selenium import webdriver
from selenium.webdriver.chrome.service import Service

CHECKS = (Path(__file__).parent / "accessibility.js").read_text()
PHONE = 375
_QUIET = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync"),
    *("--disable-background-networking", "--disable-component-update", "--disable-dev-shm-usage", "--hide-scrollbars"),
)
# Roles that a person who does not see the page meets by their name.
_NAMED = {"image", "img", "region", "button", "link", "DisclosureTriangle", "table", "dialog", "alert"}


class Browser:
    """One tab, and what it did behind the page: its console, its requests."""

    def __init__(self, driver: webdriver.Chrome) -> None:
        self.driver = driver

    def open(self, url: str, *, theme: str = "light", width: int = 1200, script: bool = True) -> None:
        """A page in a tab of its own history; what was logged before is forgotten."""
        self._order("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": theme}])
        self._order("Emulation.setScriptExecutionDisabled", value=not script)
        self._resize(width, 900)
        for kind in ("browser", "performance"):
            self.driver.get_log(kind)  # type: ignore[no-untyped-call]
        self.driver.get(url)

    def run(self, script: str, *arguments: Any) -> Any:
        """What a function body returns."""
        return self.driver.execute_script(script, *arguments)

    def text(self, selector: str = "body") -> str:
        """What is to be seen of it."""
        return str(self.run("return document.querySelector(arguments[0])?.innerText ?? ''", selector))

    def console(self) -> list[str]:
        """What the page wrote, errors of its policy among them, since it was opened."""
        return [entry["message"] for entry in self.driver.get_log("browser")]  # type: ignore[no-untyped-call]

    def requests(self) -> list[str]:
        """The addresses that were asked for since the page was opened; pictures within the page are none."""
        log = self.driver.get_log("performance")  # type: ignore[no-untyped-call]
        messages = [json.loads(entry["message"])["message"] for entry in log]
        sent = [message["params"]["request"]["url"] for message in messages if message["method"] == _SENT]
        return [url for url in sent if not url.startswith("data:")]

    def problems(self) -> list[str]:
        """What is wrong with the page for those who do not see it, or see little: see accessibility.js."""
        return [*self.run(CHECKS), *self._nameless()]

    def picture(self, path: Path, *, height: int | None = None, width: int = 1200) -> None:
        """What is to be seen as a PNG; height: none means the whole page."""
        whole = self.run("return document.documentElement.scrollHeight")
        self._resize(width, height or whole)
        path.write_bytes(base64.b64decode(self.driver.get_screenshot_as_base64()))

    def _nameless(self) -> list[str]:
        """Asked of the tree that Chromium itself hands to a screen reader."""
        nodes = self._order("Accessibility.getFullAXTree")["nodes"]
        return [
            f"{node['role']['value']} without a name"
            for node in nodes
            if not node.get("ignored")
            and node["role"]["value"] in _NAMED
            and not node.get("name", {}).get("value", "").strip()
        ]

    def _resize(self, width: int, height: int) -> None:
        order = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width <= PHONE}
        self._order("Emulation.setDeviceMetricsOverride", **order)

    def _order(self, command: str, **arguments: Any) -> Any:
        return self.driver.execute_cdp_cmd(command, arguments)


_SENT = "Network.requestWillBeSent"


@contextmanager
def browsing() -> Iterator[Browser]:
    """A browser with a fresh profile; without Chromium the test is skipped, in CI it fails."""
    programs = shutil.which("chromium"), shutil.which("chromedriver")
    if None in programs:
        missing = "chromium and chromedriver are not both here; on Debian: apt-get install chromium chromium-driver"
        pytest.fail(missing) if os.environ.get("CI") else pytest.skip(missing)
    options = webdriver.ChromeOptions()
    options.binary_location = str(programs[0])
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    with tempfile.TemporaryDirectory(prefix="rns-chromium-", ignore_cleanup_errors=True) as profile:
        for argument in (*_QUIET, f"--user-data-dir={profile}"):
            options.add_argument(argument)
        driver = webdriver.Chrome(options=options, service=Service(programs[1]))
        try:
            yield Browser(driver)
        finally:
            driver.quit()
