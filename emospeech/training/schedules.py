"""Learning-rate factors over steps. Each is told of every validation, and can be saved and restored."""

import bisect
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol


class Schedule(Protocol):
    """`factor_at(step)` multiplies the base rate at that optimiser step, counted from 0."""

    def factor_at(self, step: int) -> float: ...
    def validated(self, score: float) -> None: ...
    def state(self) -> dict[str, Any]: ...
    def restore(self, state: dict[str, Any]) -> None: ...


class _Stateless:
    """What the step alone decides."""

    def validated(self, score: float) -> None: ...

    def state(self) -> dict[str, Any]:
        return {}

    def restore(self, state: dict[str, Any]) -> None: ...


class Constant(_Stateless):
    """The base rate throughout.

    Source: the plain optimiser.
    """

    def __init__(self, steps: int) -> None: ...

    def factor_at(self, step: int) -> float:
        return 1.0


class Linear(_Stateless):
    """A straight fall from the base rate towards `end` times it, reached when all steps are done.

    Source: Devlin et al. 2019 (arXiv 1810.04805), A.2.
    """

    def __init__(self, steps: int, *, end: float = 0.0) -> None:
        if not 0 <= end <= 1:
            raise ValueError(f"end should lie between 0 and 1, got {end}")
        self.steps, self.end = steps, end

    def factor_at(self, step: int) -> float:
        return 1 + (self.end - 1) * min(step / max(self.steps, 1), 1.0)


class Cosine(_Stateless):
    """Half a cosine from the base rate towards `end` times it, reached when all steps are done.

    Source: Loshchilov and Hutter 2017 (arXiv 1608.03983), eq. 5, without restarts.
    """

    def __init__(self, steps: int, *, end: float = 0.0) -> None:
        if not 0 <= end <= 1:
            raise ValueError(f"end should lie between 0 and 1, got {end}")
        self.steps, self.end = steps, end

    def factor_at(self, step: int) -> float:
        done = min(step / max(self.steps, 1), 1.0)
        return self.end + (1 - self.end) * (1 + math.cos(math.pi * done)) / 2


class Plateau:
    """The rate is multiplied by `factor` after `patience` validations without gain, again and again.

    Source: the EmoSPeech 2024 winner (arXiv 2407.12467); torch's ReduceLROnPlateau.
    """

    def __init__(self, steps: int = 0, *, factor: float = 0.9, patience: int = 10) -> None:
        if not 0 < factor < 1:
            raise ValueError(f"factor should lie between 0 and 1, got {factor}")
        if patience < 1:
            raise ValueError(f"patience should be 1 or more, got {patience}")
        self.factor, self.patience = factor, patience
        self.current, self.best, self.waited = 1.0, float("-inf"), 0

    def factor_at(self, step: int) -> float:
        return self.current

    def validated(self, score: float) -> None:
        if score > self.best:
            self.best, self.waited = score, 0
            return
        self.waited += 1
        if self.waited >= self.patience:
            self.current, self.waited = self.current * self.factor, 0

    def state(self) -> dict[str, Any]:
        return {"current": self.current, "best": self.best, "waited": self.waited}

    def restore(self, state: dict[str, Any]) -> None:
        self.current, self.best, self.waited = state["current"], state["best"], state["waited"]


@dataclass
class Replay(_Stateless):
    """The factors that another run had: [(first step, factor), …]. A refit has no dev set to steer by."""

    history: Sequence[tuple[int, float]]

    def factor_at(self, step: int) -> float:
        index = bisect.bisect_right(self.history, step, key=lambda entry: entry[0])
        return self.history[index - 1][1] if index else 1.0


@dataclass
class WarmUp:
    """A linear rise over the first `steps`; then another schedule, whose own clock starts there."""

    inner: Schedule
    steps: int

    def factor_at(self, step: int) -> float:
        return min((step + 1) / self.steps, 1.0) * self.inner.factor_at(max(step - self.steps, 0))

    def validated(self, score: float) -> None:
        self.inner.validated(score)

    def state(self) -> dict[str, Any]:
        return self.inner.state()

    def restore(self, state: dict[str, Any]) -> None:
        self.inner.restore(state)


SCHEDULES: dict[str, Callable[..., Schedule]] = {
    "constant": Constant,
    "plateau": Plateau,
    "linear": Linear,
    "cosine": Cosine,
}
