"""One forward of each encoder at full size, with random weights: parameters, time and peak memory.

    python benchmarks/architectures.py [NAME …] [--seconds 5.5] [--tokens 64]

A NAME chooses the architectures that have it in theirs; none means all. Each runs in a process of its own, so that its
peak memory is its own; on a CPU the interpreter and its libraries (about half a GiB) are part of it. Random weights
cost what trained ones cost; no score comes of them.
"""

import argparse
import dataclasses
import json
import os
import platform
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
import transformers
from measuring import measured
from torch import Tensor, nn

from emospeech.data.audio import SAMPLE_RATE
from emospeech.encoders.own import OWN_SPEECH
from emospeech.encoders.speech import FAMILIES
from emospeech.encoders.text.subword import SUBWORD_ENCODERS

BASE = {"hidden_size": 768, "num_hidden_layers": 12, "num_attention_heads": 12, "intermediate_size": 3072}
LARGE = {"hidden_size": 1024, "num_hidden_layers": 24, "num_attention_heads": 16, "intermediate_size": 4096}
NORMS = {"feat_extract_norm": "layer", "do_stable_layer_norm": True}
XLMR = {"vocab_size": 250_002, "max_position_embeddings": 514, "type_vocab_size": 1}
TOKEN_IDS = {f"{role}_token_id": 0 for role in ("pad", "bos", "eos", "decoder_start")}
ENCODER_ONLY = {"decoder_layers": 0, "vocab_size": 8, **TOKEN_IDS}
MDEBERTA = {
    "vocab_size": 251_000, "type_vocab_size": 0, "relative_attention": True, "position_buckets": 256,
    "norm_rel_ebd": "layer_norm", "share_att_key": True, "pos_att_type": ["p2c", "c2p"],
    "position_biased_input": False, "max_relative_positions": -1,
}  # fmt: skip
WHISPER_SMALL = {"d_model": 768, "encoder_layers": 12, "encoder_attention_heads": 12, "encoder_ffn_dim": 3072}
WHISPER_LARGE = {
    "d_model": 1280, "encoder_layers": 32, "encoder_attention_heads": 20, "encoder_ffn_dim": 5120, "num_mel_bins": 128
}  # fmt: skip

PRETRAINED_SPEECH: dict[str, tuple[str, dict[str, Any]]] = {  # name -> model_type, its config
    "wav2vec2-base": ("wav2vec2", BASE),
    "XLS-R-300M, XLSR-53": ("wav2vec2", {**LARGE, **NORMS, "conv_bias": True}),
    "HuBERT-base": ("hubert", BASE),
    "HuBERT-large": ("hubert", {**LARGE, **NORMS, "conv_bias": True}),
    "WavLM-base-plus": ("wavlm", BASE),
    "WavLM-large": ("wavlm", {**LARGE, **NORMS}),
    "w2v-BERT 2.0": ("wav2vec2-bert", LARGE),
    "Whisper small, encoder": ("whisper", {**WHISPER_SMALL, **ENCODER_ONLY}),
    "Whisper large-v3, encoder": ("whisper", {**WHISPER_LARGE, **ENCODER_ONLY}),
}
PRETRAINED_TEXT: dict[str, tuple[str, dict[str, Any]]] = {
    "RoBERTa-base (BNE)": ("roberta", {**BASE, **XLMR, "vocab_size": 50_262}),
    "XLM-R-large": ("xlm-roberta", {**LARGE, **XLMR}),
    "BETO": ("bert", {**BASE, "vocab_size": 31_002}),
    "mDeBERTa-v3-base": ("deberta-v2", {**BASE, **MDEBERTA}),
    "multilingual mpnet (sentence-transformers)": ("xlm-roberta", {**BASE, **XLMR}),
}


@dataclass(frozen=True)
class Size:
    """What is put in: one clip, or one text."""

    seconds: float
    tokens: int


Forward = Callable[[], tuple[int, int]]  # gives what came out: frames or tokens, width


@dataclass(frozen=True)
class Row:
    """What one architecture costs."""

    parameters: int
    seconds: float
    length: int  # frames or tokens that came out
    width: int
    peak: float  # GiB


def pretrained_speech(name: str, size: Size, device: torch.device) -> tuple[nn.Module, Forward]:
    family, options = PRETRAINED_SPEECH[name]
    config = transformers.AutoConfig.for_model(family, **options)
    extractors = {
        "wav2vec2-bert": transformers.SeamlessM4TFeatureExtractor,
        "whisper": lambda: transformers.WhisperFeatureExtractor(feature_size=config.num_mel_bins),
    }
    extractor = extractors.get(family, transformers.Wav2Vec2FeatureExtractor)()
    return speech(FAMILIES[family](transformers.AutoModel.from_config(config), extractor), size, device)


