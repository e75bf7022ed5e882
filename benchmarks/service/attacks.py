"""What a server must bear: broken sound, forms, JSON and HTTP, tricks with names and paths, clients that hang up."""

import functools
import gzip
import io
import json
import random
import struct
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import soundfile

from service.asking import HOST, Field, clip_request, form, request

NO_ANSWER = 0  # in place of a status: the connection was closed
WHOLE, HANG_UP, STALL = "whole", "hang up", "stall"  # then wait for the answer; close at once; wait, then close
RATE = 16_000
PREDICT, BATCH = "/v1/predict", "/v1/predict/batch"
REFUSED = frozenset({400, 404, 405, 413, 415, 421, 422})
ANY = REFUSED | {200}  # what may also be sound, for all one knows


@dataclass(frozen=True)
class Attack:
    """Bytes that are sent, and the statuses that may come of it; 429 always may."""

    payload: bytes
    allowed: frozenset[int]
    manner: str = WHOLE


@dataclass(frozen=True)
class Material:
    """What attacks are made of."""

    clip: bytes  # a sound wav file
    text: str
    reader: str | None  # a model that answers texts alone


Make = Callable[[random.Random, Material], Attack]


def _audio(clip: bytes, allowed: frozenset[int], name: str = "clip.wav") -> Attack:
    return Attack(clip_request(clip, "Hola.", name), allowed)


def _form(*fields: Field, path: str = PREDICT, allowed: frozenset[int] = REFUSED) -> Attack:
    return Attack(request(path, *form(fields)), allowed)


def _json(body: bytes, path: str = PREDICT, allowed: frozenset[int] = REFUSED) -> Attack:
    return Attack(request(path, body, "application/json"), allowed)


# ---------------------------------------------------------------------- sound


@functools.cache
def _coded(clip: bytes, kind: str) -> bytes:
    samples, rate = soundfile.read(io.BytesIO(clip), dtype="float32")
    file = io.BytesIO()
    soundfile.write(file, samples, rate, format=kind)
    return file.getvalue()


@functools.cache
def _long(kind: str, seconds: int) -> bytes:
    """Silence that is small as a file and large as sound."""
    file = io.BytesIO()
    with soundfile.SoundFile(file, "w", RATE, 1, format=kind) as sound:
        for _ in range(seconds):  # libsndfile's Vorbis dies of minutes at once
            sound.write(np.zeros(RATE, dtype=np.float32))
    return file.getvalue()


