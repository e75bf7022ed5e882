"""The real server with tiny trained models, and a headless browser before it."""

import contextlib
import json
import shutil
import socket
import threading
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import soundfile

CHROMIUM, DRIVER = shutil.which("chromium"), shutil.which("chromedriver")
KEY = "a-key-of-sixteen-or-more"
WHISPERED = "hola qué tal"
BOTH = """
data: {corpus: emospeech2024, root: ROOT}
speech: {encoder: log_mel_cnn, options: {width: 8, bands: 16, channels: [4]}, crop_seconds: 0.5}
text: {encoder: subword_transformer, options: {width: 8, vocabulary: 120, depth: 1, heads: 2}}
model: {head: {blocks: 1, width: 8}}
train: {epochs: 1, batch_size: 16}
"""
RECIPES = {
    "both": BOTH,
    "either": BOTH.replace("model: {", "model: {modality_dropout: 0.3, "),
    "words": BOTH.replace("speech: {encoder", "speech: null #"),
    "voice": BOTH.replace("text: {encoder", "text: null #"),
}


class Whispering:
    """What stands in for Whisper: it always hears the same."""

    source = "whisper:tiny"

    def write(self, waveforms):
        return [WHISPERED] * len(waveforms)


@pytest.fixture(scope="session")
def served_models(tmp_path_factory, challenge):
    """Of four kinds; `either` also writes transcripts."""
    from emospeech.cli.main import main
    from emospeech.serve.engine import served

    folder, models = tmp_path_factory.mktemp("page"), []
    for name, recipe in RECIPES.items():
        (folder / f"{name}.yaml").write_text(recipe.replace("ROOT", str(challenge)), encoding="utf-8")
        assert main(["train", str(folder / f"{name}.yaml"), f"runs_dir={folder}"]) == 0
        whisper = Whispering() if name == "either" else None
        models.append(served.load(folder / name, whisper=whisper, segment_seconds=2.0))
    return models


@contextlib.contextmanager
def serving(models, key=None):
    """The address of a server of our own."""
    import uvicorn

    from emospeech.serve.http.app import create_app
    from emospeech.serve.http.settings import Limits
    from emospeech.serve.http.state import Server

    limits = Limits(max_seconds=8, max_bytes=1_000_000, segment_seconds=2.0, max_characters=200)
    with socket.create_server(("127.0.0.1", 0)) as listening:
        app = create_app(Server(models, limits), key)
        server = uvicorn.Server(uvicorn.Config(app, log_level="warning", lifespan="on"))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]}, daemon=True)
        thread.start()
        while not server.started:
            assert thread.is_alive()
            time.sleep(0.02)
        yield f"http://127.0.0.1:{listening.getsockname()[1]}/"
        server.should_exit = True
        thread.join(20)


@pytest.fixture(scope="session")
def address(served_models):
    with serving(served_models) as address:
        yield address


@pytest.fixture(scope="session")
def locked_address(served_models):
    with serving(served_models[:1], KEY) as address:
        yield address


@pytest.fixture(scope="session")
def clips(tmp_path_factory, challenge):
    """Paths by name: tones, one of 5 s, one that is longer than the server takes, and a file that is no sound."""
    folder = tmp_path_factory.mktemp("clips")
    tones = [soundfile.read(path)[0] for path in sorted((challenge / "train_segments").iterdir())[:24]]
    sounds = {
        "joy": tones[1],
        "fear": tones[3],
        "long": np.concatenate(tones)[:80_000],
        "endless": np.concatenate(tones),
    }
    paths = {name: folder / f"{name}.wav" for name in (*sounds, "broken")}
    for name, samples in sounds.items():
        soundfile.write(paths[name], samples, 16_000)
    paths["broken"].write_bytes(b"no sound is in here" * 40)
    return paths


