"""What was tried for EmoSPeech's text without pre-trained weights, each by itself: macro-F1 out of fold.

    python benchmarks/text_trials.py data/emospeech2024 data/meacorpus2023 ['a part of a name' …]

Two partitions of the 3000 training clips into five folds that share no video (seeds 0 and 1; 0 is the recipe's), the
F1 of each class over both, and the average precision of fear. For speed, n-grams, their rarity and standard deviations
are counted over all 3000 transcripts, without labels; `emospeech benchmark configs/text_best_scratch.yaml` counts them
on training folds.
"""

import sys
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from scipy.sparse import hstack
from sklearn.decomposition import TruncatedSVD
from sklearn.ensemble import ExtraTreesClassifier
from sklearn.exceptions import ConvergenceWarning
from sklearn.feature_extraction.text import CountVectorizer, TfidfVectorizer
from sklearn.linear_model import LogisticRegression, RidgeClassifier
from sklearn.metrics import average_precision_score, f1_score
from sklearn.naive_bayes import ComplementNB
from sklearn.neighbors import KNeighborsClassifier
from sklearn.preprocessing import normalize
from sklearn.svm import SVC, LinearSVC
from xgboost import XGBClassifier

from emospeech.corpora import groups
from emospeech.data.folds.assign import k_fold
from emospeech.systems.classical.contract import Training, softmax
from emospeech.systems.classical.lda import fit as lda
from emospeech.systems.classical.reading.spanish import GRAMMAR, MARKS, outline
from emospeech.systems.classical.reading.style import Style

LABELS = ("neutral", "disgust", "anger", "sadness", "joy", "fear")
SEEDS = (0, 1)
Answer = Callable[[Any, np.ndarray, Any], np.ndarray]  # features, classes, features to answer -> scores


def weights(classes: np.ndarray, power: float = 1.0) -> np.ndarray:
    """Of rows, by their class's n^-power; their mean 1."""
    found = np.bincount(classes, minlength=len(LABELS)).clip(1).astype(float)[classes] ** -power
    return found * len(classes) / found.sum()


def regression(c: float = 3, power: float = 1.0) -> Answer:
    def answer(train: Any, classes: np.ndarray, test: Any) -> np.ndarray:
        model = LogisticRegression(C=c, max_iter=300, tol=1e-3)
        return np.log(model.fit(train, classes, sample_weight=weights(classes, power)).predict_proba(test))

    return answer


def by_decision(model: Any) -> Answer:
    """Of an estimator with class weights."""
    return lambda train, classes, test: model.fit(train, classes, sample_weight=weights(classes)).decision_function(
        test
    )


def by_probability(model: Any, balanced: bool = True) -> Answer:
    def answer(train: Any, classes: np.ndarray, test: Any) -> np.ndarray:
        more = {"sample_weight": weights(classes)} if balanced else {}
        return np.log(np.maximum(model.fit(train, classes, **more).predict_proba(test), 1e-5))

    return answer


def discriminant(train: Any, classes: np.ndarray, test: Any) -> np.ndarray:
    return lda(Training(train, classes, None, 0), "auto", True).scores(test)


def kernel(gamma: float, c: float = 3) -> Answer:
    """Gaussian; gamma in units of 1 / (features x variance), over all rows."""
    return lambda train, classes, test: by_decision(
        SVC(C=c, gamma=gamma / train.shape[1] / train.var(), break_ties=True)
    )(train, classes, test)


def nb_svm(c: float, style: int = 53) -> Answer:
    """Wang and Manning 2012, with logistic regressions: the n-grams times each class's log-count ratios, not style."""

    def answer(train: Any, classes: np.ndarray, test: Any) -> np.ndarray:
        found = np.zeros((test.shape[0], len(LABELS)))
        for k in range(len(LABELS)):
            own = classes == k
            ratio = np.ones(train.shape[1])
            inside, outside = (np.asarray(train[rows].sum(axis=0)).ravel()[:-style] + 1 for rows in (own, ~own))
            ratio[:-style] = np.log(inside / inside.sum() / (outside / outside.sum()))
            model = LogisticRegression(C=c, max_iter=200, tol=1e-3, class_weight="balanced")
            found[:, k] = model.fit(train.multiply(ratio).tocsr(), own).decision_function(test.multiply(ratio).tocsr())
        return found

    return answer


def two_stages(train: Any, classes: np.ndarray, test: Any) -> np.ndarray:
    """Neutral or not; if not, which."""
    neutral = classes == LABELS.index("neutral")
    model = LogisticRegression(C=3, max_iter=300, tol=1e-3, class_weight="balanced")
    share = model.fit(train, neutral).predict_proba(test)[:, 1:]
    others = model.fit(train[~neutral], classes[~neutral]).predict_proba(test)
    return np.log(np.maximum(np.hstack([share, (1 - share) * others]), 1e-12))


