"""Writes docs/images/: the server's page and a run's report, as Chromium shows them, of the demo corpus alone.

    python docs/screenshots.py

What `emospeech demo` has left in the current folder is shown; what is missing is made first (some minutes). Chromium
and its driver are found on the PATH: apt-get install chromium chromium-driver fonts-dejavu-core.
"""

import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from PIL import Image
from selenium import webdriver
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.support.ui import WebDriverWait

IMAGES = Path(__file__).with_name("images")
RUN = Path("runs/demo")
EMOSPEECH = [sys.executable, "-m", "emospeech"]
WIDE, PHONE = (1200, 900), (390, 800)  # CSS pixels
MOST = 300_000  # bytes of an image
EXAMPLE = "sadness"  # the clip that the page is asked about
SETTLING = 0.6  # seconds until what moves on a page has come to rest


def main() -> None:
    IMAGES.mkdir(exist_ok=True)
    subprocess.run([*EMOSPEECH, "demo"], check=True)
    with tempfile.TemporaryDirectory() as folder, chromium() as driver:
        report = Path(folder) / "report.html"
        figures = ["--figures", str(Path(folder) / "figures")]
        subprocess.run([*EMOSPEECH, "report", str(RUN), "-o", str(report), *figures], check=True)
        show_report(driver, report)
        with served() as address:
            show_page(driver, address)


@contextmanager
def chromium() -> Iterator[webdriver.Chrome]:
    browser, service = shutil.which("chromium"), shutil.which("chromedriver")
    if browser is None or service is None:
        sys.exit("chromium and chromedriver are needed: apt-get install chromium chromium-driver")
    options = webdriver.ChromeOptions()
    options.binary_location = browser
    for switch in ("headless=new", "no-sandbox", "disable-gpu", "disable-dev-shm-usage", "hide-scrollbars", "lang=en"):
        options.add_argument(f"--{switch}")
    driver = webdriver.Chrome(options=options, service=Service(service))
    try:
        yield driver
    finally:
        driver.quit()


@contextmanager
def served() -> Iterator[str]:
    """The address of a server of the demo run; what it says goes on to stderr."""
    process = subprocess.Popen([*EMOSPEECH, "serve", str(RUN), "--port", "0"], stderr=subprocess.PIPE, text=True)
    try:
        assert process.stderr is not None
        for line in process.stderr:
            print(line, end="", file=sys.stderr)
            if found := re.search(r"page: (\S+)", line):
                break
        else:
            sys.exit("the server did not start")
        yield found[1]
    finally:
        process.terminate()
        process.wait(60)


def show_page(driver: webdriver.Chrome, address: str) -> None:
    """An example that was asked about: on a wide screen with its spectrogram, and in Spanish on a dark phone."""
    for name, size, language, scheme, spectrogram in (
        ("page", WIDE, "en", "light", "yes"),
        ("page_phone", PHONE, "es", "dark", "no"),
    ):
        driver.execute_cdp_cmd(
            "Emulation.setEmulatedMedia", {"features": [{"name": "prefers-color-scheme", "value": scheme}]}
        )
        resize(driver, *size)
        driver.get(address)
        driver.execute_script(
            "localStorage.setItem('emospeech-language', arguments[0]);"
            "localStorage.setItem('emospeech-spectrogram', arguments[1])",
            language,
            spectrogram,
        )
        driver.get(address)
        click(driver, f"[data-example={EXAMPLE}]")
        wait(driver, lambda: driver.find_element("id", "clip").is_displayed())
        click(driver, "#send")
        wait(driver, lambda: driver.find_elements("css selector", "#result .headline"))
        driver.execute_script("document.activeElement.blur(); scrollTo(0, 0)")
        top = 0 if size is WIDE else driver.find_element("id", "output").rect["y"] - 12
        picture(driver, name, top, 1600 if size is WIDE else 1216)


def show_report(driver: webdriver.Chrome, report: Path) -> None:
    """Its beginning, and the clips that were answered wrongly."""
    resize(driver, 1100, 900)
    driver.get(report.resolve().as_uri())
    picture(driver, "report", 0, 1190)
    clips = driver.find_element("id", "clips").rect["y"]
    picture(driver, "report_errors", clips - 12, 1150)


def resize(driver: webdriver.Chrome, width: int, height: int) -> None:
    screen = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600}
    driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", screen)


def wait(driver: webdriver.Chrome, condition: Callable[[], object]) -> None:
    WebDriverWait(driver, 30).until(lambda _: condition())


def click(driver: webdriver.Chrome, selector: str) -> None:
    wait(driver, lambda: [one for one in driver.find_elements("css selector", selector) if one.is_displayed()])
    driver.find_element("css selector", selector).click()


def picture(driver: webdriver.Chrome, name: str, top: float, most: int) -> None:
    """What stands from `top` on, `most` CSS pixels of it, as a PNG of 256 colours."""
    width, height = driver.execute_script("return [innerWidth, document.documentElement.scrollHeight]")
    resize(driver, width, height)  # all of it is drawn, and nothing scrolls
    time.sleep(SETTLING)
    with tempfile.NamedTemporaryFile(suffix=".png") as file:
        driver.save_screenshot(file.name)
        whole = Image.open(file.name).convert("RGB")
    part = whole.crop((0, round(top), whole.width, min(whole.height, round(top) + most)))
    path = IMAGES / f"{name}.png"
    part.quantize(256, Image.Quantize.MAXCOVERAGE, kmeans=3, dither=Image.Dither.NONE).save(path, optimize=True)
    size = path.stat().st_size
    print(f"{path.name}: {part.width} x {part.height}, {size / 1000:.0f} kB")
    if size > MOST:
        sys.exit(f"{path} is larger than {MOST / 1000:.0f} kB")


if __name__ == "__main__":
    main()
