"""Small runs of every kind of system, on people who have names, and their exports."""

import json
import shutil
from contextlib import contextmanager
from pathlib import Path

import pandas as pd
import pytest
import soundfile
import torch

from emospeech.cli.main import main
from emospeech.encoders.deepspectrum import layouts
from emospeech.encoders.deepspectrum.vgg16 import VGG16
from emospeech.systems import portable

LABELS = ("joy|*[x](y)", "anger")  # one that Markdown would take for something else
SPEAKERS = ("Xiomara Zubizarreta", "Pelayo Quintanilla", "Iratxe Goikoetxea")
TRANSCRIPTS = ("Qué alegría más grande verte", "Me da muchísima rabia todo")
KINDS = {
    "scratch": """
        speech: {encoder: log_mel_cnn, options: {width: 8, bands: 16, channels: [4, 4]}}
        text: {encoder: subword_transformer, options: {width: 8, vocabulary: 80, depth: 1, heads: 2}}
        model: {head: {blocks: 1, width: 8}, modality_dropout: 0.3}""",
    "frozen": """
        speech: {encoder: SPEECH, layers: weighted, gain_dbfs: auto, augment: {impulse_folder: null}}
        text: {encoder: TEXT}
        cache: {folder: CACHE}""",
    "cut": """
        speech: {encoder: SPEECH, layers: 1}""",
    "tuned": """
        speech: {encoder: SPEECH, train: {name: lora, rank: 2}}
        text: {encoder: TEXT, train: full}""",
    "several_tasks": """
        text: {encoder: TEXT}""",
    "sentence": """
        text: {encoder: SENTENCE, level: sentence}""",
    "words": """
        system: classical
        classical: {features: [{name: tfidf, min_rows: 1}], model: logistic_regression}""",
    "vectors": """
        system: classical
        speech: {encoder: SPEECH}
        text: {encoder: TEXT}
        classical:
          features: [speech, text, {name: deep_spectrum, size: 32, bands: 24, width: 2, fc_width: 10, weights: WEIGHTS}]
          model: {name: random_forest, trees: 5}""",
}


@contextmanager
def nothing_kept():
    """What one system has computed is no part of what another says."""
    from emospeech.systems.vectors import kept

    former, kept._IN_MEMORY = kept._IN_MEMORY, {}
    try:
        yield
    finally:
        kept._IN_MEMORY = former


