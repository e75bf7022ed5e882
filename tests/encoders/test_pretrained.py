"""What comes out of a checkpoint is what the checkpoint holds; what is wrong with one is said clearly."""

import shutil

import pytest
import torch

from emospeech.config import Text
from emospeech.encoders import checkpoint
from emospeech.encoders.text.pretrained import PretrainedText
from emospeech.runtime.errors import UserError
from emospeech.systems.checks.encoders import speech_fault, text_fault
from emospeech.systems.parts import build_text


@torch.no_grad()
def test_text_is_the_last_hidden_state(tiny_xlmr, spanish_sentences):
    from transformers import AutoModel, AutoTokenizer

    encoder, tokenizer = PretrainedText.load(str(tiny_xlmr))
    ids = torch.tensor([tokenizer(spanish_sentences[0])])
    theirs = AutoModel.from_pretrained(tiny_xlmr).eval()(
        **AutoTokenizer.from_pretrained(tiny_xlmr)(spanish_sentences[0], return_tensors="pt")
    )
    states, mask = encoder(ids, torch.ones_like(ids, dtype=torch.bool))
    torch.testing.assert_close(states, theirs.last_hidden_state)
    assert mask.shape == ids.shape
    assert mask.all()


def test_a_sentencepiece_checkpoint_without_tokenizer_json_loads(tiny_xlmr, tmp_path, spanish_sentences):
    """Many XLM-R checkpoints on the Hub come with `sentencepiece.bpe.model` alone."""
    import sentencepiece
    from transformers import AutoModel, XLMRobertaConfig

    corpus = tmp_path / "text.txt"
    corpus.write_text("\n".join(spanish_sentences * 5), encoding="utf-8")
    folder = tmp_path / "xlmr"
    folder.mkdir()
    sentencepiece.SentencePieceTrainer.train(
        input=str(corpus), model_prefix=str(folder / "sentencepiece.bpe"), vocab_size=60, minloglevel=2
    )
    config = XLMRobertaConfig(
        vocab_size=62, hidden_size=8, num_hidden_layers=1, num_attention_heads=2, intermediate_size=8,
        max_position_embeddings=34, tokenizer_class="XLMRobertaTokenizer",
    )  # fmt: skip
    AutoModel.from_config(config).save_pretrained(folder)
    _, tokenizer = PretrainedText.load(str(folder))
    ids = tokenizer(spanish_sentences[0])
    assert ids[0] == tokenizer.tokenizer.bos_token_id
    assert ids[-1] == tokenizer.tokenizer.eos_token_id
    assert tokenizer.tokenizer.decode(ids, skip_special_tokens=True).split()[0] == "Hoy"
    assert tokenizer.pad_id == 1


def test_frozen_encoders_do_not_train(tiny_xlmr):
    encoder, _ = PretrainedText.load(str(tiny_xlmr))
    assert not any(parameter.requires_grad for parameter in encoder.parameters())
    assert not any(module.training for module in encoder.model.modules())


def broken(folder, tmp_path, *names):
    copy = shutil.copytree(folder, tmp_path / "broken")
    for name in names:
        (copy / name).unlink()
    return str(copy)


def test_checkpoint_without_tokenizer(tiny_xlmr, tmp_path):
    with pytest.raises(UserError, match=r"has no tokenizer .*save_pretrained"):
        build_text(Text(encoder=broken(tiny_xlmr, tmp_path, "tokenizer.json", "tokenizer_config.json")))


def test_checkpoint_without_weights(tiny_xlmr, tmp_path):
    with pytest.raises(UserError, match="cannot load the model"):
        build_text(Text(encoder=broken(tiny_xlmr, tmp_path, "model.safetensors")))


def test_checkpoint_with_missing_weights_is_not_filled_with_random_ones(tiny_xlmr, tmp_path):
    from safetensors.torch import load_file, save_file

    folder = broken(tiny_xlmr, tmp_path)
    weights = load_file(f"{folder}/model.safetensors")
    gone = next(key for key in weights if "layer.1.attention" in key)
    del weights[gone]
    save_file(weights, f"{folder}/model.safetensors", metadata={"format": "pt"})
    with pytest.raises(UserError, match="they would be random"):
        build_text(Text(encoder=folder))


def test_a_speech_model_is_no_text_encoder(tiny_xlsr):
    with pytest.raises(UserError, match="is a wav2vec2 model; text encoders"):
        build_text(Text(encoder=str(tiny_xlsr)))


@pytest.mark.parametrize("name", ["./nowhere", "/no/such/folder", "log_mel", "what is this?", "a/b/c"])
def test_names_that_cannot_be_an_encoder(name):
    assert "log_mel_cnn" in speech_fault(name, {})
    assert "subword_transformer" in text_fault(name, {})


def test_a_folder_that_is_no_checkpoint(tmp_path):
    assert "no config.json" in speech_fault(str(tmp_path), {})


def test_identity_follows_the_content(tiny_xlmr, tmp_path):
    copy = shutil.copytree(tiny_xlmr, tmp_path / "copy")
    model = PretrainedText.load(str(copy))[0].model
    first = checkpoint.identity(str(copy), model)["sha256"]
    assert first == checkpoint.identity(str(tiny_xlmr), model)["sha256"]
    (copy / "tokenizer.json").write_text((copy / "tokenizer.json").read_text() + " ")
    assert checkpoint.identity(str(copy), model)["sha256"] != first


def as_old_hub_checkpoint(model, folder):
    """`pytorch_model.bin` with the names that weight norm had when most checkpoints on the Hub were uploaded."""
    model.config.save_pretrained(folder)
    state = {
        key.replace("parametrizations.weight.original0", "weight_g").replace(
            "parametrizations.weight.original1", "weight_v"
        ): value
        for key, value in model.state_dict().items()
    }
    torch.save(state, folder / "pytorch_model.bin")
    return str(folder)


@torch.no_grad()
def test_a_masked_language_model_in_the_old_format_loads_every_weight(tiny_xlmr, tmp_path):
    """As llange/xlm-roberta-large-spanish lies on the Hub: with a language-model head, without a pooler."""
    from transformers import XLMRobertaForMaskedLM

    inner = PretrainedText.load(str(tiny_xlmr))[0].model
    whole = XLMRobertaForMaskedLM(inner.config)
    whole.roberta.load_state_dict(inner.state_dict(), strict=False)
    for file in tiny_xlmr.glob("tokenizer*"):
        shutil.copy(file, tmp_path)
    encoder, _ = PretrainedText.load(as_old_hub_checkpoint(whole, tmp_path))
    ids, mask = torch.tensor([[0, 7, 9, 2]]), torch.ones(1, 4, dtype=torch.bool)
    torch.testing.assert_close(encoder(ids, mask), PretrainedText.load(str(tiny_xlmr))[0](ids, mask))


def test_weights_tell_a_checkpoint_whose_commit_is_unknown(tiny_xlsr):
    """Two versions of one Hub id must not share features."""
    models = [checkpoint.pretrained_model(str(tiny_xlsr), None) for _ in range(2)]
    first, same = (checkpoint.identity("owner/name", model) for model in models)
    assert first == same
    assert first["revision"] is None
    assert len(first["sha256"]) == 64
    other = checkpoint.pretrained_model(str(tiny_xlsr), None)
    next(other.parameters()).data.flatten()[0] += 1e-3
    assert checkpoint.identity("owner/name", other)["sha256"] != first["sha256"]
