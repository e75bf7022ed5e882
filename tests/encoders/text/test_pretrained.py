"""Pre-trained text encoders of many families against transformers' own forward; and models that are none."""

import json

import pytest
import torch

from emospeech.config import Text
from emospeech.data.examples.dataset import pad
from emospeech.encoders import checkpoint
from emospeech.encoders.text import probe
from emospeech.encoders.text.pretrained import PretrainedText
from emospeech.encoders.text.sentence import SentenceText
from emospeech.encoders.text.subword import SubwordTransformer
from emospeech.encoders.text.tokenizer import Tokenizer, load_tokenizer
from emospeech.runtime.errors import UserError
from emospeech.systems.checks.encoders import text_fault, text_level_fault
from emospeech.systems.parts import build_text


def run(encoder, rows, pad_id=1):
    return encoder(*pad([torch.tensor(ids) for ids in rows], pad_id))


def long_text(sentences, tokenizer, tokens):
    """A text of exactly so many tokens."""
    words = " ".join(sentences * 40)
    return next(words[:n] for n in range(1, len(words)) if len(tokenizer(words[:n])) == tokens)


@torch.no_grad()
def test_states_are_transformers_own_alone_and_in_a_batch(family_folder, spanish_sentences):
    from transformers import AutoModel, AutoTokenizer

    encoder, tokenizer = PretrainedText.load(str(family_folder))
    assert (encoder.width, tokenizer.max_tokens) == (16, 64)
    theirs, their_tokenizer = (
        AutoModel.from_pretrained(family_folder).eval(),
        AutoTokenizer.from_pretrained(family_folder),
    )
    texts = ["sí", *spanish_sentences]
    states, mask = run(encoder, [tokenizer(text) for text in texts])
    assert states[mask].std() > 0.1, "states that do not depend on the token prove nothing"
    for text, row, real in zip(texts, states, mask, strict=True):
        expected = theirs(**their_tokenizer(text, return_tensors="pt", return_token_type_ids=False)).last_hidden_state
        torch.testing.assert_close(row[real], expected[0], rtol=0, atol=1e-4)
        torch.testing.assert_close(run(encoder, [tokenizer(text)])[0][0], expected[0], rtol=0, atol=1e-5)


@torch.no_grad()
def test_the_limit_is_exact(family_folder, spanish_sentences):
    """A text of just so many tokens is read as transformers reads it; with one more, in two windows."""
    encoder, tokenizer = PretrainedText.load(str(family_folder))
    full = torch.tensor([tokenizer(long_text(spanish_sentences, tokenizer, 64))])
    everything = torch.ones_like(full, dtype=torch.bool)
    states, _ = encoder(full, everything)
    torch.testing.assert_close(states, encoder.model(full, attention_mask=everything.long()).last_hidden_state)
    more = tokenizer(long_text(spanish_sentences, tokenizer, 65))
    states, mask = run(encoder, [more])
    assert states.shape == (1, 65, 16)
    assert mask.all()
    first, last = run(encoder, [[*more[:63], more[-1]], [more[0], *more[2:]]])[0]
    torch.testing.assert_close(states[0, :32], first[:32], rtol=0, atol=1e-5)
    torch.testing.assert_close(states[0, 34:], last[33:], rtol=0, atol=1e-5)


@pytest.mark.parametrize("family", ["bert", "roberta", "xlm_roberta", "mpnet", "distilbert"])
def test_no_position_is_left_unused(family, text_checkpoint):
    """One token more than the limit has no position: transformers itself refuses it."""
    model = PretrainedText.load(str(text_checkpoint(family)))[0].model
    model(torch.full((1, 64), 7), attention_mask=torch.ones(1, 64, dtype=torch.long))
    with pytest.raises((IndexError, RuntimeError)):
        model(torch.full((1, 65), 7), attention_mask=torch.ones(1, 65, dtype=torch.long))


