"""What becomes a graph: a module, what it is traced with, and what it is checked on."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from emospeech.data.audio import SAMPLE_RATE
from emospeech.data.examples.dataset import Batch, pad
from emospeech.encoders.features import Features
from emospeech.models.classifier import Classifier, EmotionNetwork
from emospeech.outputs.hub.onnx.hearing import traceable
from emospeech.systems.neural import NeuralSystem

Inputs = Mapping[str, Tensor]  # by name, in their order
TIME = {"speech": "samples", "speech_mask": "samples", "tokens": "tokens", "token_mask": "tokens"}
SECONDS = ((0.9, 0.7), (0.61,), (1.3, 0.12, 0.5), (0.4, 0.4, 0.4, 0.4))  # of clips; the first batch is traced
WORDS = ((6, 4), (3,), (1, 9, 4), (2, 2, 2, 2))  # of their texts
STEPS = ((13, 9), (21,), (40, 1, 7), (5, 5, 5, 5))  # frames, where features are given
TOKENS = ((7, 5), (3,), (2, 11, 4), (6, 6, 6, 6))


@dataclass(frozen=True)
class Graph:
    """Of a network, or of its trained part."""

    name: str
    module: nn.Module  # takes `Inputs` as keywords, gives logits (B, classes) a task
    reference: Callable[[Inputs], Sequence[Tensor]]  # what the system itself gives of the same
    cases: Sequence[Inputs]  # the first is traced
    axes: Mapping[str, Mapping[int, str]]  # of each input, those of any length: axis -> name


class Head(nn.Module):
    """The trained part: `Features` to logits."""

    def __init__(self, classifier: Classifier) -> None:
        super().__init__()
        self.classifier = classifier

    def forward(
        self,
        speech: Tensor | None = None,
        speech_mask: Tensor | None = None,
        text: Tensor | None = None,
        text_mask: Tensor | None = None,
    ) -> tuple[Tensor, ...]:
        return tuple(self.classifier(Features(speech, speech_mask, text, text_mask)).values())


class Whole(nn.Module):
    """A network: prepared sound and token ids to logits."""

    def __init__(self, network: EmotionNetwork) -> None:
        super().__init__()
        self.network = network

    def forward(
        self,
        speech: Tensor | None = None,
        speech_mask: Tensor | None = None,
        tokens: Tensor | None = None,
        token_mask: Tensor | None = None,
        has_speech: Tensor | None = None,
        has_text: Tensor | None = None,
    ) -> tuple[Tensor, ...]:
        rows = torch.arange(len(speech if speech is not None else tokens))  # type: ignore[arg-type]
        batch = Batch(rows, speech, speech_mask, tokens, token_mask, {}, has_speech, has_text)
        return tuple(self.network(batch).values())


def head(system: NeuralSystem) -> Graph:
    """From the states of encoders to logits."""
    network = system.ready()
    generator = torch.Generator().manual_seed(0)
    module = Head(network.classifier).eval()
    cases = [_features(network, k, generator, system.may_lack) for k in range(len(STEPS))]
    axes: dict[str, Mapping[int, str]] = {
        "speech": {0: "batch", 2: "frames"},
        "speech_mask": {0: "batch", 1: "frames"},
        "text": {0: "batch", 1: "tokens"},
        "text_mask": {0: "batch", 1: "tokens"},
    }
    return Graph("head", module, lambda given: module(**given), cases, {name: axes[name] for name in cases[0]})


def _features(network: EmotionNetwork, case: int, generator: torch.Generator, may_lack: bool) -> dict[str, Tensor]:
    """Noise as states; where a clip may lack a modality, the last of the later batches lack one."""
    found: dict[str, Tensor] = {}
    lacks = may_lack and case >= 2
    if network.speech is not None:
        lengths = [*STEPS[case]]
        lengths[-1] = 0 if lacks and case == 2 else lengths[-1]
        shape = (len(lengths), network.speech.depth, max(lengths), network.speech.width)
        found["speech"] = torch.randn(shape, generator=generator)
        found["speech_mask"] = torch.arange(max(lengths)) < torch.tensor(lengths)[:, None]
    if network.text is not None:
        lengths = [*TOKENS[case]]
        lengths[-1] = 0 if lacks and case == 3 else lengths[-1]
        found["text"] = torch.randn((len(lengths), max(lengths), network.text.width), generator=generator)
        found["text_mask"] = torch.arange(max(lengths)) < torch.tensor(lengths)[:, None]
    return found


def whole(system: NeuralSystem) -> Graph:
    """From prepared sound and token ids to logits, through the encoders."""
    network = system.ready()
    clone = EmotionNetwork(network.classifier, traceable(network.speech), network.text)
    clone.frozen_bf16, clone.frame_stride = network.frozen_bf16, network.frame_stride
    own = Whole(network).eval()
    generator = torch.Generator().manual_seed(1)
    cases = [_batch(system, k, generator) for k in range(len(SECONDS))]
    axes = {name: {0: "batch", **({1: TIME[name]} if name in TIME else {})} for name in cases[0]}
    return Graph("model", Whole(clone).eval(), lambda given: own(**given), cases, axes)


def _batch(system: NeuralSystem, case: int, generator: torch.Generator) -> dict[str, Tensor]:
    """Noise and words as the encoders take them."""
    network, found = system.ready(), {}
    if network.speech is not None:
        speech: Any = network.speech
        clips = [0.1 * torch.randn(round(one * SAMPLE_RATE), generator=generator) for one in SECONDS[case]]
        prepared = [torch.as_tensor(speech.preprocess(clip.numpy())) for clip in clips]
        found["speech"], found["speech_mask"] = pad(prepared, 0.0)
    if network.text is not None:
        texts = [" ".join(["no", "sí", "la", "de", "qué"][k % 5] for k in range(one)) for one in WORDS[case]]
        ids = [torch.tensor(list(system.tokenizer(text))) for text in texts]
        found["tokens"], found["token_mask"] = pad(ids, system.tokenizer.pad_id)
    if system.may_lack:
        last = torch.arange(len(SECONDS[case])) == len(SECONDS[case]) - 1
        found["has_speech"] = ~last | torch.tensor(case != 2)
        found["has_text"] = ~last | torch.tensor(case != 3)  # no tensor twice: a trace would take them for one input
    return found
