"""The encoders of the layer-wise demo: loaded like any, the same at every call."""

import importlib.util
from pathlib import Path

import pytest

from emospeech.encoders import checkpoint
from emospeech.encoders.speech import layer_count, load_speech
from emospeech.runtime.errors import UserError

SCRIPT = Path(__file__).parents[2] / "benchmarks/tiny_encoders.py"


@pytest.fixture
def make():
    spec = importlib.util.spec_from_file_location("tiny_encoders", SCRIPT)
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    return script.make


def test_they_load_and_are_always_the_same(make, tmp_path):
    first, second = make(tmp_path / "a"), make(tmp_path / "b")
    assert [path.name for path in first] == ["tiny_wav2vec2", "tiny_hubert"]
    assert [layer_count(str(path)) for path in first] == [3, 4]
    for one, other in zip(first, second, strict=True):
        a, b = (load_speech(str(path)).model for path in (one, other))
        assert checkpoint.weights_hash(a) == checkpoint.weights_hash(b)
    with pytest.raises(UserError, match="exists already"):
        make(tmp_path / "a")
