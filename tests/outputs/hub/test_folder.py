"""An exported folder answers as its run does, tells nothing of machine and people, and is refused where not whole."""

import json
import shutil
import zipfile

import pytest
import torch
from safetensors.torch import load_file, save_file

import emospeech
from emospeech.cli.main import main
from emospeech.experiments.scoring import calibrated
from emospeech.runtime.errors import UserError
from emospeech.runtime.runs import RunFolder
from emospeech.systems import build, portable

KINDS = ["scratch", "frozen", "cut", "tuned", "several_tasks", "sentence", "words", "vectors"]
PICKLES = (".pt", ".pth", ".bin", ".pkl", ".pickle", ".ckpt", ".joblib")


def contents(folder):
    """Name -> bytes of all files, and of what is packed in them."""
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            yield path.relative_to(folder).as_posix(), path.read_bytes()
        if path.suffix == ".skops":
            with zipfile.ZipFile(path) as packed:
                yield from ((f"{path.name}/{one}", packed.read(one)) for one in packed.namelist())


@pytest.mark.parametrize("kind", KINDS)
def test_an_export_says_what_its_run_says(kind, trained, exported, predicted, tmp_path):
    wanted = predicted(trained(kind))
    elsewhere = shutil.copytree(exported(kind), tmp_path / "elsewhere")
    assert predicted(elsewhere) == wanted
    # the folder is whole: nothing of it is read from where it was trained
    named = json.loads((elsewhere / "config.json").read_text(encoding="utf-8"))["encoders"]
    assert all(entry["name"].startswith("./encoders/") for entry in named.values() if entry)


@pytest.mark.parametrize("kind", KINDS)
def test_nothing_of_machine_or_people_is_in_it(kind, exported, secrets):
    found = [
        f"{secret} in {name}"
        for name, content in contents(exported(kind))
        for secret in secrets
        if secret.lower().encode() in content.lower()
    ]
    assert not found


@pytest.mark.parametrize("kind", KINDS)
def test_it_is_a_model_folder_of_the_hub(kind, exported, labels):
    folder = exported(kind)
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    assert config["model_type"] == "emospeech"
    assert config["id2label"] == {str(k): label for k, label in enumerate(config["tasks"]["label"])}
    assert config["label2id"] == {label: k for k, label in enumerate(config["tasks"]["label"])}
    assert set(config["label2id"]) == set(labels)
    files = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    assert files == {*config["files"], "README.md", "config.json"}
    assert not [name for name in files if name.endswith(PICKLES)]


def test_tools_of_the_hub_find_tokenizer_and_preprocessor(exported):
    from transformers import AutoFeatureExtractor, AutoTokenizer

    assert AutoTokenizer.from_pretrained(exported("scratch"))("hola")["input_ids"]
    assert AutoFeatureExtractor.from_pretrained(exported("frozen")).sampling_rate == 16_000


@pytest.mark.parametrize("kind", ["scratch", "words"])
def test_it_brings_its_temperature(kind, trained, exported, labels):
    own = build.load(exported(kind)).tasks["label"]
    wanted = calibrated.fitted(RunFolder(trained(kind)), own)
    assert wanted is not None
    assert calibrated.fitted(RunFolder(exported(kind)), own) == wanted


def test_evaluate_takes_it_and_gives_the_calibration(exported, trained, people, tmp_path):
    import pandas as pd

    rows = pd.read_csv(people / "metadata.csv").rename(columns={"file_name": "id"})
    rows.to_csv(tmp_path / "rows.csv", index=False)
    told = {}
    for name, run in (("run", trained("words")), ("export", exported("words"))):
        assert main(["evaluate", str(run), str(tmp_path / "rows.csv"), "--json", str(tmp_path / f"{name}.json")]) == 0
        told[name] = json.loads((tmp_path / f"{name}.json").read_text(encoding="utf-8"))
    assert told["export"]["macro_f1"] == told["run"]["macro_f1"]
    assert told["export"]["calibration"] == told["run"]["calibration"]


def test_three_lines_of_python(exported, trained):
    answer = emospeech.load(exported("words"))(text="qué rabia")
    assert answer == emospeech.load(str(trained("words")))(text="qué rabia")


@pytest.mark.parametrize("name", ["model.safetensors", "encoders/text/model.safetensors", "tokenizer.json"])
def test_a_file_that_is_another_is_refused(altered, name):
    folder, _ = altered("frozen")
    content = bytearray((folder / name).read_bytes())
    content[-3] ^= 1
    (folder / name).write_bytes(content)
    with pytest.raises(UserError, match=f"damaged or not whole(.|\n)*{name} is not the file that was exported"):
        build.load(folder)