def _header(channels: int, rate: int, size: int, bits: int = 16) -> bytes:
    """Of a wav file, saying what one likes."""
    frame = max(channels * bits // 8, 1) & 0xFFFF
    head = struct.pack("<4sIHHIIHH", b"fmt ", 16, 1, channels, rate, (rate * frame) & 0xFFFFFFFF, frame, bits)
    return b"RIFF" + struct.pack("<I", 0xFFFFFFFF) + b"WAVE" + head + b"data" + struct.pack("<I", size)


def junk(rng: random.Random, of: Material) -> Attack:
    return _audio(rng.randbytes(rng.choice([1, 44, 1000, 300_000])), frozenset({415, 422}))


def cut_short(rng: random.Random, of: Material) -> Attack:
    clip = _coded(of.clip, rng.choice(["WAV", "FLAC", "OGG", "MP3"]))
    return _audio(clip[: rng.randrange(len(clip))], ANY)


def flipped(rng: random.Random, of: Material) -> Attack:
    clip = bytearray(_coded(of.clip, rng.choice(["WAV", "FLAC", "OGG", "MP3"])))
    for _ in range(rng.choice([1, 10, 200])):
        clip[rng.randrange(len(clip))] ^= 1 << rng.randrange(8)
    return _audio(bytes(clip), ANY)


def lying_header(rng: random.Random, of: Material) -> Attack:
    head = _header(
        rng.choice([0, 1, 2, 255, 65_535]), rng.choice([0, 1, 7, 16_000, 2**32 - 1]), rng.choice([0, 10, 2**32 - 1]),
        rng.choice([0, 1, 8, 16, 24, 64]),
    )  # fmt: skip
    return _audio(head + of.clip[44 : 44 + rng.choice([0, 3, 1000, 40_000])], ANY)


def bomb(rng: random.Random, of: Material) -> Attack:
    return _audio(_long(*rng.choice([("FLAC", 1800), ("OGG", 900), ("FLAC", 240)])), frozenset({413, 422}))


def no_numbers(rng: random.Random, of: Material) -> Attack:
    samples = np.full(RATE, rng.choice([np.nan, np.inf, 1e38, 0.0]), dtype=np.float32)
    file = io.BytesIO()
    soundfile.write(file, samples, RATE, format="WAV", subtype="FLOAT")
    return _audio(file.getvalue(), ANY)


def not_sound(rng: random.Random, of: Material) -> Attack:
    found = [
        b"#EXTM3U\n#EXTINF:10,\nfile:///etc/passwd\n#EXT-X-ENDLIST\n",
        b"ffconcat version 1.0\nfile '/etc/passwd'\n",
        b"<?xml version='1.0'?><!DOCTYPE x [<!ENTITY a SYSTEM 'file:///etc/passwd'>]><x>&a;</x>",
        b"v=0\r\no=- 0 0 IN IP4 127.0.0.1\r\nm=audio 5004 RTP/AVP 0\r\n",
        gzip.compress(of.clip),
        b"PK\x03\x04" + of.clip,
        b"",
    ]
    return _audio(rng.choice(found), frozenset({415, 422}), rng.choice(["a.wav", "a.m3u8", "a.mp4", "a.sdp"]))


# ---------------------------------------------------------------------- names and paths


NAMES = (
    "../../../../etc/passwd", "/dev/shm/x/upload", "a\x00.wav", "x" * 60_000, "\u202egnp.wav", "-i", "|id",
    "a%0d%0aSet-Cookie:x=1.wav", "con.wav;rm -rf", "", ".", "\ufeff",
)  # fmt: skip
PATHS = (
    "/page/../../../../etc/passwd", "/page/%2e%2e/%2e%2e/%2e%2e/etc/passwd", "/page/..%2f..%2fapp.py", "/page/%00",
    "/page//etc/passwd", "/v1/examples/../../x.wav", "/v1/examples/%2e%2e%2fjoy.wav", "/\\..\\..\\etc", "/docs",
    f"/v1/examples/{'a' * 9000}.wav", "//evil.example/", "/v1/predict", "/v1/../metrics/..", "/.env",
    "/v1/examples/%ff%fe.wav", "/v1/train/../predict", "/page/index.html%00.js",
)  # fmt: skip


def names(rng: random.Random, of: Material) -> Attack:
    return _audio(of.clip, ANY, rng.choice(NAMES))


def paths(rng: random.Random, of: Material) -> Attack:
    method = rng.choice(["GET", "POST", "HEAD", "PUT", "DELETE", "OPTIONS", "TRACE"])
    return Attack(request(rng.choice(PATHS), b"", "text/plain", method), REFUSED | {405, 307})


def models(rng: random.Random, of: Material) -> Attack:
    name = rng.choice([b"../demo", b"x" * 5000, b"\x00", "ñ\u202e".encode(), b"\xff\xfe", b"{}"])
    return _form(("audio", of.clip, "a.wav"), ("text", b"Hola.", None), ("model", name, None))


# ---------------------------------------------------------------------- JSON and forms


JSON_BODIES = (
    b"", b"{", b"[]", b"null", b"[" * 100_000, b'{"text":' * 5000, b'{"text": NaN}', b'{"text": 1e999}',
    b'{"text": "\xff"}',
    b'{"text": "\\ud800"}', b'{"texts": ["\\udfff"]}', b'{"text": null}', b'{"text": ["a"]}', b'{"text": {"a": 1}}',
    b'{"text": ""}', b'{"text": "   "}', b'{"text": "a", "text": 3}', b'{"text": "a", "explain": "perhaps"}',
    b'{"text": "a", "model": 7}', b'{"text": "a", "other": 1}', b'{"texts": []}', b'{"texts": "a"}', b'{"texts": [1]}',
    b"9" * 100_000, b'\xef\xbb\xbf{"text": "a"}', json.dumps({"text": "a" * 1_000_000}).encode(),
    json.dumps({"texts": ["a"] * 5000}).encode(), '{"text": "a"}'.encode("utf-16"),
)  # fmt: skip
TEXTS = (
    "\x00", "\u202e" * 50, "👩‍👩‍👧" * 200, "z\u0351\u036b\u0343" * 500, "a" * 5000, "<script>alert(1)</script>",
    "' OR 1=1 --", "\n" * 99 + "a",
)  # fmt: skip


def bodies(rng: random.Random, of: Material) -> Attack:
    return _json(rng.choice(JSON_BODIES), rng.choice([PREDICT, BATCH]), ANY)


def texts(rng: random.Random, of: Material) -> Attack:
    return _form(("audio", of.clip, "a.wav"), ("text", rng.choice(TEXTS).encode(), None), allowed=ANY)


def read_alone(rng: random.Random, of: Material) -> Attack:
    told = json.dumps({"text": rng.choice([*TEXTS, "\ud800", "a \udfff b"]), "model": of.reader, "explain": True})
    return _json(told.encode(), allowed=ANY)


def forms(rng: random.Random, of: Material) -> Attack:
    kind = "multipart/form-data"
    body, right = form([("audio", of.clip, "a.wav"), ("text", b"Hola.", None)])
    found = [
        request(PREDICT, body, kind),
        request(PREDICT, body, f"{kind}; boundary=other"),
        request(PREDICT, body, f"{kind}; boundary={'b' * 5000}"),
        request(PREDICT, body[: len(body) // 2], right),
        request(PREDICT, body, "text/plain"),
        request(PREDICT, body, "application/x-www-form-urlencoded"),
        request(PREDICT, b"", right),
        request(PREDICT, rng.randbytes(2000), right),
        request(PREDICT, body.replace(b"form-data", b"attachment"), right),
        request(PREDICT, body.replace(b'name="audio"', b""), right),
    ]
    return Attack(rng.choice(found), ANY)


def fields(rng: random.Random, of: Material) -> Attack:
    found: list[list[Field]] = [
        [("text", of.clip, "a.txt")],
        [("audio", b"no file", None), ("text", b"Hola.", None)],
        [("audio", of.clip, "a.wav")] * 2,
        [("text", b"a", None)] * 1500,
        [("audio", b"", "a.wav"), ("text", b"", None)],
        [("explain", b"maybe", None), ("text", b"a", None)],
        [("model", b"a", None)] * 2,
        [("x" * 5000, b"", None)],
        [],
        [("text", b"a" * 2_000_000, None)],
    ]
    return _form(*rng.choice(found))


def batches(rng: random.Random, of: Material) -> Attack:
    clip = ("audio", of.clip, "a.wav")
    broken = ("audio", rng.randbytes(500), "b.wav")
    words = ("text", b"Hola.", None)
    found: list[list[Field]] = [[clip, broken, words, words], [broken] * 5, [clip] * 40, [clip, words, words], [clip]]
    return _form(*rng.choice(found), path=BATCH, allowed=ANY)


# ---------------------------------------------------------------------- HTTP


def lengths(rng: random.Random, of: Material) -> Attack:
    head = b"POST /v1/predict HTTP/1.1\r\nHost: " + HOST.encode() + b"\r\nContent-Type: application/json\r\n"
    found = [
        b"Content-Length: -1\r\n\r\n", b"Content-Length: abc\r\n\r\n", b"Content-Length: 99999999999\r\n\r\n",
        b"Content-Length: 2\r\nContent-Length: 3\r\n\r\n{}", b"Transfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"Transfer-Encoding: chunked\r\nContent-Length: 2\r\n\r\n0\r\n\r\n", b"Content-Length: 0\r\n\r\n",
    ]  # fmt: skip
    return Attack(head + rng.choice(found), REFUSED | {NO_ANSWER})


def endless(rng: random.Random, of: Material) -> Attack:
    """A body in chunks that never says how long it is: more than a server takes."""
    head = f"POST {PREDICT} HTTP/1.1\r\nHost: {HOST}\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked"
    chunk = b"80000\r\n" + b" " * 0x80000 + b"\r\n"
    return Attack(f"{head}\r\n\r\n".encode() + chunk * 56, frozenset({413, NO_ANSWER}))


def no_http(rng: random.Random, of: Material) -> Attack:
    found = [
        rng.randbytes(300) + b"\r\n\r\n", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + rng.randbytes(200),
        b"GET /\r\n\r\n", b"GET / HTTP/9.9\r\n\r\n", b"GET /healthz HTTP/1.1\r\n\r\n", b"\r\n" * 5000,
        b"GET /healthz HTTP/1.1\r\nHost: evil.example\r\n\r\n", b"GET /" + b"a" * 200_000 + b" HTTP/1.1\r\n\r\n",
        b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\nX: " + b"a" * 300_000 + b"\r\n\r\n",
        b"GET /healthz HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    ]  # fmt: skip
    # a client that says nothing whole waits for nothing
    return Attack(rng.choice(found), REFUSED | {NO_ANSWER}, HANG_UP if rng.random() < 0.2 else STALL)


def hang_up(rng: random.Random, of: Material) -> Attack:
    whole = clip_request(of.clip, of.text)
    return Attack(whole[: rng.choice([len(whole), rng.randrange(len(whole))])], ANY | {NO_ANSWER}, HANG_UP)


def stall(rng: random.Random, of: Material) -> Attack:
    whole = clip_request(of.clip, of.text)
    return Attack(whole[: rng.randrange(1, len(whole))], ANY | {NO_ANSWER, 408}, STALL)


ATTACKS: Mapping[str, Make] = {
    make.__name__: make
    for make in (
        junk, cut_short, flipped, lying_header, bomb, no_numbers, not_sound, names, paths, models, bodies, texts,
        read_alone, forms, fields, batches, lengths, endless, no_http, hang_up, stall,
    )
}  # fmt: skip
