"""Recipes: every shipped one loads, every fault is told, at once."""

import pytest

from emospeech import config
from emospeech.models.fusion import FUSIONS
from emospeech.models.mixing import MIXERS
from emospeech.models.pooling import POOLINGS
from emospeech.runtime.errors import UserError
from emospeech.systems.build import CHECKS, load_benchmark, load_recipe, load_seeds

CHANGES = ("grids", "spaces")  # to recipes, and none themselves
RECIPES = sorted(path for path in config.recipes_folder().rglob("*.yaml") if path.parent.name not in CHANGES)
ROOTS = ["emospeech2024", "es_acted", "emodb", "baved"]
ROOTS += ["coraa_ser", "emovo", "ravdess", "emomatch", "mesd", "inter1sp", "emofilm", "emowisconsin", "meacorpus2023"]


@pytest.fixture(autouse=True)
def roots(tmp_path, monkeypatch):
    """The shipped recipes name data folders of the user's, and one checkpoints that the user makes."""
    monkeypatch.chdir(tmp_path)
    for name in ROOTS:
        (tmp_path / "data" / name).mkdir(parents=True)
    for name in ("tiny_wav2vec2", "tiny_hubert"):
        (tmp_path / "encoders" / name).mkdir(parents=True)
        (tmp_path / "encoders" / name / "config.json").write_text("{}")


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: str(path.relative_to(config.recipes_folder())))
def test_every_recipe_loads(path):
    if path.name == "base.yaml":
        with pytest.raises(UserError, match="both are null"):
            load_recipe(path)
        return
    recipe = load_recipe(path)
    assert recipe.name == path.stem
    assert config.validate(recipe.model_dump(), "again", CHECKS) == recipe


def test_recipes_were_found():
    names = {path.stem for path in RECIPES}
    assert {"xlsr_roberta", "xlsr_beto", "wavlm_roberta", "whisper_roberta", "demo", "audio_only", "text_only"} <= names


@pytest.mark.parametrize("kind", ["fusion", "pooling", "mixer"])
def test_ablations_change_one_thing_and_are_named_by_it(kind):
    entries = {"fusion": FUSIONS, "pooling": POOLINGS, "mixer": MIXERS}[kind]
    winner = load_recipe(config.recipes_folder() / "xlsr_roberta.yaml").model
    default = getattr(winner, kind)
    files = sorted((config.recipes_folder() / "ablations").glob(f"{kind}_*.yaml"))
    assert len(files) >= {"fusion": 5, "pooling": 6, "mixer": 3}[kind]
    for path in files:
        recipe = load_recipe(path)
        name = max((one for one in entries if path.stem.startswith(f"{kind}_{one}")), key=len)
        assert getattr(recipe.model, kind).name == name
        assert recipe.model.model_copy(update={kind: default}) == winner, "an ablation changes one thing"


def test_the_winners_values():
    recipe = load_recipe(config.recipes_folder() / "xlsr_roberta.yaml")
    assert (recipe.train.optimizer.lr, recipe.train.optimizer.weight_decay) == (5e-5, 0.01)
    assert (recipe.train.batch_size, recipe.train.epochs, recipe.train.validate_every) == (16, 93, 75)
    assert recipe.speech.layers == "weighted"
    assert recipe.speech.augment.probability == 0.6


def write(path, text):
    path.write_text(text, encoding="utf-8")
    return path


GOOD = """
data: {corpus: demo, root: x}
text: {encoder: subword_transformer}
"""


