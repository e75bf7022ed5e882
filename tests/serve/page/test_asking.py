"""One question, as a reader asks it: clips, texts, recordings, examples; and what is told where something is wrong."""

import json
import math

import pytest

pytestmark = pytest.mark.slow

LABELS = ["neutral", "disgust", "anger", "sadness", "joy", "fear"]


def canvas_ink(page, css):
    """How many pixels of a canvas are drawn on."""
    return page.driver.execute_script(
        "const c = document.querySelector(arguments[0]);"
        "const { data } = c.getContext('2d').getImageData(0, 0, c.width, c.height);"
        "return data.filter((value, k) => k % 4 === 3 && value).length",
        css,
    )


def test_a_clip_and_its_transcript(page, clips):
    page.choose(clips["joy"])
    assert page.shown("#clip-name").text == "joy.wav"
    page.type("#text", "¡Qué alegría verte!")
    label = page.ask()
    told = page.probabilities()
    assert sorted(told) == sorted(LABELS)
    assert next(iter(told)) == label
    assert sum(float(share.strip("%")) for share in told.values()) == pytest.approx(100, abs=3)
    assert page.shown("#result .headline .answer").text.split()[0] == label
    words = page.all("#result .word")
    assert [word.find_element("css selector", ".word-text").text for word in words] == ["¡Qué", "alegría", "verte!"]
    assert all("%" in word.get_attribute("title") for word in words)
    assert canvas_ink(page, "#result .field canvas") > 5000
    assert "attention" in page.shown("#result .legend").text
    assert "voice + words" in page.shown("#result .details").text
    assert label in page.all("#status")[0].get_attribute("textContent")


def test_the_attention_that_is_shown_is_the_servers(page, clips):
    page.choose(clips["joy"])
    page.type("#text", "hola qué tal")
    page.ask()
    page.click("#result .details button")  # the answer as JSON
    page.until(lambda: list(page.downloads.glob("*.json")))
    answer = json.loads((page.downloads / "joy.json").read_text(encoding="utf-8"))
    weights = [float(word.get_attribute("data-weight")) for word in page.all("#result .word")]
    assert weights == [word["weight"] for word in answer["attention"]["words"]]
    frames = answer["attention"]["speech"]["weights"]
    assert sum(frames) + sum(weights) + answer["attention"]["shares"]["rest"] == pytest.approx(1, abs=1e-3)
    times = max(frames) * len(frames) / sum(frames)
    assert f"up to {times:.1f} times" in page.shown("#result .legend").text


def test_the_order_of_probabilities(page, clips):
    page.choose(clips["joy"])
    page.type("#text", "hola")
    page.ask()
    by_value = page.probabilities()
    page.driver.find_element("xpath", '//button[text()="In the model\'s order"]').click()
    assert list(page.probabilities()) == LABELS
    assert page.probabilities() == by_value


def test_what_is_missing_is_said_before_and_after(page, clips):
    assert page.shown("#hint").text == "Give a clip and what is said in it."
    page.choose(clips["joy"])
    page.until(lambda: page.shown("#hint").text == "This model needs what is said, as text, as well.")
    page.click("#send")
    assert page.problem() == "This model needs what is said, as text, as well."
    assert page.driver.switch_to.active_element.get_attribute("id") == "text"


def test_text_alone(page):
    page.model("words")
    assert page.hidden("#sound")
    page.type("#text", "No aguanto más, de verdad.")
    assert page.ask() in LABELS
    assert page.hidden("#result .wave")
    assert len(page.all("#result .word")) == 5


def test_voice_alone(page, clips):
    page.model("voice")
    assert page.hidden("#text")
    page.choose(clips["fear"])
    page.shown("#clip")
    assert page.ask() in LABELS
    assert not page.all("#result .word")


def test_a_transcript_that_the_model_writes(page, clips):
    page.model("either")
    assert page.hidden("#transcribe")
    page.choose(clips["joy"])
    page.click("#transcribe")
    page.until(lambda: page.shown("#text").get_attribute("value") == "hola qué tal")
    assert "Correct it" in page.shown("#hint").text
    page.type("#text", "")
    page.driver.execute_script("document.getElementById('text').value = ''")
    page.ask()
    assert "written by whisper tiny" in page.shown("#result").text


def test_a_long_clip_in_parts(page, clips):
    page.model("either")
    page.choose(clips["long"])
    page.shown("#clip")
    page.ask()
    parts = page.all("#result .segments button")
    assert len(parts) >= 2
    whole = page.probabilities()
    parts[-1].click()
    page.until(lambda: parts[-1].get_attribute("aria-pressed") == "true")
    assert parts[-1].get_attribute("aria-label") in page.shown("#result .bars").text
    assert float(page.shown("#result .field").get_attribute("aria-valuenow")) > 1
    page.driver.find_element("xpath", "//button[text()='Whole clip']").click()
    assert page.probabilities() == whole


