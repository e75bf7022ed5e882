"""Rows for a trained run, and what is refused before it predicts. The run is a stand-in that always says the same."""

from types import SimpleNamespace

import pandas as pd
import pytest
import soundfile

from emospeech.config import Data, Recipe, as_yaml, validate
from emospeech.data import manifest
from emospeech.experiments import inference
from emospeech.labels import EMOSPEECH2024
from emospeech.runtime.errors import UserError


class Constant:
    """A system that says one label of everything, and remembers what it was asked."""

    may_lack = False
    recipe = Recipe.model_construct(text=None, cache=None, data=Data.model_construct(corpus="demo", root="."))

    def __init__(self, label="joy", labels=EMOSPEECH2024, audio=False, text=False):
        self.label, self.tasks = label, {"label": labels}
        self.needs_audio, self.needs_text = audio, text
        self.asked = None

    def predict(self, rows):
        self.asked = rows
        return pd.DataFrame({"id": rows["id"].tolist(), "label": self.label})


@pytest.fixture
def clips(tmp_path, make_tone):
    for k, name in enumerate(("a.wav", "b ñ.flac")):
        soundfile.write(tmp_path / name, make_tone("joy", k), 16_000)
    return [tmp_path / "a.wav", tmp_path / "b ñ.flac"]


# -- rows --------------------------------------------------------------------------------------------------------


def test_audio_files_become_rows(clips):
    rows = inference.read_rows(clips)
    assert rows["id"].tolist() == ["a.wav", "b ñ.flac"]
    assert rows["audio"].tolist() == [str(path) for path in clips]


def test_files_of_the_same_name_are_told_apart_by_their_path(clips, tmp_path):
    (tmp_path / "deep").mkdir()
    other = clips[0].rename(tmp_path / "deep" / "a.wav")
    clips[0].touch()
    assert inference.read_rows([clips[0], other])["id"].tolist() == [str(clips[0]), str(other)]


@pytest.mark.parametrize(
    ("names", "says"),
    [
        (["a.wav", "absent.wav", "gone.wav"], r"no such file: .*absent\.wav, .*gone\.wav"),
        (["a.wav", "a.wav"], r"named more than once: .*a\.wav"),
        ([""], r"a folder; name the files in it, as .*/\*\.wav"),
        (["m.csv", "a.wav"], r"give one manifest, or audio files; not both"),
        (["absent.csv"], r"no file .*absent\.csv; expected a manifest"),
    ],
)
def test_sources_that_are_wrong(names, says, clips, tmp_path):
    with pytest.raises(UserError, match=says):
        inference.read_rows([tmp_path / name for name in names])


def test_a_manifest_and_a_folder_for_its_audio(clips, tmp_path):
    (tmp_path / "m.csv").write_text("id,label\na.wav,joy\nb ñ.flac,fear\n", encoding="utf-8")
    assert inference.read_rows([tmp_path / "m.csv"])["audio"].isna().all()
    rows = inference.read_rows([tmp_path / "m.csv"], tmp_path)
    assert rows["audio"].tolist() == [str(path) for path in clips]
    with pytest.raises(UserError, match="no audio folder"):
        inference.read_rows([tmp_path / "m.csv"], tmp_path / "absent")


# -- predict and evaluate ----------------------------------------------------------------------------------------


def test_predictions_keep_the_order(clips):
    rows = inference.read_rows(clips[::-1])
    assert inference.predict(Constant(audio=True), rows)["id"].tolist() == rows["id"].tolist()


def test_what_the_system_needs_is_checked_before_it_predicts(clips):
    rows = inference.read_rows(clips)
    system = Constant(audio=True, text=True)
    with pytest.raises(UserError, match="no row has a transcription"):
        inference.predict(system, rows)
    with pytest.raises(UserError, match="2 of 2 rows have no audio"):
        inference.predict(Constant(audio=True), rows.assign(audio=pd.NA))
    assert system.asked is None
    inference.predict(Constant(text=True), rows.assign(transcription="sí", audio="/absent.wav"))


