"""Windows, fallback and flags, with tiny checkpoints; the oracles are openai-whisper and transformers' `generate`."""

import copy
from dataclasses import replace

import numpy as np
import pytest
import torch

from emospeech.encoders.transcribe import listening
from emospeech.encoders.transcribe.backends import choose
from emospeech.encoders.transcribe.guards import Guards
from emospeech.encoders.transcribe.listening import Sound, advance, decode, listen
from emospeech.encoders.transcribe.transcript import Decoded

GREEDY = Guards(temperatures=(0.0,))
SECOND = 16_000


@pytest.fixture(scope="module")
def openai(whisper_pt):
    return choose(str(whisper_pt)).load("cpu")


@pytest.fixture(scope="module")
def hub(whisper_folder):
    return choose(str(whisper_folder)).load("cpu")


@pytest.fixture(params=["openai", "hub"])
def recogniser(request):
    return request.getfixturevalue(request.param)


def noise(seconds, seed=0):
    """A voice-like clip: noise whose loudness and colour change."""
    rng = np.random.default_rng(seed)
    steps = rng.standard_normal((int(seconds * 4) + 1, 4000)).astype(np.float32)
    return (0.1 * rng.random((len(steps), 1)) * steps).reshape(-1)[: int(seconds * SECOND)].astype(np.float32)


def sounds(*seconds):
    return [Sound(f"clip {k}", noise(length, k)) for k, length in enumerate(seconds)]


# -- windows


@pytest.mark.parametrize(
    ("tokens", "expected"),
    [
        ((), None),
        ((1, 2, 3), None),
        ((100, 1, 2, 130), None),  # one segment, to the end
        ((100, 1, 130, 130, 2, 160), None),  # the last one ends with one time: no speech after it
        ((100, 1, 130, 130, 2, 3), (3, 30)),  # the last one is unfinished
        ((100, 1, 130, 130), (3, 30)),
        ((100, 1, 130, 131, 2, 160, 162), (6, 60)),
    ],
)
def test_advance(tokens, expected):
    assert advance(tokens, 100) == expected


def test_a_clip_of_one_window_is_what_openai_decodes(openai):
    import whisper

    sound = sounds(12.3)[0]
    mel = whisper.log_mel_spectrogram(sound.waveform, padding=30 * SECOND)[:, :1230]
    theirs = openai.model.decode(whisper.pad_or_trim(mel, 3000), whisper.DecodingOptions(language="es", fp16=False))
    (ours,) = listen(openai, [sound], "es", GREEDY)
    assert ours.text == " ".join(theirs.text.split())
    assert ours.avg_logprob == pytest.approx(theirs.avg_logprob, abs=1e-4)
    assert ours.no_speech_prob == pytest.approx(theirs.no_speech_prob, abs=1e-4)
    assert ours.compression_ratio == pytest.approx(theirs.compression_ratio, abs=1e-3)


def test_a_long_clip_is_what_openai_transcribes(openai, monkeypatch):
    """All but the last window, of which Whisper hears the end again."""
    monkeypatch.setattr(listening, "LEAST_STEP", 2)
    (sound,) = sounds(70)
    theirs = openai.model.transcribe(
        sound.waveform, language="es", temperature=0.0, condition_on_previous_text=False, fp16=False,
        compression_ratio_threshold=None, logprob_threshold=None, no_speech_threshold=None,
    )["segments"]  # fmt: skip
    windows = {}
    for segment in theirs:
        windows[segment["seek"]] = windows.get(segment["seek"], "") + segment["text"]
    hearing = listening._Hearing(openai, sound, GREEDY)
    starts = []
    while hearing.next_window():
        starts.append(hearing.at)
        hearing.take(decode(openai, openai.encode(hearing.window()[None]), "es", [0], GREEDY)[0])
    assert len(starts) >= 3
    assert starts == [seek for seek in windows if seek <= starts[-1]]
    for start, text in zip(starts[:-1], hearing.texts[:-1], strict=True):
        assert text == listening._printable(windows[start])


def test_a_window_is_what_transformers_generates(hub):
    (sound,) = sounds(9.7)
    model = copy.deepcopy(hub.model)
    settings = model.generation_config
    settings.lang_to_id = {token: k for token, k in hub.special.items() if token in ("<|es|>", "<|en|>")}
    settings.task_to_id = {"transcribe": hub.special["<|transcribe|>"]}
    settings.no_timestamps_token_id = hub.timestamp_begin - 1
    settings.max_initial_timestamp_index = 50
    settings.suppress_tokens = sorted(k for k in hub.special.values() if 256 < k < hub.timestamp_begin)
    settings.begin_suppress_tokens = [256]
    window = hub.spectrogram(sound.waveform)[None, :, :3000]
    theirs = model.generate(
        window, language="es", task="transcribe", return_timestamps=True, max_new_tokens=hub.longest,
        force_unique_generate_call=True, return_dict_in_generate=True, output_scores=True,
    )  # fmt: skip
    (ours,) = hub.decode(hub.encode(window), "es", 0.0, 0)
    tokens = theirs.sequences[0, 3:].tolist()
    assert list(ours.tokens) == [token for token in tokens if token != 256]
    scores = torch.stack(theirs.scores)[:, 0].log_softmax(-1)
    total = scores.gather(1, torch.tensor(tokens)[:, None]).sum()
    assert ours.avg_logprob == pytest.approx(float(total) / (len(ours.tokens) + 1), abs=1e-4)
    prompt = torch.tensor([[hub.special["<|startoftranscript|>"]]])
    first = model(input_features=window, decoder_input_ids=prompt).logits[0, 0].softmax(-1)
    assert ours.no_speech_prob == pytest.approx(float(first[hub.no_speech]), abs=1e-5)


