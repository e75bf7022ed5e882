"""TF-IDF and a linear SVM on the rows that a recipe trains and steers by: what any text net must be compared with.

    python benchmarks/text_baseline.py configs/text_only_scratch.yaml data.root=…

Word 1-2-grams and character 2-5-grams, sublinear term frequencies, balanced class weights, C = 1: nothing is tuned.
"""

import sys

from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.pipeline import make_pipeline, make_union
from sklearn.svm import LinearSVC

from emospeech.experiments import rows as data_rows
from emospeech.experiments.scoring.values import scores_of, summary
from emospeech.systems.build import load_recipe


def main(recipe_path: str, *overrides: str) -> None:
    rows = data_rows.load(load_recipe(recipe_path, overrides))
    model = make_pipeline(
        make_union(
            TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True),
            TfidfVectorizer(analyzer="char_wb", ngram_range=(2, 5), sublinear_tf=True),
        ),
        LinearSVC(class_weight="balanced"),
    )
    model.fit(rows.train["transcription"], rows.train["label"])
    truth, chosen = rows.dev["label"].tolist(), model.predict(rows.dev["transcription"]).tolist()
    print(f"TF-IDF + linear SVM, trained on {len(rows.train)} rows")
    print(summary("dev", scores_of(truth, chosen, rows.labels)))


if __name__ == "__main__":
    main(*sys.argv[1:])
