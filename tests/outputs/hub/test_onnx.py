"""Graphs give what the network gives, on shapes that they were not traced with; what does not is not kept."""

import importlib.util
import json
import re
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch

from emospeech.cli.main import main
from emospeech.data.examples.dataset import pad
from emospeech.encoders.speech import load_speech
from emospeech.outputs.hub.onnx import graphs, write
from emospeech.outputs.hub.onnx.hearing import traceable
from emospeech.serve import model

DOCS = Path(__file__).parents[3] / "docs" / "hub.md"
pytestmark = pytest.mark.skipif(
    any(importlib.util.find_spec(name) is None for name in write.PACKAGES), reason="the extra onnx is not installed"
)


@pytest.fixture(scope="session")
def graphed(trained, tmp_path_factory):
    """Kind -> its export with ONNX, written once."""
    made = {}

    def make(kind):
        if kind not in made:
            made[kind] = tmp_path_factory.mktemp("graphs") / kind
            assert main(["export", str(trained(kind)), str(made[kind]), "--onnx"]) == 0
        return made[kind]

    return make


def logits(folder, name, **inputs):
    import onnxruntime

    session = onnxruntime.InferenceSession(folder / "onnx" / name, providers=["CPUExecutionProvider"])
    return session.run(None, {key: value.numpy() for key, value in inputs.items()})


@pytest.mark.parametrize("norm", ["tiny_xlsr", "tiny_wav2vec2_base"])
def test_convolutions_of_a_padded_batch_give_what_each_clip_alone_gives(request, norm):
    """Group norm over time, too, whose statistics padding would change."""
    encoder = load_speech(str(request.getfixturevalue(norm)), "weighted")
    generator = torch.Generator().manual_seed(0)
    clips = [
        torch.as_tensor(encoder.preprocess(torch.randn(n, generator=generator).numpy())) for n in (9000, 500, 4321)
    ]
    waveforms, mask = pad(clips, 0.0)
    with torch.no_grad():
        (wanted, valid), (got, also) = encoder(waveforms, mask), traceable(encoder)(waveforms, mask)
    assert torch.equal(valid, also)
    torch.testing.assert_close(got.movedim(2, 1)[valid], wanted.movedim(2, 1)[valid], atol=1e-5, rtol=0)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["frozen", "scratch", "tuned", "several_tasks"])
def test_a_network_and_its_graphs_agree(graphed, kind):
    told = json.loads((graphed(kind) / "onnx" / "onnx.json").read_text(encoding="utf-8"))
    assert set(told["files"]) == {"head.onnx", "model.onnx"}, told["left_out"]
    system = model.load(graphed(kind)).system
    network = system.ready()
    for one in told["files"].values():
        assert one["greatest_difference"] <= 1e-4
        assert [out["labels"] for out in one["outputs"]] == [list(labels) for labels in system.tasks.values()]
        assert {given["shape"][0] for given in one["inputs"]} == {"batch"}
        times = {given["name"]: given["shape"][-1] for given in one["inputs"] if given["name"].endswith("_mask")}
        assert all(isinstance(axis, str) for axis in times.values()), "of any length"
    # batches of sizes and lengths that neither trace nor check has seen, through the classifier by hand
    generator = torch.Generator().manual_seed(9)
    for lengths in ((31, 4, 17, 1, 9, 9, 2), (57,)):
        given = {}
        for name, part, extra in (
            ("speech", network.speech, (getattr(network.speech, "depth", 1),)),
            ("text", network.text, ()),
        ):
            if part is not None:
                shape = (len(lengths), *extra, max(lengths), part.width)
                given[name] = torch.randn(shape, generator=generator)
                given[f"{name}_mask"] = torch.arange(max(lengths)) < torch.tensor(lengths)[:, None]
        with torch.no_grad():
            wanted = graphs.Head(network.classifier).eval()(**given)
        for got, other in zip(logits(graphed(kind), "head.onnx", **given), wanted, strict=True):
            np.testing.assert_allclose(got, other.numpy(), atol=1e-4)


