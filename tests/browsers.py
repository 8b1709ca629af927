"""A real browser for tests: Debian's Chromium with its driver. Nothing is downloaded."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager

from selenium import webdriver
from selenium.webdriver.chrome.options import Options
from selenium.webdriver.chrome.service import Service

_BLOCKED = 2


class BrowserUnavailableError(RuntimeError):
    """Why there is none, and what to do about it."""


def find_browser() -> tuple[str, str]:
    """The paths of the browser and of its driver."""
    browser, driver = shutil.which("chromium"), shutil.which("chromedriver")
    if browser is None or driver is None:
        raise BrowserUnavailableError("needs a browser: apt-get install chromium chromium-driver")
    return browser, driver


@contextmanager
def opened_browser(*, javascript: bool = True, dark: bool = False, width: int = 1000) -> Iterator[webdriver.Chrome]:
    """A browser with a profile of its own, closed at the end."""
    browser, driver = find_browser()
    options = Options()
    options.binary_location = browser
    for argument in ("--headless=new", "--no-sandbox", "--disable-dev-shm-usage", f"--window-size={width},1000"):
        options.add_argument(argument)
    if dark:
        options.add_argument("--force-dark-mode")
        options.add_argument("--blink-settings=preferredColorScheme=0")
    if not javascript:
        options.add_experimental_option("prefs", {"profile.managed_default_content_settings.javascript": _BLOCKED})
    chrome = webdriver.Chrome(options=options, service=Service(executable_path=driver))
    try:
        yield chrome
    finally:
        chrome.quit()
