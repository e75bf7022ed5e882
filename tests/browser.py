"""A headless Chromium for tests of pages; they skip where there is none. To be imported, as `from tests.browser …`."""

import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager

import pytest


@contextmanager
def chromium(width: int = 1200, height: int = 900) -> Iterator["object"]:
    """A driver of a window of this size, in CSS pixels; it notes console messages and requests."""
    selenium = pytest.importorskip("selenium")
    program = shutil.which("chromium") or shutil.which("google-chrome")
    driver = shutil.which("chromedriver")
    if program is None or driver is None:
        pytest.skip("no chromium and chromedriver here")
    assert selenium
    from selenium import webdriver
    from selenium.webdriver.chrome.service import Service

    options = webdriver.ChromeOptions()
    options.binary_location = program
    for one in ("--headless=new", "--no-sandbox", "--disable-gpu", "--mute-audio", "--no-first-run",
                "--autoplay-policy=no-user-gesture-required", "--disable-background-networking"):  # fmt: skip
        options.add_argument(one)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    window = webdriver.Chrome(options=options, service=Service(driver))
    try:
        size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 500}
        window.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
        window.set_script_timeout(30)
        yield window
    finally:
        window.quit()


def complaints(window) -> list[str]:
    """What the console says since it was last asked."""
    return [entry["message"] for entry in window.get_log("browser") if entry["level"] in ("SEVERE", "WARNING")]


def requested(window) -> list[str]:
    """The addresses that the page has asked for since this was last asked, without data within the page."""
    messages = [json.loads(entry["message"])["message"] for entry in window.get_log("performance")]
    asked = [one["params"]["request"]["url"] for one in messages if one["method"] == "Network.requestWillBeSent"]
    return [url for url in asked if not url.startswith(("data:", "blob:"))]