@pytest.mark.slow
def test_a_clip_that_lacks_a_modality(graphed):
    """Its masks, or `has_speech` and `has_text`, say so; what stands in its place has no part in the result."""
    folder = graphed("scratch")
    system = model.load(folder).system
    case = graphs.whole(system).cases[2]
    assert not case["has_speech"].all()
    (got,) = logits(folder, "model.onnx", **case)
    noise = {**case, "speech": torch.where(case["has_speech"][:, None], case["speech"], torch.tensor(0.7))}
    np.testing.assert_allclose(logits(folder, "model.onnx", **noise)[0], got, atol=1e-5)
    with_speech = {**case, "has_speech": torch.ones_like(case["has_speech"])}
    assert np.abs(logits(folder, "model.onnx", **with_speech)[0] - got).max() > 1e-3


@pytest.mark.slow
def test_nothing_of_machine_or_people_is_in_a_graph(graphed, secrets):
    for path in (graphed("frozen") / "onnx").iterdir():
        content = path.read_bytes().lower()
        assert not [word for word in [*secrets, "site-packages", ".py"] if word.lower().encode() in content], path


@pytest.mark.slow
def test_the_snippet_of_the_page_runs_without_torch(graphed, people, trained, tmp_path):
    page = DOCS.read_text(encoding="utf-8")
    snippet = next(code for code in re.findall(r"```python\n(.*?)```", page, re.DOTALL) if "onnxruntime" in code)
    assert len(snippet.strip().splitlines()) <= 14
    clip, text = people / "grabacion003.wav", "Qué alegría"
    snippet = snippet.replace("FOLDER", str(graphed("frozen"))).replace("clip.wav", str(clip))
    scope: dict = {}
    exec(snippet.replace("¡Qué alegría verte!", text), scope)
    answer = model.load(trained("frozen"))
    samples, rate = soundfile.read(clip, dtype="float32")
    assert rate == 16_000
    wanted = answer(samples, text=text, sampling_rate=rate)
    assert scope["chances"] == pytest.approx(
        dict(wanted.probabilities), abs=2e-3
    )  # its clip is not set to the run's level


@pytest.mark.slow
def test_what_does_not_agree_is_not_kept(trained, tmp_path, monkeypatch, capsys):
    """The head must; of the whole network it is said, with the difference."""
    real = graphs.head

    def shifted(system):
        graph = real(system)
        return graphs.Graph(
            "model", graph.module, lambda given: [one + 1e-3 for one in graph.reference(given)], graph.cases, graph.axes
        )

    monkeypatch.setattr(graphs, "whole", shifted)
    assert main(["export", str(trained("several_tasks")), str(tmp_path / "out"), "--onnx"]) == 0
    assert re.search(r"note: model.onnx differs from PyTorch by 1.00e-03 > 0.0001", capsys.readouterr().out)
    assert not (tmp_path / "out/onnx/model.onnx").exists()
    told = json.loads((tmp_path / "out/onnx/onnx.json").read_text(encoding="utf-8"))
    assert "differs from PyTorch" in told["left_out"]["model.onnx"]
    assert "`onnx/head.onnx`" in (tmp_path / "out/README.md").read_text(encoding="utf-8")
    assert "`onnx/model.onnx`" not in (tmp_path / "out/README.md").read_text(encoding="utf-8")
    monkeypatch.setattr(graphs, "head", shifted)
    assert main(["export", str(trained("several_tasks")), str(tmp_path / "none"), "--onnx"]) == 1
    assert not (tmp_path / "none").exists()


@pytest.mark.slow
def test_what_cannot_be_traced_is_told(trained, tmp_path, monkeypatch, capsys):
    def untraceable(system):
        class Loop(torch.nn.Module):
            def forward(self, **given):
                return [torch.zeros(len(given["text"].tolist()), 2)]

        graph = graphs.head(system)
        return graphs.Graph("model", Loop(), graph.reference, graph.cases, graph.axes)

    monkeypatch.setattr(graphs, "whole", untraceable)
    assert main(["export", str(trained("several_tasks")), str(tmp_path / "out"), "--onnx"]) == 0
    assert "note: model.onnx could not be made: " in capsys.readouterr().out


def test_bad_wishes(trained, tmp_path, monkeypatch, capsys):
    assert main(["export", str(trained("words")), str(tmp_path / "out"), "--onnx"]) == 2
    assert "--onnx is for networks; this run is a classical system" in capsys.readouterr().err
    monkeypatch.setattr(write, "PACKAGES", ("onnx", "onnx_of_nobody"))
    assert main(["export", str(trained("several_tasks")), str(tmp_path / "out"), "--onnx"]) == 2
    assert "--onnx needs onnx_of_nobody: pip install 'emospeech[onnx]'" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
