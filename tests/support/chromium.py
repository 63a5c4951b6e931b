"""Debian's chromium, as the gate installs it."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager

from playwright.sync_api import Browser, sync_playwright


@contextmanager
def chromium() -> Iterator[Browser]:
    """A headless browser. Raises ``AssertionError`` where there is none: the gate does without no real component."""
    path = shutil.which("chromium")
    assert path, "tools/system_packages.sh installs chromium"
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox", "--disable-gpu"])
        yield browser
        browser.close()