@dataclass(frozen=True)
class Page:
    """A browser that shows the page, and what a reader does with it."""

    driver: object
    address: str
    downloads: Path

    def open(self, address=None, language="en", settled="#work"):
        """Show the page anew, with nothing remembered."""
        self.driver.get(address or self.address)
        self.driver.execute_script(
            "localStorage.clear(); sessionStorage.clear(); localStorage.setItem('emospeech-language', arguments[0])",
            language,
        )
        self.driver.refresh()
        if settled:
            self.shown(settled)

    def all(self, css):
        return self.driver.find_elements("css selector", css)

    def until(self, condition, seconds=30):
        from selenium.webdriver.support.ui import WebDriverWait

        return WebDriverWait(self.driver, seconds, poll_frequency=0.05).until(lambda _: condition())

    def shown(self, css):
        """The first element of a selector, once it is to be seen."""
        return self.until(lambda: next((one for one in self.all(css) if one.is_displayed()), None))

    def hidden(self, css):
        return not any(one.is_displayed() for one in self.all(css))

    def click(self, css):
        self.shown(css).click()

    def type(self, css, text):
        field = self.shown(css)
        field.clear()
        field.send_keys(text)

    def choose(self, *paths):
        """Files, as the file dialogue gives them."""
        self.all("#files")[0].send_keys("\n".join(map(str, paths)))

    def model(self, name):
        from selenium.webdriver.support.ui import Select

        Select(self.shown("#model")).select_by_value(name)

    def problem(self):
        """What the page says is wrong."""
        return self.shown("#problem p").text

    def answer(self):
        """The label that is shown, once there is one."""
        self.until(lambda: self.hidden("#busy"))
        assert not self.all("#problem p"), self.problem()
        return self.shown("#result .headline").get_attribute("data-label")

    def ask(self):
        self.click("#send")
        return self.answer()

    def probabilities(self):
        """Label -> percent as it is written."""
        bars = self.all("#result .bars li")
        return {bar.get_attribute("data-label"): bar.find_element("css selector", ".number").text for bar in bars}

    def run(self, code, *arguments):
        """What an asynchronous function of JavaScript returns."""
        whole = (
            f"const done = arguments[arguments.length - 1]; (async (...given) => {{ {code} }})(...arguments).then(done)"
        )
        return self.driver.execute_async_script(whole, *arguments)

    def requests(self):
        """The addresses that the browser asked since the last time."""
        events = [json.loads(entry["message"])["message"] for entry in self.driver.get_log("performance")]
        return [one["params"]["request"]["url"] for one in events if one["method"] == "Network.requestWillBeSent"]

    def complaints(self):
        """What the console shows, apart from answers that the server refused."""
        told = [entry["message"] for entry in self.driver.get_log("browser")]
        return [message for message in told if "Failed to load resource" not in message]


@pytest.fixture(scope="session")
def browser(tmp_path_factory, clips):
    """Headless Chromium whose microphone hears a clip."""
    if not (CHROMIUM and DRIVER):
        pytest.skip("chromium and chromedriver are not installed")
    webdriver = pytest.importorskip("selenium.webdriver")
    from selenium.webdriver.chrome.service import Service

    options = webdriver.ChromeOptions()
    options.binary_location = CHROMIUM
    for switch in (
        "headless=new", "no-sandbox", "disable-gpu", "disable-dev-shm-usage", "disable-quic", "no-first-run",
        "disable-sync", "disable-background-networking", "disable-component-update", "window-size=1280,1000",
        "mute-audio", "use-fake-ui-for-media-stream", "use-fake-device-for-media-stream",
        f"use-file-for-fake-audio-capture={clips['joy']}", f"user-data-dir={tmp_path_factory.mktemp('profile')}",
    ):  # fmt: skip
        options.add_argument(f"--{switch}")
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    driver = webdriver.Chrome(options=options, service=Service(DRIVER))
    driver.set_script_timeout(20)
    yield driver
    driver.quit()


@pytest.fixture
def page(browser, address, tmp_path):
    """The page in English; whatever a test does, nothing but the server is asked, and the console stays empty."""
    where = {"behavior": "allow", "downloadPath": str(tmp_path)}
    browser.execute_cdp_cmd("Browser.setDownloadBehavior", where)
    browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
    page = Page(browser, address, tmp_path)
    page.requests()
    page.complaints()
    page.open()
    yield page
    own = (browser.current_url.split("?")[0], "blob:", "data:")
    assert [url for url in page.requests() if not url.startswith((address, *own))] == []
    assert page.complaints() == []
