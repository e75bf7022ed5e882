"""What an audit says: findings, what was clean, and what could not be looked at."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import pandas as pd

from emospeech.runtime.errors import some

Severity = Literal["error", "warning", "note"]
SEVERITIES: tuple[Severity, ...] = ("error", "warning", "note")
EXAMPLES = 2  # details shown under a finding; a report file has all
LONGEST = 90  # letters of one value in the terminal


class NotCheckedError(Exception):
    """A check that the rows give nothing to; its message says what they lack."""


@dataclass(frozen=True)
class Finding:
    """One thing that a check found, in one part or between parts."""

    severity: Severity
    check: str
    parts: str  # `test`, or `train+dev | test`
    count: int  # clips; 0 where it is a score that was found
    sentence: str
    details: pd.DataFrame = field(default_factory=pd.DataFrame)  # a row a clip, or a row a thing that clips share

    def as_dict(self) -> dict[str, Any]:
        return {
            "severity": self.severity,
            "check": self.check,
            "parts": self.parts,
            "count": self.count,
            "sentence": self.sentence,
            "details": [
                {str(name): _plain(value) for name, value in row.items()} for row in self.details.to_dict("records")
            ],
        }

    def lines(self) -> list[str]:
        """The finding for people: a line, and the first of its details."""
        more = len(self.details) - EXAMPLES
        shown = [f"    {_in_a_line(row)}" for row in self.details.head(EXAMPLES).to_dict("records")]
        if shown and more > 0:
            shown[-1] += f"   … {more} more"
        return [f"{self.severity:<8} {self.check:<22} {self.parts}: {self.sentence}", *shown]


@dataclass(frozen=True)
class Report:
    """The outcome of an audit."""

    parts: Mapping[str, int]  # name -> rows, in order
    findings: tuple[Finding, ...]  # the gravest first
    clean: tuple[str, ...]  # checks that were made and found nothing, with the pairs of parts where some had findings
    skipped: Mapping[str, str]  # checks that could not be made, and why

    @property
    def errors(self) -> int:
        return sum(finding.severity == "error" for finding in self.findings)

    def text(self) -> str:
        """The report for people."""
        rows = ", ".join(f"{name} {count}" for name, count in self.parts.items())
        counts = Counter(finding.severity for finding in self.findings)
        lines = [f"{sum(self.parts.values())} clips: {rows}", ""]
        for finding in self.findings:
            lines += finding.lines()
        lines += ["", f"nothing found by: {'; '.join(self.clean) or 'no check'}"]
        lines += [f"not checked: {', '.join(names)} ({why})" for why, names in self._by_reason().items()]
        lines += [", ".join(f"{counts[one]} {one}{'s' if counts[one] != 1 else ''}" for one in SEVERITIES)]
        return "\n".join(lines)

    def as_dict(self) -> dict[str, Any]:
        return {
            "parts": dict(self.parts),
            "findings": [finding.as_dict() for finding in self.findings],
            "clean": list(self.clean),
            "skipped": dict(self.skipped),
        }

    def _by_reason(self) -> dict[str, list[str]]:
        reasons: dict[str, list[str]] = {}
        for check, why in self.skipped.items():
            reasons.setdefault(why, []).append(check)
        return reasons


def _plain(value: Any) -> Any:
    """A value as JSON has it."""
    if isinstance(value, list | tuple):
        return [_plain(one) for one in value]
    if pd.isna(value):
        return None
    value = value.item() if hasattr(value, "item") else value
    return round(value, 6) if isinstance(value, float) else value


def _in_a_line(row: Mapping[Any, Any]) -> str:
    shown = []
    for name, value in row.items():
        plain = _plain(value)
        if plain is None or plain == []:
            continue
        said = some(plain) if isinstance(plain, list) else f"{plain:.3g}" if isinstance(plain, float) else str(plain)
        said = " ".join(said.split())
        shown.append(f"{name} {said if len(said) <= LONGEST else said[: LONGEST - 1] + '…'}")
    return "; ".join(shown)