def test_the_tokenizers_own_limit_counts_where_it_is_smaller(text_checkpoint, copy_of):
    folder = copy_of(text_checkpoint("bert"))
    settings = json.loads((folder / "tokenizer_config.json").read_text())
    (folder / "tokenizer_config.json").write_text(json.dumps(settings | {"model_max_length": 40}))
    assert PretrainedText.load(str(folder))[1].max_tokens == 40
    assert PretrainedText.load(str(folder), max_tokens=20)[1].max_tokens == 20
    assert PretrainedText.load(str(folder), max_tokens=50)[1].max_tokens == 40


@pytest.fixture(params=["roberta", "deberta_v2", "subword_transformer"])
def windowed(request, text_checkpoint, spanish_sentences):
    """An encoder that reads twelve tokens at once."""
    if request.param != "subword_transformer":
        return build_text(Text(encoder=str(text_checkpoint(request.param)), max_tokens=12))
    part = build_text(Text(encoder="subword_transformer", max_tokens=12, options={"vocabulary": 90}), spanish_sentences)
    with torch.no_grad():  # its start is small; make positions and tokens matter
        part.encoder.position.weight.normal_()
        part.encoder.embed.weight.normal_()
    part.encoder.eval()
    return part


@torch.no_grad()
def test_long_texts_are_read_whole_and_batch_mates_do_not_matter(windowed, spanish_sentences):
    encoder, tokenizer = windowed.encoder, windowed.tokenizer
    rows = [tokenizer(text) for text in (" ".join(spanish_sentences), "sí", spanish_sentences[1], "Hoy")]
    assert [len(row) > 12 for row in rows] == [True, False, True, False]
    states, mask = run(encoder, rows, tokenizer.pad_id)
    assert mask.sum(1).tolist() == [len(row) for row in rows]
    for row, together, real in zip(rows, states, mask, strict=True):
        alone, _ = run(encoder, [row], tokenizer.pad_id)
        assert alone.shape == (1, len(row), encoder.width)
        torch.testing.assert_close(together[real], alone[0], rtol=0, atol=1e-4)


@torch.no_grad()
def test_the_middle_of_a_long_text_is_what_its_window_alone_gives(windowed, spanish_sentences):
    encoder, tokenizer = windowed.encoder, windowed.tokenizer
    ids = tokenizer(" ".join(spanish_sentences))
    states, _ = run(encoder, [ids], tokenizer.pad_id)
    for start in encoder.windows.starts(len(ids)).tolist():
        window = [ids[0], *ids[1 + start : 11 + start], ids[-1]]
        alone, _ = run(encoder, [window], tokenizer.pad_id)
        # of ten tokens of a window's own, the middle four stand farther from its edges than from any other window's
        torch.testing.assert_close(states[0, 1 + start + 3 : 1 + start + 7], alone[0, 4:8], rtol=0, atol=1e-4)


def test_the_tokenizer_gives_every_token_and_warns_of_none(
    text_checkpoint, copy_of, spanish_sentences, recwarn, caplog
):
    """Also where the checkpoint was saved with a truncation of its own."""
    folder = copy_of(text_checkpoint("roberta"))
    settings = json.loads((folder / "tokenizer.json").read_text())
    cut = {"direction": "Right", "max_length": 8, "strategy": "LongestFirst", "stride": 0}
    (folder / "tokenizer.json").write_text(json.dumps(settings | {"truncation": cut}))
    tokenizer = Tokenizer(load_tokenizer(str(folder)), 64)
    tokenizer.tokenizer.model_max_length = 16
    text = " ".join(spanish_sentences)
    ids = tokenizer(text)
    assert (ids[0], ids[-1], len(ids) > 64) == (0, 2, True)
    assert "".join(tokenizer.tokenizer.convert_ids_to_tokens(ids[1:-1])).replace("▁", " ").split() == text.split()
    assert tokenizer.too_long([text, "sí", long_text(spanish_sentences, tokenizer, 64)]) == 1
    assert not [w for w in recwarn if "longer" in str(w.message)]
    assert not [r for r in caplog.records if "longer" in r.message]


