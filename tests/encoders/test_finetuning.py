"""Pre-trained encoders that train: what learns, what stays, masks, dropped blocks, adapters; every family."""

import numpy as np
import pytest
import torch

from emospeech.data.examples.dataset import pad
from emospeech.encoders.finetuning import lora
from emospeech.encoders.finetuning.modes import mode
from emospeech.encoders.finetuning.tuned import untrained
from emospeech.encoders.finetuning.tuning import rates, sound, tune, words
from emospeech.encoders.masks import drawn_by
from emospeech.encoders.speech import load_speech
from emospeech.encoders.text.pretrained import PretrainedText
from emospeech.encoders.text.sentence import SentenceText
from emospeech.runtime.errors import UserError
from emospeech.training.switches import recompute_in_place

MODES = {"full": {}, "top:1": {}, "lora": {"rank": 2, "dropout": 0.1}}


def noise(samples):
    return (0.1 * np.random.default_rng(samples).standard_normal(samples)).astype(np.float32)


@pytest.fixture(params=MODES)
def way(request):
    return mode(request.param, MODES[request.param])


def tuned_speech(folder, way, layers="last", **options):
    encoder = load_speech(str(folder), layers)
    torch.manual_seed(0)
    tune(encoder, way, sound(encoder), **options)
    return encoder


def tuned_text(folder, way, kind=PretrainedText):
    encoder, tokenizer = kind.load(str(folder))
    torch.manual_seed(0)
    tune(encoder, way, words())
    return encoder, tokenizer


def step(encoder, *inputs):
    """An optimiser step in training mode on something that every state counts for."""
    before = {name: value.clone() for name, value in encoder.state_dict().items()}
    encoder.tuned.set_mode(encoder, True)
    trained = [parameter for parameter in encoder.parameters() if parameter.requires_grad]
    for _ in range(2):  # an adapter's first matrix has a gradient once the second is no longer zero
        with drawn_by(range(len(inputs[0])), encoder):
            states, mask = encoder(*inputs)
        (states.transpose(1, -2)[mask] if states.ndim == 4 else states[mask]).pow(2).mean().backward()
        missing = [name for name, one in encoder.named_parameters() if one.requires_grad and one.grad is None]
        assert not missing, "processes that share a training would wait for it"
        torch.optim.SGD(trained, 0.1).step()
    encoder.tuned.set_mode(encoder, False)
    return before, trained


def check_what_moved(encoder, before):
    fixed = untrained(encoder)
    for name, value in encoder.state_dict().items():
        if name in fixed:
            assert torch.equal(value, before[name]), name
    return [name for name, value in encoder.state_dict().items() if not torch.equal(value, before[name])]


def test_speech_of_every_family(any_checkpoint, way):
    encoder = tuned_speech(any_checkpoint, way, layers="weighted", spec_augment=True, layerdrop=0.3)
    batch = pad([torch.as_tensor(encoder.preprocess(noise(n))) for n in (9_000, 16_000)], 0.0)
    before, trained = step(encoder, *batch)
    moved = check_what_moved(encoder, before)
    assert trained
    assert moved
    assert not any("feature_extractor" in name or name.startswith("model.conv") for name in moved)


def test_text_of_every_family(family_folder, way):
    encoder, tokenizer = tuned_text(family_folder, way)
    tokens = torch.tensor([tokenizer("Hoy vamos al mercado")])
    before, _ = step(encoder, tokens, torch.ones_like(tokens, dtype=torch.bool))
    moved = check_what_moved(encoder, before)
    assert moved
    assert not any("pooler" in name for name in moved)


@pytest.mark.parametrize("kind", ["mean", "dense", "prompted"])
def test_sentence_models(sentence_checkpoint, way, kind):
    encoder, tokenizer = tuned_text(sentence_checkpoint(kind), way, SentenceText)
    tokens = torch.tensor([tokenizer("Hoy vamos al mercado")])
    before, _ = step(encoder, tokens, torch.ones_like(tokens, dtype=torch.bool))
    assert check_what_moved(encoder, before)


@pytest.fixture
def xlsr(speech_checkpoint):
    return speech_checkpoint("xlsr")


