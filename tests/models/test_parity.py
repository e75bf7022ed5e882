"""Our head against numbers that the published EmoSPeech 2024 winner produced, file by file.

Every `.npz` in $EMOSPEECH_PARITY_DIR is checked; depth, heads, pooling and modalities are read from its arrays.
"""

import os
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from emospeech.encoders.features import Features
from emospeech.models.classifier import Classifier
from emospeech.models.fusion import SequenceFusion
from emospeech.models.heads import MLPHead
from emospeech.models.mixing import FullWidthHeadsMixer
from emospeech.models.pooling import AttentionPooling, MeanPooling
from emospeech.models.streams import StreamPooling
from emospeech.training.losses import CrossEntropy

FOLDER = Path(os.environ.get("EMOSPEECH_PARITY_DIR", Path(__file__).parents[2] / "../shared/parity"))
FILES = sorted(FOLDER.glob("*.npz"))
pytestmark = pytest.mark.skipif(not FILES, reason=f"no golden files in {FOLDER}; set EMOSPEECH_PARITY_DIR")


@pytest.fixture(params=FILES, ids=lambda path: path.stem)
def golden(request):
    return dict(np.load(request.param))


def our_name(theirs: str) -> str:
    """A parameter's name in the golden files -> ours."""
    name = theirs.removeprefix("param.")
    for old, new in (
        ("layer_weights", "layer_mix.weights"),
        ("audio_norm", "speech_norm"),
        ("attention_query", "fusion.pool.pooling.query"),
        ("mha.", "fusion.pool.mixer."),
        ("classifier.hidden", "heads.label.joint.hidden."),
        ("classifier.out", "heads.label.joint.out"),
    ):
        name = name.replace(old, new) if name.startswith(old) else name
    return name


def build(golden) -> Classifier:
    """A classifier of the golden file's own shape, with its weights, in float64."""
    layers, _, _, width = golden["audio_hidden_states"].shape
    classes, hidden = golden["param.classifier.out.weight"].shape
    blocks = sum(key.startswith("param.classifier.hidden") and key.endswith("linear.weight") for key in golden)
    text = "text_hidden_states" in golden
    heads = len(golden["param.mha.key.weight"]) // width if "param.mha.key.weight" in golden else 0
    pooling = AttentionPooling if "param.attention_query" in golden else MeanPooling
    model = Classifier(
        fusion=SequenceFusion(
            {"speech": width, "text": width} if text else {"speech": width},
            lambda width: StreamPooling(pooling(width), FullWidthHeadsMixer(width, heads=heads) if heads else None),
        ),
        heads={"label": {"joint": MLPHead(width, classes, blocks, hidden, dropout=0.0)}},
        speech_shape=(layers, width),
        text_width=width if text else None,
        dropout=0.0,
    )
    weights = {our_name(key): torch.tensor(value) for key, value in golden.items() if key.startswith("param.")}
    model.load_state_dict(weights, strict=True)
    return model.double().eval()


def features(golden, masked: bool) -> Features:
    speech = torch.tensor(golden["audio_hidden_states"]).double().transpose(0, 1)
    text = text_mask = None
    if "text_hidden_states" in golden:
        text = torch.tensor(golden["text_hidden_states"]).double()
        text_mask = torch.tensor(golden["text_attention_mask"]).bool()
        text_mask = text_mask if masked else torch.ones_like(text_mask)
    return Features(speech, torch.ones(speech.shape[0], speech.shape[2], dtype=torch.bool), text, text_mask)


def pooled(model: Classifier, inputs: Features) -> torch.Tensor:
    return model.fusion(model.streams(inputs))["joint"]


def close(ours: torch.Tensor, theirs: np.ndarray, tolerance: float) -> None:
    np.testing.assert_allclose(ours.detach().numpy(), theirs, rtol=0, atol=tolerance)


def test_masked_batch_equals_the_winner_one_by_one(golden):
    model = build(golden)
    inputs = features(golden, masked=True)
    close(pooled(model, inputs), golden["expected.pooled_one_by_one"], 1e-5)
    close(model(inputs)["label"], golden["expected.logits_one_by_one"], 1e-5)


def test_unmasked_forward_to_double_precision(golden):
    model = build(golden)
    inputs = features(golden, masked=False)
    close(model.layer_mix(inputs.speech), golden["expected.layer_mix"], 1e-5)
    joined, mask = model.fusion.joined(model.streams(inputs))
    x = model.fusion.pool.mixed(joined, mask)
    close(x, golden["expected.pool_input"], 1e-5)
    if "param.attention_query" in golden:
        close(model.fusion.pool.pooling.weights(x, mask), golden["expected.attention_weights"], 1e-5)
    close(pooled(model, inputs), golden["expected.pooled_float64"], 1e-10)
    close(model(inputs)["label"], golden["expected.logits_float64"], 1e-10)


def test_float32_forward(golden):
    model = build(golden).float()
    inputs = features(golden, masked=False)
    single = Features(inputs.speech.float(), inputs.speech_mask, None, None)
    if inputs.text is not None:
        single = Features(single.speech, inputs.speech_mask, inputs.text.float(), inputs.text_mask)
    close(model(single)["label"], golden["expected.logits"], 1e-5)


def winner_loss(model, golden) -> torch.Tensor:
    labels = torch.tensor(golden["train.labels"]).long()
    loss = CrossEntropy(golden["train.class_weights"]).double()
    loss.weights = torch.tensor(golden["train.class_weights"]).double()
    total = loss(model(features(golden, masked=False))["label"], labels)
    return total / loss.normaliser(labels)


def test_loss_and_gradients(golden):
    model = build(golden)
    loss = winner_loss(model, golden)
    close(loss, golden["train.loss_float64"], 1e-10)
    loss.backward()
    ours = dict(model.named_parameters())
    theirs = {key.removeprefix("grad."): v for key, v in golden.items() if key.startswith("grad.")}
    theirs |= {key.removeprefix("train.grad."): v for key, v in golden.items() if key.startswith("train.grad.")}
    assert theirs, "the golden file holds no gradients"
    for key, gradient in theirs.items():
        close(ours[our_name(key.removeprefix("param."))].grad, gradient, 1e-10)


def test_three_optimiser_steps(golden):
    model = build(golden)
    rate, decay = golden["meta.lr_weight_decay"].tolist()
    optimizer = torch.optim.AdamW(model.parameters(), lr=rate, weight_decay=decay)
    for _ in range(3):
        optimizer.zero_grad()
        winner_loss(model, golden).backward()
        optimizer.step()
    close(model(features(golden, masked=False))["label"], golden["train.logits_after_3_steps_float64"], 1e-10)
    close(model.layer_mix.weights, golden["train.layer_weights_after_3_steps"], 1e-6)


def test_layer_weights_start_as_the_winner_starts_them(golden):
    layers = len(golden["audio_hidden_states"])
    fusion = SequenceFusion({"speech": 8}, lambda width: StreamPooling(MeanPooling(width)))
    model = Classifier(fusion, {"label": {"joint": nn.Linear(8, 2)}}, speech_shape=(layers, 8))
    close(model.layer_mix.weights, golden["meta.layer_weights_at_init"], 1e-7)