def test_states_are_float32_whatever_the_checkpoint_was_saved_in(text_checkpoint, tmp_path, spanish_tokenizer):
    from transformers import AutoModel

    AutoModel.from_pretrained(text_checkpoint("bert"), dtype=torch.float16).save_pretrained(tmp_path)
    spanish_tokenizer().save_pretrained(tmp_path)
    encoder, _ = PretrainedText.load(str(tmp_path))
    assert {parameter.dtype for parameter in encoder.parameters()} == {torch.float32}


OTHER_KINDS = {
    "T5Config": ({"d_model": 8, "d_ff": 8, "num_layers": 1, "num_heads": 2, "d_kv": 4}, "is an encoder-decoder"),
    "BartConfig": ({"d_model": 8, "encoder_layers": 1, "decoder_layers": 1}, "is an encoder-decoder"),
    "GPT2Config": ({"n_embd": 8, "n_layer": 1, "n_head": 2}, "is a causal decoder"),
    "LlamaConfig": ({"hidden_size": 64, "num_hidden_layers": 1}, "is a causal decoder"),
    "ViTConfig": ({"hidden_size": 8, "num_hidden_layers": 1}, "takes pixel_values"),
    "Wav2Vec2Config": ({"hidden_size": 8}, "takes input_values"),
    "BertConfig": ({"is_decoder": True}, "is a causal decoder"),
}


@pytest.mark.parametrize("kind", OTHER_KINDS)
def test_models_that_are_no_text_encoder_are_refused_before_their_weights_load(kind, tmp_path):
    import transformers

    settings, expected = OTHER_KINDS[kind]
    getattr(transformers, kind)(**settings).save_pretrained(tmp_path)
    with pytest.raises(
        UserError, match=rf"text encoders here read tokens in both directions .* and this one {expected}"
    ):
        build_text(Text(encoder=str(tmp_path)))


@pytest.fixture
def tiny(text_checkpoint):
    return Tokenizer(load_tokenizer(str(text_checkpoint("bert"))), 64)


def states_of(tokens):
    return torch.nn.functional.one_hot(tokens, 70).float()


@pytest.mark.parametrize(
    ("encode", "expected"),
    [
        (lambda tokens, mask: states_of(tokens).mean(1), r"gives no sequence of token states: 6 tokens give \(1, 70\)"),
        (lambda tokens, mask: states_of(tokens)[:, ::2], r"no sequence of token states: 6 tokens give \(1, 3, 70\)"),
        (lambda tokens, mask: states_of(tokens) + tokens.shape[1], "lets padding change its output"),
        (lambda tokens, mask: states_of(tokens).cumsum(1), "reads left to right"),
        (lambda tokens, mask: tokens.no_such_thing, "gives no sequence of token states when it gets tokens"),
    ],
)
def test_the_probe_sees_what_a_model_does(encode, expected, tiny):
    with pytest.raises(UserError, match=expected):
        probe.token_width("m", "strange", encode, tiny)


def test_the_probe_lets_a_good_one_through(tiny):
    def encode(tokens, mask):
        states = states_of(tokens) * mask[..., None]
        return states + states.sum(1, keepdim=True)

    assert probe.token_width("m", "strange", encode, tiny) == 70


def test_a_family_that_mixes_padding_in_is_refused(tmp_path, spanish_tokenizer):
    """FNet mixes all positions by a Fourier transform, padded ones too."""
    from transformers import FNetConfig, FNetModel

    tokenizer = spanish_tokenizer()
    config = FNetConfig(
        vocab_size=len(tokenizer), hidden_size=8, num_hidden_layers=1, intermediate_size=8, pad_token_id=1
    )
    FNetModel(config).save_pretrained(tmp_path)
    tokenizer.save_pretrained(tmp_path)
    with pytest.raises(UserError, match=r"gives no sequence of token states when it gets|lets padding change"):
        build_text(Text(encoder=str(tmp_path)))


