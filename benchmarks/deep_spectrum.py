"""What deep spectrum costs, with random weights: fc2 of a full VGG-16, and a training step of the small recipe.

    OMP_NUM_THREADS=1 python benchmarks/deep_spectrum.py [--seconds 2.5] [--clips 8]

CPU time, which other work on the machine lengthens less than it does the clock's; the fastest of three rounds.
"""

import argparse
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
import yaml
from measuring import hardware

from emospeech.data.audio import SAMPLE_RATE
from emospeech.encoders.deepspectrum.encoder import DeepSpectrum

ROUNDS = 3
BATCH = 32  # clips of a training step
SMALL = Path(__file__).parents[1] / "configs" / "deep_spectrum" / "small.yaml"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=2.5, help="length of a clip")
    parser.add_argument("--clips", type=int, default=8, help="that the full net sees at once")
    asked = parser.parse_args()
    torch.manual_seed(0)
    print("\n".join(hardware()))
    print(f"{asked.seconds} s a clip, random weights, {torch.get_num_threads()} thread")
    full = DeepSpectrum().eval()
    count = sum(one.numel() for one in full.parameters())
    print(f"fc2 of VGG-16, {count:,} parameters: {cpu(lambda: vectors(full, *noise(asked)), asked.clips):.2f} s a clip")
    options = yaml.safe_load(SMALL.read_text(encoding="utf-8"))["speech"]["options"]
    small, inputs = DeepSpectrum(**options), noise(asked, BATCH)
    print(f"small.yaml, {sum(one.numel() for one in small.parameters()):,} parameters, for 1000 clips:")
    print(f"  pictures         {1000 * cpu(lambda: small.image(*inputs), BATCH):5.1f} s")
    print(f"  training step    {1000 * cpu(lambda: step(small.train(), *inputs), BATCH):5.1f} s, pictures among it")
    print(f"  forward          {1000 * cpu(lambda: vectors(small.eval(), *inputs), BATCH):5.1f} s")


def noise(asked: Any, clips: int | None = None) -> tuple[torch.Tensor, torch.Tensor]:
    waveforms = torch.randn(clips or asked.clips, round(asked.seconds * SAMPLE_RATE)) * 0.1
    return waveforms, torch.ones_like(waveforms, dtype=torch.bool)


@torch.no_grad()
def vectors(net: DeepSpectrum, waveforms: torch.Tensor, mask: torch.Tensor) -> None:
    net(waveforms, mask)


def step(net: DeepSpectrum, waveforms: torch.Tensor, mask: torch.Tensor) -> None:
    net(waveforms, mask)[0].square().sum().backward()


def cpu(work: Callable[[], object], clips: int) -> float:
    """Seconds of CPU time a clip."""
    work()
    rounds = []
    for _ in range(ROUNDS):
        began = time.process_time()
        work()
        rounds.append(time.process_time() - began)
    return min(rounds) / clips


if __name__ == "__main__":
    main()
