"""sentence-transformers models against their own `encode`."""

import json

import pytest
import torch

from emospeech.config import Text
from emospeech.data.examples.dataset import pad
from emospeech.encoders import checkpoint
from emospeech.encoders.text.pretrained import PretrainedText
from emospeech.encoders.text.sentence import SentenceText, is_pipeline
from emospeech.runtime.errors import UserError
from emospeech.systems.parts import build_text

WIDTHS = {"mean": 16, "dense": 6, "prompted": 20, "static": 5}
TEXTS = ["sí", "Tengo miedo.", "¡Qué asco!", "Hoy no."]  # the longest window of the tiny models holds each


def run(encoder, tokenizer, texts):
    return encoder(*pad([torch.tensor(tokenizer(text), dtype=torch.long) for text in texts], tokenizer.pad_id))


def theirs(folder):
    from sentence_transformers import SentenceTransformer

    return SentenceTransformer(str(folder), device="cpu")


@torch.no_grad()
@pytest.mark.parametrize("kind", WIDTHS)
def test_a_text_has_the_vector_that_encode_gives_alone_and_in_a_batch(kind, sentence_checkpoint):
    folder = sentence_checkpoint(kind)
    encoder, tokenizer = build_text(Text(encoder=str(folder), level="sentence")).__dict__.values()
    expected = theirs(folder).encode(TEXTS, convert_to_tensor=True)
    vectors, mask = run(encoder, tokenizer, TEXTS)
    assert vectors.shape == (len(TEXTS), 1, WIDTHS[kind])
    assert encoder.width == WIDTHS[kind]
    assert mask.all()
    assert expected.std(0).max() > 0.01, "vectors that do not depend on the text prove nothing"
    torch.testing.assert_close(vectors[:, 0], expected, rtol=0, atol=1e-5)
    for text, vector in zip(TEXTS, vectors, strict=True):
        torch.testing.assert_close(run(encoder, tokenizer, [text])[0][0], vector, rtol=0, atol=1e-4)


@torch.no_grad()
@pytest.mark.parametrize("kind", ["mean", "dense", "prompted"])
def test_a_long_text_has_a_vector_for_each_window(kind, sentence_checkpoint, spanish_sentences):
    folder = sentence_checkpoint(kind)
    encoder, tokenizer = SentenceText.load(str(folder))
    text, model = " ".join(spanish_sentences), theirs(folder)
    vectors, mask = run(encoder, tokenizer, [text, "sí"])
    ids, windows = tokenizer(text), encoder.windows
    assert mask.sum(1).tolist() == [len(windows.starts(len(ids))), 1]
    assert mask[0].sum() > 2
    # theirs cuts the text, which is our first window
    torch.testing.assert_close(vectors[0, 0], model.encode(text, convert_to_tensor=True), rtol=0, atol=1e-5)
    torch.testing.assert_close(vectors[1, 0], model.encode("sí", convert_to_tensor=True), rtol=0, atol=1e-5)
    torch.testing.assert_close(run(encoder, tokenizer, [text])[0][0], vectors[0], rtol=0, atol=1e-4)
    for start, vector in zip(windows.starts(len(ids)).tolist(), vectors[0], strict=True):
        own = ids[windows.prefix + start :][: windows.room]
        row = torch.tensor([[*ids[: windows.prefix], *own, ids[-1]]])
        features = {"input_ids": row, "attention_mask": torch.ones_like(row), "prompt_length": windows.prefix}
        expected = model(features)["sentence_embedding"][0, : encoder.width]
        torch.testing.assert_close(vector, expected, rtol=0, atol=1e-5)


@torch.no_grad()
@pytest.mark.parametrize("level", ["token", "sentence"])
@pytest.mark.parametrize("kind", WIDTHS)
def test_how_many_states_a_text_gives_is_known_before(kind, level, sentence_checkpoint, spanish_sentences):
    if (kind, level) == ("static", "token"):
        return  # it has none
    encoder, tokenizer = build_text(Text(encoder=str(sentence_checkpoint(kind)), level=level)).__dict__.values()
    words = " ".join(spanish_sentences * 2).split()
    for count in (0, 1, 2, 9, 15, 20, 40, 61, len(words)):
        text = " ".join(words[:count])
        states, _ = run(encoder, tokenizer, [text])
        assert encoder.states(len(tokenizer(text))) == states.shape[1], text