def scratch_speech(name: str, size: Size, device: torch.device) -> tuple[nn.Module, Forward]:
    return speech(OWN_SPEECH[name](), size, device)


def speech(encoder: Any, size: Size, device: torch.device) -> tuple[nn.Module, Forward]:
    noise = np.random.default_rng(0).standard_normal(round(size.seconds * SAMPLE_RATE)).astype(np.float32)
    inputs = torch.as_tensor(encoder.preprocess(noise))[None].to(device)
    mask = torch.ones(inputs.shape[:2], dtype=torch.bool, device=device)

    def forward() -> tuple[int, int]:
        states, valid = encoder(inputs, mask)
        return int(valid.sum()), states.shape[-1]

    return encoder, forward


def pretrained_text(name: str, size: Size, device: torch.device) -> tuple[nn.Module, Forward]:
    family, options = PRETRAINED_TEXT[name]
    model = transformers.AutoModel.from_config(transformers.AutoConfig.for_model(family, **options))
    return text(model, lambda ids, mask: model(ids, attention_mask=mask.long()).last_hidden_state, size, device)


def scratch_text(name: str, size: Size, device: torch.device) -> tuple[nn.Module, Forward]:
    encoder = SUBWORD_ENCODERS[name](4_000, size.tokens)
    return text(encoder, lambda ids, mask: encoder(ids, mask)[0], size, device)


def text(
    model: nn.Module, states: Callable[[Tensor, Tensor], Tensor], size: Size, device: torch.device
) -> tuple[nn.Module, Forward]:
    ids = torch.randint(5, 4_000, (1, size.tokens), device=device)
    mask = torch.ones_like(ids, dtype=torch.bool)

    def forward() -> tuple[int, int]:
        out = states(ids, mask)
        return out.shape[-2], out.shape[-1]

    return model, forward


ARCHITECTURES = {
    **dict.fromkeys(PRETRAINED_SPEECH, pretrained_speech),
    **dict.fromkeys(OWN_SPEECH, scratch_speech),
    **dict.fromkeys(PRETRAINED_TEXT, pretrained_text),
    **dict.fromkeys(SUBWORD_ENCODERS, scratch_text),
}


@torch.no_grad()
def measure(name: str, size: Size) -> Row:
    """One warm-up, then the median of three forwards."""
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    model, forward = ARCHITECTURES[name](name, size, device)
    model.eval().to(device)
    (length, width), seconds, peak = measured(forward, device)
    return Row(sum(p.numel() for p in model.parameters()), seconds, length, width, peak)


def measure_apart(name: str, size: Size) -> Row:
    """`measure`, in a process of its own."""
    command = [sys.executable, __file__, "--one", name, "--seconds", str(size.seconds), "--tokens", str(size.tokens)]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    return Row(**json.loads(done.stdout.splitlines()[-1]))


def hardware() -> str:
    where = torch.cuda.get_device_name() if torch.cuda.is_available() else f"{platform.machine()} CPU"
    threads = f"{os.cpu_count()} cores, {torch.get_num_threads()} threads"
    versions = f"torch {torch.__version__}, transformers {transformers.__version__}"
    return f"{where}, {threads}; {versions}; float32, random weights"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="NAME")
    parser.add_argument("--seconds", type=float, default=5.5)
    parser.add_argument("--tokens", type=int, default=64)
    parser.add_argument("--one", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    size = Size(arguments.seconds, arguments.tokens)
    if arguments.one:
        print(json.dumps(dataclasses.asdict(measure(arguments.one, size))))
        return
    wanted = [name.lower() for name in arguments.names]
    chosen = [name for name in ARCHITECTURES if not wanted or any(part in name.lower() for part in wanted)]
    if not chosen:
        parser.error(f"no such architecture; known: {'; '.join(ARCHITECTURES)}")
    print(f"{hardware()}; 1 x {size.seconds} s or {size.tokens} tokens\n")
    print("| architecture | parameters | forward | frames or tokens out | width | peak |")
    print("|---|---:|---:|---:|---:|---:|")
    for name in chosen:
        row = measure_apart(name, size)
        cost = f"{row.parameters / 1e6:.1f} M | {row.seconds:.3f} s | {row.length} | {row.width} | {row.peak:.2f} GiB"
        print(f"| {name} | {cost} |", flush=True)


if __name__ == "__main__":
    main()