def test_a_file_that_is_missing_is_told(altered):
    folder, _ = altered("frozen")
    (folder / "encoders/speech/preprocessor_config.json").unlink()
    with pytest.raises(UserError, match=r"encoders/speech/preprocessor_config\.json is missing"):
        build.load(folder)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda weights: weights.pop(next(iter(weights))), "are of another model"),
        (lambda weights: weights.update(surplus=torch.zeros(2)), "are of another model: .*surplus"),
        (lambda weights: weights.update({k: v[..., :1] for k, v in weights.items() if v.ndim > 1}), "another model"),
    ],
)
def test_weights_that_lack_or_are_too_many_are_refused(altered, change, message):
    """Also where whoever altered them wrote the new hashes."""
    folder, sign = altered("scratch")
    weights = load_file(folder / "model.safetensors")
    change(weights)
    save_file({key: value.contiguous() for key, value in weights.items()}, folder / "model.safetensors")
    sign()
    with pytest.raises(UserError, match=message):
        build.load(folder)


def test_an_encoder_that_lacks_weights_is_refused(altered):
    folder, sign = altered("frozen")
    path = folder / "encoders/text/model.safetensors"
    weights = load_file(path)
    del weights[next(key for key in weights if "encoder.layer.0.attention" in key)]
    save_file(weights, path, metadata={"format": "pt"})
    sign()
    with pytest.raises(UserError, match=r"lacks 1 weights .* they would be random"):
        build.load(folder)


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("format", 99, "has format 99; this version reads formats 2 and 3"),
        ("files", {}, "is damaged: its 'files' should map names"),
        ("files", {"../run/model.safetensors": "0" * 64}, "is damaged: its 'files' should map names"),
        ("files", {"model.safetensors": "abc"}, "is damaged: its 'files' should map names"),
        ("encoders", {"speech": {"name": "/etc", "revision": None, "sha256": None}}, "neither in the folder nor a Hub"),
        ("encoders", {"text": {"name": "./../x", "revision": None, "sha256": None}}, "neither in the folder nor a Hub"),
        ("encoders", None, "it has no encoders"),
        ("recipe", None, "damaged|recipe"),
        ("tasks", [], "damaged"),
        ("tasks", {"label": ["anger", "anger"]}, "do not name the same labels in the same order"),
        ("id2label", {"0": "anger"}, "do not name the same labels in the same order"),
        ("label2id", {}, "do not name the same labels in the same order"),
        ("format", 2, "has 'files', as exported models have"),
        *(
            ("calibration", {"temperature": value, "fitted_to": "dev"}, "should have a temperature above 0")
            for value in (-3, 0, "x", None, True, float("nan"), float("inf"))
        ),
        ("calibration", [1.5], "should have a temperature above 0"),
        ("calibration", {"temperature": 1.5}, "under 'fitted_to'"),
    ],
)
def test_a_config_that_cannot_be(altered, key, value, message):
    folder, sign = altered("scratch")
    sign(lambda config: config.update({key: value}))
    with pytest.raises(UserError, match=message):
        build.load(folder)


@pytest.mark.parametrize(
    "change",
    [
        lambda config: config["recipe"].update(name="another"),
        lambda config: config["calibration"].update(temperature=1.5),
        lambda config: config.pop("sha256"),
        lambda config: (
            [config[key].reverse() for key in config["tasks"] if key in config]
            or config["tasks"]["label"].reverse()
            or config.update(
                id2label={str(k): label for k, label in enumerate(config["tasks"]["label"])},
                label2id={label: k for k, label in enumerate(config["tasks"]["label"])},
            )
        ),
    ],
)
def test_what_config_json_says_is_protected(altered, change):
    """Labels in another order would be answered as one another."""
    folder, _ = altered("words")
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    change(config)
    (folder / "config.json").write_text(json.dumps(config), encoding="utf-8")
    with pytest.raises(UserError, match="is not as it was exported: its 'sha256' differs"):
        build.load(folder)


def test_the_layout_of_config_json_does_not_count(altered):
    folder, _ = altered("words")
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    (folder / "config.json").write_text(json.dumps(config, sort_keys=True, indent=7), encoding="utf-8")
    assert build.load(folder).tasks


