"""`finetune.py` works at a tiny size, also on a bare machine; what it measures there says nothing."""

import json

import pytest

from .conftest import output_of

TINY = ("--small", "--seconds", "0.5")


@pytest.mark.slow
def test_a_row_on_a_bare_machine():
    out = output_of("finetune.py", *TINY, "--one", "full, checkpointed", "bf16", bare=True)
    found = json.loads(out.splitlines()[-1])
    assert found["trained"] > 0
    assert found["seconds"] > 0
    assert found["peak"] > 0.1


@pytest.mark.slow
def test_the_table():
    lines = output_of("finetune.py", *TINY, "--rows", "top:4", "lora").splitlines()
    assert [line.split("|")[1:3] for line in lines[4:]] == [
        [f" {row} ", f" {precision} "] for row in ("top:4", "lora") for precision in ("fp32", "bf16")
    ]
