"""Speech by the espeak-ng library: the same samples for the same words, whatever was spoken before."""

import ctypes
import os
import threading
from dataclasses import dataclass

import numpy as np

RATE = 22_050  # Hz, what espeak-ng speaks at


@dataclass(frozen=True)
class Delivery:
    """How a sentence is said."""

    rate: float  # words per minute
    pitch: float  # 50 is the voice's own; 50 more is an octave up
    spread: float  # how much the melody moves: 0 is monotone, 50 the voice's own
    level: float  # dBFS, root mean square over the clip
    effort: float  # 0 is a relaxed voice, 1 a pressed one: more energy in the high frequencies


# From espeak-ng's speak_lib.h
_SYNCHRONOUS, _UTF8, _BY_CHARACTER = 2, 1, 1  # output mode, text encoding, unit of the starting position
_SPEED, _VOLUME, _PITCH, _RANGE, _WORD_GAP = 1, 2, 3, 4, 7
_CALLBACK = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_int, ctypes.c_void_p)
_ESPEAK = threading.Lock()  # espeak-ng keeps its state in globals: one utterance at a time


def speak(text: str, voice: str, delivery: Delivery) -> np.ndarray:
    """One utterance by espeak-ng: int16 `(time,)` at 22.05 kHz, the same whatever was spoken before it.

    espeak-ng carries the phase of its pitch flutter, its gain control and its breath noise over to the next
    utterance, and offers no reset. So the library is loaded anew for each, which takes milliseconds.
    """
    import espeakng_loader  # GPL-3.0: only here, and only when a corpus is made

    chunks: list[bytes] = []

    def receive(samples: int | None, count: int, _events: int | None) -> int:
        if samples and count > 0:
            chunks.append(ctypes.string_at(samples, 2 * count))
        return 0  # go on

    # volume 60 is far from clipping; the level is set afterwards
    settings = {
        _SPEED: delivery.rate,
        _VOLUME: 60,
        _PITCH: delivery.pitch,
        _RANGE: delivery.spread,
        _WORD_GAP: 0,
    }
    process, callback, encoded = ctypes.CDLL(None), _CALLBACK(receive), text.encode()
    with _ESPEAK:
        espeak = ctypes.CDLL(espeakng_loader.get_library_path())

        def call(name: str, *arguments: object, answer: int = 0) -> None:
            if (status := getattr(espeak, name)(*arguments)) != answer:
                raise RuntimeError(f"espeak-ng's {name} answered {status} instead of {answer} ({voice}: {text})")

        try:
            data = os.fsencode(espeakng_loader.get_data_path())
            call("espeak_Initialize", _SYNCHRONOUS, 0, data, 0, answer=RATE)
            espeak.espeak_SetSynthCallback(callback)
            espeak.espeak_ng_SetRandSeed(ctypes.c_long(1))
            process.srand(1)  # espeak-ng takes its breath noise from the C library
            call("espeak_SetVoiceByName", voice.encode())
            for parameter, value in settings.items():
                call("espeak_SetParameter", parameter, round(value), 0)
            size = ctypes.c_size_t(len(encoded) + 1)  # with the closing zero
            call("espeak_Synth", encoded, size, 0, _BY_CHARACTER, 0, _UTF8, None, None)
        finally:
            espeak.espeak_Terminate()
            process.dlclose(ctypes.c_void_p(espeak._handle))
    return np.frombuffer(b"".join(chunks), dtype=np.int16)
