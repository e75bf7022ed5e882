"""What a benchmark is read as: tables for people, lines a file, corpora against each other, accent or corpus."""

import math
from dataclasses import replace

import pytest

from emospeech.config import Benchmark, Protocol
from emospeech.data.origins import Origins
from emospeech.experiments.protocols import confounds, contrasts, cross, papers, report
from emospeech.experiments.protocols.outcomes import Answers, Clustered, FoldScores, Outcome
from emospeech.metrics.differences import difference, holm
from emospeech.metrics.scores import score
from emospeech.metrics.statistics import Interval


def outcome(truth="jjff", guess="jjff", row="svm", protocol="k", task="label", seeds=1, **more):
    """An outcome of labels that are letters; two folds, the first and the second half."""
    labels = more.pop("labels", tuple(sorted(set(truth) | set(guess))))
    scores, half = score(truth, guess, labels), len(truth) // 2
    parts = [("f1", slice(None, half)), ("f2", slice(half, None))]
    return Outcome(
        protocol, row, task, more.pop("trained_on", ""), more.pop("tested_on", ""), labels,
        (scores,) * seeds, Interval(0.1, 0.9, 0.95, 100), 0.5,
        tuple(FoldScores(name, 0, score(truth[part], guess[part], labels)) for name, part in parts), 2.0, **more,
    )  # fmt: skip


def protocols(**kinds):
    return {name: Protocol(kind=kind.replace("_", "-")) for name, kind in kinds.items()}


def lines(found, notes=None, base=None, **kinds):
    asked = Benchmark(protocols=protocols(**(kinds or {"k": "k_fold"})), rows={base: {}} if base else {}, base=base)
    return list(report.lines(found, notes or {}, asked))


# -- the table ---------------------------------------------------------------------------------------------------


def answered(row, guess, truth="jjff" * 10, without=None, **more):
    """An outcome with its answers, to clips of which one may be left out."""
    one = outcome(truth, guess, row, labels=("f", "j"), **more)
    rows = tuple(("c", f"r{k}") for k in range(len(truth) + (without is not None)) if k != without)
    return replace(one, answers=Answers(rows, tuple(truth), (tuple(guess),) * len(one.pooled)))


def test_beside_the_base():
    found = [
        answered("base", "jjff" * 10, parameters=1_060_000),
        answered("worse", "jfff" * 10),
        answered("worst", "ffjj" * 10, fits=4),
        answered("elsewhere", "jjff" * 5, "jjff" * 5),
        answered("base", "jjff" * 10, protocol="l"),
        answered("twice", "jfff" * 10, seeds=2),
    ]
    with_base = contrasts.with_base(found, "base")
    truth, worse = list("jjff" * 10), list("jfff" * 10)
    alone = difference(truth, [truth], [worse], ["f", "j"])
    values = [one.contrast and one.contrast.value for one in with_base]
    assert values == [None, pytest.approx(alone.value), -1.0, 0.0, None, pytest.approx(alone.value)]
    assert (with_base[1].contrast.low, with_base[1].contrast.p) == (alone.low, alone.p)
    p = [alone.p, with_base[2].contrast.p]
    assert [with_base[k].contrast.p_holm for k in (1, 2)] == pytest.approx(holm(p))
    assert [with_base[k].contrast.p for k in (3, 5)] == [None, None], "other clips, other seeds: no test"
    assert [one.contrast for one in contrasts.with_base(found[1:3], "base")] == [None, None], "it is not done yet"
    assert contrasts.with_base(found, None) == found
    told = lines(with_base[:3], base="base")
    assert told[1].endswith("chance  to base       p    trained  s a fit")
    assert told[2].endswith("0          1,060,000      2.0")
    assert told[3].split()[-3:] == [f"{alone.value:+.3f}", f"{holm(p)[0]:.3f}", "2.0"]
    assert told[4].split()[-3:] == ["-1.000", "<0.001", "0.5"]
    table = report.table(with_base, "base")
    assert table["macro_f1_to_base"].tolist()[:3] == pytest.approx([0, alone.value, -1])
    assert table["macro_f1_to_base_p_holm"].isna().tolist() == [True, False, False, True, True, True]
    assert table["parameters"].tolist()[0] == 1_060_000
    assert not [name for name in report.table(found) if "to_base" in name]


