"""The neural system: encoders, fusion, heads, trained end to end of whatever is not frozen."""

from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from accelerate import Accelerator

from emospeech.config import Recipe
from emospeech.data.audio.memory import AudioMemory
from emospeech.data.examples.augment import Augmenter
from emospeech.models.build import build_classifier
from emospeech.models.classifier import EmotionNetwork
from emospeech.runtime.console import progress, say
from emospeech.runtime.distributed import on_main
from emospeech.runtime.interrupt import StopRequest
from emospeech.runtime.runs import RunFolder
from emospeech.systems import answers
from emospeech.systems.base import MAIN_TASK
from emospeech.systems.features.build import feature_cache
from emospeech.systems.features.cache import FeatureCache, in_bf16
from emospeech.systems.features.planning import Wish
from emospeech.systems.fitting import finetuning, gain, stages, told
from emospeech.systems.fitting.feed import Evaluated, Feed
from emospeech.systems.fitting.fit import Fitting
from emospeech.systems.fitting.stages import Stage
from emospeech.systems.parts import (
    build_augmenter,
    build_speech,
    build_text,
    check_model,
    from_scratch,
    load_pretrained,
    start,
    train_tokenizer,
)
from emospeech.systems.saved import TOKENIZER, save_model, save_tokenizer
from emospeech.training import evaluation, loop
from emospeech.training.checkpoint import Checkpoints
from emospeech.training.standing import Standing
from emospeech.training.switches import deterministic
from emospeech.training.trackers import Fit, tracking

LARGE = 50_000_000  # parameters of an encoder that keeps a CPU busy with one clip
Rows = tuple[pd.DataFrame, pd.DataFrame | None]  # those that train, and a dev set if there is one
PRECISIONS = {"fp32": "no", "bf16": "bf16", "fp16": "fp16"}


