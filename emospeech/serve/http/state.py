"""A running server: its models, each behind a queue of its own, its limits and what it counts."""

import threading
from collections.abc import Sequence
from dataclasses import dataclass

from emospeech.runtime.errors import UserError, some
from emospeech.serve.engine.asked import Question, Reply
from emospeech.serve.engine.batching import Batcher
from emospeech.serve.engine.served import ServedModel
from emospeech.serve.http.metrics import Metrics
from emospeech.serve.http.problems import Problem
from emospeech.serve.http.settings import Limits


@dataclass(frozen=True)
class Behind:
    """A model behind its queue."""

    model: ServedModel
    batcher: Batcher[Question, Reply]


class Server:
    """What the routes share. The first model answers where a request names none."""

    def __init__(self, models: Sequence[ServedModel], limits: Limits, metrics: Metrics | None = None) -> None:
        """
        Raises:
            UserError: without a model, or where two have one name.
        """
        if not models:
            raise UserError("there is no model to serve")
        self.limits, self.metrics = limits, metrics or Metrics()
        self._behind: dict[str, Behind] = {}
        self._adding = threading.Lock()
        for model in models:
            self.add(model)

    def add(self, model: ServedModel) -> None:
        """One more model, under its name.

        Raises:
            UserError: if that is taken.
        """
        with self._adding:
            if model.name in self._behind:
                raise UserError(f"two models are called {model.name}; rename one of their folders")
            batcher = Batcher(
                model.answer,
                self.limits.batch,
                self.limits.batch_wait_ms / 1000,
                self.limits.queue,
                model.size,
                name=f"model {model.name}",
            )
            self._behind = {**self._behind, model.name: Behind(model, batcher)}
        self.metrics.watch(model.name, lambda: len(batcher))

    @property
    def models(self) -> list[ServedModel]:
        return [one.model for one in self._behind.values()]

    def behind(self, name: str | None) -> Behind:
        """The model of a name.

        Raises:
            Problem: if there is none.
        """
        if name is None:
            return next(iter(self._behind.values()))
        if name not in self._behind:
            raise Problem("not_found", f"no model {name[:80]!r}; there are {some(list(self._behind), 10)}")
        return self._behind[name]

    @property
    def idle(self) -> bool:
        """Whether nothing waits."""
        return not any(len(one.batcher) for one in self._behind.values())

    @property
    def answered(self) -> int:
        """Questions that models have answered so far."""
        return sum(one.batcher.answered for one in self._behind.values())

    @property
    def ready(self) -> bool:
        return all(one.batcher.alive for one in self._behind.values())

    def close(self, timeout: float | None = None) -> None:
        """Answer what waits, and end."""
        for one in self._behind.values():
            one.batcher.close(timeout)
