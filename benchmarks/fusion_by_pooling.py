"""Every fusion with every pooling on the demo corpus, from the same seed: one run each, and a table of macro-F1.

    python benchmarks/fusion_by_pooling.py [--jobs 2] [--runs-dir runs/fusion_by_pooling] [key=value …]

Runs that are finished are not done again, and one that was interrupted goes on. Each run has one thread, so that the
table does not depend on how many go at once.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from emospeech.config import recipes_folder
from emospeech.models.fusion import FUSIONS
from emospeech.models.pooling import POOLINGS


def run(fusion: str, pooling: str, runs_dir: Path, overrides: list[str]) -> dict[str, Any]:
    """Train one; its scores."""
    folder = runs_dir / f"{fusion}+{pooling}"
    words = [f"name={folder.name}", f"runs_dir={runs_dir}", f"model.fusion={fusion}", f"model.pooling={pooling}"]
    command = [sys.executable, "-m", "emospeech", "train", str(recipes_folder() / "demo.yaml"), *words, *overrides]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run([*command, "--resume"], env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"{folder.name} failed:\n{done.stderr[-2000:]}")
    return json.loads((folder / "scores.json").read_text(encoding="utf-8"))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--jobs", type=int, default=1, help="runs at once")
    parser.add_argument("--runs-dir", type=Path, default=Path("runs/fusion_by_pooling"))
    parser.add_argument("overrides", nargs="*", help="for every run, as train.epochs=2")
    arguments = parser.parse_args()
    pairs = [(fusion, pooling) for fusion in FUSIONS for pooling in POOLINGS]
    # the corpus is made by the first run; a second one at the same time would find half of it
    scores = {pairs[0]: run(*pairs[0], arguments.runs_dir, arguments.overrides)}
    with ThreadPoolExecutor(arguments.jobs) as pool:
        rest = pool.map(lambda pair: run(*pair, arguments.runs_dir, arguments.overrides), pairs[1:])
        for pair, found in zip(pairs[1:], rest, strict=True):
            scores[pair] = found
            print(f"{pair[0]} + {pair[1]}: test {found['test']['macro_f1']:.3f}", file=sys.stderr, flush=True)
    report(scores)


def report(scores: dict[tuple[str, str], dict[str, Any]]) -> None:
    """The tables, and how far the interval of one cell reaches."""
    for part in ("dev", "test"):
        found = {pair: each[part] for pair, each in scores.items()}
        reach = statistics.median(
            (each["macro_f1_interval"]["high"] - each["macro_f1_interval"]["low"]) / 2 for each in found.values()
        )
        count = next(iter(found.values()))["count"]
        print(f"\n{part} macro-F1, {count} clips; the 95 % interval of a cell reaches ±{reach:.3f} (median)\n")
        print("| fusion | " + " | ".join(POOLINGS) + " |")
        print("|---" * (len(POOLINGS) + 1) + "|")
        for fusion in FUSIONS:
            row = [f"{found[fusion, pooling]['macro_f1']:.3f}" for pooling in POOLINGS]
            print(f"| {fusion} | " + " | ".join(row) + " |")


if __name__ == "__main__":
    main()
