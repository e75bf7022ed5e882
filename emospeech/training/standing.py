"""How long a training is to go on, and how far it is."""

import math
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Plan:
    """How long, and how often to look up."""

    steps: int  # optimiser steps
    validate_every: int | None = None  # steps between checkpoints, scored on the dev set if any; None: one, the last
    early_stopping: int | None = None  # validations without gain
    clip_norm: float | None = None
    keep_last: bool = False  # whatever validations say, the last weights are the best


@dataclass
class Standing:
    """Where training stands; all of it is in a checkpoint."""

    step: int = 0  # optimiser steps done
    best_score: float = -math.inf
    best_step: int = 0
    waited: int = 0  # validations since the best
    factors: list[tuple[int, float]] = field(default_factory=list)  # (first step, learning-rate factor)
    history: list[dict[str, float]] = field(default_factory=list)  # one entry a validation
    unseen: bool = False  # a validation is due at this step, and has not come to its end
    in_vain: int = 0  # starts in a row that were stopped in the validation they began with