def test_intervals_and_tests_by_speaker():
    """Beside those by clip; a test of whole speakers where both systems know the same."""
    speakers = tuple(f"s{k // 4}" for k in range(40))
    by = Clustered("speaker", 10, Interval(0.2, 0.8, 0.95, 100))
    found = [
        replace(one, clustered=by, answers=replace(one.answers, origins=Origins("speaker", speakers)))
        for one in (answered("base", "jjff" * 10), answered("worse", "jfff" * 10))
    ]
    found = contrasts.with_base([*found, answered("no speakers", "jfff" * 10)], "base")
    truth, worse = list("jjff" * 10), list("jfff" * 10)
    test = difference(truth, [truth], [worse], ["f", "j"], clusters=speakers)
    own = found[1].contrast
    assert (own.clustered_low, own.clustered_high, own.clustered_p) == (test.low, test.high, test.p)
    assert own.clustered_p_holm == test.p
    assert own.p_holm == pytest.approx(2 * own.p), "by clip there are two tests"
    assert found[2].contrast.clustered_p is None
    told = [line.split("  ") for line in lines(found, base="base")[1:5]]
    cells = [[cell.strip() for cell in row if cell.strip()] for row in told]
    assert cells[0][1:5] == ["macro-F1", "95 % interval", "by speaker", "over folds"]
    assert [row[2:4] for row in cells[1:3]] == [["0.100-0.900", "0.200-0.800"]] * 2
    table = report.table(found, "base")
    assert table[["clustered_by", "clusters"]].iloc[0].tolist() == ["speaker", 10]
    assert table["macro_f1_clustered_low"].tolist()[:2] == [0.2, 0.2]
    assert table["macro_f1_clustered_high"].isna().tolist() == [False, False, True]
    assert table["macro_f1_to_base_clustered_p"].tolist()[1] == test.p
    assert "clustered" in report.as_json(found)[0]
    asked = Benchmark(protocols=protocols(k="k_fold"), rows={"base": {}}, base="base")
    assert all("by speaker" in text for text in papers.tables(found, asked).values())


def test_few_speakers_have_no_interval_in_tables():
    few, enough = (
        replace(
            answered(f"of {count}", "jjff" * 10), clustered=Clustered("speaker", count, Interval(0.2, 0.8, 0.95, 100))
        )
        for count in (7, 8)
    )
    cells = report.columns([few, enough], None)
    assert [row[cells[0].index("by speaker")] for row in cells[1:]] == ["of 7: too few", "0.200-0.800"]


def test_systems_that_lack_different_clips_are_not_tested():
    """As speech without a broken clip, and text without an empty one: as many clips, of the same labels in a row."""
    found = [answered("base", "f" * 39, "f" * 20 + "j" * 19, without=0)]
    found += [answered("other", "f" * 39, "f" * 20 + "j" * 19, without=7)]
    with_base = contrasts.with_base(found, "base")
    assert with_base[1].contrast.p is None
    assert "note: these systems are tested on different rows, so their scores are not comparable" in lines(
        with_base, base="base"
    )


def test_tables_for_a_paper():
    found = contrasts.with_base([answered("a_b", "jjff" * 10), answered("c|d 5%", "jfff" * 10, seeds=2)], "a_b")
    asked = Benchmark(protocols=protocols(k="k_fold"), rows={"a_b": {}}, base="a_b")
    files = papers.tables(found, asked)
    told = files["table.md"].splitlines()
    assert told[0] == "**k: 40 rows tested, 2 folds**"
    assert told[2].startswith("| system | macro-F1 | 95 % interval |")
    assert told[3] == f"|:--|{'--:|' * 11}"
    assert told[4].startswith("| a_b | 1.000 | 0.100-0.900 |")
    assert told[5].startswith(r"| c\|d 5% | 0.733 ± 0.000 |")
    rows = files["table.tex"].splitlines()
    assert r"\begin{tabular}{lrrrrrrrrrrr}" in rows
    assert r"\caption{k: 40 rows tested, 2 folds}" in rows
    (line,) = [row for row in rows if row.startswith("c|d")]
    assert line.startswith(r"c|d 5\% & 0.733 $\pm$ 0.000 & 0.100-0.900 &")
    assert line.endswith(r" \\")
    assert line.count("&") == 11
    pairs = [outcome(trained_on="de", tested_on="es")]
    assert papers.tables(pairs, asked) == {}