@pytest.mark.parametrize(
    ("kind", "name"),
    [("scratch", "model.safetensors"), ("scratch", "tokenizer.json"), ("words", "estimator.skops")],
)
def test_what_is_read_must_be_listed(altered, kind, name):
    folder, sign = altered(kind)
    sign(lambda config: config["files"].pop(name))
    with pytest.raises(UserError, match=f"{name} is no file that was exported" if kind == "scratch" else "damaged"):
        build.load(folder)


def test_nothing_is_read_that_was_not_exported(altered):
    folder, _ = altered("frozen")
    for name in ("LICENSE.txt", "onnx/onnx.json", ".cache/huggingface/a.json"):  # nothing reads these
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text("{}", encoding="utf-8")
    assert build.load(folder).tasks
    (folder / "encoders" / "speech" / "adapter_config.json").write_text("{}", encoding="utf-8")
    with pytest.raises(UserError, match=r"encoders/speech/adapter_config\.json is no file that was exported"):
        build.load(folder)


@pytest.mark.parametrize("kind", ["scratch", "frozen", "words", "vectors"])
def test_a_run_and_its_export_are_of_one_version(kind, trained, exported, altered):
    version = portable.version_of(trained(kind) / "model")
    assert portable.version_of(exported(kind)) == version
    folder, _ = altered(kind)
    (folder / "README.md").write_text("edited", encoding="utf-8")
    (folder / "onnx").mkdir(exist_ok=True)
    (folder / "onnx" / "onnx.json").write_text("{}", encoding="utf-8")
    assert portable.version_of(folder) == version


def test_another_model_is_another_version(trained, tmp_path):
    made = {portable.version_of(trained(kind) / "model") for kind in ("scratch", "frozen", "words")}
    assert len(made) == 3
    model = shutil.copytree(trained("scratch") / "model", tmp_path / "model")
    (model / "README.md").write_text("of mine", encoding="utf-8")
    assert portable.version_of(model) in made
    weights = load_file(model / "model.safetensors")
    save_file({key: value * 1.5 for key, value in weights.items()}, model / "model.safetensors")
    assert portable.version_of(model) not in made
    changed = portable.version_of(model)
    config = json.loads((model / "config.json").read_text(encoding="utf-8"))
    config["tasks"]["label"].reverse()
    (model / "config.json").write_text(json.dumps(config), encoding="utf-8")
    assert portable.version_of(model) not in (*made, changed)


def test_a_config_that_is_no_json(altered):
    folder, _ = altered("scratch")
    (folder / "config.json").write_text('{"model_type": "emos', encoding="utf-8")
    with pytest.raises(UserError, match="damaged"):
        build.load(folder)


def test_encoders_of_the_hub_are_named_unless_the_folder_is_to_be_whole(trained, tmp_path, monkeypatch):
    """An entry with a commit, as the Hub's cache tells it: from another folder, since there is no network here."""
    from emospeech.outputs.hub import encoders, folder

    run = shutil.copytree(trained("frozen"), tmp_path / "run")
    stored = json.loads((run / "model" / "config.json").read_text(encoding="utf-8"))
    local = {kind: entry["name"] for kind, entry in stored["encoders"].items()}
    system = build.load(run)
    for kind, entry in stored["encoders"].items():
        entry |= {"name": f"owner/{kind}", "revision": "f" * 40, "sha256": None}
    (run / "model" / "config.json").write_text(json.dumps(stored), encoding="utf-8")
    copied = {kind: (lambda name, rev, into, copy=copy, own=own: copy(own, None, into))
              for (kind, own), copy in zip(local.items(), map(encoders.COPIES.get, local), strict=True)}  # fmt: skip
    monkeypatch.setattr(encoders, "COPIES", copied)
    monkeypatch.setattr(encoders, "save_extractor", lambda *_: None)
    for whole in (False, True):
        (tmp_path / str(whole)).mkdir()
        written = folder.write(tmp_path / str(whole), run / "model", system, None, whole)
        told = written.encoders["speech"]
        if whole:
            assert told["name"] == "./encoders/speech"
            assert told["copy_of"] == {"name": "owner/speech", "revision": "f" * 40}
            assert written.recipe["speech"]["encoder"] == "./encoders/speech"
        else:
            assert told == {"name": "owner/speech", "revision": "f" * 40, "sha256": None}
            assert not (tmp_path / "False" / "encoders").exists()
            assert written.recipe["text"]["encoder"] == "owner/text"