def test_every_fault_is_told_at_once_with_its_path(tmp_path):
    path = write(
        tmp_path / "bad.yaml",
        """
data: {corpus: emospeech2025, root: /nowhere, limit: many, split: {dev_fractoin: 0.1}}
speech: {encoder: log_mel, layers: first, augment: {effects: [echo]}}
text: {encoder: subword_transformer, options: {widht: 3}}
model: {pooling: median, fusion: sum, mixer: {name: mlp}}
train: {epochs: 0, loss: {name: hinge}, precision: fp8}
colour: blue
""",
    )
    with pytest.raises(UserError) as error:
        load_recipe(path, ["train.optimizer.lr=fast"])
    message = str(error.value)
    for expected in (
        "data.corpus: unknown corpus 'emospeech2025'; known: emospeech2024, baved, coraa_ser,",
        "data.root: no folder '/nowhere'; give the corpus's folder as data.root=…",
        "data.limit: should be a whole number",
        "data.split.dev_fractoin: unknown key; did you mean dev_fraction?",
        "speech.encoder: ",
        "log_mel_cnn",
        "speech.layers: should be last, weighted, a layer's number",
        "speech.augment.effects.0: unknown effect 'echo'; known: speed, reverb, noise, gaussian_noise",
        "text.options: unknown option widht; known: width",
        "model.pooling: unknown pooling 'median'; known: attention, mean",
        "model.fusion: ",
        "model.mixer: unknown mixer 'mlp'",
        "train.epochs: should be greater than or equal to 1",
        "train.loss: unknown loss 'hinge'",
        "train.precision: should be 'fp32', 'bf16' or 'fp16'",
        "train.optimizer.lr: should be a number, got 'fast'",
        "colour: unknown key; known here: name, runs_dir",
    ):
        assert expected in message
    assert "16 faults" in message.splitlines()[0]


@pytest.mark.parametrize(
    ("override", "expected"),
    [
        ("name=a/b", "name: "),
        ("name=..", "name: "),
        ("train.seed=-1", "train.seed: "),
        ("train.optimizer.lr=.inf", "train.optimizer.lr: "),
        ("text.max_tokens=1", "text.max_tokens: "),
        ("text.level=sentence", "text.level: subword_transformer gives token states alone"),
        ("text.level=word", "text.level: should be 'token' or 'sentence'"),
        ("text.options.width=abc", "text.options: width: input should be a valid integer"),
        ("text.options.heads=3", "heads divide the width; got 16, 2, 3"),
        ("text.options.vocabulary=0", "vocabulary should be a number of tokens, got 0"),
        ("speech.options.channels=[]", "cannot be built with"),
        ("speech.options.dropout=3", "cannot be built with"),
        ("speech.crop_seconds=0.000001", "speech.crop_seconds: "),
        ("speech.augment.speeds=[100]", "speech.augment.speeds.0: "),
        ("speech.augment.noise_folder=/nowhere", "holds no sound files"),
        ("train.trackers=[wandb]", "wandb is not installed; pip install 'emospeech[wandb]'"),
        ("data.split.dev_speakers.0=x", "dev_speakers"),
        ("text.options.token_dropout=3.0", "token_dropout should be at least 0 and below 1"),
        ("speech.options.width=0", "width should be 1 or more"),
        ("speech.options.bands=400", "bands should be 1 to 100"),
        ("speech.options.normalise=maybe", "normalise: input should be a valid boolean"),
        ("train.optimizer=Rprop", "unknown optimizer 'Rprop'; known: Adafactor"),
        ("train.optimizer=LBFGS", "unknown optimizer 'LBFGS'"),
        ("train.optimizer.betas=[0.9]", "AdamW: betas: should be like its default (0.9, 0.999), got [0.9]"),
        ("train.optimizer.amsgrad=no_thanks", "AdamW: amsgrad: should be like its default False"),
        ("train.optimizer.momentum=0.9", "AdamW: unknown option momentum; known: lr, weight_decay, betas"),
        ("train.optimizer.betas=[2.0,3.0]", "Invalid beta parameter"),
        ("train.schedule.warmup_steps=1.5", "a fraction of all of them between 0 and 1"),
        ("train.schedule={name: plateau, factor: 2.0}", "factor should lie between 0 and 1"),
        ("train.loss={name: focal, gamma: -1.0}", "gamma should be 0 or more"),
        ("train.loss=logit_adjusted", "logit_adjusted corrects for rare classes itself"),
        ("train.loss.class_weights={name: effective_number, beta: 1.0}", "beta should be at least 0 and less than 1"),
        ("model.fusion=null", "model.fusion: should be a name, or {name: …} with options, got None"),
        ("model.pooling.heads=4", "attention: unknown option heads; it takes none"),
        ("speech.layers=first", "speech.layers: should be last, weighted, a layer's number, or a list"),
        ("speech.layers=[1,1]", "a list of different ones"),
        ("name={a:b", "cannot read 'name={a:b'"),
    ],
)
def test_values_that_could_only_fail_later(tmp_path, override, expected):
    text = GOOD.replace("}\n", ", options: {width: 16}}\n") if "options" in override else GOOD
    text = text.replace("root: x, options: {width: 16}", "root: x")
    speech = "speech: {encoder: log_mel_cnn, options: {width: 8}, augment: {}}\n"
    with pytest.raises(UserError) as error:
        load_recipe(write(tmp_path / "r.yaml", text + speech), [override])
    assert expected in str(error.value)


