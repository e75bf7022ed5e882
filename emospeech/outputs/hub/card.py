"""The model card: YAML that the Hub reads, and Markdown for people. Numbers are the run's own; what lacks is said."""

import json
import re
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from emospeech.metrics.statistics import FEWEST
from emospeech.outputs.hub import limits
from emospeech.outputs.hub.facts import Facts
from emospeech.runtime.columns import markdown
from emospeech.systems.portable import INSIDE

if TYPE_CHECKING:
    from huggingface_hub import ModelCardData

PUBLIC = re.compile(r"CC BY|ODbL|open to download|free for research")  # licences of corpora that anybody can have
METRICS = {  # of scores.json -> the Hub's type, and the name
    "macro_f1": ("f1", "macro-F1"),
    "uar": ("recall", "UAR"),
    "accuracy": ("accuracy", "accuracy"),
    "weighted_f1": ("f1", "weighted F1"),
}
AVERAGES = {
    "macro_f1": "macro",
    "uar": "macro",
    "weighted_f1": "weighted",
}  # over the classes
CUSTOM = "custom"  # the type of a dataset that is not on the Hub, as none of the corpora is under our names
PARTS = {"dev": "validation", "test": "test"}  # of scores.json -> the Hub's word
WINNER = ("arXiv 2407.12467", "https://arxiv.org/abs/2407.12467")
MARKED = re.compile(r"([\\`*_{}\[\]()#+\-.!|<>~&$@:])")


def escaped(text: str) -> str:
    """Text that Markdown shows as it stands, on one line.

    >>> escaped("joy|*[x](y)<b>")
    'joy\\\\|\\\\*\\\\[x\\\\]\\\\(y\\\\)\\\\<b\\\\>'
    """
    return MARKED.sub(r"\\\1", " ".join(text.split()))


def render(facts: Facts) -> str:
    """The whole README.md."""
    from huggingface_hub import ModelCard

    parts = [_head, _use, _scores, _protocol, _calibration, _data, _recipe, _environment, limits.intended]
    sections = [*parts, limits.limits, limits.law, _citation]
    body = "\n\n".join("\n".join(section(facts)) for section in sections)
    return str(ModelCard(f"---\n{data(facts).to_yaml()}\n---\n\n{body}\n"))


def data(facts: Facts) -> "ModelCardData":
    """The YAML's content."""
    from huggingface_hub import ModelCardData

    bases = base_models(facts)
    public = [name for name, corpus in facts.corpora.items() if PUBLIC.search(corpus.licence)]
    return ModelCardData(
        language=list(facts.languages) or None,
        license=facts.licence,
        library_name="emospeech",
        pipeline_tag="audio-classification" if facts.hears else "text-classification",
        tags=["emospeech", "emotion-recognition", *(["speech-emotion-recognition"] if facts.hears else [])],
        base_model=bases or None,
        datasets=public or None,
        metrics=["f1", "recall", "accuracy"],
        model_name=facts.name,
        eval_results=list(_results(facts)) or None,
    )


def base_models(facts: Facts) -> list[str]:
    """Ids of the Hub of the encoders that it began with."""
    found = [(entry.get("copy_of") or entry)["name"] for entry in facts.written.encoders.values()]
    return sorted({name for name in found if not name.startswith(INSIDE) and "/" in name})


def _results(facts: Facts) -> Iterator[Any]:
    from huggingface_hub import EvalResult

    for part, split in PARTS.items():
        for key, (kind, name) in METRICS.items() if part in facts.scores else ():
            if (value := facts.scores[part].get(key)) is not None:
                yield EvalResult(
                    task_type="audio-classification" if facts.hears else "text-classification",
                    task_name="emotion recognition",
                    dataset_type=CUSTOM,
                    dataset_name=", ".join(one.title for one in facts.corpora.values()) or "unknown",
                    dataset_split=split,
                    metric_type=kind,
                    metric_name=name,
                    metric_value=round(float(value), 6),
                    metric_args={"average": AVERAGES[key]} if key in AVERAGES else None,
                )