@pytest.mark.parametrize(("language", "told"), [("en", "as a whole only"), ("es", "solo en su conjunto")])
def test_a_long_clip_that_is_not_answered_in_parts(page, clips, language, told):
    page.open(language=language)
    page.choose(clips["joy"])
    page.type("#text", "hola")
    page.ask()
    assert not page.all("#result .no-segments")  # it is short
    page.click("#remove")
    page.choose(clips["long"])
    page.shown("#clip")
    page.type("#text", "hola")
    page.ask()
    assert not page.all("#result .segments")
    assert told in page.shown("#result .no-segments").text


def test_a_long_clip_of_a_table_that_is_not_answered_in_parts(page, clips):
    page.choose(clips["long"], clips["joy"])
    for name in ("long.wav", "joy.wav"):
        page.type(f'tr[data-name="{name}"] input', "hola")
    page.click("#batch button.primary")
    page.click('tr[data-name="long.wav"] button')
    page.shown("#result .no-segments")


SHOW = """
const { showResult } = await import("/page/result.js");
const { setLanguage } = await import("/page/texts.js");
const [language, fitted] = given;
setLanguage(language);
const holder = document.createElement("div");
const model = { name: "m", version: "v", emospeech: "0" };
const calibration = fitted && { temperature: 1.3, fitted_to: fitted };
const probabilities = { joy: 0.49, fear: 0.51 };
const answer = { name: null, model, label: "fear", probabilities, calibration, modalities: ["text"], segments: [] };
showResult(holder, { answer, clip: null, meant: null, labels: ["joy", "fear"], partsAfter: 15 });
return holder.querySelector(".bars p").textContent
"""
REFIT = "dev, of the model before it was trained on dev, too"


@pytest.mark.parametrize(
    ("language", "off"),
    [("en", "With other voices, microphones or languages"), ("es", "Con otras voces, micrófonos o lenguas")],
)
def test_what_is_said_of_the_calibration(page, language, off):
    plain, refit, without = (page.run(SHOW, language, fitted) for fitted in ("dev", REFIT, None))
    assert off in plain
    assert "%" not in plain  # it promises no share of right answers
    assert "dev" not in plain
    assert refit.startswith(plain)
    assert refit.endswith(f": {REFIT}.")
    assert off not in without


def test_a_broken_file(page, clips):
    page.choose(clips["broken"])
    assert "cannot show this clip" in page.shown("#clip-wave").text
    page.type("#text", "hola")
    page.click("#send")
    told = page.problem()
    assert told.startswith("This is not audio that can be read.")
    assert "broken.wav" in told
    assert not page.all("#result .headline")


def test_a_clip_that_is_too_long_is_not_sent(page, clips):
    page.choose(clips["endless"])
    assert "the server takes 8 s" in page.problem()
    assert page.hidden("#clip")
    assert page.shown("#drop")


def test_an_example(page):
    page.click("[data-example=joy]")
    page.shown("#clip")
    assert page.shown("#text").get_attribute("value")
    page.ask()
    assert "The example was spoken as joy." in page.shown("#result .headline").text


def test_a_recording(page):
    page.model("voice")
    page.click("#record")
    page.until(lambda: page.shown("#recorded").text.startswith("0:01"))
    assert int(page.shown("#meter").get_attribute("aria-valuenow")) > 20
    page.click("#stop")
    assert page.shown("#clip-name").text.endswith((".webm", ".m4a", ".ogg"))
    assert page.ask() in LABELS
    seconds = float(page.shown("#result .field").get_attribute("aria-valuemax"))
    assert math.isfinite(seconds)
    assert 0.8 < seconds < 4


def test_a_recording_stops_at_the_limit_and_may_be_discarded(page):
    page.model("voice")
    page.driver.execute_script("window.before = performance.now()")
    page.click("#record")
    page.shown("#recording")
    page.shown("#clip")  # the limit is 8 s
    assert page.hidden("#recording")
    assert not page.all("#problem p")
    page.click("#remove")
    page.click("#record")
    page.click("#discard")
    assert page.shown("#drop")
    assert page.hidden("#clip")


def test_the_player_is_used_by_keys(page, clips):
    page.model("voice")
    page.choose(clips["long"])
    field = page.shown("#clip .field")
    field.send_keys("\ue012\ue014\ue014")  # left, right, right
    page.until(lambda: 0.15 < float(field.get_attribute("aria-valuenow")) < 0.25)
    field.send_keys("\ue010")  # end
    page.until(lambda: float(field.get_attribute("aria-valuenow")) > 4.5)
    field.click()  # in the middle
    page.until(lambda: 2 < float(field.get_attribute("aria-valuenow")) < 3)
    page.click("#clip .play")
    page.until(lambda: float(field.get_attribute("aria-valuenow")) > 3)
    assert "of 5.0 seconds" in field.get_attribute("aria-valuetext")
