"""`python -m emospeech`: what launchers such as torchrun and accelerate start."""

from emospeech.cli.main import run

run()
