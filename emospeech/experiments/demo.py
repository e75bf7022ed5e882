"""`emospeech demo`, the main road in small: corpus, three runs (both modalities, then each alone), a submission."""

from collections.abc import Iterator
from pathlib import Path

from emospeech import config
from emospeech.corpora import emospeech2024
from emospeech.experiments import inference
from emospeech.experiments import run as experiment
from emospeech.experiments.reporting import writing
from emospeech.outputs import submission
from emospeech.runtime.console import say
from emospeech.runtime.distributed import world_size
from emospeech.runtime.errors import UserError
from emospeech.systems.build import load_recipe

RUNS = {
    "speech + text": ("demo", []),
    "speech alone": ("demo_speech", ["text=null"]),
    "text alone": ("demo_text", ["speech=null"]),
}
SUBMISSION = Path("submissions/demo.csv")


def run(overwrite: bool = False) -> Iterator[str]:
    """Do it, and give the lines to print. What an earlier demo has finished is shown again, not done again."""
    results = {}
    for title, (name, overrides) in RUNS.items():
        say(f"-- {title}")
        recipe = load_recipe(config.recipes_folder() / "demo.yaml", [f"name={name}", *overrides])
        results[title] = experiment.run(recipe, resume=not overwrite, overwrite=overwrite)
    yield f"{'':<16}{'dev macro-F1':>14}{'test macro-F1':>16}"
    for title, result in results.items():
        yield f"{title:<16}{result.scores['dev']['macro_f1']:>14.4f}{result.scores['test']['macro_f1']:>16.4f}"
    yield "trained from scratch on the demo corpus (synthetic voices, speakers of dev and test never heard in training)"
    fused = results["speech + text"]
    root = Path(recipe.data.parts[0].root)
    gold = root / "test_gold.csv"
    _submit(fused.folder.path, root / emospeech2024.TEST_TABLE, overwrite)
    say("-- its report")
    # one process makes it; of several, none: they would wait for each other over its pieces
    report = writing.write(fused.folder.path, overwrite=True).page if world_size() == 1 else None
    yield ""
    yield f"run:           {fused.folder.path}"
    if report is not None:
        yield f"report:        {report}"
    yield f"serve it:      emospeech serve {fused.folder.path}"
    yield f"its own score: emospeech score {SUBMISSION} {gold}"
    yield f"dev macro-F1:  {fused.scores['dev']['macro_f1']:.4f}"
    yield f"submission:    {SUBMISSION}"


def _submit(run_folder: Path, table: Path, overwrite: bool) -> None:
    """The submission of the fused run; one that stands already must be the same."""
    rows, answers, labels = inference.predict_table({"label": run_folder}, table, None, "fail")
    if SUBMISSION.exists() and not overwrite:
        there = submission.read(SUBMISSION)
        if there[["id", "label"]].values.tolist() != answers["label"][["id", "label"]].values.tolist():
            raise UserError(
                f"{SUBMISSION} stands already and differs from this demo's; `emospeech demo --overwrite` replaces it"
            )
        return
    SUBMISSION.unlink(missing_ok=True)
    submission.write(answers, rows["id"].tolist(), labels, SUBMISSION)