def embedded(texts: list[str], window: int = 5, width: int = 100) -> np.ndarray:
    """Means of word vectors that are trained on the same transcripts: positive pointwise mutual information of words
    near each other, and singular vectors (Levy et al. 2015), weighted by rarity."""
    counts = CountVectorizer(min_df=3)
    seen = counts.fit_transform(texts)
    known, read = counts.vocabulary_, counts.build_analyzer()
    near = np.zeros((len(known), len(known)))
    for text in texts:
        places = [known[word] for word in read(text) if word in known]
        for k, place in enumerate(places):
            for other in places[k + 1 : k + 1 + window]:
                near[place, other] += 1
                near[other, place] += 1
    sums = near.sum(axis=1) + 1e-9
    with np.errstate(divide="ignore"):
        mutual = np.maximum(np.log(near * (sums**0.75).sum() / np.outer(sums, sums**0.75)), 0)
    vectors = concepts(mutual, width)
    rarity = np.log(len(texts) / np.asarray((seen > 0).sum(axis=0)).ravel())
    found: np.ndarray = normalize(seen.multiply(rarity).tocsr() @ normalize(vectors))
    return found


def bm25(counts: Any, k: float = 1.2, b: float = 0.75) -> Any:
    """Robertson and Zaragoza 2009, rows to length 1."""
    found, lengths = counts.tocsr().astype(float), np.asarray(counts.sum(axis=1)).ravel()
    row = np.repeat(np.arange(found.shape[0]), np.diff(found.indptr))
    rarity = np.log(1 + found.shape[0] / np.bincount(found.indices, minlength=found.shape[1]))
    found.data *= (k + 1) / (found.data + k * (1 - b + b * lengths[row] / lengths.mean())) * rarity[found.indices]
    return normalize(found)


def ngrams(texts: list[str], **options: Any) -> Any:
    return TfidfVectorizer(**{"sublinear_tf": True, "min_df": 2, **options}).fit_transform(texts)


def joined(*blocks: Any) -> Any:
    return hstack(blocks, format="csr")


def concepts(features: Any, count: int) -> np.ndarray:
    """Latent semantic analysis (rows, count)."""
    found: np.ndarray = TruncatedSVD(min(count, *(side - 1 for side in features.shape)), random_state=0).fit_transform(
        features
    )
    return found


def trials(texts: list[str]) -> dict[str, tuple[Any, Answer]]:
    """Name -> features (rows, D), model."""

    def words(**options: Any) -> Any:
        return ngrams(texts, **{"ngram_range": (1, 2), **options})

    def chars(shortest: int = 2, longest: int = 5, **options: Any) -> Any:
        return ngrams(texts, **{"analyzer": "char_wb", "ngram_range": (shortest, longest), **options})

    marks = {"token_pattern": rf"(?u)\w+|[{MARKS}]"}
    outlines = {"tokenizer": outline, "token_pattern": None, "lowercase": False, "min_df": 3}
    style = Style()
    style.fit(pd.DataFrame({"transcription": texts}))
    said = style.of(pd.DataFrame({"transcription": texts}))
    w, m, c, o = words(), words(**marks), chars(), 0.5 * words(**outlines)
    both, dense = joined(m, c), said.toarray()
    best = joined(both, o, 0.06 * said)
    lsa = concepts(joined(both, 0.1 * said), 300)
    lsa_100 = np.hstack([concepts(both, 100), dense])
    trees = XGBClassifier(
        n_estimators=150, max_depth=4, learning_rate=0.1, subsample=0.8, colsample_bytree=0.3, n_jobs=1
    )
    forest = ExtraTreesClassifier(300, min_samples_leaf=3, random_state=0)
    near = KNeighborsClassifier(15, weights="distance", metric="cosine")
    counted, lr = CountVectorizer(min_df=2, **marks).fit_transform(texts), regression()
    return {
        "words + characters": (joined(w, c), lr),
        **{f"words + characters, c {x}": (joined(w, c), regression(x)) for x in (1, 10, 30)},
        **{f"words + characters, weights n^-{x}": (joined(w, c), regression(3, x)) for x in (0.5, 0.75, 1.25)},
        "words alone": (w, lr),
        "words of all lengths": (words(token_pattern=r"(?u)\w+"), lr),
        "words with capitals": (words(lowercase=False), lr),
        "words and marks": (m, lr),
        "characters alone": (c, lr),
        **{f"characters {a}-{b}": (chars(a, b), lr) for a, b in ((1, 5), (2, 6), (3, 6))},
        "characters across words, 2-6": (chars(2, 6, analyzer="char"), lr),
        "characters with capitals": (chars(lowercase=False), lr),
        "characters without accents": (chars(strip_accents="unicode"), lr),
        **{f"words + characters in {x} rows": (joined(words(min_df=x), chars(min_df=x)), lr) for x in (1, 3)},
        "words + characters, counts as they are": (joined(words(sublinear_tf=False), chars(sublinear_tf=False)), lr),
        "words + characters, binary": (joined(words(binary=True), chars(binary=True)), lr),
        "marks + characters": (both, lr),
        "marks + characters, no words of the grammar": (joined(words(stop_words=list(GRAMMAR), **marks), c), lr),
        "marks + characters, BM25 of words": (joined(bm25(counted), c), lr),
        "marks + characters, words 1-3": (joined(words(ngram_range=(1, 3), **marks), c), lr),
        "marks + characters, no idf of words": (joined(words(use_idf=False, **marks), c), lr),
        "style alone": (said, regression(0.1)),
        **{f"marks + characters + style {x}": (joined(both, x * said), lr) for x in (0.03, 0.06, 0.1, 0.2)},
        "outlines + style": (joined(2 * o, 0.06 * said), lr),
        "marks + characters + outlines + style": (best, lr),
        "the same, linear SVM": (best, by_decision(LinearSVC(C=0.3))),
        "the same, ridge": (best, by_decision(RidgeClassifier())),
        "the same, neutral or not first": (best, two_stages),
        "the same, NB-SVM": (best, nb_svm(1)),
        "LSA + style, kernel": (lsa, kernel(0.6)),
        "LSA + style, neighbours": (lsa, by_probability(near, False)),
        "word vectors of the 3000 + style": (np.hstack([embedded(texts), 0.06 * dense]), lr),
        "LSA + style, discriminant": (lsa, discriminant),
        "LSA + style, boosted trees": (lsa_100, by_probability(trees)),
        "LSA + style, extra trees": (lsa_100, by_probability(forest)),
        "style alone, boosted trees": (dense, by_probability(trees)),
        "style alone, extra trees": (dense, by_probability(forest)),
        "marks + characters, complement Bayes": (both, by_probability(ComplementNB(alpha=0.3), balanced=False)),
    }  # fmt: skip