def test_half_precision_wants_a_gpu(tmp_path, monkeypatch):
    path = write(tmp_path / "r.yaml", GOOD)
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    with pytest.raises(UserError, match="fp16 needs a GPU"):
        load_recipe(path, ["train.precision=fp16"])
    monkeypatch.setattr("torch.cuda.is_available", lambda: True)
    assert load_recipe(path, ["train.precision=fp16"]).train.precision == "fp16"


BASE = (
    GOOD
    + """
model: {fusion: {name: cross_attention, heads: 2}, mixer: {name: multi_head, heads: 8}}
train:
  optimizer: {name: AdamW, lr: 5.0e-5, weight_decay: 0.1, amsgrad: true}
  schedule: {name: plateau, patience: 3, warmup_steps: 7}
  loss: {name: focal, gamma: 1.0, class_weights: {name: effective_number, beta: 0.9}}
"""
)


def chosen(recipe):
    model, train = recipe.model, recipe.train
    parts = (model.fusion, model.mixer, train.optimizer, train.schedule, train.loss)
    return [part and part.model_dump() for part in parts]


def test_another_variant_keeps_what_all_share_and_drops_the_former_ones_options(tmp_path):
    write(tmp_path / "base.yaml", BASE)
    child = write(
        tmp_path / "child.yaml",
        """
extends: base.yaml
model: {fusion: {name: late, weights: learned}, mixer: none}
train: {optimizer: SGD, schedule: cosine, loss: {name: cross_entropy, class_weights: none}}
""",
    )
    expected = [
        {"name": "late", "weights": "learned"},
        None,
        {"name": "SGD", "lr": 5e-5, "weight_decay": 0.1},
        {"name": "cosine", "warmup_steps": 7},
        {"name": "cross_entropy", "class_weights": {"name": "none"}},
    ]
    assert chosen(load_recipe(child)) == expected
    words = ["model.fusion=late", "model.fusion.weights=learned", "model.mixer=null", "train.optimizer=SGD"]
    words += ["train.schedule.name=cosine", "train.loss=cross_entropy", "train.loss.class_weights=none"]
    assert chosen(load_recipe(tmp_path / "base.yaml", words)) == expected


def test_the_same_variant_keeps_its_options(tmp_path):
    path = write(tmp_path / "base.yaml", BASE)
    words = ["model.fusion=cross_attention", "model.mixer.heads=4", "train.optimizer.lr=0.1", "train.loss.gamma=3.0"]
    fusion, mixer, optimizer, _, loss = chosen(load_recipe(path, words))
    assert fusion == {"name": "cross_attention", "heads": 2}
    assert mixer == {"name": "multi_head", "heads": 4}
    assert optimizer == {"name": "AdamW", "lr": 0.1, "weight_decay": 0.1, "amsgrad": True}
    assert loss["gamma"] == 3.0
    assert loss["class_weights"] == {"name": "effective_number", "beta": 0.9}


def test_options_may_stand_beside_a_name_on_the_command_line(tmp_path):
    path = write(tmp_path / "r.yaml", GOOD)
    for words in (
        ["model.pooling=multi_head", "model.pooling.heads=8"],
        ["model.pooling.heads=8", "model.pooling=multi_head"],
        ["model.pooling={name: multi_head, heads: 8}"],
    ):
        assert load_recipe(path, words).model.pooling.model_dump() == {"name": "multi_head", "heads": 8}


def test_overrides_ablate(tmp_path):
    path = write(tmp_path / "r.yaml", GOOD + "speech: {encoder: log_mel_cnn}\n")
    assert load_recipe(path, ["speech=null"]).speech is None
    assert load_recipe(path, ["text=null", "train.seed=2", "name=other"]).name == "other"
    with pytest.raises(UserError, match="both are null"):
        load_recipe(path, ["text=null", "speech=null"])


