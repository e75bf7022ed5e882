"""One forward and one training step of the main recipe at full size, with random weights: time and peak memory.

    python benchmarks/full_size.py [--clips 4] [--seconds 5.5] [--tokens 64]

XLS-R-300M (24 layers of 1024) and XLM-R-large (24 layers of 1024, 250,002 tokens), frozen, and the trained part of
configs/xlsr_roberta.yaml. Random weights cost what trained ones cost; no score comes of them.
"""

import argparse
import os
import platform
from collections.abc import Callable
from typing import Any

import torch
import transformers
from measuring import measured
from transformers import Wav2Vec2Config, Wav2Vec2FeatureExtractor, Wav2Vec2Model, XLMRobertaConfig, XLMRobertaModel

from emospeech.config import load as load_config
from emospeech.config import recipes_folder
from emospeech.data.dataset import Batch
from emospeech.encoders.speech.waveform import WaveformSpeech
from emospeech.encoders.text.pretrained import PretrainedText
from emospeech.encoders.windows import Windows
from emospeech.labels import EMOSPEECH2024
from emospeech.models.build import build_classifier
from emospeech.models.classifier import EmotionNetwork
from emospeech.training.losses import CrossEntropy

XLSR = {  # facebook/wav2vec2-xls-r-300m
    "hidden_size": 1024, "num_hidden_layers": 24, "num_attention_heads": 16, "intermediate_size": 4096,
    "feat_extract_norm": "layer", "do_stable_layer_norm": True, "conv_bias": True,
}  # fmt: skip
XLMR = {  # xlm-roberta-large
    "vocab_size": 250_002, "hidden_size": 1024, "num_hidden_layers": 24, "num_attention_heads": 16,
    "intermediate_size": 4096, "max_position_embeddings": 514, "type_vocab_size": 1, "pad_token_id": 1,
}  # fmt: skip


def network() -> EmotionNetwork:
    recipe = load_config(recipes_folder() / "xlsr_roberta.yaml")
    extractor = Wav2Vec2FeatureExtractor(return_attention_mask=True)
    frozen = [model.requires_grad_(False).eval() for model in (
        Wav2Vec2Model(Wav2Vec2Config(**XLSR)), XLMRobertaModel(XLMRobertaConfig(**XLMR), add_pooling_layer=False)
    )]  # fmt: skip
    speech, text = WaveformSpeech(frozen[0], extractor, "weighted"), PretrainedText(frozen[1], 1024, Windows(512))
    classifier = build_classifier(recipe.model, {"label": EMOSPEECH2024}, (speech.depth, speech.width), text.width)
    return EmotionNetwork(classifier, speech, text)


def batch(clips: int, seconds: float, tokens: int) -> Batch:
    samples = round(seconds * 16_000)
    return Batch(
        rows=torch.arange(clips),
        speech=torch.randn(clips, samples),
        speech_mask=torch.ones(clips, samples, dtype=torch.bool),
        tokens=torch.randint(4, 250_000, (clips, tokens)),
        token_mask=torch.ones(clips, tokens, dtype=torch.bool),
        labels={"label": torch.arange(clips) % 6},
    )


def timed(what: str, work: Callable[[], Any], device: torch.device) -> None:
    """Measure it, and print a line."""
    _, seconds, peak = measured(work, device)
    print(f"{what:<44} {seconds:>8.2f} s   peak {peak:>6.2f} GiB", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clips", type=int, default=4)
    parser.add_argument("--seconds", type=float, default=5.5)
    parser.add_argument("--tokens", type=int, default=64)
    arguments = parser.parse_args()
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    name = torch.cuda.get_device_name() if device.type == "cuda" else f"{platform.machine()} CPU"
    print(f"{name}, {os.cpu_count()} cores, {torch.get_num_threads()} threads; torch {torch.__version__}, ", end="")
    print(f"transformers {transformers.__version__}; float32, random weights")
    net = network().to(device)
    trained = sum(p.numel() for p in net.parameters() if p.requires_grad)
    print(f"{sum(p.numel() for p in net.parameters()) / 1e6:.0f} M parameters, {trained / 1e6:.2f} M of them trained")
    full = batch(arguments.clips, arguments.seconds, arguments.tokens).to(device)
    single = batch(1, arguments.seconds, arguments.tokens).to(device)
    optimizer = torch.optim.AdamW([p for p in net.parameters() if p.requires_grad], lr=5e-5)
    loss = CrossEntropy([1.0] * 6).to(device)

    def forward(inputs: Batch) -> None:
        net.eval()
        with torch.no_grad():
            net(inputs)

    def step() -> None:
        net.train()
        value = loss(net(full)["label"], full.labels["label"]) / loss.normaliser(full.labels["label"])
        value.backward()
        optimizer.step()
        optimizer.zero_grad()

    shape = f"{arguments.seconds} s + {arguments.tokens} tokens"
    timed(f"forward, 1 x {shape}", lambda: forward(single), device)
    timed(f"forward, {arguments.clips} x {shape}", lambda: forward(full), device)
    timed(f"training step, {arguments.clips} x {shape}", step, device)


if __name__ == "__main__":
    main()
