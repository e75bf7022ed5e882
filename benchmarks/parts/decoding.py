"""Sound files to waveforms: decoding and resampling, one thread and several."""

import os
import statistics
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import network
from measuring import Report, Row, Setting, Work, alternating, period

FILES = {"wav 16 kHz": (".wav", 16_000), "mp3 32 kHz": (".mp3", 32_000), "mp3 44.1 kHz": (".mp3", 44_100)}
CLIPS = {False: 24, True: 2}
SECONDS = 10.0
ROUNDS = 3


def run(setting: Setting) -> Report:
    import soundfile
    import soxr

    from emospeech.data import audio

    clips = CLIPS[setting.quick]
    paths: dict[str, list[Path]] = {}
    for name, (suffix, rate) in FILES.items():
        for row in range(clips):
            path = setting.folder / f"{rate}_{row}{suffix}"
            waveform = network.sound(SECONDS, row)
            soundfile.write(path, soxr.resample(waveform, network.SAMPLE_RATE, rate), rate)
            paths.setdefault(name, []).append(path)
    threads = {count: ThreadPoolExecutor(count) for count in (1, max(2, len(os.sched_getaffinity(0))))}

    def loading(pool: ThreadPoolExecutor, of: list[Path]) -> Work:
        return Work(lambda: list(pool.map(lambda path: len(audio.load(path)), of)), warmups=1)

    works = {
        f"{name}, {count} thread{'s' * (count > 1)}": loading(pool, of)
        for name, of in paths.items()
        for count, pool in threads.items()
    }
    found = alternating(works, ROUNDS, setting.device, setting.say)
    for pool in threads.values():
        pool.shutdown()
    sound = clips * SECONDS
    return Report([_row(name, sound, each) for name, each in found.items()])


def _row(name: str, sound: float, seconds: list[float]) -> Row:
    speeds = [sound / each for each in seconds]
    return Row(f"decoding, x real time: {name}", speeds, f"{sound:.0f} s of sound", period(statistics.median(seconds)))