def test_side_by_side_or_alone_in_order(recogniser):
    clips = [*sounds(2, 33, 0.5, 8), Sound("silent", np.zeros(SECOND, dtype=np.float32))]
    together = listen(recogniser, clips, "es", GREEDY)
    assert [one.text for one in together] == [listen(recogniser, [clip], "es", GREEDY)[0].text for clip in clips]
    assert together[-1].flags == ("silence",)
    assert (together[-1].text, together[-1].avg_logprob) == ("", None)
    assert len({one.text for one in together}) > 2


def test_the_language_is_told_to_the_model(recogniser):
    clips = sounds(3, 4, 5, 6)
    es, de = (listen(recogniser, clips, language, GREEDY) for language in ("es", "de"))
    assert [one.avg_logprob for one in es] != [one.avg_logprob for one in de]


def test_silence_costs_no_model(recogniser, monkeypatch):
    monkeypatch.setattr(type(recogniser), "encode", lambda *_: pytest.fail("the model was asked"))
    quiet = [Sound("a", 1e-4 * noise(2)), Sound("b", np.zeros(100, dtype=np.float32)), Sound("c", noise(0))]
    assert [one.flags for one in listen(recogniser, quiet, "es", Guards())] == [("silence",)] * 3


# -- fallback


def test_sampling_is_the_clip_s_own(recogniser):
    """The same for a clip wherever it stands, whatever was drawn before, and another for another clip."""
    guards = Guards(temperatures=(0.0, 1.0), min_logprob=0.0)
    clips = sounds(2, 3, 4)
    first = listen(recogniser, clips, "es", guards)
    torch.manual_seed(12345)
    assert listen(recogniser, clips[::-1], "es", guards)[::-1] == first
    state = torch.get_rng_state()
    listen(recogniser, clips[:1], "es", guards)
    assert torch.equal(torch.get_rng_state(), state)
    states = recogniser.encode(recogniser.spectrogram(clips[0].waveform)[None, :, :3000])
    draws = {recogniser.decode(states, "es", 1.0, seed)[0].tokens for seed in range(5)}
    assert len(draws) == 5
    assert recogniser.decode(states, "es", 1.0, 3) == recogniser.decode(states, "es", 1.0, 3)


class Scripted:
    """Decodings as they are written here, by window and temperature."""

    timestamp_begin = 100

    def __init__(self, script):
        self.script, self.asked = script, []

    def decode(self, states, language, temperature, seed):
        self.asked.append((tuple(states), temperature, seed))
        return [self.script[row][temperature] for row in states]


GOOD = Decoded((1,), "Hola, ¿qué tal estás?", -0.3, 0.1, ended=True)
LOOP = replace(GOOD, text="que no se puede hacer nada, " * 20, avg_logprob=-0.1)
UNSURE = replace(GOOD, text="Algo se oye.", avg_logprob=-1.4)
WORSE = replace(GOOD, text="Otra cosa.", avg_logprob=-3.0)
NOTHING = replace(UNSURE, no_speech_prob=0.9)


def test_a_failed_decoding_is_tried_again_until_it_does_not_fail():
    model = Scripted({"a": {0.0: GOOD}, "b": {0.0: LOOP, 0.2: UNSURE, 0.4: GOOD}})
    assert decode(model, ["a", "b"], "es", [10, 20], Guards()) == [GOOD, GOOD]
    assert model.asked == [(("a", "b"), 0.0, 10), (("b",), 0.2, 21), (("b",), 0.4, 22)]


def test_of_failures_alone_the_least_is_kept():
    script = {0.0: LOOP, 0.2: WORSE, 0.4: UNSURE, 0.6: LOOP, 0.8: WORSE, 1.0: WORSE}
    model = Scripted({"a": script})
    assert decode(model, ["a"], "es", [0], Guards()) == [UNSURE]
    assert len(model.asked) == 6


def test_what_is_not_speech_is_not_sampled():
    model = Scripted({"a": {0.0: NOTHING}})
    assert decode(model, ["a"], "es", [0], Guards()) == [NOTHING]
    assert len(model.asked) == 1


def heard(*decoded, seconds=70):
    """The transcript of a clip whose windows were decoded so."""
    hearing = listening._Hearing(Scripted({}), Sound("a", noise(seconds)), Guards())
    for one in decoded:
        assert hearing.next_window()
        hearing.take(one)
    assert not hearing.next_window()
    return hearing.transcript()


def test_a_clip_s_figures_are_its_worst_window_s():
    found = heard(GOOD, replace(NOTHING, text="Gracias."), GOOD)
    assert found.text == f"{GOOD.text} Gracias. {GOOD.text}"
    assert (found.avg_logprob, found.no_speech_prob) == (-1.4, 0.9)
    assert found.flags == ("no_speech", "low_confidence")


def test_a_loop_from_window_to_window():
    one = replace(GOOD, text="¡Suscríbete a nuestro canal!")
    assert heard(one, one, one).flags == ("repetition",)
    assert heard(one, seconds=5).flags == ()


def test_one_empty_window_is_no_empty_clip():
    nothing = replace(GOOD, text="", tokens=())
    assert heard(GOOD, nothing, GOOD).flags == ()
    assert heard(nothing, seconds=5).flags == ("empty",)


def test_control_characters_and_line_breaks():
    assert heard(replace(GOOD, text=" Hola,\n\x00 \x1b¿qué tal? "), seconds=5).text == "Hola, ¿qué tal?"
