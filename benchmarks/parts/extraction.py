"""Filling a store on disk, against the encoder's forward alone on the same inputs."""

import statistics
import time
from dataclasses import dataclass

import network
import stores
import torch
from measuring import Mark, Report, Row, Setting, Work, alternating, compared

from emospeech.encoders.store import extraction
from emospeech.encoders.store.extraction import Packing
from emospeech.encoders.store.packed import bytes_per_frame
from emospeech.encoders.store.reader import Item, Reader, bf16_is_native

WANTED = 0.9
GPU_SECONDS = 240.0  # of sound at once, as the speech source says


@dataclass(frozen=True)
class Plan:
    clips: int
    mean: float  # seconds
    rounds: int = 2


PLANS = {False: Plan(16, network.MEAN_SECONDS), True: Plan(8, 0.8)}


def run(setting: Setting) -> Report:
    plan = PLANS[setting.quick]
    clips = plan.clips * (8 if setting.device.type == "cuda" and not setting.quick else 1)
    encoder = network.speech_encoder(setting.quick).to(setting.device)
    seconds = sorted(network.lengths(clips, plan.mean).tolist(), reverse=True)
    made = [torch.as_tensor(encoder.preprocess(network.sound(each, row))) for row, each in enumerate(seconds)]
    items = [Item(stores.key(row), each, lambda row=row: made[row]) for row, each in enumerate(seconds)]
    frame_bytes = bytes_per_frame("fp16", encoder.depth, encoder.width)
    shares: list[float] = []

    def reader() -> Reader:
        on_gpu = setting.device.type == "cuda"
        return Reader(encoder, setting.device, bf16_is_native(setting.device), GPU_SECONDS if on_gpu else 0.0)

    def bare() -> None:
        for _ in reader().read(items):
            pass

    def filling() -> None:
        into = stores.feature_set(setting.folder, "speech", f"extraction {len(shares)}")
        own, began = reader(), time.perf_counter()
        extraction.extract(
            items,
            own,
            into,
            Packing("fp16"),
            lambda item: encoder.frames(round(item.length * network.SAMPLE_RATE)) * frame_bytes,
            lambda advance=1: None,
        )
        shares.append(own.seconds / (time.perf_counter() - began))

    works = {"into the store": Work(filling), "the encoder alone": Work(bare)}
    found = alternating(works, plan.rounds, setting.device, setting.say)
    sound = f"{sum(seconds):.0f} s of sound in {clips} clips"
    rows = [
        compared(f"extraction, {sound}: into the store / the encoder alone", *found.values()),
        Row("extraction: time inside the encoder / all", shares, f"{statistics.median(shares):.1%}", "100 %"),
    ]
    share = statistics.median(shares)
    note = "extraction: waveforms lie in memory; reading them from files is part `decoding`"
    return Report(
        rows, [note], [Mark(f"extraction is inside the encoder at least {WANTED:.0%}: {share:.1%}", share >= WANTED)]
    )
