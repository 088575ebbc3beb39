"""A Redis, the page's own server and a Chromium to look at it with, one of each for a module."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import redis
from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright

from tests.dashboard.writer import Writer
from tests.support.servers import RedisServer, free_port, wait_until

ROOT = Path(__file__).resolve().parents[2]
SECRET = "s3cret-pass"
CHROMIUM_FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    # A name of someone else's that leads here.
    "--host-resolver-rules=MAP evil.example 127.0.0.1",
]


class PageServer:
    """The page's server on a free port; `log` is what it wrote."""

    def __init__(self, redis_url: str, folder: Path, cwd: Path = ROOT, without: tuple[str, ...] = ()) -> None:
        self.url = f"http://127.0.0.1:{free_port()}"
        self._log = folder / "streamlit.log"
        kept = {name: value for name, value in os.environ.items() if name not in without}
        self._environment = kept | {"REDIS_URL": redis_url}
        self._cwd = cwd
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def log(self) -> str:
        """All it has written so far."""
        return self._log.read_text()

    def __enter__(self) -> PageServer:
        command = [sys.executable, "-m", "streamlit", "run", str(ROOT / "dashboard" / "app.py")]
        command += ["--server.port", self.url.rpartition(":")[2]]
        with self._log.open("wb") as log:
            self.process = subprocess.Popen(
                command, cwd=self._cwd, env=self._environment, stdout=log, stderr=subprocess.STDOUT
            )
        wait_until(self._answers, f"the page's server answers on {self.url}", timeout_s=30)
        return self

    def __exit__(self, *_: object) -> None:
        assert self.process is not None
        self.process.terminate()
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    def _answers(self) -> bool:
        assert self.process is not None
        assert self.process.poll() is None, self.log
        try:
            with urllib.request.urlopen(f"{self.url}/_stcore/health", timeout=1) as answer:
                return bool(answer.status == 200)
        except OSError:
            return False


@contextmanager
def chromium() -> Iterator[Browser]:
    """Start Debian's Chromium, headless."""
    path = shutil.which("chromium")
    assert path, "no chromium in the PATH: apt-get install chromium"
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=CHROMIUM_FLAGS)
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def redis_server() -> Iterator[RedisServer]:
    with RedisServer(password=SECRET) as server:
        yield server


@pytest.fixture(scope="module")
def page_server(redis_server: RedisServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[PageServer]:
    with PageServer(redis_server.url, tmp_path_factory.mktemp("page")) as server:
        yield server


@pytest.fixture
def client(redis_server: RedisServer) -> Iterator[redis.Redis]:
    with redis_server.client() as client:
        client.flushall()
        yield client


@pytest.fixture
def writer(client: redis.Redis) -> Writer:
    """Make a writer whose boards stay fresh for a minute, so that a slow machine makes nothing stale."""
    return Writer(client, publish_every_ms=20_000)


@pytest.fixture(scope="module")
def contexts(browser: Browser) -> Iterator[dict[str, BrowserContext]]:
    """Make a browser context for each colour scheme; a module keeps them, as a warm cache saves seconds."""
    contexts = {
        "light": browser.new_context(color_scheme="light", timezone_id="America/New_York"),
        "dark": browser.new_context(color_scheme="dark", timezone_id="America/New_York"),
    }
    yield contexts
    for context in contexts.values():
        context.close()


@pytest.fixture
def open_page(contexts: dict[str, BrowserContext], page_server: PageServer) -> Iterator[Callable[..., Page]]:
    """Open the page in a given size and colour scheme; the browser's zone is New York's."""
    pages = []

    def open_page(width: int = 1440, height: int = 1000, scheme: str = "light", query: str = "") -> Page:
        page = contexts[scheme].new_page()
        pages.append(page)
        page.set_viewport_size({"width": width, "height": height})
        page.goto(page_server.url + query)
        page.wait_for_selector("[data-figure=as_of]", timeout=20_000)
        page.get_by_role("combobox").wait_for()
        page.wait_for_selector(".st-key-rejected", timeout=20_000)  # the last part to be drawn
        return page

    yield open_page
    for page in pages:
        page.close()


def now_ms() -> int:
    """Return the wall clock."""
    return time.time_ns() // 1_000_000
