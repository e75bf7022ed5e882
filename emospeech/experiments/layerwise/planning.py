"""What a layer-wise benchmark is going to do: its encoders, its corpora each by itself, and a unit for each fold."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from emospeech.config import Comparison, Layerwise, Protocol, Recipe
from emospeech.config.sections.protocol import FIGURES, short_name
from emospeech.encoders.speech import layer_count, load_speech
from emospeech.experiments.layerwise.probing import Corpus, Encoder, Probing
from emospeech.experiments.protocols import material as materials
from emospeech.experiments.protocols import teaching
from emospeech.experiments.protocols.folds import Fold, folds_of
from emospeech.experiments.protocols.material import Material
from emospeech.experiments.protocols.planning import folders_of, who_is_tested
from emospeech.runtime.console import say
from emospeech.runtime.errors import UserError, gather
from emospeech.runtime.runs import RunFolder
from emospeech.systems.base import MAIN_TASK


@dataclass(frozen=True)
class Plan:
    """All that is to be done."""

    units: tuple[Probing, ...]  # protocol by protocol, corpus by corpus
    tested: Mapping[str, str]  # <corpus>/<protocol> -> who is tested in which fold, as CSV
    notes: Sequence[str]  # what is odd about the folds


@dataclass(frozen=True)
class Division:
    """One corpus under one protocol."""

    title: str  # of the protocol
    corpus: Corpus
    protocol: Protocol
    folds: Sequence[Fold]
    notes: Sequence[str]

    @property
    def place(self) -> str:
        return f"{self.corpus.name}/{self.title}"


def planned(asked: Comparison, folder: RunFolder, hear: bool = True) -> Plan:
    """Load every encoder once, read the corpora and draw their folds; nothing is written but the list of bad audio.

    Args:
        hear: load the encoders and listen to the clips; else the plan is for counting alone.

    Raises:
        UserError: if encoders, rows, or folds are not as they must be.
    """
    section, recipe = asked.benchmark.layerwise, next(iter(asked.rows.values()))
    assert section is not None
    encoders = _encoders(section, not hear or folder.scores.exists())
    corpora = _corpora(recipe, section, folder, hear, _divided_by_recipe(asked))
    dividing = [
        partial(_divided, title, corpus, section.instead.get(corpus.name, protocol))
        for title, protocol in asked.benchmark.protocols.items()
        for corpus in corpora
    ]
    divisions = gather("not all corpora can be divided", dividing)
    units = [
        Probing(
            one.title, one.protocol, one.corpus, encoder, probe, fold, section, recipe.cache, recipe.train.seed,
            folder.path / one.place / encoder.short / probe / place,
        )
        for one in divisions
        for encoder in encoders
        for probe in section.probes
        for fold, place in zip(one.folds, folders_of([fold.name for fold in one.folds]), strict=True)
    ]  # fmt: skip
    tested = {one.place: who_is_tested(one.corpus.material, one.folds) for one in divisions}
    return Plan(tuple(units), tested, [note for one in divisions for note in one.notes])


def _divided_by_recipe(asked: Comparison) -> bool:
    assert asked.benchmark.layerwise is not None
    every = [*asked.benchmark.protocols.values(), *asked.benchmark.layerwise.instead.values()]
    return any(protocol.kind == "split" for protocol in every)


def _encoders(asked: Layerwise, finished: bool) -> list[Encoder]:
    """The encoders, each of which loads.

    Args:
        finished: whether nothing will be asked of them any more.

    Raises:
        UserError: with what is wrong with any of them.
    """

    def sound(name: str) -> Encoder:
        count = layer_count(name)
        layers = tuple(range(count + 1)) if asked.layers is None else tuple(sorted(asked.layers))
        if absent := [str(layer) for layer in layers if layer > count]:
            raise UserError(
                f"benchmark.layerwise.layers: {name} has no layer {', '.join(absent)}; it has {count} (0 to {count})"
            )
        if not finished:
            load_speech(name)
        return Encoder(name, short_name(name), count, layers)

    return gather("not all encoders can be probed", [partial(sound, name) for name in asked.encoders])


def _corpora(recipe: Recipe, asked: Layerwise, folder: RunFolder, hear: bool, divided: bool) -> list[Corpus]:
    """Each corpus of the recipe, with the classes that it has.

    Raises:
        UserError: with what is wrong with any of them.
    """
    read = materials.read(recipe, divided)
    names = list(dict.fromkeys(read.corpora))
    if unknown := [name for name in asked.instead if name not in names]:
        raise UserError(f"benchmark.layerwise.instead: no corpus {', '.join(unknown)}; there are {', '.join(names)}")
    if FIGURES in names:
        raise UserError(f"{FIGURES} is a folder of the benchmark's own; give the corpus another name (name: …)")
    usable = (materials.usable if hear else materials.listed)(read, recipe, folder.bad_audio)
    own = {part.name or part.corpus: part.task for part in recipe.data.parts if part.task in usable.tasks}
    alone = [partial(_alone, usable, name, own.get(name) or MAIN_TASK) for name in names]
    return gather("not all corpora can be probed", alone)


def _alone(material: Material, name: str, task: str) -> Corpus:
    """The rows of one corpus.

    Args:
        task: what is to be told: the main one, or that of its own which a recipe gives it in a mixture.
    """
    rows = material.manifest[[one == name for one in material.corpora]].reset_index(drop=True)
    rows = rows[rows[task].notna()].reset_index(drop=True)
    rows = rows.assign(**{MAIN_TASK: rows[task]})
    there = set(rows[MAIN_TASK])
    if len(there) < 2:
        raise UserError(f"{name}: nothing can be told apart; its rows have {', '.join(there) or 'no label'} alone")
    labels = tuple(label for label in material.tasks[task] if label in there)
    target = material.target if task == MAIN_TASK else task
    return Corpus(name, Material(rows, {MAIN_TASK: labels}, [name] * len(rows), target))


def _divided(title: str, corpus: Corpus, protocol: Protocol) -> Division:
    say(f"{corpus.name}, {title}: {protocol.kind}")
    manifest, tasks = corpus.material.manifest, corpus.material.tasks
    try:
        folds, notes = teaching.taught(folds_of(manifest, protocol, corpus.material.corpora), manifest, tasks)
    except UserError as error:
        raise UserError(f"{corpus.name}: {error}") from None
    odd = [*notes, *teaching.gaps(folds, manifest[MAIN_TASK], corpus.material.labels)]
    return Division(title, corpus, protocol, folds, [f"{corpus.name}, {title}: {note}" for note in odd])
