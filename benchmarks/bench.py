"""What the project's ways are worth against the obvious ones, as ratios: both sides measured in turn, in one process.

    python benchmarks/bench.py [PART …] [--quick]

Full-size architectures with random weights; nothing is downloaded. `--quick` takes tiny ones, which shows that the
benchmark works and nothing else. A part whose packages are missing is skipped.
"""

import argparse
import importlib
import signal
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import torch
from measuring import Report, Setting, hardware

PARTS = ("epoch", "prediction", "extraction", "decoding", "memory", "cold", "exactness", "gpu")


def run(part: str, quick: bool, device: torch.device) -> Report:
    """One part, with a folder of its own; a package that it lacks is told."""
    began = time.perf_counter()
    print(part, file=sys.stderr, flush=True)
    with tempfile.TemporaryDirectory(prefix="emospeech-bench-") as folder:
        try:
            report: Report = importlib.import_module(f"parts.{part}").run(Setting(quick, device, Path(folder)))
        except ModuleNotFoundError as error:
            return Report([], [f"{part}: skipped: no {error.name}"])
    print(f"  {time.perf_counter() - began:.0f} s", file=sys.stderr, flush=True)
    return report


def table(reports: Sequence[Report]) -> str:
    lines = ["| A / B | ratio | from – to | A | B |", "|---|---:|---:|---:|---:|"]
    for report in reports:
        for row in report.rows:
            spread = f"{min(row.ratios):.3g} – {max(row.ratios):.3g}" if len(row.ratios) > 1 else ""
            lines.append(f"| {row.what} | {row.median:.3g} | {spread} | {row.a} | {row.b} |")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"of {', '.join(PARTS)}; without any: all")
    parser.add_argument("--quick", action="store_true", help="tiny architectures: does it work?")
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    arguments = parser.parse_args()
    if unknown := set(arguments.parts) - set(PARTS):
        parser.error(f"no such part: {', '.join(sorted(unknown))}; there are {', '.join(PARTS)}")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # so that what lies on the disk is removed
    device = torch.device(arguments.device)
    reports = [run(part, arguments.quick, device) for part in arguments.parts or PARTS]
    size = "tiny architectures, which say nothing about speed" if arguments.quick else "XLS-R-300M and XLM-R-large"
    print("\n".join([*hardware(), f"{size}, random weights; on {device}; medians of rounds A, B, A, B …", ""]))
    print(table(reports), end="\n\n")
    for report in reports:
        for note in report.notes:
            print(note)
    print()
    for report in reports:
        for mark in report.marks:
            print(f"{'met' if mark.met else 'NOT met'}: {mark.text}")


if __name__ == "__main__":
    main()