class NeuralSystem:
    """A network fitted to a recipe. Pre-trained encoders load at once: a faulty one shows before any work."""

    def __init__(
        self,
        recipe: Recipe,
        tasks: Mapping[str, Sequence[str]],
        revisions: Mapping[str, str | None] | None = None,
    ) -> None:
        """
        Raises:
            UserError: naming every encoder that cannot be loaded.
        """
        self.recipe, self.tasks = recipe, tasks
        self.accelerator: Any = Accelerator(mixed_precision=PRECISIONS[recipe.train.precision])
        self.network: EmotionNetwork | None = None
        self.tokenizer: Any = None
        self.audio = AudioMemory(recipe.data.memory_gb * 1e9 / max(recipe.train.workers, 1))
        self.ended: stages.Ended | None = None  # the last fit that had a dev set
        self.augmenter: Augmenter | None = None
        self.cache: FeatureCache | None = None  # of the last fit; of a loaded model, what earlier runs kept
        self.loaded = load_pretrained(recipe.speech, recipe.text, revisions or {})  # what trains of them is a copy
        finetuning.check(recipe, self.loaded)
        check_model(recipe, tasks, self.loaded, begins=revisions is None)

    @property
    def needs_audio(self) -> bool:
        return self.recipe.speech is not None

    @property
    def needs_text(self) -> bool:
        return self.recipe.text is not None

    @property
    def needs_dev(self) -> bool:
        return self.recipe.train.keep == "best"

    @property
    def may_lack(self) -> bool:
        return self.recipe.may_lack

    @property
    def parameters(self) -> int | None:
        """See `System.parameters`."""
        return None if self.network is None else self.network.trained_parameters

    def pretrained(self, modality: str) -> Any:
        """The Hugging Face model of `speech` or `text`, as it was loaded."""
        part = self.loaded[modality]
        return getattr(part, "encoder", part).model

    def _frozen(self) -> dict[str, Any]:
        return finetuning.frozen(self.recipe, self.loaded)

    def hardware(self) -> dict[str, Any]:
        """What the network runs on, for the run's record."""
        device = self.accelerator.device
        name = torch.cuda.get_device_name(device) if device.type == "cuda" else device.type
        return {
            "device": name,
            "processes": self.accelerator.num_processes,
            "threads": torch.get_num_threads(),
        }

    # ---------------------------------------------------------------- fitting

    def fit(self, train: pd.DataFrame, dev: pd.DataFrame | None, folder: Path) -> None:
        """See `System.fit`."""
        run = RunFolder(folder)
        self.extract([train], [] if dev is None else [dev], folder)
        work = run.checkpoints / ("refit" if dev is None else "dev")
        asked = stages.asked(self.recipe, work)
        fit = partial(self._stage, rows=(train, dev), run=run)
        ended = stages.run(asked, fit, dev is not None, self.ended)
        self.ready().load_trained_state(Checkpoints(asked[ended.kept].folder).load_best())
        if dev is not None:
            self.ended = ended

    def _stage(self, stage: Stage, before: Sequence[Standing], rows: Rows, run: RunFolder) -> Standing:
        """Train a stage to its end, from the best weights of the one before it."""
        settings = self.recipe.train
        self._build(rows[0], stage.tokenizer)
        if stage.begins_from is None:
            augments = self.cache is None or self.cache.augments
            say(told.fit(self.recipe, self.ready(), self.tokenizer, self.accelerator, rows, augments))
        else:
            self.ready().load_trained_state(Checkpoints(stage.begins_from).load_best())
        fit = Fit(run, stage.folder.name, self.recipe.name, self.recipe.model_dump())
        alone = self.ready().head_alone() if stage.head_alone else nullcontext()
        with tracking(self.accelerator, settings.trackers, fit), deterministic(settings.deterministic), alone:
            if stage.begins_from is not None:
                say(stage.told(self.ready().trained_parameters))
            standing = self._trained(stage, before, rows, run.metrics)
        self.accelerator.wait_for_everyone()
        self.accelerator.free_memory()
        return standing

    def extract(
        self,
        augmented: Sequence[pd.DataFrame],
        others: Sequence[pd.DataFrame],
        folder: Path | None = None,
        like: Path | None = None,
    ) -> bool:
        """See `System.extract`.

        Raises:
            UserError: if there is no room for them.
        """
        levels = [path and RunFolder(path).checkpoints / gain.RECORD for path in (folder, like)]
        self.recipe = gain.settled(self.recipe, augmented[0], self.audio.load, *levels)
        if self.cache is None:
            self.cache = feature_cache(self.recipe, self._frozen(), self._augmenter(), self.accelerator)
        if self.cache is not None:
            records = [path and RunFolder(path).checkpoints / "features.json" for path in (folder, like)]
            self.cache.prepare(Wish(augmented, others), *records)
        return self.cache is not None

    def _augmenter(self) -> Augmenter | None:
        wanted = self.recipe.speech.augment if self.recipe.speech is not None else None
        if wanted is not None and self.augmenter is None:
            self.augmenter = build_augmenter(wanted)
        return self.augmenter

    def _trained(self, stage: Stage, before: Sequence[Standing], rows: Rows, metrics: Path) -> Standing:
        train, dev = rows
        return Fitting(
            stage.recipe,
            self.tasks,
            self.ready(),
            self.accelerator,
            self._feed(self.cache),
            self._augmenter(),
            validate=None if dev is None else self._validation(dev[dev[MAIN_TASK].notna()].reset_index(drop=True)),
            chosen=None if self.ended is None else self.ended.standings[len(before)],
            checkpoints=Checkpoints(stage.folder),
            journal=stages.journal(metrics, before),
            title=stage.title,
        ).run(train)

    def _build(self, train: pd.DataFrame, folder: Path) -> None:
        """A fresh network; a from-scratch text encoder learns its tokenizer, once for all processes and resumptions."""
        saved = folder / TOKENIZER
        if self.recipe.text is not None and from_scratch(self.recipe.text):
            text, transcripts = self.recipe.text, train["transcription"].dropna().tolist()

            def learn() -> None:
                if not saved.is_dir():
                    save_tokenizer(train_tokenizer(text, transcripts), saved)

            on_main(learn)  # it looks, too: another process may look later, find it there, and not wait
        torch.manual_seed(self.recipe.train.seed)  # the same first weights on every process and after a resumption
        self.assemble(saved)
        start(self.ready().speech)

    def assemble(self, saved_tokenizer: Path) -> None:
        """A network of encoders as they were loaded, or copies that train, and a fresh trained part."""
        speech, text = (finetuning.prepared(self.recipe, name, self.loaded.get(name)) for name in ("speech", "text"))
        if self.recipe.speech is not None and speech is None:
            speech = build_speech(self.recipe.speech)
        if self.recipe.text is not None and text is None:
            text = build_text(self.recipe.text, saved=saved_tokenizer)
        classifier = build_classifier(
            self.recipe.model,
            self.tasks,
            speech_shape=(speech.depth, speech.width) if speech is not None else None,
            text_width=text.encoder.width if text is not None else None,
        )
        if self.cache is not None and self.cache.weights is not None:  # their sum is stored: they train no more
            classifier.layer_mix.fix(self.cache.weights)
        self.tokenizer = text.tokenizer if text is not None else None
        self.network = EmotionNetwork(classifier, speech, text.encoder if text is not None else None)
        if self.recipe.cache is not None:
            self.network.frozen_bf16 = in_bf16(self.recipe.cache, self.accelerator.device)
            self.network.frame_stride = self.recipe.cache.frame_stride
        self.network.to(self.accelerator.device)

    def ready(self) -> EmotionNetwork:
        if self.network is None:
            raise RuntimeError("this system has been neither fitted nor loaded")
        return self.network

    def _feed(self, cache: FeatureCache | None) -> Feed:
        speech: Any = self.ready().speech
        return Feed(
            self.recipe,
            preprocess=None if speech is None else speech.preprocess,
            tokenizer=self.tokenizer,
            load=gain.loader(self.recipe, self.audio.load),
            on_gpu=self.accelerator.device.type == "cuda",
            slow_speech=speech is not None and sum(p.numel() for p in speech.parameters()) > LARGE,
            cache=cache,
        )

    def forget(self) -> None:
        """See `System.forget`."""
        self.audio.forget()

    def save(self, folder: Path) -> None:
        """See `System.save`."""
        models = {name: self.pretrained(name) for name in self.loaded}
        save_model(folder, self.recipe, self.tasks, self.ready(), models, self.tokenizer)

    # ------------------------------------------------------------- predicting

    def predict(self, manifest: pd.DataFrame) -> pd.DataFrame:
        """See `System.predict`."""
        if long := told.long_texts(self.tokenizer, manifest):
            say(long)
        stored = self._stored(manifest)
        every = {task: np.empty((len(manifest), len(names))) for task, names in self.tasks.items()}
        with deterministic(self.recipe.train.deterministic):
            for part, cache in ((stored, self.cache), (~stored, None)):
                if part.any():
                    found = self._predicted(manifest[part].reset_index(drop=True), cache)
                    for task, chances in found.items():
                        every[task][part] = chances
        return answers.predictions(manifest, every, self.tasks)

    def _stored(self, manifest: pd.DataFrame) -> np.ndarray:
        """Which rows' states are stored: after a fit all; of a loaded model, those that earlier runs kept."""
        if self.cache is None:
            self.cache = feature_cache(self.recipe, self._frozen(), None, self.accelerator)
            if self.cache is None:
                return np.zeros(len(manifest), dtype=bool)
            self.cache.open(self.ready().classifier.layer_weights)
        found = self.cache.add(manifest)
        if self.cache.reads_only and found.any():
            say(f"{found.sum()} of {len(manifest)} rows are read from the stored features in {self.cache.root}")
        return found

    def _predicted(self, manifest: pd.DataFrame, cache: FeatureCache | None) -> dict[str, np.ndarray]:
        rows = self.to_evaluate(manifest, cache)
        with progress("predicting", rows.count) as bar:
            batches = evaluation.batches_of(rows.batches(), bar)
            return answers.chances(evaluation.predict(self.ready(), batches, self.accelerator), manifest)

    def _validation(self, dev: pd.DataFrame) -> loop.Validate:
        """What scores the network on dev rows, which are made ready once; all of them have a main label."""
        rows = self.to_evaluate(dev, self.cache)

        def validate(stop: StopRequest) -> dict[str, float] | None:
            found = evaluation.predict_unless(stop, self.ready(), rows.batches(), self.accelerator)
            return None if found is None else answers.steering(found, dev, self.tasks[MAIN_TASK])

        return validate

    def to_evaluate(self, manifest: pd.DataFrame, cache: FeatureCache | None) -> Evaluated:
        share = self.accelerator.process_index, self.accelerator.num_processes
        return self._feed(cache).to_evaluate(manifest, *share)
