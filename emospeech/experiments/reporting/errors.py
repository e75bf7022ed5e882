"""Which clips a report shows by themselves."""

from collections.abc import Sequence

import pandas as pd


def chosen(clips: pd.DataFrame, count: int) -> dict[str, list[int]]:
    """Reason -> places of clips, none twice: a third the worst errors, a third the surest, a third right ones.

    Where errors are few, there are more right ones, and more errors where right ones are few.

    Args:
        clips: `truth`, `prediction`, `p` of the prediction and `p_truth` of the truth; rows with NA are not chosen.
        count: of clips, all together at most.

    Returns:
        `worst`: errors, the lowest probability of the truth first; `sure`: other errors, the highest probability of a
        wrong label first; `right`: of each class in turn the surest.
    """
    known = clips.reset_index(drop=True)
    known = known[known[["truth", "prediction", "p", "p_truth"]].notna().all(axis=1)]
    wrong = known[known["truth"] != known["prediction"]]
    right = _in_turn(known[known["truth"] == known["prediction"]])[: max(count // 3, count - len(wrong))]
    errors = min(count - len(right), len(wrong))
    worst = wrong.sort_values("p_truth", kind="stable").index[: (errors + 1) // 2].tolist()
    others = wrong.drop(index=worst).sort_values("p", ascending=False, kind="stable")
    return {"worst": worst, "sure": others.index[: errors - len(worst)].tolist(), "right": right}


def _in_turn(right: pd.DataFrame) -> list[int]:
    """Of each class the surest, then of each the next."""
    ranked = right.sort_values("p", ascending=False, kind="stable")
    rank = ranked.groupby("truth").cumcount()
    order: Sequence[int] = ranked.assign(rank=rank).sort_values(["rank", "truth"], kind="stable").index.tolist()
    return list(order)
