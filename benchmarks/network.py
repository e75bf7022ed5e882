"""The main recipe's network with random weights, and what it hears and reads: at full size, or tiny to try a benchmark.

XLS-R-300M (24 layers of 1024) and XLM-R-large (24 layers of 1024, 250,002 tokens), frozen, and the trained part of
configs/xlsr_roberta.yaml. Random weights cost what trained ones cost; no score comes of them.
"""

import functools
from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch

from emospeech.data.examples.dataset import Collate, Drawn, Example
from emospeech.encoders.speech.waveform import WaveformSpeech
from emospeech.encoders.text.pretrained import PretrainedText
from emospeech.encoders.windows import Windows
from emospeech.labels import EMOSPEECH2024
from emospeech.models.build import build_classifier
from emospeech.models.classifier import Classifier, EmotionNetwork
from emospeech.runtime.memory import keep_freed_memory
from emospeech.training.losses import CrossEntropy

XLSR = {  # facebook/wav2vec2-xls-r-300m
    "hidden_size": 1024, "num_hidden_layers": 24, "num_attention_heads": 16, "intermediate_size": 4096,
    "feat_extract_norm": "layer", "do_stable_layer_norm": True, "conv_bias": True,
}  # fmt: skip
XLMR = {  # xlm-roberta-large
    "vocab_size": 250_002, "hidden_size": 1024, "num_hidden_layers": 24, "num_attention_heads": 16,
    "intermediate_size": 4096, "max_position_embeddings": 514, "type_vocab_size": 1, "pad_token_id": 1,
}  # fmt: skip
TINY_XLSR = XLSR | {
    "hidden_size": 32, "num_hidden_layers": 3, "num_attention_heads": 2, "intermediate_size": 64, "conv_dim": (16,) * 7,
    "num_conv_pos_embeddings": 16, "num_conv_pos_embedding_groups": 2,
}  # fmt: skip
TINY_XLMR = XLMR | {
    "vocab_size": 300, "hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 64,
}  # fmt: skip

# the recipe's `model`, in plain values: its schema needs packages that a machine with a GPU may lack
MODEL: Any = SimpleNamespace(
    fusion=SimpleNamespace(name="sequence", options={}),
    mixer=None,
    pooling=SimpleNamespace(name="attention", options={}),
    dropout=0.1,
    modality_dropout=0.0,
    trunk=None,
    head=SimpleNamespace(blocks=3, width=512, dropout=0.1),
)
TASK = "label"
CLASS_WEIGHTS = (2.57, 4.26, 7.54, 8.69, 8.29, 132.6)  # N / count of the winner's training rows
RATE, DECAY = 5e-5, 0.01
BATCH = 16
TRAIN_CLIPS, DEV_CLIPS = 3000, 750
EPOCHS = 93
VALIDATE_EVERY = 75  # steps
AUGMENTED = 0.6  # how often training draws an augmented view
CROP_SECONDS = 5.5
MEAN_SECONDS = 9.2
SAMPLE_RATE = 16_000
PAD = 1  # XLM-R's padding


@functools.cache
def speech_encoder(tiny: bool) -> WaveformSpeech:
    """On the CPU, in eval mode; the same object at every call."""
    from transformers import Wav2Vec2Config, Wav2Vec2FeatureExtractor, Wav2Vec2Model

    torch.manual_seed(0)
    model = Wav2Vec2Model(Wav2Vec2Config(**(TINY_XLSR if tiny else XLSR))).requires_grad_(False).eval()
    return WaveformSpeech(model, Wav2Vec2FeatureExtractor(return_attention_mask=True), "weighted").eval()


@functools.cache
def text_encoder(tiny: bool) -> PretrainedText:
    """As `speech_encoder`."""
    from transformers import XLMRobertaConfig, XLMRobertaModel

    torch.manual_seed(0)
    config = XLMRobertaConfig(**(TINY_XLMR if tiny else XLMR))
    model = XLMRobertaModel(config, add_pooling_layer=False).requires_grad_(False).eval()
    return PretrainedText(model, config.hidden_size, Windows(512)).eval()