def write_people(root: Path, make_tone) -> Path:
    """An audiofolder of three named people."""
    root.mkdir(parents=True)
    rows = []
    for k in range(24):
        name = f"grabacion{k:03d}.wav"
        soundfile.write(root / name, make_tone(("joy", "anger")[k % 2], k), 16_000)
        rows.append(
            {
                "file_name": name,
                "label": LABELS[k % 2],
                "transcription": TRANSCRIPTS[k % 2],
                "speaker": SPEAKERS[k // 8],
                "gender": ("female", "male")[k // 2 % 2],
            }
        )
    pd.DataFrame(rows).to_csv(root / "metadata.csv", index=False)
    return root


def write_vgg(path: Path) -> Path:
    torch.manual_seed(3)
    net, names = VGG16(2, 10), layouts.expected("timm", False)
    parts = {key: key.rpartition(".") for key in net.state_dict()}
    torch.save({f"{names[layer]}.{kind}": net.state_dict()[key] for key, (layer, _, kind) in parts.items()}, path)
    return path


def write_sentence(folder: Path, tiny_xlmr: Path) -> Path:
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer.modules import Normalize, Pooling, Transformer

    modules = [Transformer(str(tiny_xlmr), max_seq_length=24), Pooling(16), Normalize()]
    SentenceTransformer(modules=modules, device="cpu").save(str(folder), create_model_card=False)
    return folder


@pytest.fixture(scope="session")
def people(tmp_path_factory, make_session_tone) -> Path:
    return write_people(tmp_path_factory.mktemp("private") / "people_of_the_clinic", make_session_tone)


@pytest.fixture(scope="session")
def make_session_tone():
    import numpy as np

    def make(label, index):
        time = np.arange(int((0.3 + 0.02 * index) * 16_000)) / 16_000
        return 0.3 * np.sin(2 * np.pi * {"joy": 300, "anger": 200}[label] * time)

    return make


@pytest.fixture(scope="session")
def trained(tmp_path_factory, people, tiny_xlsr, tiny_xlmr):
    """Kind -> the run, trained once, and a folder of copies of what it names."""
    place = tmp_path_factory.mktemp("private_runs")
    shutil.copytree(tiny_xlsr, place / "speech_of_mine")
    shutil.copytree(tiny_xlmr, place / "text_of_mine")
    names = {
        "SPEECH": place / "speech_of_mine",
        "TEXT": place / "text_of_mine",
        "CACHE": place / "cache",
        "WEIGHTS": write_vgg(place / "vgg.pth"),
        "SENTENCE": write_sentence(place / "sentence_of_mine", tiny_xlmr),
    }
    made: dict[str, Path] = {}

    def make(kind: str) -> Path:
        if kind not in made:
            recipe = f"data: {{corpus: audiofolder, root: {people}, split: {{dev_speakers: [{SPEAKERS[2]}]}}}}\n"
            if kind == "several_tasks":
                recipe = recipe.replace("root:", "tasks: [gender], root:")
            recipe += "\n".join(line[8:] for line in KINDS[kind].splitlines()) + "\n"
            for name, path in names.items():
                recipe = recipe.replace(name, str(path))
            if "system: classical" not in recipe:
                recipe += "train: {epochs: 1, batch_size: 16}\n"
                recipe += "" if "model:" in recipe else "model: {head: {blocks: 1, width: 8}}\n"
            file = place / f"{kind}.yaml"
            file.write_text(recipe, encoding="utf-8")
            assert main(["train", str(file), f"runs_dir={place / 'runs'}"]) == 0
            made[kind] = place / "runs" / kind
            clean(made[kind])
            shutil.rmtree(place / "cache", ignore_errors=True)  # stored states are rounded, and the run would read them
        return made[kind]

    return make


def clean(run: Path) -> None:
    """As if all of its code were committed, which in a checkout that is worked on it is not."""
    path = run / "environment.json"
    starts = json.loads(path.read_text(encoding="utf-8"))
    path.write_text(json.dumps([{**one, "commit": "0" * 40} for one in starts]), encoding="utf-8")


@pytest.fixture(scope="session")
def exported(trained, tmp_path_factory):
    """Kind -> the folder, written once; to be read only."""
    made: dict[str, Path] = {}

    def make(kind: str) -> Path:
        if kind not in made:
            made[kind] = tmp_path_factory.mktemp("exports") / kind
            assert main(["export", str(trained(kind)), str(made[kind]), "--licence", "mit"]) == 0
        return made[kind]

    return make


@pytest.fixture
def predicted(people, tmp_path):
    """A run or an export -> what `emospeech predict` writes of all clips, as text."""

    def make(run: Path, name: str = "out") -> str:
        rows = pd.read_csv(people / "metadata.csv").rename(columns={"file_name": "id"})
        rows = rows.assign(audio=[str(people / id) for id in rows["id"]])
        rows.drop(columns="label").to_csv(tmp_path / "rows.csv", index=False)
        output = tmp_path / f"{name}.csv"
        output.unlink(missing_ok=True)
        with nothing_kept():
            assert main(["predict", str(run), str(tmp_path / "rows.csv"), "-o", str(output)]) == 0
        return output.read_text(encoding="utf-8")

    return make


@pytest.fixture(scope="session")
def secrets(people, trained, tmp_path_factory) -> list[str]:
    """What may stand in no file of an export."""
    import getpass
    import socket

    words = [str(tmp_path_factory.getbasetemp()), str(Path.home()), str(Path.cwd()), people.name, people.parent.name]
    words += [*TRANSCRIPTS, *(part for name in SPEAKERS for part in name.split()), "grabacion"]
    words += [name for name in (socket.gethostname(), getpass.getuser()) if len(name) > 5]
    return [*words, "speech_of_mine", "text_of_mine", "sentence_of_mine", "vgg.pth", "private_runs"]


@pytest.fixture(scope="session")
def labels() -> tuple[str, ...]:
    return LABELS


@pytest.fixture(scope="session")
def fake_hub():
    """The module of the Hub on loopback."""
    import importlib.util

    spec = importlib.util.spec_from_file_location("fake_hub", Path(__file__).with_name("fake_hub.py"))
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def altered(exported, tmp_path):
    """A copy of an export, and a function that says in its config.json that it is as it was exported."""

    def make(kind: str) -> tuple[Path, "callable"]:
        folder = shutil.copytree(exported(kind), tmp_path / f"{kind}_altered")

        def sign(change=lambda config: None):
            from emospeech.runtime.files import content_hash

            config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
            config["files"] = {name: content_hash(folder / name) for name in config["files"]}
            change(config)
            config["sha256"] = portable.own_hash(config)
            (folder / "config.json").write_text(json.dumps(config), encoding="utf-8")

        return folder, sign

    return make