def test_systems_beside_each_other_and_what_others_report():
    found = [
        outcome(row="svm", published={"paper": 0.644}),
        outcome(row="a long name", guess="jfff", seeds=2, published={"later": 0.7}),
    ]
    assert lines(found, {"k": ["odd folds"]}) == [
        "k: 4 rows tested, 2 folds",
        "system            macro-F1  95 % interval     over folds  weighted F1    UAR  accuracy  chance  paper  later",
        "svm                  1.000    0.100-0.900  1.000 ± 0.000        1.000  1.000     1.000   0.500  0.644",
        "a long name  0.733 ± 0.000    0.100-0.900  0.667 ± 0.471        0.733  0.750     0.750   0.500         0.700",
        "",
        "note: odd folds",
        "",
    ]  # fmt: skip


def test_systems_of_other_labels_or_rows_are_not_comparable():
    assert "note: these systems tell different classes apart, so their scores are not comparable" in lines(
        [outcome(), outcome("jjaa", "jjaa", row="other")]
    )
    told = lines([outcome(), outcome("jjjf", "jjjf", row="other")])
    assert "note: these systems are tested on different rows, so their scores are not comparable" in told
    assert not any("comparable" in line for line in lines([outcome(), outcome(guess="jfff", row="other")]))


def test_one_task_of_several_systems_on_each_corpus():
    """A system that tells gender beside emotion, and one that tells it alone: one table, corpus by corpus."""
    found = [
        outcome(row=row, task="gender", tested_on=corpus) for row in ("multi", "alone") for corpus in ("", "de", "es")
    ]
    told = lines([outcome(row="multi"), *found])
    at = told.index("k, gender: 4 rows tested, 2 folds")
    assert [line.split()[:2] for line in told[at + 1 : at + 8]] == [
        ["system", "tested"], ["multi", "all"], ["alone", "all"], ["multi", "de"], ["alone", "de"], ["multi", "es"],
        ["alone", "es"],
    ]  # fmt: skip
    assert told[1].split()[:2] == ["system", "macro-F1"], "of one corpus none is named"


def test_files_hold_a_line_an_outcome_and_a_line_a_fold():
    found = [outcome(published={"paper": 0.6}), outcome(row="net", guess="jfff", seeds=3)]
    (svm, net), folds = report.table(found).to_dict("records"), report.by_fold(found)
    assert (svm["system"], svm["macro_f1"], svm["published: paper"], svm["seeds"], svm["rows"]) == ("svm", 1, 0.6, 1, 4)
    assert math.isnan(svm["macro_f1_seeds_std"])
    assert net["macro_f1_seeds_std"] == 0
    assert net["macro_f1_folds_mean"] == pytest.approx(2 / 3)
    assert folds[["system", "fold", "rows"]].to_numpy().tolist() == [
        ["svm", "f1", 2], ["svm", "f2", 2], ["net", "f1", 2], ["net", "f2", 2],
    ]  # fmt: skip
    assert report.as_json(found)[0]["interval"]["low"] == 0.1


# -- corpora against each other ------------------------------------------------------------------------------------


def pair(a, b, guess, **more):
    return outcome(guess=guess, trained_on=a, tested_on=b, **more)


PAIRS = [pair("de", "es", "jfff"), pair("es", "de", "jjjj"), pair("de", "de", "jjff"), pair("es", "es", "ffff")]


def test_a_matrix_a_system():
    assert lines(PAIRS, k="cross-corpus") == [
        "k: 2 folds",
        "svm: macro-F1; a line trains, a column is tested; in brackets: folds within the corpus",
        "             de       es",
        "de      [1.000]   0.733",
        "es       0.333   [0.333]",
        "chance   0.500    0.500",
        "",
    ]


