"""Layer by layer: what each layer of each frozen encoder tells of the labels, by probes; each corpus by itself."""

from emospeech.experiments.layerwise.benchmark import run

__all__ = ["run"]