@pytest.mark.parametrize("pair", ["train.seed", "=3", "--seed"])
def test_overrides_that_are_none(tmp_path, pair):
    with pytest.raises(UserError, match="key=value"):
        load_recipe(write(tmp_path / "r.yaml", GOOD), [pair])


def test_extends_merges_and_says_what_is_missing(tmp_path):
    write(tmp_path / "base.yaml", GOOD + "train: {seed: 5, epochs: 7}\n")
    child = write(tmp_path / "child.yaml", "extends: base.yaml\ntrain: {epochs: 9}\n")
    recipe = load_recipe(child)
    assert (recipe.name, recipe.train.seed, recipe.train.epochs) == ("child", 5, 9)
    with pytest.raises(UserError, match="named by 'extends'"):
        load_recipe(write(tmp_path / "orphan.yaml", "extends: gone.yaml\n"))
    with pytest.raises(UserError, match="extends: should be the path of one recipe"):
        load_recipe(write(tmp_path / "two.yaml", "extends: [base.yaml, child.yaml]\n"))
    write(tmp_path / "a.yaml", "extends: b.yaml\n")
    write(tmp_path / "b.yaml", "extends: a.yaml\n")
    with pytest.raises(UserError, match="extends itself"):
        load_recipe(tmp_path / "a.yaml")


@pytest.mark.parametrize(
    ("text", "expected"),
    [("data: [", "is not YAML"), ("- a\n- b\n", "is not a recipe"), ("data: ${nope}\n", "nope")],
)
def test_files_that_are_no_recipe(tmp_path, text, expected):
    with pytest.raises(UserError, match=expected):
        load_recipe(write(tmp_path / "r.yaml", text))


def test_missing_recipe_and_missing_keys(tmp_path):
    with pytest.raises(UserError, match="no recipe"):
        load_recipe(tmp_path / "none.yaml")
    with pytest.raises(UserError, match=r"data: missing; set it in the recipe or as data=… on the command line"):
        load_recipe(write(tmp_path / "r.yaml", "text: {encoder: subword_transformer}\n"))


def test_environment_variables(tmp_path, monkeypatch):
    monkeypatch.setenv("CORPUS_ROOT", str(tmp_path))
    path = write(tmp_path / "r.yaml", GOOD.replace("root: x", "root: '${oc.env:CORPUS_ROOT}'"))
    assert load_recipe(path).data.root == str(tmp_path)


def test_yaml_round_trip(tmp_path):
    recipe = load_recipe(write(tmp_path / "r.yaml", GOOD + "speech: {encoder: log_mel_cnn, crop_seconds: 2.5}\n"))
    assert load_recipe(write(tmp_path / "again.yaml", config.as_yaml(recipe))) == recipe


def test_a_list_of_seeds_is_a_recipe_each(tmp_path):
    path = write(tmp_path / "r.yaml", GOOD)
    plain = load_seeds(path, ["train.seed=3"])
    assert plain == load_recipe(path, ["train.seed=3"])
    several = load_seeds(path, ["train.seed=[3,1]"])
    assert [(one.runs_dir, one.name, one.train.seed) for one in several] == [
        ("runs/r", "seed_3", 3),
        ("runs/r", "seed_1", 1),
    ]
    assert [one.name for one in load_seeds(path, ["train.seed=[3]"])] == ["seed_3"]
    like_plain = {"runs_dir": "runs", "name": "r"}
    assert several[0].model_copy(update=like_plain) == plain


@pytest.mark.parametrize("seeds", ["[]", "[1,1]", "[1,-2]", "[1,soon]", "[1,[2]]"])
def test_seeds_that_are_none(seeds, tmp_path):
    with pytest.raises(UserError, match=r"train\.seed: "):
        load_seeds(write(tmp_path / "r.yaml", GOOD), [f"train.seed={seeds}"])


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: str(path.relative_to(config.recipes_folder())))
def test_every_recipe_can_be_benchmarked(path):
    if path.name == "base.yaml":
        return
    found = load_benchmark(path)
    assert found.name == path.stem
    assert set(found.benchmark.quick) <= set(found.rows)
