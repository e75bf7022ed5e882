"""The model folder of a classical system: config.json, and estimator.skops, which is read without running code."""

import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from emospeech.config import Recipe
from emospeech.runtime.console import say
from emospeech.runtime.errors import UserError
from emospeech.runtime.files import replacing_folder, write_json
from emospeech.systems.classical.features import Part, Prepared, is_fitted
from emospeech.systems.classical.member import Estimator, Vote, plans
from emospeech.systems.classical.scaling import Scale, told
from emospeech.systems.saved import CONFIG, Saved, described, require
from emospeech.systems.vectors.deep import SpeechFeatures, TextFeatures
from emospeech.systems.vectors.images import DeepSpectrumFeatures

ESTIMATOR = "estimator.skops"
HERE = "emospeech.systems.classical"
# what skops does not trust by itself: none runs code when it is made, and indices are checked (`_require_sound`)
TRUSTED = [
    f"{HERE}.bayes.Complement",
    f"{HERE}.lda.Lda",
    f"{HERE}.models.ByDecision",
    f"{HERE}.models.ByProbability",
    f"{HERE}.nets.Net",
    f"{HERE}.nets.Shape",
    f"{HERE}.transforms.Clip",
    f"{HERE}.transforms.Dense",
    f"{HERE}.transforms.Picked",
    "scipy.sparse._csr.csr_matrix",
    "sklearn.tree._tree.Tree",
    "xgboost.core.Booster",
    "xgboost.sklearn.XGBClassifier",
]


def save(
    folder: Path, recipe: Recipe, tasks: Mapping[str, Sequence[str]], prepared: Prepared, votes: Mapping[str, Vote]
) -> None:
    """Write the folder, whole or not at all; encoders are named, not copied."""
    from zipfile import ZIP_DEFLATED

    from skops.io import dump

    learned = {
        "fitted": [part.state() if is_fitted(part) else None for part in prepared.parts],
        "scales": [scale and {"mean": scale.mean, "std": scale.std} for scale in prepared.scales],
        "votes": {task: _plain(vote) for task, vote in votes.items()},
    }
    with replacing_folder(folder) as temporary:
        note = told(prepared.section)
        write_json(temporary / CONFIG, described(_found(recipe, prepared), tasks, _encoders(prepared.parts)) | note)
        dump(learned, temporary / ESTIMATOR, compression=ZIP_DEFLATED)


def load(folder: Path, parts: Sequence[Part], stored: Saved) -> tuple[Prepared, dict[str, Vote]]:
    """What `save` wrote, with features that are built already.

    Raises:
        UserError: if the file is absent, damaged, or holds what no such file holds; or an encoder has changed.
    """
    for name, entry in _encoders(parts).items():
        if entry["sha256"] != stored.encoders[name]["sha256"]:
            raise UserError(
                f"the {name} encoder in {entry['name']} has changed since {folder} was trained on it; "
                "put the original checkpoint back, or train again"
            )
    require(folder, ESTIMATOR)
    learned = _read(folder / ESTIMATOR)
    section = stored.recipe.classical
    if section is None:
        raise UserError(f"the recipe in {folder / CONFIG} has no section classical")
    try:
        for part, state in zip(parts, learned["fitted"], strict=True):
            if state is not None:
                part.restore(state)
        scales = [one and Scale(one["mean"], one["std"]) for one in learned["scales"]]
        votes = {}
        for task, one in learned["votes"].items():
            members = [
                Estimator(plan, member["transforms"], member["fitted"], member["deviation"])
                for plan, member in zip(plans(section), one["members"], strict=True)
            ]
            for member in members:
                _require_sound(getattr(member.fitted, "estimator", None))
            votes[task] = Vote(members, tuple(one["present"]), len(stored.tasks[task]), section.pool, one["offsets"])
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise UserError(f"{folder / ESTIMATOR} is not of the recipe beside it: {error!r}") from None
    return Prepared(parts, scales, section), votes


def _found(recipe: Recipe, prepared: Prepared) -> Recipe:
    """The recipe with whole paths of the weights that its features name, which a reader elsewhere must find."""
    features = [
        one.model_copy(update={"weights": part.recorded()["name"]}) if _has_weights(part) else one
        for one, part in zip(prepared.section.features, prepared.parts, strict=True)
    ]
    return recipe.model_copy(update={"classical": prepared.section.model_copy(update={"features": features})})


def _has_weights(part: Part) -> bool:
    return isinstance(part, DeepSpectrumFeatures) and part.name is not None


def _plain(vote: Vote) -> dict[str, Any]:
    members = [
        {"transforms": list(one.transforms), "fitted": one.fitted, "deviation": one.deviation} for one in vote.members
    ]
    return {"present": list(vote.present), "members": members, "offsets": vote.offsets}


def _read(path: Path) -> Any:
    from sklearn.exceptions import InconsistentVersionWarning
    from skops.io import load as read
    from skops.io.exceptions import UntrustedTypesFoundException

    try:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always", InconsistentVersionWarning)
            found = read(path, trusted=TRUSTED)
    except UntrustedTypesFoundException as error:
        raise UserError(f"{path} holds what no model of ours does, and is not read: {error}") from None
    except Exception as error:  # of zip, JSON, numpy, xgboost
        raise UserError(f"{path} is damaged: {type(error).__name__}: {error}") from None
    if any(issubclass(one.category, InconsistentVersionWarning) for one in caught):
        say(f"note: {path} was written with another version of scikit-learn; environment.json beside it tells which")
    return found


def _require_sound(estimator: Any) -> None:
    """Compiled code follows the indices in trees and sparse matrices without a look at where they point.

    Raises:
        ValueError: if one points outside.
    """
    from scipy.sparse import issparse

    for tree in (one.tree_ for one in getattr(estimator, "estimators_", ())):
        inner = tree.children_left >= 0
        below = np.concatenate([tree.children_left[inner], tree.children_right[inner]])
        above = np.tile(np.flatnonzero(inner), 2)
        if not ((below > above) & (below < tree.node_count)).all():
            raise ValueError("a tree has branches that lead nowhere")
        if not ((tree.feature[inner] >= 0) & (tree.feature[inner] < tree.n_features)).all():
            raise ValueError("a tree asks for features that are not there")
    for value in vars(estimator).values() if estimator is not None else ():
        if issparse(value):
            value.check_format(full_check=True)


def _encoders(parts: Sequence[Part]) -> dict[str, Mapping[str, str | None]]:
    """The frozen encoders behind features, by modality: name, revision, sha256."""
    deep = [part.source for part in parts if isinstance(part, SpeechFeatures | TextFeatures)]
    return {one.kind: one.recorded() for one in [*deep, *filter(_has_weights, parts)]}