def test_bad_audio_fails_or_is_heard_as_silence(clips):
    clips[0].write_bytes(b"junk")
    rows = inference.read_rows(clips)
    with pytest.raises(UserError, match="1 of 2 clips have unusable audio; mend them, or give --on-bad-audio silence"):
        inference.predict(Constant(audio=True), rows)
    system = Constant(audio=True)
    assert len(inference.predict(system, rows, "silence")) == 2
    assert system.asked["audio"].isna().tolist() == [True, False]


def test_evaluate():
    rows = manifest.make(id=list("abcd"), label=["joy", "joy", "fear", "joy"])
    scores = inference.evaluate(Constant("joy", labels=("joy", "fear")), rows)
    assert scores["accuracy"] == 0.75
    assert scores["macro_f1"] == pytest.approx((2 * 3 / 7 + 0) / 2)
    assert scores["macro_f1_interval"]["low"] <= scores["macro_f1"] <= scores["macro_f1_interval"]["high"]


def test_evaluate_refuses_labels_it_does_not_know(tmp_path):
    (tmp_path / "m.csv").write_text("id,label\na,joy\nb,boredom\nc,\n")
    rows = manifest.read(tmp_path / "m.csv")
    with pytest.raises(UserError) as error:
        inference.evaluate(Constant("joy", labels=("joy", "fear")), rows)
    assert str(error.value).splitlines() == [
        "2 of 3 rows cannot be scored; the run knows joy, fear",
        "  - m.csv, line 3: id b: label 'boredom'",
        "  - m.csv, line 4: id c: no label",
    ]


# -- a challenge's table -----------------------------------------------------------------------------------------

TEST = "EmoSPeech_phase_2_test_public.csv"


@pytest.fixture
def run(tmp_path, monkeypatch):
    """A run folder whose model is the stand-in."""
    system = Constant(audio=True, text=True)
    monkeypatch.setattr(inference, "build", SimpleNamespace(load=lambda folder: system))
    folder = tmp_path / "run"
    folder.mkdir()
    (folder / "split.csv").write_text("id,split\ntrain0000.mp3,train\ntrain0001.mp3,dev\ntest0000.mp3,test\n")
    return SimpleNamespace(folder=folder, system=system)


def table_of(run, test, audio=None):
    rows, answers, labels = inference.predict_table({"label": run}, test, audio, "fail")
    return rows, answers["label"], labels


def test_a_test_table_with_its_audio_beside_it(run, challenge):
    table, predictions, labels = table_of(run.folder, challenge / TEST)
    assert len(table) == 12
    assert predictions["id"].tolist() == table["id"].tolist()
    assert labels == EMOSPEECH2024
    assert run.system.asked["audio"].str.endswith(".mp3").all()


def test_a_test_table_with_its_audio_elsewhere(run, challenge, tmp_path):
    alone = tmp_path / "t.csv"
    alone.write_bytes((challenge / TEST).read_bytes())
    table_of(run.folder, alone, challenge / "test_segments")
    assert run.system.asked["audio"][0] == str(challenge / "test_segments" / "test0000.mp3")
    with pytest.raises(UserError, match="12 of 12 rows have no audio"):
        table_of(run.folder, alone)


def test_a_table_of_clips_that_the_run_has_trained_on(run, challenge):
    with pytest.raises(
        UserError, match=r"2 of the table's 36 ids are in .*run's own training data \(train0000\.mp3, train0001\.mp3\)"
    ):
        table_of(run.folder, challenge / "EmoSPeech_phase_2_train.csv")


def test_clips_that_a_mixture_has_trained_on(run, challenge):
    """A mixture's ids begin with the corpus's name; those of another corpus may be called the same."""
    lines = ["id,split", "ch/train0000.mp3,train", "other/train0001.mp3,train"]
    (run.folder / "split.csv").write_text("\n".join(lines))
    parts = [{"corpus": "emospeech2024", "name": "ch", "root": "a"}, {"corpus": "emodb", "name": "other", "root": "b"}]
    recipe = validate({"name": "r", "data": {"mixture": parts}, "speech": {"encoder": "x"}}, "test")
    (run.folder / "config.yaml").write_text(as_yaml(recipe))
    with pytest.raises(UserError, match=r"1 of the table's 36 ids are in .*own training data \(train0000\.mp3\)"):
        table_of(run.folder, challenge / "EmoSPeech_phase_2_train.csv")
    assert len(table_of(run.folder, challenge / TEST)[0]) == 12


