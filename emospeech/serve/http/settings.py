"""What a server takes, and how long it takes for it."""

from dataclasses import dataclass, fields

from emospeech.runtime.errors import faults

BODY_SLACK = 1_000_000  # bytes of a body around its files: boundaries, transcripts


@dataclass(frozen=True)
class Limits:
    """Of one request, and of all that are under way."""

    max_bytes: int = 25_000_000  # of a request's files together
    max_seconds: float = 300.0  # of a clip
    segment_seconds: float = 15.0  # longer clips are answered in parts, too
    max_batch_files: int = 32  # clips or texts of a batch request
    max_characters: int = 5_000  # of a transcript
    queue: int = 64  # questions that may wait; one of a long clip counts as its segments
    batch: int = 16  # questions, counted so, that a model gets at once
    batch_wait_ms: float = 5.0  # that an idle model waits for company, if it had some before
    timeout: float = 60.0  # seconds until a request is answered or given up

    def __post_init__(self) -> None:
        """
        Raises:
            UserError: with every value that makes no sense.
        """
        least = {"batch_wait_ms": 0, "segment_seconds": 1}
        wrong = [
            f"--{one.name.replace('_', '-')} {value}: at least {least.get(one.name, 1)} is needed, at most 1e12"
            for one in fields(self)
            if not least.get(one.name, 1) <= (value := getattr(self, one.name)) <= 1e12
        ]
        if self.max_batch_files > self.queue:  # such a request could never be answered
            wrong.append(f"--max-batch-files {self.max_batch_files}: no more than --queue {self.queue} can wait")
        if wrong:
            raise faults("these limits cannot be kept", wrong)

    @property
    def in_flight(self) -> int:
        """Whole requests that wait for their answer."""
        return self.queue + 2 * self.batch
