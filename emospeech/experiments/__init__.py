"""One recipe, one run folder; later protocols and ablations over many."""