def test_in_training_mode_only_what_trains_is_awake(xlsr):
    encoder = tuned_speech(xlsr, mode("top:2", {}), spec_augment=True)
    assert not any(module.training for module in encoder.modules())
    encoder.tuned.set_mode(encoder, True)
    assert [block.training for block in encoder.blocks] == [False, True, True]
    assert encoder.masking.training
    assert not encoder.model.feature_projection.training
    encoder = tuned_speech(xlsr, mode("full", {}))
    encoder.tuned.set_mode(encoder, True)
    assert encoder.model.encoder.training
    assert not encoder.model.feature_extractor.training


def test_a_frozen_batch_norm_does_not_move(speech_checkpoint):
    """mHuBERT's counts what it hears: of a whole encoder that trains it must, beside adapters it must not."""
    for way, moves in ((mode("lora", {"rank": 2}), False), (mode("full", {}), True)):
        encoder = tuned_speech(speech_checkpoint("mhubert"), way)
        before, _ = step(encoder, *sound(encoder))
        moved = [name for name in check_what_moved(encoder, before) if "running_mean" in name]
        assert bool(moved) == moves
        assert ("model.encoder.pos_conv_embed.batch_norm.running_mean" in untrained(encoder)) != moves


# -- gradients -----------------------------------------------------------------------------------------------------


def gradients(encoder, inputs):
    encoder.zero_grad()
    encoder.tuned.set_mode(encoder, True)
    torch.manual_seed(3)
    with drawn_by(range(len(inputs[0])), encoder):
        states, _ = encoder(*inputs)
    states.pow(2).mean().backward()
    return {name: one.grad.clone() for name, one in encoder.named_parameters() if one.requires_grad}, states.detach()


@pytest.mark.parametrize("family", ["wav2vec2_base", "wavlm_large", "w2v_bert", "whisper"])
def test_gradient_checkpointing_gives_the_same_gradients_and_states(family, way, speech_checkpoint):
    """Dropout, masks and dropped blocks draw alike; hooks that take hidden states see each block once."""
    encoder = tuned_speech(speech_checkpoint(family), way, [0, 1, 3], spec_augment=True, layerdrop=0.4)
    inputs = sound(encoder)
    plain, states = gradients(encoder, inputs)
    recompute_in_place([encoder])
    again, others = gradients(encoder, inputs)
    torch.testing.assert_close(states, others, rtol=0, atol=0)
    torch.testing.assert_close(plain, again)


@pytest.mark.parametrize("family", ["bert", "deberta_v2"])
def test_gradient_checkpointing_of_text(family, way, text_checkpoint):
    encoder, tokenizer = tuned_text(text_checkpoint(family), way)
    tokens = torch.tensor([tokenizer("Hoy vamos al mercado")])
    inputs = tokens, torch.ones_like(tokens, dtype=torch.bool)
    plain, _ = gradients(encoder, inputs)
    recompute_in_place([encoder])
    torch.testing.assert_close(plain, gradients(encoder, inputs)[0])


def test_a_long_utterance_heard_in_windows_has_gradients(xlsr):
    encoder = load_speech(str(xlsr), "weighted")
    encoder = type(encoder)(encoder.model, encoder.preprocess.extractor, "weighted", window=0.3)
    tune(encoder, mode("full", {}), sound(encoder, 3000), spec_augment=True)
    found, _ = gradients(encoder, sound(encoder, 20_000))
    assert all(gradient.isfinite().all() for gradient in found.values())
    assert found["model.feature_projection.projection.weight"].abs().sum() > 0


def test_padding_changes_nothing_beside_adapters(any_checkpoint):
    torch.manual_seed(0)
    encoder = tuned_speech(any_checkpoint, mode("lora", {"rank": 2}), "weighted")
    for name, parameter in encoder.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(parameter, std=0.1)
    clips = [torch.as_tensor(encoder.preprocess(noise(n))) for n in (16_000, 720, 9_137)]
    with torch.no_grad():
        states, mask = encoder(*pad(clips, 0.0))
        for row, clip in enumerate(clips):
            alone, _ = encoder(*pad([clip], 0.0))
            torch.testing.assert_close(states[row][:, mask[row]], alone[0], rtol=0, atol=1e-4)


# -- adapters ------------------------------------------------------------------------------------------------------


