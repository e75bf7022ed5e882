"""`emospeech --help` answers at once, because nothing heavy is imported."""

import subprocess
import sys

import pytest

HEAVY = ("torch", "transformers", "whisper", "pandas", "sklearn", "accelerate", "matplotlib", "scipy", "numpy",
         "librosa", "xgboost", "skops", "opensmile")  # fmt: skip


@pytest.mark.parametrize("arguments", [["--help"], ["train", "--help"], ["data", "--help"], ["--version"]])
def test_help_imports_nothing_heavy(arguments):
    code = (
        "import sys\nfrom emospeech.cli.main import main\n"
        f"code = main({arguments!r})\n"
        f"print('loaded:', [name for name in {HEAVY!r} if name in sys.modules], code)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "loaded: [] 0" in done.stdout, done.stdout


def test_the_installed_command():
    done = subprocess.run([sys.executable, "-m", "emospeech", "--help"], capture_output=True, text=True, check=True)
    for command in ("demo", "train", "evaluate", "predict", "submit", "score", "data"):
        assert command in done.stdout


def test_no_such_command_and_no_arguments():
    for arguments, code in ((["fly"], 2), (["train"], 2), (["train", "a.yaml", "--fast"], 2)):
        done = subprocess.run(
            [sys.executable, "-m", "emospeech", *arguments], capture_output=True, text=True, check=False
        )
        assert done.returncode == code
        assert "Traceback" not in done.stderr
