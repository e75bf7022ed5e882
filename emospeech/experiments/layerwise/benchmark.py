"""Layer-wise probing of frozen encoders, as Mares et al. 2025 compare them for Spanish; each corpus by itself.

    runs/<name>/
      config.yaml, environment.json                            what was asked for, and where it ran
      <corpus>/<protocol>/folds.csv                            id,fold: who is tested where
      <corpus>/<protocol>/<encoder>/<probe>/<fold>/            predictions.csv of every layer, fold.json
      layers.csv, by_layer.csv, encoders.csv, choices.csv, scores.json, figures/

An encoder hears each clip once, before the folds. Any number of processes may run the same command at once (`--resume`
joins): each takes folds that nobody has in hand.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path

from emospeech.config import Comparison
from emospeech.experiments.layerwise import planning, report
from emospeech.experiments.layerwise.probing import Probing, probings
from emospeech.experiments.layerwise.scores import Probed, probed
from emospeech.experiments.protocols import work
from emospeech.experiments.protocols.benchmark import as_yaml, begun, entered, folder_of, require_begun
from emospeech.experiments.protocols.planning import keep
from emospeech.runtime import distributed
from emospeech.runtime.console import say
from emospeech.runtime.errors import UserError
from emospeech.runtime.runs import RunFolder
from emospeech.systems import vectors


def run(
    asked: Comparison,
    quick: bool = False,
    resume: bool = False,
    overwrite: bool = False,
    json: Path | None = None,
    role: work.Role = "whole",
) -> Iterator[str]:
    """Probe every layer of every encoder on every corpus, and give the lines to print.

    Args:
        quick: refused, as there are no rows of which some could be quick.
        resume: go on with what is there, or join those who are at it.
        json: a further file for all scores.
        role: one process's share, or the table of what there is, go on with what is there, too.

    Raises:
        UserError: if recipe, encoders, data or folder are not as they must be; before any long work.
        WorkError: if there is not all that a table is collected of; after the table of the probes that are whole.
        Interrupted: if asked to stop; `resume` goes on from there.
    """
    _refuse(quick)
    distributed.start()
    folder = folder_of(asked)
    require_begun(folder, role)
    with entered(folder, as_yaml(asked), resume or role != "whole", overwrite):
        plan = planning.planned(asked, folder)
        distributed.on_main(lambda: begun(folder, as_yaml(asked)))
        distributed.on_main(lambda: keep(plan.tested, folder.path))
        if role != "collect":
            _hear(plan.units)
            work.shared_out(plan.units, folder.path, _workers(asked), stay=role == "whole")
        if role == "share":
            yield f"{work.standing(plan.units)}: {folder.path}"
            return
        found = distributed.on_main(lambda: _reported(plan.units, folder, json))
        if found:
            yield from report.lines(found, plan.notes)
        yield f"benchmark: {folder.path}"
        work.require_all(plan.units, folder.logs)


def all_units(asked: Comparison, quick: bool = False) -> Sequence[Probing]:
    """What a layer-wise benchmark consists of, told by tables and configurations alone.

    Raises:
        UserError: if recipe or data are not as they must be.
    """
    _refuse(quick)
    return planning.planned(asked, folder_of(asked), hear=False).units


def _refuse(quick: bool) -> None:
    if quick:
        raise UserError("--quick keeps some rows, and a layer-wise benchmark has none; name fewer encoders or layers")


def _workers(asked: Comparison) -> int:
    workers = asked.benchmark.workers
    if workers > 1 and next(iter(asked.rows.values())).cache is None:
        say("note: cache: null keeps what encoders give in this process alone, so no other one helps it")
        return 1
    return workers


def _hear(units: Sequence[Probing]) -> None:
    """Every encoder hears the corpora of which it has folds left, once."""
    left = {(unit.encoder, unit.corpus.name): unit for unit in units if not unit.done}
    for unit in left.values():
        vectors.pooled_layers(unit.corpus.material.manifest, unit.encoder.name, unit.cache, layers=[0])


def _reported(units: Sequence[Probing], folder: RunFolder, json: Path | None) -> list[Probed]:
    """Scores of all probes on encoders that have all their folds, on all corpora, written down.

    Raises:
        UserError: with every file that is damaged.
    """
    undone = {(unit.title, unit.encoder.short, unit.probe) for unit in units if not unit.done}
    by_probe = probings(units).items()
    found = [probed(own) for (title, _, *of), own in by_probe if (title, *of) not in undone]
    if found:
        report.write(found, folder, json)
    return found