VOTES: Mapping[str, Mapping[str, int]] = {
    "vote: regression, kernel": {"marks + characters + outlines + style": 2, "LSA + style, kernel": 1},
    "vote: regression, Bayes": {"marks + characters + outlines + style": 3, "marks + characters, complement Bayes": 1},
    "vote: regression, kernel, Bayes": {
        "marks + characters + outlines + style": 2, "LSA + style, kernel": 1, "marks + characters, complement Bayes": 1,
    },
    "vote: regression, kernel, Bayes, trees": {
        "marks + characters + outlines + style": 4, "LSA + style, kernel": 1, "marks + characters, complement Bayes": 2,
        "style alone, boosted trees": 1,
    },
}  # fmt: skip


def out_of_fold(features: Any, answer: Answer, classes: np.ndarray, folds: np.ndarray) -> np.ndarray:
    found = np.zeros((len(classes), len(LABELS)))
    for fold in np.unique(folds):
        train, test = folds != fold, folds == fold
        found[test] = answer(features[train], classes[train], features[test])
    return found


def shown(name: str, found: list[np.ndarray], classes: np.ndarray) -> None:
    each = np.array([f1_score(classes, one.argmax(axis=1), average=None, labels=range(6)) for one in found])
    fear = np.mean([average_precision_score(classes == LABELS.index("fear"), softmax(one)[:, -1]) for one in found])
    whole, by_class = ("  ".join(f"{one:.3f}" for one in values) for values in (each.mean(axis=1), each.mean(axis=0)))
    print(f"{name:42s} {whole}   {by_class}   {fear:.3f}", flush=True)


def main(challenge: str, videos: str, *wanted: str) -> None:
    warnings.simplefilter("ignore", ConvergenceWarning)
    rows = pd.read_csv(Path(challenge) / "EmoSPeech_phase_2_train.csv", keep_default_na=False)
    classes = rows["label"].map(LABELS.index).to_numpy()
    video = rows["id"].map(groups.read(Path(videos)))
    parts = [k_fold(rows["id"].tolist(), rows["label"].tolist(), video.tolist(), 5, seed) for seed in SEEDS]
    heads = ["  ".join(f"seed {seed}" for seed in SEEDS), " ".join(label[:5].rjust(5) for label in LABELS)]
    print(f"{'':42s} {heads[0]}  {heads[1]}  AP fear")
    kept: dict[str, list[np.ndarray]] = {}
    for name, (features, answer) in trials(rows["transcription"].tolist()).items():
        in_vote = any(name in members for vote, members in VOTES.items() if any(part in vote for part in wanted))
        if not wanted or in_vote or any(part in name for part in wanted):
            kept[name] = [out_of_fold(features, answer, classes, folds) for folds in parts]
            shown(name, kept[name], classes)
    for name, members in VOTES.items():
        if set(members) <= set(kept):
            votes = [[weight * alike(kept[one][k]) for one, weight in members.items()] for k in range(len(SEEDS))]
            shown(name, [np.sum(vote, axis=0) for vote in votes], classes)


def alike(scores: np.ndarray) -> np.ndarray:
    """Each row's mean 0, the deviation of all 1."""
    centred = scores - scores.mean(axis=1, keepdims=True)
    found: np.ndarray = centred / centred.std()
    return found


if __name__ == "__main__":
    main(*sys.argv[1:])