@torch.no_grad()
@pytest.mark.parametrize("kind", ["mean", "dense"])
def test_token_level_gives_the_states_of_its_transformer(kind, sentence_checkpoint):
    folder = sentence_checkpoint(kind)
    encoder, tokenizer = PretrainedText.load(str(folder))
    states, mask = run(encoder, tokenizer, TEXTS)
    expected = theirs(folder).encode(TEXTS, output_value="token_embeddings", convert_to_numpy=False)
    for row, real, own in zip(states, mask, expected, strict=True):
        torch.testing.assert_close(row[real], own, rtol=0, atol=1e-5)


def test_its_own_length_is_the_window(sentence_checkpoint):
    folder = str(sentence_checkpoint("mean"))
    for level in ("token", "sentence"):
        assert build_text(Text(encoder=folder, level=level)).tokenizer.max_tokens == 24
        assert build_text(Text(encoder=folder, level=level, max_tokens=10)).encoder.windows.size == 10
    assert build_text(Text(encoder=str(sentence_checkpoint("dense")), level="sentence")).tokenizer.max_tokens == 64


@pytest.mark.parametrize("level", ["token", "sentence"])
def test_it_is_frozen(level, sentence_checkpoint):
    encoder = build_text(Text(encoder=str(sentence_checkpoint("dense")), level=level)).encoder
    assert encoder.frozen
    assert not any(parameter.requires_grad for parameter in encoder.parameters())
    assert not any(module.training for module in encoder.model.modules())
    assert encoder.model.config.model_type == "bert"


def test_static_embeddings_have_no_token_states(sentence_checkpoint):
    with pytest.raises(UserError, match=r"StaticEmbedding\), so no token states; use text\.level=sentence"):
        build_text(Text(encoder=str(sentence_checkpoint("static"))))


def test_one_without_a_tokenizer(sentence_checkpoint):
    with pytest.raises(UserError, match="has no Hugging Face tokenizer"):
        build_text(Text(encoder=str(sentence_checkpoint("words")), level="sentence"))


@pytest.mark.parametrize("level", ["token", "sentence"])
def test_missing_weights_are_not_filled_with_random_ones(level, sentence_checkpoint, copy_of):
    from safetensors.torch import load_file, save_file

    folder = copy_of(sentence_checkpoint("dense"))
    weights = load_file(folder / "model.safetensors")
    del weights[next(key for key in weights if "layer.1.attention" in key)]
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(UserError, match=r"lacks 1 weights of a bert model .* they would be random"):
        build_text(Text(encoder=str(folder), level=level))


def test_a_damaged_folder(sentence_checkpoint, copy_of):
    folder = copy_of(sentence_checkpoint("dense"))
    (folder / "1_Pooling" / "config.json").unlink()
    with pytest.raises(UserError, match="cannot load the sentence-transformers model from the folder"):
        build_text(Text(encoder=str(folder), level="sentence"))


def test_what_a_pipeline_is(sentence_checkpoint, text_checkpoint):
    assert is_pipeline(str(sentence_checkpoint("static")))
    assert not is_pipeline(str(text_checkpoint("bert")))
    assert not is_pipeline("someone/no-such-model")


@torch.no_grad()
@pytest.mark.parametrize("kind", ["mean", "static"])
def test_one_from_the_hubs_cache(kind, sentence_checkpoint, hub_cache):
    """By its id and without network, as on a compute node."""
    hub_cache("someone/tiny", sentence_checkpoint(kind))
    assert is_pipeline("someone/tiny")
    encoder, tokenizer = build_text(Text(encoder="someone/tiny", level="sentence")).__dict__.values()
    vectors, _ = run(encoder, tokenizer, TEXTS)
    expected = theirs(sentence_checkpoint(kind)).encode(TEXTS, convert_to_tensor=True)
    torch.testing.assert_close(vectors[:, 0], expected, rtol=0, atol=1e-5)
    assert checkpoint.identity("someone/tiny", encoder.model)["revision"] == "0" * 40


def test_identity_follows_the_content_of_sub_folders(sentence_checkpoint, copy_of):
    original = sentence_checkpoint("dense")
    folder = copy_of(original)
    assert checkpoint.folder_hash(folder) == checkpoint.folder_hash(original)
    (folder / ".git").mkdir()
    (folder / ".git" / "state.json").write_text("{}")
    (folder / "README.md").write_text("words")
    assert checkpoint.folder_hash(folder) == checkpoint.folder_hash(original)
    settings = folder / "1_Pooling" / "config.json"
    settings.write_text(json.dumps(json.loads(settings.read_text()) | {"pooling_mode": "max"}))
    assert checkpoint.folder_hash(folder) != checkpoint.folder_hash(original)
