"""Whisper checkpoints in the format of transformers: a Hub id, or a folder that `save_pretrained` wrote."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from emospeech.data.audio import SAMPLE_RATE
from emospeech.encoders import checkpoint
from emospeech.encoders.transcribe.transcript import WINDOW_SECONDS, Decoded
from emospeech.runtime.errors import UserError, some

TIED = "proj_out.weight"  # the token embedding once more; checkpoints leave it out
FIRST_TIME = 50  # positions of 20 ms: no decoding begins with a later time, where the checkpoint does not say
MULTILINGUAL = 51_865  # tokens; those of the English models are one fewer


class HubCheckpoint:
    """A checkpoint that is not loaded yet."""

    def __init__(self, name: str) -> None:
        """
        Args:
            name: a Hub id, such as `openai/whisper-large-v3`, or a folder.

        Raises:
            UserError: if it cannot be either.
        """
        if checkpoint.name_fault(name, ()):
            raise UserError(
                f"no Whisper checkpoint {name!r} of transformers: give a Hub id, such as openai/whisper-large-v3, "
                "or a folder that save_pretrained wrote"
            )
        self.name = name
        self.folder = Path(name).expanduser() if Path(name).expanduser().is_dir() else None
        self.label = name if self.folder is None else self.folder.resolve().name
        self._model: Any = None

    def identity(self) -> str:
        """Hash of a folder's files; of a Hub id, the commit in this machine's cache, or else of the weights."""
        if self.folder is not None:
            return checkpoint.folder_hash(self.folder)
        if checkpoint.commit(self.name, None) is None:
            self._whole()  # which downloads it
        return checkpoint.commit(self.name, None) or checkpoint.weights_hash(self._whole())

    def load(self, device: str) -> "HubWhisper":
        """
        Raises:
            UserError: if it cannot be found or read, or is not a whole Whisper.
        """
        from transformers import AutoFeatureExtractor, AutoTokenizer

        source = self._source()
        model = self._whole()
        extractor = checkpoint.loaded(
            "feature extractor", self.name, lambda: AutoFeatureExtractor.from_pretrained(**source)
        )
        tokenizer = checkpoint.loaded("tokenizer", self.name, lambda: AutoTokenizer.from_pretrained(**source))
        half = device.startswith("cuda")
        model = model.to(device).half() if half else model.to(device)
        return HubWhisper(model, extractor, tokenizer, self.name)

    def _source(self) -> dict[str, Any]:
        """Which files: once there are some in the cache, always those that `identity` told."""
        if self.folder is not None:
            return {"pretrained_model_name_or_path": str(self.folder)}
        return {"pretrained_model_name_or_path": self.name, "revision": checkpoint.commit(self.name, None) or "main"}

    def _whole(self) -> Any:
        """The model on the CPU, in float32."""
        if self._model is None:
            import torch
            from transformers import WhisperForConditionalGeneration

            self._model, info = checkpoint.loaded(
                "model",
                self.name,
                lambda: WhisperForConditionalGeneration.from_pretrained(
                    **self._source(), dtype=torch.float32, output_loading_info=True
                ),
            )
            missing = sorted(set(info["missing_keys"]) - {TIED})
            if missing:
                raise UserError(
                    f"checkpoint {self.name} lacks {len(missing)} weights of a Whisper that transcribes "
                    f"({some(missing)}); they would be random. Is it an encoder alone?"
                )
            self._model.requires_grad_(False).eval()
        return self._model


class HubWhisper:
    """A recogniser; see `Recogniser`."""

    def __init__(self, model: Any, extractor: Any, tokenizer: Any, name: str) -> None:
        """
        Raises:
            UserError: if the tokenizer is not Whisper's.
        """
        from transformers.models.whisper.tokenization_whisper import LANGUAGES

        self.model, self.extractor, self.tokenizer, self.name = model, extractor, tokenizer, name
        self.special: dict[str, int] = tokenizer.get_added_vocab()
        absent = {"<|startoftranscript|>", "<|transcribe|>", "<|notimestamps|>", "<|endoftext|>"} - set(self.special)
        if absent:
            raise UserError(f"the tokenizer of {name} is not Whisper's: it has no token {some(sorted(absent))}")
        settings = model.generation_config
        multilingual = getattr(settings, "is_multilingual", model.config.vocab_size >= MULTILINGUAL)
        known = [code for code in LANGUAGES if f"<|{code}|>" in self.special]
        self.languages: Sequence[str] = known if multilingual else ["en"]
        self.multilingual = bool(multilingual)
        self.timestamp_begin = self.special["<|notimestamps|>"] + 1
        self.end = self.special["<|endoftext|>"]
        self.no_speech = self.special.get("<|nospeech|>", self.special.get("<|nocaptions|>"))
        self.longest = model.config.max_target_positions // 2  # tokens of a decoding, as openai-whisper has it

    def spectrogram(self, waveform: np.ndarray) -> Any:
        """Normalised over the whole clip; 30 s of silence follow."""
        padded = np.pad(waveform, (0, WINDOW_SECONDS * SAMPLE_RATE))
        made = self.extractor(
            padded, sampling_rate=SAMPLE_RATE, truncation=False, padding="longest", return_tensors="pt"
        )
        return made["input_features"][0]

    def encode(self, windows: Any) -> Any:
        import torch

        with torch.inference_mode():
            return self.model.get_encoder()(windows.to(self.model.device, self.model.dtype)).last_hidden_state

    def decode(self, states: Any, language: str, temperature: float, seed: int) -> list[Decoded]:
        import torch

        with torch.inference_mode():
            return self._decode(states, self._prompt(language), temperature, seed)

    def text(self, tokens: Sequence[int]) -> str:
        spelled = [token for token in tokens if token < self.timestamp_begin]
        return str(self.tokenizer.decode(spelled, skip_special_tokens=True)).strip()

    def _prompt(self, language: str) -> list[int]:
        said = ("startoftranscript", language, "transcribe") if self.multilingual else ("startoftranscript",)
        return [self.special[f"<|{word}|>"] for word in said]

    def _decode(self, states: Any, prompt: list[int], temperature: float, seed: int) -> list[Decoded]:
        """The loop of `generate`, which gives neither the probability of no speech nor a seed for each window."""
        import torch
        from transformers.modeling_outputs import BaseModelOutput

        device = states.device
        filters, draw = self._filters(len(prompt), device), torch.Generator(device).manual_seed(seed)
        tokens = torch.tensor([prompt] * len(states), device=device)  # (B, tokens so far)
        total, done = torch.zeros(len(states), device=device), torch.zeros(len(states), dtype=torch.bool, device=device)
        past = no_speech = None
        for _ in range(self.longest):
            out = self.model(
                decoder_input_ids=tokens if past is None else tokens[:, -1:],
                encoder_outputs=BaseModelOutput(last_hidden_state=states),
                past_key_values=past,
                use_cache=True,
            )
            if past is None and self.no_speech is not None:
                no_speech = out.logits[:, 0].float().softmax(-1)[:, self.no_speech].tolist()
            past = out.past_key_values
            logits = filters(tokens, out.logits[:, -1].float())
            if temperature == 0:
                chosen = logits.argmax(-1)
            else:
                chosen = torch.multinomial((logits / temperature).softmax(-1), 1, generator=draw)[:, 0]
            total += logits.log_softmax(-1).gather(1, chosen[:, None])[:, 0].masked_fill(done, 0.0)
            tokens = torch.cat([tokens, chosen.masked_fill(done, self.end)[:, None]], dim=1)
            done |= chosen == self.end
            if done.all():
                break
        rows = [self._until_end(row) for row in tokens[:, len(prompt) :].tolist()]
        return [
            Decoded(
                tuple(row),
                self.text(row),
                float(total[k]) / (len(row) + 1),
                None if no_speech is None else no_speech[k],
                ended=bool(done[k]),
            )
            for k, row in enumerate(rows)
        ]

    def _until_end(self, row: list[int]) -> list[int]:
        return row[: row.index(self.end)] if self.end in row else row

    def _filters(self, begin: int, device: Any) -> Any:
        """What may follow what: the checkpoint's forbidden tokens, no special ones, times in pairs and in order."""
        from transformers import LogitsProcessorList
        from transformers.generation.logits_process import (
            SuppressTokensAtBeginLogitsProcessor,
            SuppressTokensLogitsProcessor,
            WhisperTimeStampLogitsProcessor,
        )

        settings = self.model.generation_config
        special = {token for token in self.special.values() if token < self.timestamp_begin and token != self.end}
        never = sorted(special | set(settings.suppress_tokens or ()))
        not_first = sorted({self.end, *(settings.begin_suppress_tokens or ())})
        settings.no_timestamps_token_id = self.timestamp_begin - 1
        settings.eos_token_id = self.end
        if getattr(settings, "max_initial_timestamp_index", None) is None:
            settings.max_initial_timestamp_index = FIRST_TIME
        return LogitsProcessorList(
            [
                SuppressTokensLogitsProcessor(never, device=device),
                SuppressTokensAtBeginLogitsProcessor(not_first, begin_index=begin, device=device),
                WhisperTimeStampLogitsProcessor(settings, begin_index=begin),
            ]
        )