def _head(facts: Facts) -> Iterator[str]:
    yield f"# {escaped(facts.name)}"
    yield ""
    modalities = {(True, True): "speech and text", (True, False): "speech", (False, True): "text"}
    what = modalities[facts.hears, facts.reads]
    either = ", or either alone" if facts.may_lack else ""
    of = "network" if facts.written.config["architectures"] == ["EmotionNetwork"] else "classical system"
    yield f"Emotion recognition from {what}{either}: a {of}, trained with emospeech. It tells:"
    yield ""
    for task, labels in facts.tasks.items():
        yield f"- {escaped(task)}: {', '.join(map(escaped, labels))}"
    for kind, entry in facts.written.encoders.items():
        yield f"- {_encoder(kind.split(' ')[0], entry)}"


def _encoder(kind: str, entry: Mapping[str, Any]) -> str:
    origin = entry.get("copy_of") or entry
    place = f"; a copy is in `{entry['name'][len(INSIDE) :]}`" if entry["name"].startswith(INSIDE) else ""
    if origin["name"].startswith(INSIDE):
        return f"{kind} encoder: in `{origin['name'][len(INSIDE) :]}`; where it came from is not told"
    at = f" at revision `{origin['revision']}`" if origin["revision"] else ""
    return f"{kind} encoder: `{origin['name']}`{at}{place}"


def _use(facts: Facts) -> Iterator[str]:
    asked = {
        (True, True): 'model("clip.wav", text="what is said")',
        (True, False): 'model("clip.wav")',
        (False, True): 'model(text="what is said")',
    }[facts.hears, facts.reads]
    yield "## How to use"
    yield ""
    yield "```python"
    yield "import emospeech"
    yield f'model = emospeech.load("{facts.repository}")  # or the folder of this file'
    yield f"{asked}.probabilities"
    yield "```"
    yield ""
    yield "From a copy of this folder: `emospeech predict FOLDER clip.wav -o predictions.csv`, and as an HTTP API and a"
    yield "page `emospeech serve FOLDER`."
    if facts.onnx:
        yield f"Without PyTorch: {', '.join(f'`{name}`' for name in facts.onnx)}, told of in `onnx/onnx.json`."


def _scores(facts: Facts) -> Iterator[str]:
    yield "## Scores"
    yield ""
    parts = [part for part in PARTS if part in facts.scores]
    if not parts:
        yield "This run has no scores."
        return
    heads = ["part", "clips", "macro-F1", "95 % interval", *(name for _, name in list(METRICS.values())[1:])]
    yield from markdown([heads, *(_row(part, facts.scores[part]) for part in parts)], left=1)
    yield ""
    if "test" not in parts:
        yield "No test set was scored."
    yield "Intervals are of a bootstrap over clips."
    yield ""
    for part in parts:
        by = facts.scores[part].get("macro_f1_interval_by")
        if by:
            yield f"- {part}{_drawn(by)}"
        for task, of in facts.scores[part].get("tasks", {}).items():
            yield f"- {part}, {escaped(task)}: macro-F1 {of['macro_f1']:.4f} on {of['count']} clips"
    for part in parts:
        yield from _by_class(part, facts.scores[part])


def _drawn(by: Mapping[str, Any]) -> str:
    if by["clusters"] < FEWEST:
        return f": its clips are of {by['clusters']} {by['by']}s: too few for an interval over them"
    return f", drawn by {by['by']} ({by['clusters']}): {by['low']:.4f}-{by['high']:.4f}"


def _row(part: str, scores: Mapping[str, Any]) -> list[str]:
    between = scores["macro_f1_interval"]
    return [
        part,
        str(scores["count"]),
        f"{scores['macro_f1']:.4f}",
        f"{between['low']:.4f}-{between['high']:.4f}",
        *(f"{scores[key]:.4f}" for key in list(METRICS)[1:]),
    ]


def _by_class(part: str, scores: Mapping[str, Any]) -> Iterator[str]:
    yield ""
    rows = zip(scores["labels"], scores["support"], scores["precision"], scores["recall"], scores["f1"], strict=True)
    told = [[_cell(label), str(count), *(f"{one:.4f}" for one in of)] for label, count, *of in rows]
    yield from markdown([[f"{part}: class", "clips", "precision", "recall", "F1"], *told], left=1)


def _cell(label: str) -> str:
    """Escaped for a cell, in which `markdown` escapes the bar."""
    return escaped(label).replace("\\|", "|")


