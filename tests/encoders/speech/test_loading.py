"""Checkpoints as they lie on the Hub load; what is wrong with one is said clearly."""

import json
import shutil

import pytest
import torch

from emospeech.encoders.speech import FAMILIES, load_speech
from emospeech.runtime.errors import UserError


def broken(folder, tmp_path, *names):
    copy = shutil.copytree(folder, tmp_path / "broken")
    for name in names:
        (copy / name).unlink()
    return copy


def test_checkpoint_without_preprocessor(any_checkpoint, tmp_path):
    with pytest.raises(UserError, match=r"preprocessor_config\.json"):
        load_speech(str(broken(any_checkpoint, tmp_path, "preprocessor_config.json")))


def test_checkpoint_without_weights(any_checkpoint, tmp_path):
    with pytest.raises(UserError, match="cannot load the model"):
        load_speech(str(broken(any_checkpoint, tmp_path, "model.safetensors")))


def test_missing_weights_are_not_filled_with_random_ones(any_checkpoint, tmp_path):
    from safetensors.torch import load_file, save_file

    folder = broken(any_checkpoint, tmp_path)
    weights = load_file(folder / "model.safetensors")
    gone = [key for key in weights if "layers.1." in key and "decoder" not in key]
    for key in gone:
        del weights[key]
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(UserError, match=rf"lacks {len(gone)} weights of a .* they would be random"):
        load_speech(str(folder))


def test_another_sampling_rate(any_checkpoint, tmp_path):
    folder = broken(any_checkpoint, tmp_path)
    settings = json.loads((folder / "preprocessor_config.json").read_text())
    (folder / "preprocessor_config.json").write_text(json.dumps(settings | {"sampling_rate": 8_000}))
    with pytest.raises(UserError, match=r"wants 8000 Hz; this system works at 16000 Hz"):
        load_speech(str(folder))


@pytest.mark.parametrize("family", ["vit", "bert"])
def test_an_image_or_text_model_is_no_speech_encoder(tmp_path, family):
    from transformers import AutoConfig

    AutoConfig.for_model(family).save_pretrained(tmp_path)
    with pytest.raises(UserError, match=rf"is a {family} model; speech encoders here are {', '.join(FAMILIES)}$"):
        load_speech(str(tmp_path))


def test_an_id_that_is_not_at_hand_offline():
    with pytest.raises(UserError, match=r"under the id 'facebook/no-such-model'[\s\S]*HF_HOME"):
        load_speech("facebook/no-such-model")


def test_weights_in_half_precision_are_run_in_full(any_checkpoint, clip, encode, tmp_path):
    """openai/whisper-large-v3 lies on the Hub in float16."""
    from transformers import AutoModel

    AutoModel.from_pretrained(any_checkpoint).half().save_pretrained(tmp_path)
    shutil.copy(any_checkpoint / "preprocessor_config.json", tmp_path)
    states, _ = encode(load_speech(str(tmp_path)), [clip(5_000)])
    assert states.dtype == torch.float32
    torch.testing.assert_close(states, encode(load_speech(str(any_checkpoint)), [clip(5_000)])[0], rtol=0, atol=0.1)


WHOLE = {
    "xlsr": ("Wav2Vec2ForPreTraining", "wav2vec2"),  # facebook/wav2vec2-xls-r-300m: with its quantizer
    "wav2vec2_base": ("Wav2Vec2ForCTC", "wav2vec2"),
    "hubert_large": ("HubertForCTC", "hubert"),
    "wavlm_large": ("WavLMForCTC", "wavlm"),
    "unispeech_sat": ("UniSpeechSatForPreTraining", "unispeech_sat"),
    "w2v_bert": ("Wav2Vec2BertForCTC", "wav2vec2_bert"),
    "whisper": ("WhisperForConditionalGeneration", "model"),
}


@pytest.mark.parametrize("family", WHOLE)
def test_a_checkpoint_with_a_head_in_the_old_format_loads_every_weight(
    family, speech_checkpoint, clip, encode, old_hub_checkpoint, tmp_path
):
    import transformers

    folder = speech_checkpoint(family)
    inner = transformers.AutoModel.from_pretrained(folder)
    name, part = WHOLE[family]
    inner.config.vocab_size = 50
    whole = getattr(transformers, name)(inner.config)
    getattr(whole, part).load_state_dict(inner.state_dict())
    shutil.copy(folder / "preprocessor_config.json", tmp_path)
    ours = encode(load_speech(old_hub_checkpoint(whole, tmp_path)), [clip(4_000)])
    torch.testing.assert_close(ours, encode(load_speech(str(folder)), [clip(4_000)]))
