"""What a server counts, for Prometheus."""

from collections.abc import Callable, Sequence

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST

SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)
BATCHES = (1, 2, 4, 8, 16, 32, 64)


class Metrics:
    """Of one server; each has a registry of its own."""

    media_type = CONTENT_TYPE_LATEST

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        self.requests = self._counter("requests", "Requests answered.", "route", "method", "status")
        self.problems = self._counter("problems", "Answers that are problems, by code.", "code")
        self.audio = self._counter("audio_seconds", "Sound that was decoded.")
        self.predictions = self._counter("predictions", "Answers, by label.", "model", "label")
        self.seconds = self._histogram("request_seconds", "From a request's head to its answer.", SECONDS, "route")
        self.model_seconds = self._histogram("model_seconds", "Of a batch in the model.", SECONDS, "model")
        self.waited = self._histogram("queue_seconds", "That a question waited.", SECONDS, "model")
        self.batches = self._histogram("batch_size", "Questions that a model answered at once.", BATCHES, "model")
        self.in_flight = self._gauge("requests_in_flight", "Predictions being read or answered.")
        self.queue = self._gauge("queue_length", "Questions that wait.", "model")

    def _counter(self, name: str, about: str, *labels: str) -> Counter:
        return Counter(f"emospeech_{name}", about, labels, registry=self.registry)

    def _gauge(self, name: str, about: str, *labels: str) -> Gauge:
        return Gauge(f"emospeech_{name}", about, labels, registry=self.registry)

    def _histogram(self, name: str, about: str, buckets: Sequence[float], *labels: str) -> Histogram:
        return Histogram(f"emospeech_{name}", about, labels, buckets=buckets, registry=self.registry)

    def watch(self, model: str, length: Callable[[], float]) -> None:
        """The length of a model's queue, asked for when it is read."""
        self.queue.labels(model).set_function(length)

    def text(self) -> bytes:
        return generate_latest(self.registry)