def test_a_pair_that_is_not_there_is_a_dash():
    told = lines(PAIRS[:3], k="cross-corpus")
    assert told[4:5] == ["es       0.333        -"]


def test_the_file_of_pairs_has_chance_and_ceilings():
    left_out = outcome(guess="jfff", protocol="out", tested_on="es")
    every = [outcome(), *PAIRS, outcome(protocol="out"), left_out]
    found = cross.pairs(every, protocols(k="cross-corpus", out="leave-one-corpus-out"))
    table = cross.table(found)
    assert table[["trained_on", "tested_on", "classes"]].to_numpy().tolist() == [
        ["de", "es", 2], ["es", "de", 2], ["de", "de", 2], ["es", "es", 2], ["the others", "es", 2],
    ]  # fmt: skip
    assert table["macro_f1"].tolist() == pytest.approx([11 / 15, 1 / 3, 1, 1 / 3, 11 / 15])
    assert table["ceiling_macro_f1"].tolist() == pytest.approx([1 / 3, 1, 1, 1 / 3, 1 / 3])
    assert table["uar"].tolist() == [0.75, 0.5, 1.0, 0.5, 0.75]
    assert set(table["chance_macro_f1"]) == {0.5}
    (alone,) = cross.pairs([left_out], protocols(out="leave-one-corpus-out"))
    assert alone.ceiling is None
    assert cross.pairs([outcome(tested_on="de")], protocols(k="k-fold")) == []


# -- accent, or only the corpus? -----------------------------------------------------------------------------------


def accents(truth, guess, **more):
    return outcome(truth, guess, task="accent", labels=("a", "b", "c"), **more)


def test_corpora_of_one_accent_each():
    found = [accents("aabb", "aabb"), accents("aa", "aa", tested_on="mx"), accents("bb", "bb", tested_on="es")]
    corpora = outcome("xxxy", "xxyy", row="which corpus", task="corpus")
    assert list(confounds.lines([*found, corpora], protocols(k="k-fold"))) == [
        "accent, or only the corpus?",
        "  every corpus has one accent alone, so accent cannot be told from corpus here",
        "  k, which corpus: corpus told with accuracy 0.750 (its most frequent class alone gives 0.750)",
        "  k, svm: accent told with accuracy 1.000 (knowing the corpus alone gives 1.000)",
    ]


def test_accents_within_a_corpus_and_on_one_that_did_not_train():
    within = [accents("aaabbb", "aabbbb"), accents("aaab", "aabb", tested_on="mx"), accents("bb", "bb", tested_on="es")]
    held = [
        accents("aaabbb", "bbbbbb", protocol="out"),
        accents("aaab", "bbbb", protocol="out", tested_on="mx"),
        accents("bb", "bb", protocol="out", tested_on="es"),
        accents("cc", "ab", protocol="out", tested_on="ar"),
    ]
    told = list(confounds.lines([*within, *held], protocols(k="k-fold", out="leave-one-corpus-out")))
    assert told == [
        "accent, or only the corpus?",
        "  k, svm: accent told with accuracy 0.833 (knowing the corpus alone gives 0.833)",
        "  k, svm: within mx told with accuracy 0.750 (its most frequent class alone gives 0.750)",
        "  out, svm: mx, held out: accent told with accuracy 0.250 (its most frequent class alone gives 0.750; a "
        "cannot be told, being in no other corpus)",
        "  out, svm: es, held out: accent told with accuracy 1.000 (its most frequent class alone gives 1.000)",
        "  out, svm: ar, held out: none of its classes of accent is in another corpus, so none can be told",
    ]


def test_nothing_is_asked_of_one_corpus_or_without_such_a_task():
    assert not list(confounds.lines([accents("aabb", "aabb"), outcome()], protocols(k="k-fold")))
    assert not list(confounds.lines([outcome(tested_on="de"), outcome(tested_on="es")], protocols(k="k-fold")))