def test_merged_adapters_give_the_same_states(any_checkpoint):
    encoder = tuned_speech(any_checkpoint, mode("lora", {"rank": 2, "alpha": 4.0}), "weighted")
    inputs = sound(encoder)
    with torch.no_grad():
        plain, _ = load_speech(str(any_checkpoint), "weighted")(*inputs)
        first, _ = encoder(*inputs)
        torch.testing.assert_close(first, plain, msg="adapters begin without effect")
        for name, parameter in encoder.named_parameters():
            if "lora_B" in name:
                torch.nn.init.normal_(parameter, std=0.1)
        adapted, _ = encoder(*inputs)
        assert (adapted - plain).abs().mean() > 1e-3
        lora.merge(encoder)
        merged, _ = encoder(*inputs)
    torch.testing.assert_close(merged, adapted, rtol=0, atol=1e-5 * float(adapted.abs().max()))


def test_targets_by_name(xlsr):
    encoder = tuned_speech(xlsr, mode("lora", {"rank": 2, "targets": ["q_proj", "output_dense"]}))
    adapted = {name.split(".lora_")[0].split(".")[-1] for name, _ in encoder.named_parameters() if "lora_" in name}
    assert adapted == {"q_proj", "output_dense"}


def test_a_model_without_transformer(sentence_checkpoint):
    for words_, expected in (("lora", "use full"), ("top:1", "blocks are not found")):
        encoder, _ = SentenceText.load(str(sentence_checkpoint("static")))
        with pytest.raises(UserError, match=expected):
            mode(words_, {}).check(encoder)
    encoder, _ = tuned_text(sentence_checkpoint("static"), mode("full", {}), SentenceText)
    assert step(encoder, *words())[1]


def test_blocks_are_counted_among_those_that_are_kept(xlsr):
    encoder = load_speech(str(xlsr), 2)
    with pytest.raises(UserError, match=r"it has 2 blocks up to the highest that speech\.layers asks for"):
        mode("top:3", {}).check(encoder)


def test_what_stands_above_the_states_taken_does_not_train(xlsr):
    for layers, trains in (("last", True), ([1, 3], False)):
        encoder = tuned_speech(xlsr, mode("full", {}), layers)
        assert encoder.model.encoder.layer_norm.weight.requires_grad == trains
    encoder = tuned_speech(xlsr, mode("full", {}), 0)
    assert not any(parameter.requires_grad for parameter in encoder.blocks.parameters())


def test_rates_by_hand(speech_checkpoint):
    """Group norm: the LayerNorm of the encoder stands below the blocks; layer norm: above them."""
    for family, top in (("wav2vec2_base", 16), ("xlsr", 18)):
        encoder = tuned_speech(speech_checkpoint(family), mode("full", {}), spec_augment=True)
        found = rates(encoder, 1.0, 0.1)
        assert list(found) == pytest.approx([1.0, 0.1, 0.01, 0.001])
        assert [len(each) for each in found.values()][:3] == [top, 16, 16]
        assert any(one is encoder.model.masked_spec_embed for one in list(found.values())[3])
    assert list(rates(encoder, 0.3, 1.0)) == [0.3]


# -- masks and dropped blocks --------------------------------------------------------------------------------------


def test_spec_augment_is_the_checkpoints_or_none(xlsr):
    inputs = None
    for wanted in (True, False):
        encoder = tuned_speech(xlsr, mode("full", {}), spec_augment=wanted)
        assert (encoder.masking is not None) == wanted
        assert encoder.model.masked_spec_embed.requires_grad == wanted
        inputs = inputs or sound(encoder, 32_000)
    with torch.no_grad():
        plain, _ = load_speech(str(xlsr))(*inputs)
        torch.testing.assert_close(encoder(*inputs)[0], plain)


def test_layerdrop_is_the_configs_or_ours(any_checkpoint):
    """Almost always dropped: what comes out is what the first block takes in; WavLM's first block always runs."""
    encoder = tuned_speech(any_checkpoint, mode("full", {}), [0, 3], layerdrop=0.999)
    encoder.tuned.set_mode(encoder, True)
    for module in encoder.modules():
        if isinstance(module, torch.nn.Dropout):
            module.p = 0.0
    torch.manual_seed(0)
    states, _ = encoder(*sound(encoder))
    same = torch.allclose(states[:, 0], states[:, 1], atol=1e-6)
    assert same == (encoder.model.config.model_type != "wavlm")
    config = encoder.model.config
    assert getattr(config, "encoder_layerdrop", getattr(config, "layerdrop", 0.0)) == 0.0
    assert tuned_speech(any_checkpoint, mode("full", {}), layerdrop=None).blocks[0].training is False