def test_a_tokenizer_of_another_model(text_checkpoint, copy_of, spanish_tokenizer):
    folder = copy_of(text_checkpoint("bert"))
    tokenizer = spanish_tokenizer()
    tokenizer.add_tokens([f"palabra{k}" for k in range(30)])
    tokenizer.save_pretrained(folder)
    with pytest.raises(
        UserError, match=r"tokenizer has \d+ tokens but the model only \d+; they do not belong together"
    ):
        build_text(Text(encoder=str(folder)))


def test_a_tokenizer_without_padding(text_checkpoint, copy_of):
    folder = copy_of(text_checkpoint("bert"))
    settings = json.loads((folder / "tokenizer_config.json").read_text())
    settings.pop("pad_token")
    (folder / "tokenizer_config.json").write_text(json.dumps(settings))
    with pytest.raises(UserError, match=r"has no padding token, .*\(tokenizer\.pad_token = …\)"):
        build_text(Text(encoder=str(folder)))


def test_a_word_piece_vocabulary_alone_is_a_tokenizer(text_checkpoint, copy_of):
    """As BETO lies on the Hub: vocab.txt, no tokenizer.json."""
    folder = copy_of(text_checkpoint("bert"))
    for file in folder.glob("tokenizer*"):
        file.unlink()
    pieces = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "hoy", "gan", "##amos"]
    (folder / "vocab.txt").write_text("\n".join(pieces) + "\n", encoding="utf-8")
    encoder, tokenizer = PretrainedText.load(str(folder))
    assert list(tokenizer("hoy ganamos")) == [2, 5, 6, 7, 3]
    assert tokenizer.pad_id == 0
    assert (encoder.windows.prefix, encoder.windows.suffix) == (1, 1)


def test_a_window_too_small_for_any_text(text_checkpoint):
    with pytest.raises(UserError, match="2 tokens leave no room for text beside the 2 that the encoder puts around it"):
        PretrainedText.load(str(text_checkpoint("bert")), max_tokens=2)


def test_sentence_level_is_for_sentence_transformers(text_checkpoint):
    with pytest.raises(UserError, match=r"is no sentence-transformers model .*model\.pooling=mean"):
        SentenceText.load(str(text_checkpoint("bert")))
    assert "sentence-transformers" in text_level_fault("sentence", {"encoder": "subword_transformer"})
    assert text_level_fault("token", {"encoder": "subword_transformer"}) is None
    assert text_level_fault("sentence", {"encoder": "someone/some-model"}) is None


@pytest.mark.parametrize("revision", [None, "main", "0" * 40])
def test_a_hub_checkpoint_is_known_by_its_commit(revision, text_checkpoint, hub_cache):
    hub_cache("someone/bert", text_checkpoint("bert"))
    encoder, _ = PretrainedText.load("someone/bert", revision=revision)
    expected = {"name": "someone/bert", "revision": "0" * 40, "sha256": None}
    assert checkpoint.identity("someone/bert", encoder.model) == expected


def test_folders_that_can_be_a_text_encoder(text_checkpoint, tmp_path):
    assert text_fault(str(text_checkpoint("bert")), {}) is None
    assert "no config.json" in text_fault(str(tmp_path), {})
    (tmp_path / "modules.json").write_text("[]")
    assert text_fault(str(tmp_path), {}) is None


def test_a_from_scratch_encoder_trains_on_long_texts():
    torch.manual_seed(0)
    encoder = SubwordTransformer(30, 8, width=8, depth=1, heads=2)
    states, mask = run(encoder.train(), [list(range(30)), [0, 5, 2]])
    assert states.shape == (2, 30, 8)
    states[mask].sum().backward()
    assert encoder.position.weight.grad.abs().sum(1).gt(0).all()