def test_the_challenge_decides_which_labels_it_takes(run, challenge):
    """A run on another corpus may know more labels than the challenge accepts."""
    run.system.tasks = {"label": (*EMOSPEECH2024, "surprise")}
    assert table_of(run.folder, challenge / TEST)[2] == EMOSPEECH2024


def test_a_predictions_file_instead_of_a_run(challenge, tmp_path):
    ids = pd.read_csv(challenge / TEST)["id"].tolist()
    (tmp_path / "p.csv").write_text("id,label,p_joy\n" + "".join(f"{id},joy,1\n" for id in reversed(ids)))
    table, predictions, labels = table_of(tmp_path / "p.csv", challenge / TEST)
    assert table["id"].tolist() == ids
    assert predictions["id"].tolist() == ids[::-1]
    assert labels == EMOSPEECH2024


# -- two tasks ---------------------------------------------------------------------------------------------------


def both(challenge, task_1, task_2, audio=None):
    runs = {"task_1": task_1, "task_2": task_2}
    return inference.predict_table(runs, challenge / TEST, audio, "fail", text_alone={"task_1"})


@pytest.fixture
def two_runs(run, tmp_path, monkeypatch):
    """Stand-ins by folder: `text` says fear of text alone, `run` says joy of speech and text."""
    systems = {"run": run.system, "text": Constant("fear", text=True)}
    loaded = []
    monkeypatch.setattr(
        inference, "build", SimpleNamespace(load=lambda folder: loaded.append(folder.name) or systems[folder.name])
    )
    (tmp_path / "text").mkdir()
    return SimpleNamespace(fused=run.folder, text=tmp_path / "text", systems=systems, loaded=loaded)


def test_each_task_has_its_run_and_task_1_no_sound(two_runs, challenge):
    table, answers, _ = both(challenge, two_runs.text, two_runs.fused)
    assert {task: set(one["label"]) for task, one in answers.items()} == {"task_1": {"fear"}, "task_2": {"joy"}}
    assert two_runs.systems["text"].asked["audio"].isna().all()
    assert two_runs.systems["run"].asked["audio"].notna().all()
    assert table["audio"].notna().all()


def test_one_run_for_both_tasks_is_loaded_once(two_runs, challenge):
    both(challenge, two_runs.text, two_runs.text)
    assert two_runs.loaded == ["text"]


def test_task_1_refuses_a_run_that_hears_speech(two_runs, challenge):
    with pytest.raises(UserError, match=r"hears speech, but task_1 is text alone; .* or one with .*modality_dropout"):
        both(challenge, two_runs.fused, two_runs.fused)


def test_what_is_wrong_with_both_runs_at_once_and_before_any_prediction(two_runs, challenge, tmp_path):
    (tmp_path / "p.csv").write_text("id,label\ntest0000.mp3,joy\n")
    with pytest.raises(UserError) as error:
        both(challenge, two_runs.fused, tmp_path / "p.csv")
    first, *rest = str(error.value).splitlines()
    assert first == "these runs cannot answer the table"
    assert [line[:4] for line in rest] == ["  - ", "  - ", "    "]
    assert "hears speech" in rest[0]
    assert "predictions for task_2 do not fit the test table of 12 rows" in rest[1]
    assert two_runs.systems["run"].asked is None


def test_bad_sound_shows_before_the_text_is_predicted(two_runs, challenge, tmp_path):
    alone = tmp_path / "t.csv"
    alone.write_bytes((challenge / TEST).read_bytes())
    with pytest.raises(UserError, match="12 of 12 rows have no audio"):
        inference.predict_table({"task_1": two_runs.text, "task_2": two_runs.fused}, alone, None, "fail", {"task_1"})
    assert two_runs.systems["text"].asked is None


def test_task_1_takes_a_run_that_may_lack_speech(two_runs, challenge):
    two_runs.systems["run"].may_lack = True
    _, predictions, _ = both(challenge, two_runs.fused, two_runs.fused)
    assert predictions["task_1"]["id"].tolist() == predictions["task_2"]["id"].tolist()
