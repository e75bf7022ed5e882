"""The section `data` of a recipe: which corpora, which labels, who trains, steers and tests."""

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, ValidationInfo, model_validator

from emospeech.config.words import HERE, Count, Fraction, Positive, Section, Seed, named

Column = Literal["gender", "accent", "language", "speaker", "corpus"]  # of a manifest, that a task may be about


class Split(Section):
    """Who trains, steers, tests. First that applies: a split in a file, files of ids, speakers, the corpus, a draw."""

    file: str | None = None  # as `emospeech data split` writes it, or a folder in EmoBox's layout
    fold: Count | None = None  # which one is tested, where the file holds folds; dev is drawn from the others
    train_file: str | None = None  # CSV with a column `id`, relative to data.root
    dev_file: str | None = None
    dev_speakers: list[str] = []
    test_speakers: list[str] = []
    dev_fraction: Fraction = 0.16  # of the labelled rows that are left, where dev is drawn
    disjoint: Literal["auto", "group", "speaker", "none"] = "auto"  # auto: by group, else speaker, where known
    seed: Seed = 0


class Part(Section):
    """One corpus of a mixture."""

    corpus: Annotated[str, named("corpus")]
    root: Annotated[str, named("root")]
    name: Annotated[str, Field(pattern=r"^\w[\w.-]*$")] | None = None  # begins its ids and speakers; null: the corpus's
    groups: str | None = None  # as data.groups
    weight: Positive = 1.0  # how often an epoch hears each of its training rows
    label_map: dict[str, str | None] = {}  # its labels in other words; null leaves a class out
    split: Split = Split()
    only_trains: bool = False  # all its labelled rows train, none steers or tests
    # a head of its own, for labels that have no place among the others'; rows without a main label only train
    task: Annotated[str, Field(pattern=r"^[a-z]\w*$")] | None = None


def _required(value: Any, info: ValidationInfo) -> Any:
    alone = not info.data.get("mixture", True)  # of a mixture with faults nothing is there, but it is one
    if value is None and alone:
        raise ValueError(f"missing; set it in the recipe or as {HERE}=… on the command line, or give data.mixture")
    return value


_unless_mixed = AfterValidator(_required)
OF_ONE = ("corpus", "root")  # what a mixture has in its parts alone
OF_A_PART = ("label_map", "groups", "split")  # what a single corpus has in the section itself


class Data(Section):
    mixture: list[Part] = []  # several corpora, in place of `corpus` and `root`
    corpus: Annotated[Annotated[str, named("corpus")] | None, _unless_mixed, Field(validate_default=True)] = None
    # the corpus's folder
    root: Annotated[Annotated[str, named("root")] | None, _unless_mixed, Field(validate_default=True)] = None
    label_space: Annotated[str, named("label space")] | None = None  # to which labels are mapped; null: they stay
    label_map: dict[str, str | None] = {}  # labels in other words, before that; null leaves a class out
    target: Literal["label", Column] = "label"  # the manifest's column that is to be told: the task `label`
    tasks: list[Column] = []  # further ones, a head each; rows without one count nothing for it
    labels: list[str] | None = None  # None: those of the space, or the corpus's own
    # which recording each clip is from, for splits alone: MEACorpus' folder, or a CSV with id and group
    groups: str | None = None
    split: Split = Split()
    # a quick look: the first so many rows of each of train, dev, test, of each corpus; of a benchmark, so many of each
    # corpus, spread over it
    limit: Count | None = None
    refit: Literal["train+dev"] | None = None  # train again on all labelled rows, as long as the dev run chose
    on_bad_audio: Literal["fail", "drop", "silence"] = "fail"
    # column of the manifest with how the votes fell, as "joy:3 anger:1"; where it is empty, `label` counts
    soft_labels: str | None = None
    memory_gb: Annotated[float, Field(ge=0)] = 2.0  # of decoded audio that each process may keep

    @model_validator(mode="before")
    @classmethod
    def _one_or_several(cls, value: Any) -> Any:
        """A mixture takes the place of the corpus that a recipe below may name."""
        if isinstance(value, dict) and value.get("mixture"):
            return {key: one for key, one in value.items() if key not in OF_ONE}
        return value

    @model_validator(mode="after")
    def _parts_fit(self) -> "Data":
        names = [part.name or part.corpus for part in self.mixture]
        doubled = sorted({name for name in names if names.count(name) > 1})
        if doubled:
            raise ValueError(f"mixture: {', '.join(doubled)} is there twice; give each a name of its own (name: …)")
        if self.mixture and all(part.task for part in self.mixture):
            raise ValueError("mixture: one corpus at least must be without a task of its own")
        if self.mixture and all(part.task or part.only_trains for part in self.mixture):
            raise ValueError("mixture: one corpus at least must steer, so it cannot be one that only_trains")
        if idle := [part.name or part.corpus for part in self.mixture if part.only_trains and part.split != Split()]:
            raise ValueError(f"mixture: the split of {', '.join(idle)} divides nothing, as only_trains is true")
        fields = type(self).model_fields
        beside = [name for name in OF_A_PART if getattr(self, name) != fields[name].default]
        if doubled := sorted({task for task in self.tasks if self.tasks.count(task) > 1 or task == self.target}):
            raise ValueError(f"tasks: {', '.join(doubled)} is a task already")
        if self.mixture and beside:
            raise ValueError(f"mixture: {', '.join(beside)} beside it is nobody's; give it to the corpora in it")
        return self

    @model_validator(mode="after")
    def _labels_are_read(self) -> "Data":
        """Where another column is told, nobody reads the corpora's labels."""
        unread = [name for name in ("label_space", "label_map", "soft_labels") if getattr(self, name)]
        unread += [f"mixture.{number}.label_map" for number, part in enumerate(self.mixture) if part.label_map]
        if self.target != "label" and unread:
            raise ValueError(
                f"target: {self.target} is to be told and no corpus's labels, so {', '.join(unread)} is nobody's; "
                "take it back (null, or {}), or give target: label"
            )
        return self

    @property
    def parts(self) -> list[Part]:
        """The corpora; a single one as a mixture of one."""
        if self.mixture:
            return self.mixture
        own = {name: getattr(self, name) for name in OF_A_PART}
        return [Part(corpus=self.corpus or "", root=self.root or "", **own)]
