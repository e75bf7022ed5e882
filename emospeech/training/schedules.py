"""Learning-rate factors over steps. Each is told of every validation, and can be saved and restored."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol


class Schedule(Protocol):
    """`factor(step)` multiplies the base rate at that optimiser step, counted from 0."""

    def factor(self, step: int) -> float: ...
    def validated(self, score: float) -> None: ...
    def state(self) -> dict[str, Any]: ...
    def restore(self, state: dict[str, Any]) -> None: ...


@dataclass
class Constant:
    """The base rate throughout."""

    def factor(self, step: int) -> float:
        return 1.0

    def validated(self, score: float) -> None: ...

    def state(self) -> dict[str, Any]:
        return {}

    def restore(self, state: dict[str, Any]) -> None: ...


@dataclass
class Plateau:
    """The rate is multiplied by `decay` after `patience` validations without gain, again and again."""

    decay: float = 0.9
    patience: int = 10
    current: float = 1.0
    best: float = float("-inf")
    waited: int = 0

    def factor(self, step: int) -> float:
        return self.current

    def validated(self, score: float) -> None:
        if score > self.best:
            self.best, self.waited = score, 0
            return
        self.waited += 1
        if self.waited >= self.patience:
            self.current, self.waited = self.current * self.decay, 0

    def state(self) -> dict[str, Any]:
        return {"current": self.current, "best": self.best, "waited": self.waited}

    def restore(self, state: dict[str, Any]) -> None:
        self.current, self.best, self.waited = state["current"], state["best"], state["waited"]


@dataclass
class Replay:
    """The factors that another run had: [(first step, factor), …]. A refit has no dev set to steer by."""

    history: Sequence[tuple[int, float]]

    def factor(self, step: int) -> float:
        return next((factor for start, factor in reversed(self.history) if start <= step), 1.0)

    def validated(self, score: float) -> None: ...

    def state(self) -> dict[str, Any]:
        return {}

    def restore(self, state: dict[str, Any]) -> None: ...


@dataclass
class WarmUp:
    """A linear rise over the first `steps`, on top of another schedule."""

    inner: Schedule
    steps: int

    def factor(self, step: int) -> float:
        return min((step + 1) / self.steps, 1.0) * self.inner.factor(step)

    def validated(self, score: float) -> None:
        self.inner.validated(score)

    def state(self) -> dict[str, Any]:
        return self.inner.state()

    def restore(self, state: dict[str, Any]) -> None:
        self.inner.restore(state)


SCHEDULES: dict[str, Callable[[float, int], Schedule]] = {
    "constant": lambda decay, patience: Constant(),
    "plateau": Plateau,
}
