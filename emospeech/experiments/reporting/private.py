"""What a report holds that is not everybody's: told, shortened, or left out."""

import dataclasses
import json
import re
from collections.abc import Callable, Collection, Iterator, Sequence
from pathlib import Path
from typing import Any

import yaml

from emospeech.config import Recipe
from emospeech.corpora import CORPORA
from emospeech.outputs.hub import scrub
from emospeech.outputs.report.content import Breakdown, Clip, Report, Shown

NAMES = ("speaker", "source recording")  # titles of breakdowns whose groups are people, or what they said
ENCODERS = ("speech", "text")  # facts whose value is a Hub id, a name of ours, or a place on a machine
UNFAIR = "a fair score of"  # begins the one thing missing whose reason holds no path and no id
NOTHING_OF_ANYBODY = (
    "This page was made to hold scores and figures alone: no sound, transcripts, ids, paths, or names of speakers and "
    "recordings (--anonymous)."
)
REPOSITORY = re.compile(r"[\w.-]+/[\w.-]+")  # as ids of the Hub look, and folders
ABSOLUTE = re.compile(
    r"(?:file://(?=/)|(?<![\w./~\\]))(?:~\w*/|/(?!/)|[A-Za-z]:[\\/](?![\\/]))"
    r"(?:[^\s/\\'\"<>]+[/\\])*(?=[^\s/\\'\"<>])"
)


def shortened(report: Report, known: Sequence[str]) -> Report:
    """Absolute paths as the names of what they lead to, wherever the report tells of files.

    Args:
        known: folders that may be named with spaces in them, such as the corpora's.
    """

    def short(text: str) -> str:
        return without_folders(text, known)

    audit = report.audit
    if audit is not None:
        findings = tuple(dataclasses.replace(one, sentence=short(one.sentence)) for one in audit.findings)
        skipped = {name: short(why) for name, why in audit.skipped.items()}
        audit = dataclasses.replace(audit, findings=findings, skipped=skipped)
    return dataclasses.replace(
        report,
        missing=tuple(map(short, report.missing)),
        facts=tuple((key, short(value)) for key, value in report.facts),
        audit=audit,
        shown=tuple(_each(group, lambda clip: dataclasses.replace(clip, without=short(clip.without)))
                    for group in report.shown),
        recipe=short(report.recipe),
        environment=tuple((key, short(value)) for key, value in report.environment),
        notes=tuple(map(short, report.notes)),
    )  # fmt: skip


def _each(group: Shown, change: Callable[[Clip], Clip]) -> Shown:
    return dataclasses.replace(group, clips=tuple(map(change, group.clips)))


def without_folders(text: str, known: Sequence[str] = ()) -> str:
    """
    >>> without_folders("train /home/ana/r.yaml data.root=/data/es at https://x.org/a or ~/b", ["/my data/es"])
    'train r.yaml data.root=es at https://x.org/a or b'
    >>> without_folders("no folder /my data/es/", ["/my data/es"])
    'no folder es/'
    """
    for folder in sorted((one for one in known if len(Path(one).parts) > 1), key=len, reverse=True):
        text = text.replace(folder.rstrip("/"), Path(folder).name)
    return ABSOLUTE.sub("", text)


def folders(run: Path, recipe: Recipe | None) -> list[str]:
    """Absolute folders that a report of a run may tell of, as they are written and as they are."""
    roots = [] if recipe is None else [Path(part.root) for part in recipe.data.parts]
    written = [*roots, *(root.expanduser() for root in roots)]
    told = [str(one) for one in written if str(one).startswith(("/", "~"))]
    return [*told, *(str(one.expanduser().resolve()) for one in (*roots, run, Path.cwd(), Path.home()))]


def from_hub(model: Path) -> frozenset[str]:
    """Names of the encoders that a model folder records with a commit of the Hub."""
    try:
        entries = json.loads((model / "config.json").read_text(encoding="utf-8"))["encoders"].values()
        return frozenset(one["name"] for one in entries if one and one["revision"])
    except (OSError, ValueError, LookupError, TypeError, AttributeError):
        return frozenset()


