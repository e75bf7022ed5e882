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
from network import network

from emospeech.data.examples.dataset import Batch
from emospeech.training.losses import CrossEntropy


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