def _protocol(facts: Facts) -> Iterator[str]:
    yield "## Protocol"
    yield ""
    yield from (f"- {sentence}" for sentence in facts.split)
    new = [(part, one["unseen"]) for part in PARTS if (one := facts.scores.get(part)) and "unseen" in one]
    for part, one in new:
        score = f"macro-F1 {one['macro_f1']:.4f}" if one["count"] else "no score"
        yield f"- Of the clips of {part}, {one['count']} are of {escaped(one['what'])}: {score}."
    if not new:
        yield "- Nobody can tell its score on speakers that it has not heard: speakers or recordings are not told."


def _calibration(facts: Facts) -> Iterator[str]:
    yield "## Calibration"
    yield ""
    told = [(part, found) for part in PARTS if (found := facts.scores.get(part, {}).get("calibration"))]
    for part, found in told:
        after = f"; {found['tempered']['ece']:.4f} after the temperature" if found["tempered"] else ""
        yield f"- {part}: expected calibration error {found['plain']['ece']:.4f}{after}."
    if not told:
        yield "- It was not measured."
    if facts.temperature is not None:
        yield (
            f"- A temperature of {facts.temperature:.4f} fits {facts.fitted_to}; it is in config.json under "
            "`calibration`. Divide the logarithms of the probabilities by it, and normalise: "
            "`model(...).calibrated` are those, `model(...).probabilities` are as the model gives them."
        )


def _data(facts: Facts) -> Iterator[str]:
    yield "## Training data"
    yield ""
    for name, corpus in facts.corpora.items():
        yield (
            f"- {escaped(corpus.title)} (`{name}`): {escaped(corpus.language)}; published size "
            f"{escaped(corpus.size)}; speech: {corpus.speech or 'not told'}; licence: {escaped(corpus.licence)}; "
            f"from: {escaped(corpus.source)}."
        )
    counts = ", ".join(f"{count} clips {part}" for part, count in facts.clips.items())
    both = facts.clips.get("train", 0) + facts.clips.get("dev", 0)
    again = f"; {both} clips, those of train and dev, trained the model that is here" if facts.refit and both else ""
    yield f"- Used here: {counts or 'not told'}{again}."
    heard = " and ".join(f"{count} {what}" for what, count in facts.origins.items() if count)
    yield f"- Different ones among the training clips: {heard or 'speakers and recordings are not told'}."
    yield f"- Languages: {', '.join(facts.languages) or 'not told'}."


def _recipe(facts: Facts) -> Iterator[str]:
    yield "## Recipe"
    yield ""
    yield "Paths and speakers' names of the machine that trained it are taken out."
    yield ""
    text = json.dumps(facts.written.recipe, indent=2, ensure_ascii=False)
    fence = "`" * max(3, *(len(run) + 1 for run in re.findall(r"`+", text)), 3)
    yield f"<details><summary>As JSON</summary>\n\n{fence}json\n{text}\n{fence}\n\n</details>"


def _environment(facts: Facts) -> Iterator[str]:
    yield "## Environment"
    yield ""
    versions = {name: one for name, one in facts.environment.get("versions", {}).items() if one}
    yield ", ".join(f"{name} {one}" for name, one in versions.items()) or "Not told."
    yield ""
    seed, device = facts.environment.get("seed"), facts.environment.get("hardware", {}).get("device")
    commit = facts.environment.get("commit")
    yield f"Code at commit {f'`{commit}`' if commit else 'unknown'}; seed {seed}; device {escaped(str(device))}."


def _citation(facts: Facts) -> Iterator[str]:
    yield "## Citation"
    yield ""
    if _is_winners(facts.written.recipe):
        yield f"Its recipe follows that of the winner of EmoSPeech 2024 (BSC-UPC), [{WINNER[0]}]({WINNER[1]})."
    else:
        yield "No paper describes this model. Cite the corpora above and the encoders that it began with."


def _is_winners(recipe: Mapping[str, Any]) -> bool:
    """Frozen speech and text encoders, their sequences end to end, attention pooling."""
    model, both = recipe["model"], [recipe["speech"], recipe["text"]]
    pretrained = all(part and part["train"]["name"] == "frozen" and _named(part["encoder"]) for part in both)
    plan = (model["fusion"]["name"], model["pooling"]["name"]) == ("sequence", "attention")
    return recipe["system"] == "neural" and pretrained and plan


def _named(encoder: str) -> bool:
    return "/" in encoder
