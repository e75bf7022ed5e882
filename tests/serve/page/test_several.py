"""Several clips at once, and the file of what was said of them."""

import io

import pandas as pd
import pytest

pytestmark = pytest.mark.slow

LABELS = ["neutral", "disgust", "anger", "sadness", "joy", "fear"]


def states(page):
    return {row.get_attribute("data-name"): row.get_attribute("data-state") for row in page.all("#batch tbody tr")}


def finished(page):
    page.until(lambda: set(states(page).values()) <= {"done", "failed"})
    return states(page)


def test_a_table_and_its_file(page, clips, tmp_path, served_models):
    said = tmp_path / "joy.txt"
    said.write_text("¡Qué alegría!\n", encoding="utf-8")
    page.model("either")
    page.choose(clips["joy"], clips["broken"], said, clips["fear"])
    page.shown("#batch table")
    assert page.shown('tr[data-name="joy.wav"] input').get_attribute("value") == "¡Qué alegría!"
    page.click("#batch button.primary")
    assert finished(page) == {"joy.wav": "done", "broken.wav": "failed", "fear.wav": "done"}
    assert "not audio" in page.shown('tr[data-name="broken.wav"] .bad').text
    assert "2 of 3 done, 1 failed" in page.shown("#batch").text
    page.driver.find_element("xpath", "//button[text()='Download as CSV']").click()
    page.until(lambda: (page.downloads / "predictions.csv").is_file())
    table = pd.read_csv(page.downloads / "predictions.csv")
    assert list(table.columns) == ["id", "label", *(f"p_{label}" for label in LABELS), "temperature"]
    either = next(model for model in served_models if model.name == "either")
    assert table["temperature"].tolist() == pytest.approx([either.temperature] * 2, abs=1e-4)
    assert table["id"].tolist() == ["joy.wav", "fear.wav"]
    chances = table[[f"p_{label}" for label in LABELS]]
    assert chances.sum(axis=1).tolist() == pytest.approx([1, 1])
    assert chances.idxmax(axis=1).str.removeprefix("p_").tolist() == table["label"].tolist()
    page.driver.find_element("css selector", 'tr[data-name="fear.wav"] button').click()
    assert page.answer() == table["label"][1]
    assert "fear.wav" in page.shown("#result .headline").text


def test_transcripts_that_are_needed(page, clips):
    page.choose(clips["joy"], clips["fear"])
    page.type('tr[data-name="joy.wav"] input', "hola")
    page.click("#batch button.primary")
    assert finished(page) == {"joy.wav": "done", "fear.wav": "failed"}
    page.type('tr[data-name="fear.wav"] input', "adiós")
    page.click("#batch button.primary")
    page.until(lambda: states(page) == {"joy.wav": "done", "fear.wav": "done"})


def test_another_language_and_another_model(page, clips):
    page.model("voice")
    page.choose(clips["joy"], clips["fear"])
    page.click("#batch button.primary")
    finished(page)
    page.click("[data-language=es]")
    assert "2 audios" in page.shown("#batch h3").text
    assert finished(page) == {"joy.wav": "done", "fear.wav": "done"}
    page.model("either")
    assert states(page) == {"joy.wav": "waiting", "fear.wav": "waiting"}
    page.click("#batch .quiet")
    assert page.hidden("#batch")


def test_two_clips_of_one_name(page, clips, tmp_path):
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "joy.wav").write_bytes(clips["fear"].read_bytes())
    page.model("voice")
    page.choose(clips["joy"], tmp_path / "other" / "joy.wav")
    page.shown("#batch table")
    assert list(states(page)) == ["joy.wav", "joy (2).wav"]


def test_clips_are_dropped_anywhere(page):
    page.model("voice")
    drop = (
        "const data = new DataTransfer();"
        "for (const name of given[0]) data.items.add(new File(['no sound'], name, { type: 'audio/wav' }));"
        "const event = new DragEvent('drop', { dataTransfer: data, bubbles: true, cancelable: true });"
        "document.querySelector('footer').dispatchEvent(event); return event.defaultPrevented"
    )
    assert page.run(drop, ["one.wav"])  # the browser would show the file otherwise
    assert page.shown("#clip-name").text == "one.wav"
    assert page.run(drop, ["one.wav", "<b>two</b>.wav"])
    page.shown("#batch table")
    assert list(states(page)) == ["one.wav", "<b>two</b>.wav"]
    assert not page.all("#batch b")


def test_cells_that_spreadsheets_would_run(page):
    answer = {"label": "a,b", "probabilities": {"a,b": 0.75, 'c"d': 0.25}, "tasks": {}, "calibration": None}
    with_task = {**answer, "tasks": {"gender": {"label": "x", "probabilities": {"x": 1, "y": 1e-9}}}}
    names = ["=1+1.wav", "+1", "-1", "@x", "\tx", 'he said "hi".wav', "two\nlines", "plain", "ñandú.wav"]
    text = page.run(
        "const { predictionsCsv } = await import('/page/csv.js');"
        "return predictionsCsv(given[0].map((name) => [name, given[1]]))",
        names,
        with_task,
    )
    table = pd.read_csv(io.StringIO(text))
    assert list(table.columns) == ["id", "label", "p_a,b", 'p_c"d', "gender", "p_gender_x", "p_gender_y", "temperature"]
    guarded = [f"'{name}" if name[0] in "=+-@\t" else name for name in names]
    assert table["id"].tolist() == guarded
    assert table.iloc[0, 1:-1].tolist() == ["a,b", 0.75, 0.25, "x", 1, 1e-9]
    assert table["temperature"].isna().all()  # as the model gives them