def anonymous(report: Report, recipe: Recipe | None, hub: Collection[str] = ()) -> Report:
    """Scores and figures alone: nobody's voice, words or name, no clip's id, no path.

    Groups of speakers and recordings get numbers, in the order in which they are shown.

    Args:
        hub: names that are ids of the Hub; any other `owner/name` may be a folder, which may be named after somebody.
    """
    return dataclasses.replace(
        report,
        holds=(NOTHING_OF_ANYBODY,),
        missing=tuple(one if one.startswith(UNFAIR) else one.partition(":")[0] for one in report.missing),
        facts=tuple(_public(report.facts, hub)),
        parts=tuple(
            dataclasses.replace(
                part, clips=part.clips.iloc[:0], breakdowns=tuple(_numbered(one) for one in part.breakdowns)
            )
            for part in report.parts
        ),
        audit=None,
        shown=(),
        recipe="" if recipe is None else yaml.safe_dump(
            _without_places(scrub.recipe(recipe.model_dump(mode="json")), hub), sort_keys=False, allow_unicode=True
        ),
        environment=tuple((key, value) for key, value in report.environment if key != "command"),
        notes=(),
    )  # fmt: skip


def _without_places(value: Any, hub: Collection[str]) -> Any:
    if isinstance(value, dict):
        return {key: own if key in scrub.KEPT else _without_places(own, hub) for key, own in value.items()}
    if isinstance(value, list):
        return [_without_places(one, hub) for one in value]
    return scrub.ELSEWHERE if isinstance(value, str) and _is_place(value, hub) else value


def _is_place(value: str, hub: Collection[str]) -> bool:
    return value not in hub and (scrub.is_local(value) or REPOSITORY.fullmatch(value) is not None)


def _public(facts: Sequence[tuple[str, str]], hub: Collection[str]) -> Iterator[tuple[str, str]]:
    for key, value in facts:
        if key in ENCODERS and _is_place(value.partition(" (")[0], hub):
            yield key, "a checkpoint that is nobody else's"
        elif key != "corpus" and not key.startswith("split of "):
            yield key, value


def _numbered(found: Breakdown) -> Breakdown:
    if found.by not in NAMES:
        return found
    groups = [dataclasses.replace(one, name=f"{found.by} {at}") for at, one in enumerate(found.groups, 1)]
    return dataclasses.replace(found, groups=tuple(groups))


def held(report: Report, recipe: Recipe | None, other: str | None = None) -> tuple[str, ...]:
    """What a page holds of people, under which licences, and how to leave it out.

    Args:
        other: the name of rows that are not of the run's corpora; None: there are none.
    """
    clips = [clip for group in report.shown for clip in group.clips]
    ids = sum(len(part.clips) for part in report.parts)
    speakers = {clip_value for clip in clips for key, clip_value in clip.about if key == "speaker"}
    speakers |= {group.name for part in report.parts for one in part.breakdowns for group in one.groups
                 if one.by == "speaker"}  # fmt: skip
    counts = (
        (sum(clip.audio is not None for clip in clips), "the sound of {} clips"),
        (sum(bool(clip.transcript) for clip in clips), "the transcripts of {} clips"),
        (ids, "the ids of {} clips"),
        (len(speakers), "names or codes of speakers"),
    )
    told = [words.format(count) for count, words in counts if count]
    if not told:
        return ()
    return (
        f"This page holds {', '.join(told)}. {_licences(recipe, other)} Give it to nobody who may not have them; "
        "--without-sound leaves out voices, --anonymous all of this.",
    )


def _licences(recipe: Recipe | None, other: str | None) -> str:
    if other is not None:
        return f"They are those of {other}, of whose licence nothing is known here."
    if recipe is None:
        return "Under which licence is not known here."
    corpora = dict.fromkeys(part.corpus for part in recipe.data.parts)
    return " ".join(f"Licence of {name}: {CORPORA[name].licence}." for name in corpora if name in CORPORA)
