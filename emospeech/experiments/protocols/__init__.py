"""Systems compared under protocols: hold-out, k-fold, one speaker left out, one corpus for another."""

from emospeech.experiments.protocols.benchmark import all_units, run

__all__ = ["all_units", "run"]
