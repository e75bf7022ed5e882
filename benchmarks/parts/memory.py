"""What training from a store takes of memory, as the store grows: each size in a process of its own, on the CPU."""

import json
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from measuring import Mark, Report, Row, Setting, resident

WANTED = 1.1  # the largest store's over the smallest's
SPARE = 2 << 30  # bytes of disk that stay free


@dataclass(frozen=True)
class Plan:
    """Of fp16 states; few layers and frames, so that many clips fit on a disk."""

    clips: tuple[int, ...]
    layers: int
    frames: int
    width: int

    @property
    def row_bytes(self) -> int:
        return 2 * self.layers * self.frames * self.width


PLANS = {False: Plan((250, 1000, 4000), 4, 60, 1024), True: Plan((25, 100, 400), 3, 20, 64)}


def run(setting: Setting) -> Report:
    import stores

    plan = PLANS[setting.quick]
    size = sum(plan.clips) * plan.row_bytes
    free = shutil.disk_usage(setting.folder).free
    if free < size + SPARE:
        return Report(
            [], [f"memory: skipped, {setting.folder} has {free / 1e9:.1f} GB free, {size / 1e9:.1f} are needed"]
        )
    setting.say(f"writing stores of {size / 1e9:.2g} GB")
    for clips in plan.clips:
        into = stores.feature_set(setting.folder, "speech", f"memory {clips}")
        stores.fill({"fp16": into}, plan.layers, [plan.frames] * clips, plan.width, shard=250)
    running = {clips: _started(setting, clips) for clips in plan.clips}
    found = {clips: json.loads(process.communicate()[0]) for clips, process in running.items()}
    failed = [process for process in running.values() if process.returncode]
    assert not failed, failed
    return _report(plan, found)


def _started(setting: Setting, clips: int) -> "subprocess.Popen[str]":
    command = [sys.executable, "-m", "parts.memory", str(setting.folder), str(clips), str(int(setting.quick))]
    # all sizes run at once: with more threads they would wait for each other
    environment = {
        **os.environ,
        "OMP_NUM_THREADS": "1",
        "PYTHONPATH": os.pathsep.join(str(Path(p).resolve()) for p in sys.path),
    }
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment)


def _report(plan: Plan, found: dict[int, dict[str, int]]) -> Report:
    small, *_, large = plan.clips

    def mb(clips: int, name: str) -> str:
        return f"{found[clips][name] / 1e6:.0f} MB"

    def row(clips: int, name: str, what: str) -> Row:
        ratio = found[clips][name] / max(found[small][name], 1)
        return Row(f"memory, {clips} clips / {small} clips: {what}", [ratio], mb(clips, name), mb(small, name))

    rows = [row(clips, "own", "the process's own (RssAnon)") for clips in plan.clips[1:]]
    rows += [row(clips, "files", "mapped pages, which the kernel takes back (RssFile)") for clips in plan.clips[1:]]
    added = ", ".join(f"{clips} clips {found[clips]['own'] - found[clips]['before'] >> 20} MiB" for clips in plan.clips)
    sizes = ", ".join(f"{clips * plan.row_bytes / 1e6:.0f}" for clips in plan.clips)
    note = f"memory: stores of {sizes} MB; an epoch adds to what the process took before it opened its store: {added}"
    growth = found[large]["own"] / found[small]["own"]
    mark = Mark(
        f"memory flat: RssAnon of {large} clips at most {WANTED} x that of {small}: {growth:.2f} x", growth <= WANTED
    )
    return Report(rows, [note], [mark])


def child(folder: Path, clips: int, quick: bool) -> dict[str, int]:
    """An epoch of steps; the largest figures that were seen after one."""
    import network
    import stores
    import torch

    from emospeech.models.classifier import EmotionNetwork

    plan = PLANS[quick]
    net = EmotionNetwork(network.classifier((plan.layers, plan.width), plan.width))
    before = resident()[0]
    found = stores.entries(stores.feature_set(folder, "speech", f"memory {clips}"), clips)
    of = stores.dataset([(one,) for one in found], None, stores.crops(plan.frames * 4 // 5))
    step = network.trainer(net, torch.device("cpu"))
    own, files = [], []
    for batch in stores.epoch(of, clips):
        step([batch])
        now = resident()
        own.append(now[0])
        files.append(now[1])
    return {"before": before, "own": max(own), "files": max(files)}


if __name__ == "__main__":
    print(json.dumps(child(Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3] == "1")))
