"""Layer by layer: what each layer of each frozen encoder tells of the labels, by probes; each corpus by itself."""

from emospeech.experiments.layerwise.benchmark import all_units, run

__all__ = ["all_units", "run"]
