"""Models and transforms, with scikit-learn as the oracle."""

import numpy as np
import pytest
from scipy.sparse import csr_matrix
from sklearn.covariance import ledoit_wolf_shrinkage
from sklearn.decomposition import PCA
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.naive_bayes import ComplementNB
from sklearn.svm import SVC, LinearSVC

from emospeech.runtime.errors import UserError
from emospeech.systems.classical import lda
from emospeech.systems.classical.contract import Training
from emospeech.systems.classical.models import MODELS
from emospeech.systems.classical.transforms import TRANSFORMS

QUICK = {"trees": 10}, {"epochs": 5}
OPTIONS = dict.fromkeys(("random_forest", "extra_trees", "xgboost"), QUICK[0])
OPTIONS |= dict.fromkeys(("mlp", "net_plain", "net_batch_norm", "net_batch_norm_dropout"), QUICK[1])


def data(classes=4, width=8, count=150, seed=0, apart=1.0):
    rng = np.random.default_rng(seed)
    labels = rng.permutation(np.arange(count) % classes)
    return rng.standard_normal((count, width)) + apart * rng.standard_normal((classes, width))[labels], labels


def training(features, classes):
    return Training(features, classes, [str(k % 5) for k in range(len(classes))], seed=3)


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("classes", [2, 4])
@pytest.mark.parametrize("sparse", [False, True], ids=["dense", "sparse"])
def test_every_model_gives_probabilities_and_the_same_again(name, classes, sparse):
    features, labels = data(classes, apart=3.0)
    if name == "complement_bayes":
        features = np.abs(features)
    features = csr_matrix(features) if sparse else features
    first, second = (
        MODELS[name](training(features[:100], labels[:100]), **OPTIONS.get(name, {})).chances(features[100:])
        for _ in range(2)
    )
    assert first.shape == (50, classes)
    assert first.dtype == np.float64
    assert first.sum(axis=1) == pytest.approx(1)
    assert (first >= 0).all()
    np.testing.assert_array_equal(first, second)


@pytest.mark.parametrize(
    ("name", "options", "theirs"),
    [
        ("logistic_regression", {"c": 0.3}, LogisticRegression(C=0.3, class_weight="balanced", max_iter=2000)),
        ("svm_linear", {"c": 0.1}, LinearSVC(C=0.1, class_weight="balanced", max_iter=10_000, random_state=3)),
        ("svm_rbf", {"c": 2}, SVC(C=2, class_weight="balanced", break_ties=True)),
        ("svm_rbf", {"c": 2, "class_weight": "none"}, SVC(C=2, break_ties=True)),
        ("lda", {"shrinkage": 0.5, "class_weight": "none"}, LinearDiscriminantAnalysis(solver="lsqr", shrinkage=0.5)),
        (
            "random_forest",
            {"trees": 30},
            RandomForestClassifier(30, class_weight="balanced", random_state=3),
        ),
    ],
)
@pytest.mark.parametrize("classes", [2, 5])
def test_a_model_says_what_scikit_learns_own_says(name, options, theirs, classes):
    """The label is the estimator's own choice, also where probabilities are made of decision values."""
    features, labels = data(classes)
    theirs.fit(features[:100], labels[:100])
    chances = MODELS[name](training(features[:100], labels[:100]), **options).chances(features[100:])
    assert chances.argmax(axis=1).tolist() == theirs.predict(features[100:]).tolist()
    if hasattr(theirs, "predict_proba") and not isinstance(theirs, SVC):
        np.testing.assert_allclose(chances, theirs.predict_proba(features[100:]), atol=1e-12)


@pytest.mark.parametrize("width", [10, 400])
def test_lda_among_rows_or_features(width):
    features, labels = data(width=width)
    ours = lda.fit(training(features, labels), 0.5, balanced=False).chances(features)
    theirs = LinearDiscriminantAnalysis(solver="lsqr", shrinkage=0.5).fit(features, labels).predict_proba(features)
    np.testing.assert_allclose(ours, theirs, atol=1e-10)
    centred = features - features.mean(axis=0)
    expected = ledoit_wolf_shrinkage(centred, assume_centered=True)
    assert lda.ledoit_wolf(centred) == pytest.approx(expected)


def test_gamma_is_in_units_of_scale_and_a_sparse_matrix_has_the_same():
    features, labels = data()
    for given in (features, csr_matrix(features)):
        model = MODELS["svm_rbf"](training(given, labels), gamma=0.5)
        assert model.estimator.gamma == pytest.approx(0.5 / (features.shape[1] * features.var()))


def test_transforms_by_hand_and_against_scikit_learn():
    features, labels = data()
    rows = training(features, labels)
    clipped = TRANSFORMS["clip"](rows, at=1.0).transform(features)
    assert (clipped.min(), clipped.max()) == (-1, 1)
    inside = np.abs(features) < 1
    assert (clipped[inside] == features[inside]).all()
    ours = TRANSFORMS["pca"](rows, keep=0.9).transform(features)
    np.testing.assert_allclose(np.abs(ours), np.abs(PCA(0.9, svd_solver="full").fit_transform(features)))
    assert TRANSFORMS["pca"](rows, keep=10_000).transform(features).shape == features.shape
    assert np.linalg.norm(TRANSFORMS["length"](rows).transform(features), axis=1) == pytest.approx(1)


def test_anova_keeps_what_differs_between_classes():
    features, labels = data()
    features = np.column_stack([features * 0.01, labels * 2.0, np.zeros(len(labels))])
    kept = TRANSFORMS["anova"](training(features, labels), keep=1).transform(features)
    assert (kept[:, 0] == labels * 2.0).all()


@pytest.mark.parametrize("name", TRANSFORMS)
def test_transforms_take_sparse_matrices(name):
    features, labels = data()
    features = np.where(features > 0.5, features, 0)
    dense, sparse = (
        TRANSFORMS[name](training(given, labels)).transform(given) for given in (features, csr_matrix(features))
    )
    both = [one.toarray() if hasattr(one, "toarray") else one for one in (dense, sparse)]
    np.testing.assert_allclose(*both, atol=1e-8)


def test_a_model_that_has_not_converged_says_so(capsys):
    features, labels = data()
    MODELS["logistic_regression"](training(features, labels), c=1e6, iterations=1)
    assert "LogisticRegression has not converged" in capsys.readouterr().err


def test_batch_norm_on_two_rows():
    with pytest.raises(UserError, match="batch norm needs more than the 2 training rows"):
        MODELS["net_batch_norm"](training(np.eye(2), np.array([0, 1])))


@pytest.mark.parametrize("sparse", [False, True], ids=["dense", "sparse"])
def test_complement_bayes_is_scikit_learn_s(sparse):
    features, labels = data(apart=2.0)
    features = np.round(np.abs(features), 1)
    ours = MODELS["complement_bayes"](training(csr_matrix(features) if sparse else features, labels), smoothing=0.7)
    theirs = ComplementNB(alpha=0.7).fit(features, labels)
    np.testing.assert_allclose(ours.chances(features), theirs.predict_proba(features), atol=1e-12)


def test_complement_bayes_says_what_it_cannot_take():
    with pytest.raises(UserError, match=r"a feature is negative .* as features: \[tfidf\]"):
        MODELS["complement_bayes"](training(np.array([[1.0], [-0.1]]), np.array([0, 1])))
