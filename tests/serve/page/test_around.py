"""What stands around the questions: languages, keys, small screens, keyboards; modules against oracles."""

import numpy as np
import pytest
import soundfile

pytestmark = pytest.mark.slow

KEY = "a-key-of-sixteen-or-more"  # of `locked_address`
WIDTHS = "return [document.documentElement.scrollWidth, innerWidth]"


def narrow(page, width=375):
    screen = {"width": width, "height": 800, "deviceScaleFactor": 2, "mobile": True}
    page.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", screen)


def test_two_languages(page, clips):
    page.click("[data-example=fear]")
    page.shown("#clip")
    label = page.ask()
    english = page.shown("#result .answer").text
    page.click("[data-language=es]")
    assert page.driver.execute_script("return document.documentElement.lang") == "es"
    assert page.shown("#send").text == "Analizar"
    assert "Probabilidades" in page.shown("#result").text
    assert "El ejemplo se dijo con miedo." in page.shown("#result .headline").text
    assert page.shown("#result .headline").get_attribute("data-label") == label
    assert page.shown("#result .answer").text != english or label == "neutral"
    page.driver.refresh()
    assert page.shown("#send").text == "Analizar"  # it is remembered


def test_a_problem_in_spanish(page, clips):
    page.open(language="es")
    page.choose(clips["broken"])
    page.type("#text", "hola")
    page.click("#send")
    assert page.problem().startswith("No es un audio que se pueda leer.")
    page.click("[data-language=en]")
    assert page.problem().startswith("This is not audio")


def test_a_server_with_a_key(page, locked_address, clips):
    page.open(locked_address, settled="#key-form")
    assert page.hidden("#work")
    page.type("#key", "not the key of this server")
    page.click("#key-form button")
    assert page.problem() == "The server does not know this key."
    page.type("#key", KEY)
    page.click("#key-form button")
    page.shown("#work")
    assert page.hidden("#key-form")
    page.click("[data-example=anger]")
    page.shown("#clip")
    page.ask()
    page.driver.refresh()  # the tab keeps it
    page.shown("#work")
    kept = page.driver.execute_script("return [Object.values(localStorage), Object.values(sessionStorage)]")
    assert KEY not in kept[0]
    assert KEY in kept[1]


@pytest.mark.parametrize("width", [320, 375, 768])
def test_a_phone(page, clips, width):
    narrow(page, width)
    page.model("either")
    page.choose(clips["long"])
    page.type("#text", "Una frase con unapalabraquenotermina" + "nunca" * 20)
    page.ask()
    page.click("#result .switch input")
    scroll, window = page.driver.execute_script(WIDTHS)
    assert scroll <= window
    page.choose(clips["joy"], clips["broken"])
    page.click("#batch button.primary")
    page.until(lambda: len(page.all('tr[data-state="done"], tr[data-state="failed"]')) == 2)
    scroll, window = page.driver.execute_script(WIDTHS)
    assert scroll <= window


def test_every_field_has_a_name_and_the_keyboard_reaches_all(page):
    unnamed = page.driver.execute_script(
        "return [...document.querySelectorAll('button, input, select, textarea, [role=slider], [role=meter]')]"
        ".filter((one) => !(one.labels?.length || one.getAttribute('aria-label') || one.textContent.trim()))"
        ".map((one) => one.outerHTML)"
    )
    assert unnamed == []
    visited = page.run(
        "return [...document.querySelectorAll('button, a[href], input, select, textarea')]"
        ".filter((one) => one.checkVisibility() && !one.disabled && one.tabIndex < 0).map((one) => one.id)"
    )
    assert visited == []


