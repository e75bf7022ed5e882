"""What a fitted network weighed in clips: frames and words, in the order asked, whatever stood beside them."""

from pathlib import Path
from tempfile import mkdtemp

import numpy as np
import pandas as pd
import pytest
import torch

from emospeech import config
from emospeech.corpora import emospeech2024
from emospeech.encoders.text.tokenizer import Tokenizer
from emospeech.models.fusion import FUSIONS
from emospeech.systems import build
from emospeech.systems.attention import attended, attends, by_word

TASKS = {"label": emospeech2024.EMOSPEECH2024}
SPEECH = {"encoder": "log_mel_cnn", "options": {"width": 16, "bands": 16, "channels": [4, 8]}}
TEXT = {"encoder": "subword_transformer", "options": {"width": 8, "vocabulary": 120, "depth": 1}}


@pytest.fixture
def fitted(rows, tmp_path):
    """A network of a recipe, fitted for one epoch."""

    def fit(speech=SPEECH, text=TEXT, **model):
        recipe = config.validate(
            {
                "name": "run",
                "runs_dir": str(tmp_path),
                "data": {"corpus": "demo", "root": "unused"},
                "speech": speech,
                "text": text,
                "model": {"head": {"blocks": 1, "width": 16, "dropout": 0.0}, **model},
                "train": {"epochs": 1, "batch_size": 8, "trackers": []},
            },
            "test",
            build.CHECKS,
        )
        system = build.build(recipe, TASKS)
        system.fit(*rows, Path(mkdtemp(dir=tmp_path)))
        return system

    return fit


def assert_sums(one):
    frames = 0.0 if one.frames is None else one.frames.sum()
    assert frames + sum(word.weight for word in one.words) + one.rest == pytest.approx(1, abs=1e-5)


@pytest.mark.parametrize("fusion", FUSIONS)
def test_sums_words_and_order(fusion, fitted, rows):
    system, dev = fitted(fusion=fusion), rows[1]
    found = attended(system, dev)
    assert attends(system)
    for one, text in zip(found, dev["transcription"], strict=True):
        assert_sums(one)
        assert one.frames.dtype == np.float32
        assert one.frames.min() >= 0
        assert [word.text for word in one.words] == text.split()
        assert all(text[word.start : word.end] == word.text for word in one.words)
        assert one.rest > 0, "the special tokens"
    for one, other in zip(attended(system, dev[::-1].reset_index(drop=True))[::-1], found, strict=True):
        np.testing.assert_allclose(one.frames, other.frames, atol=1e-6)
        assert [word.weight for word in one.words] == pytest.approx([word.weight for word in other.words], abs=1e-6)
    (alone,) = attended(system, dev[2:3].reset_index(drop=True))
    np.testing.assert_allclose(alone.frames, found[2].frames, atol=1e-6)


def test_it_is_what_the_network_pooled(fitted, rows):
    system, dev = fitted(), rows[1][:1]
    seen = {}
    pooling = system.network.classifier.fusion.pool.pooling
    pooling.over_parts = lambda parts, mask: seen.update(x=torch.cat(list(parts), 1), mask=mask) or seen["x"][:, 0]
    system.predict(dev)
    del pooling.over_parts
    (one,) = attended(system, dev)
    weights = torch.softmax(seen["x"][0] @ pooling.query, 0).detach().numpy()
    np.testing.assert_allclose(one.frames, weights[: len(one.frames)], atol=1e-6)
    assert sum(word.weight for word in one.words) + one.rest == pytest.approx(
        weights[len(one.frames) :].sum(), abs=1e-6
    )


def test_one_modality_alone(fitted, rows):
    heard, read = (attended(fitted(**{name: None}), rows[1])[0] for name in ("text", "speech"))
    assert heard.words == ()
    assert heard.rest == pytest.approx(0, abs=1e-5)
    assert read.frames is None
    assert len(read.words) > 1
    assert_sums(read)


def test_a_clip_that_lacks_a_modality(fitted, rows):
    system = fitted(modality_dropout=0.3)
    dev = rows[1][:3].astype({"audio": object, "transcription": object})
    dev.loc[0, "audio"], dev.loc[1, "transcription"] = pd.NA, pd.NA
    deaf, blind, both = attended(system, dev)
    assert [one.frames is None for one in (deaf, blind, both)] == [True, False, False]
    assert [one.words == () for one in (deaf, blind, both)] == [False, True, False]
    assert blind.rest == pytest.approx(0, abs=1e-5)
    for one in (deaf, blind, both):
        assert_sums(one)


def test_long_texts_in_windows_and_a_pretrained_tokenizer(fitted, rows, tiny_xlsr, tiny_xlmr):
    speech, text = {"encoder": str(tiny_xlsr)}, {"encoder": str(tiny_xlmr), "max_tokens": 12}
    dev = rows[1][:2].assign(transcription=["Hoy vamos al mercado " * 9 + "fin", "  ¡No me lo  puedo creer!"])
    long, spaced = attended(fitted(speech, text), dev)
    assert [word.text for word in long.words] == dev["transcription"][0].split()
    assert min(word.weight for word in long.words) > 0
    assert [(word.text, word.start) for word in spaced.words] == [
        ("¡No", 2), ("me", 6), ("lo", 9), ("puedo", 13), ("creer!", 19),
    ]  # fmt: skip
    assert_sums(long)
    assert_sums(spaced)


def test_a_tokenizer_that_tells_no_offsets_gives_no_words(fitted, rows, monkeypatch):
    system = fitted()
    monkeypatch.setattr(Tokenizer, "offsets", lambda *_: None)
    one = attended(system, rows[1])[0]
    assert one.words == ()
    assert one.rest == pytest.approx(1 - one.frames.sum(), abs=1e-6)


def test_a_prompt_is_no_word_of_the_text(tiny_xlmr):
    from transformers import AutoTokenizer

    plain = AutoTokenizer.from_pretrained(str(tiny_xlmr))
    prompted = Tokenizer(plain, 64, prompt="query: ")
    text = "Hoy vamos"
    spans, ids = prompted.offsets(text), prompted(text)
    assert len(spans) == len(ids)
    of_text = [id for id, (start, end) in zip(ids, spans, strict=True) if end > max(start, 0)]
    assert "".join(plain.convert_ids_to_tokens(of_text)).replace("▁", "") == "Hoyvamos"
    words = by_word(text, spans, np.full(len(ids), 1 / len(ids)))
    assert [word.text for word in words] == ["Hoy", "vamos"]
    assert sum(word.weight for word in words) < len(of_text) / len(ids) + 1e-9


def test_a_token_over_two_words_is_shared_out_by_characters():
    one, two = by_word("ab c", [(0, 4)], np.array([0.9]))
    assert (one.weight, two.weight) == (pytest.approx(0.6), pytest.approx(0.3))
    assert by_word("   ", [(0, 3)], np.array([1.0])) == ()


def test_a_classical_system_has_none(rows):
    from emospeech.systems.classical.system import ClassicalSystem

    assert attended(object.__new__(ClassicalSystem), rows[1]) is None