def classifier(speech_shape: tuple[int, int], text_width: int) -> Classifier:
    """The trained part, the same weights at every call."""
    torch.manual_seed(0)
    return build_classifier(MODEL, {TASK: EMOSPEECH2024}, speech_shape, text_width)


def network(tiny: bool = False) -> EmotionNetwork:
    """Encoders and a trained part of its own."""
    speech, text = speech_encoder(tiny), text_encoder(tiny)
    return EmotionNetwork(classifier((speech.depth, speech.width), text.width), speech, text)


def adamw(net: torch.nn.Module) -> torch.optim.AdamW:
    trained = [p for p in net.parameters() if p.requires_grad]
    return torch.optim.AdamW(trained, lr=RATE, weight_decay=DECAY, fused=True)


def cross_entropy() -> CrossEntropy:
    return CrossEntropy(CLASS_WEIGHTS)


def trainer(net: Any, device: torch.device, bf16: bool = False) -> Any:
    """A function that does an optimiser step over micro-batches, as the training loop does; gives the loss."""
    keep_freed_memory()
    net.to(device)
    loss, optimizer = cross_entropy().to(device), adamw(net)

    def step(micro: Sequence[Any]) -> float:
        micro = [batch.to(device) for batch in micro]
        net.train()
        total = torch.stack([loss.normaliser(batch.labels[TASK]) for batch in micro]).sum()
        value = torch.zeros((), device=device)
        for batch in micro:
            with torch.autocast(device.type, torch.bfloat16, enabled=bf16):
                logits = net(batch)[TASK]
            part = loss(logits.float(), batch.labels[TASK]) / total
            part.backward()
            value += part.detach()
        found = float(value)
        optimizer.step()
        optimizer.zero_grad()
        return found

    return step


def lengths(count: int, mean: float = MEAN_SECONDS, seed: int = 0) -> np.ndarray:
    """Seconds of clips as a corpus has them: log-normal with sigma 0.5, cut to 1-20 s, scaled to the mean."""
    drawn = np.random.default_rng([seed, 1]).lognormal(0.0, 0.5, count)
    for _ in range(20):  # cutting moves the mean
        drawn = np.clip(drawn * mean / drawn.mean(), min(1.0, mean), 20.0)
    return drawn


def sound(seconds: float, seed: int) -> np.ndarray:
    """float32 (samples,) at 16 kHz: noise of a colour and with a loudness over time that the seed decides."""
    rng = np.random.default_rng([seed, 2])
    count = round(seconds * SAMPLE_RATE)
    white, colour = (rng.standard_normal(size, dtype=np.float32) for size in (count, 16))
    noise = np.convolve(white, colour, "same")
    knots = rng.random(max(2, round(seconds * 5)))
    loudness = np.interp(np.linspace(0, 1, count), np.linspace(0, 1, len(knots)), knots)
    return (0.02 * noise * loudness).astype(np.float32)


def tokens(count: int, seed: int, tiny: bool = False) -> list[int]:
    """A text of random ids between XLM-R's special ones."""
    vocabulary = (TINY_XLMR if tiny else XLMR)["vocab_size"]
    drawn = np.random.default_rng([seed, 3]).integers(4, vocabulary - 10, max(count - 2, 0))
    return [0, *drawn.tolist(), 2]


def text_lengths(count: int, seed: int = 0) -> list[int]:
    """15 to 45 tokens, 30 on average."""
    return np.random.default_rng([seed, 4]).integers(15, 46, count).tolist()


def heard(seconds: Sequence[float], tiny: bool, seed: int = 0) -> list[Example]:
    """Utterances as the encoders take them, made before anything is timed."""
    prepare, words = speech_encoder(tiny).preprocess, text_lengths(len(seconds), seed)
    return [
        Example(
            row,
            prepare(sound(length, seed + row)),
            tokens(words[row], seed + row, tiny),
            {TASK: row % 6},
            drawn=Drawn(mask_seed=row),
        )
        for row, length in enumerate(seconds)
    ]


def batch(examples: Sequence[Example]) -> Any:
    return Collate(PAD)(examples)