CONTRAST = """
const { colour } = await import("/page/dom.js");
const linear = (value) => (value <= 0.03928 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4);
const light = (name) => {
  const [red, green, blue] = colour(name).map((value) => linear(value / 255));
  return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
};
return given[0].map((pair) => {
  const [darker, lighter] = pair.map(light).sort((one, other) => one - other);
  return (lighter + 0.05) / (darker + 0.05);
});
"""
TEXTS = [
    ("--ink", "--paper"), ("--ink", "--card"), ("--muted", "--paper"), ("--muted", "--card"), ("--accent", "--card"),
    ("--accent", "--soft"), ("--on-accent", "--accent"), ("--bad", "--card"), ("--bad", "--on-bad"),
]  # fmt: skip
SHAPES = [(f"--{name}", "--card") for name in ("edge", "attention", "joy", "sadness", "anger", "fear", "disgust",
                                              "surprise", "neutral", "other")]  # fmt: skip


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_contrast(page, scheme):
    """WCAG 2.2 AA: 4.5 for text, 3 for what else must be seen."""
    media = {"features": [{"name": "prefers-color-scheme", "value": scheme}]}
    page.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", media)
    texts, shapes = page.run(CONTRAST, TEXTS), page.run(CONTRAST, SHAPES)
    page.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": []})
    assert {pair: ratio for pair, ratio in zip(TEXTS, texts, strict=True) if ratio < 4.5} == {}
    assert {pair: ratio for pair, ratio in zip(SHAPES, shapes, strict=True) if ratio < 3} == {}


def test_a_server_that_is_gone(page):
    page.model("words")
    page.type("#text", "hola")
    page.driver.execute_cdp_cmd(
        "Network.emulateNetworkConditions",
        {"offline": True, "latency": 0, "downloadThroughput": 0, "uploadThroughput": 0},
    )
    page.click("#send")
    assert page.problem().startswith("The server does not answer.")
    page.driver.execute_cdp_cmd(
        "Network.emulateNetworkConditions",
        {"offline": False, "latency": 0, "downloadThroughput": -1, "uploadThroughput": -1},
    )
    page.ask()


def test_the_transform_is_fouriers(page):
    signal = np.random.default_rng(0).standard_normal(64)
    real, imaginary = page.run(
        "const { transform } = await import('/page/spectrogram.js');"
        "const [real, imaginary] = [Float64Array.from(given[0]), new Float64Array(given[0].length)];"
        "transform(real, imaginary); return [[...real], [...imaginary]]",
        signal.tolist(),
    )
    np.testing.assert_allclose(np.array(real) + 1j * np.array(imaginary), np.fft.fft(signal), atol=1e-9)


def test_the_spectrogram_shows_a_tone_where_it_is(page):
    bands, darkness = page.run(
        "const { spectrogram } = await import('/page/spectrogram.js');"
        "const samples = Float32Array.from({ length: 16000 }, (_, k) => Math.sin((2 * Math.PI * 2000 * k) / 32000));"
        "const { bands, darkness } = spectrogram({ samples, rate: 32000 }, 20); return [bands, [...darkness]]"
    )
    picture = np.array(darkness).reshape(20, bands)
    assert bands * 32000 / 512 == pytest.approx(5000, abs=65)
    np.testing.assert_allclose(picture[5:15].argmax(axis=1) * 32000 / 512, 2000, atol=65)


def test_attention_is_told_as_times_an_even_share(page):
    weights = np.random.default_rng(1).dirichlet(np.ones(1000)) * 0.6
    times, most = page.run(
        "const { Attention } = await import('/page/wave.js'); const found = new Attention(given[0]);"
        "return [found.times, found.most]",
        weights.tolist(),
    )
    edges = np.arange(241) * 1000 // 240
    expected = np.add.reduceat(weights, edges[:-1]) / np.diff(edges) * 1000 / weights.sum()
    np.testing.assert_allclose(times, expected, rtol=1e-9)
    assert most == pytest.approx(expected.max())


def test_a_recording_for_the_player_is_a_wav(page, tmp_path):
    data = page.run(
        "const { asWav } = await import('/page/sound.js');"
        "const samples = Float32Array.from({ length: 800 }, (_, k) => Math.sin(k / 10) * 1.2);"
        "return [...new Uint8Array(await asWav({ samples, rate: 32000 }).arrayBuffer())]"
    )
    (tmp_path / "x.wav").write_bytes(bytes(data))
    samples, rate = soundfile.read(tmp_path / "x.wav")
    assert rate == 32000
    np.testing.assert_allclose(samples, np.clip(np.sin(np.arange(800) / 10) * 1.2, -1, 1), atol=1e-4)
