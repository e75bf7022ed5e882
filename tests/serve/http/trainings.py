"""Trainings to ask a server for, and how to wait for them."""

import os
import time

import psutil

from emospeech.serve.http.jobs import ENDED

TINY = """
data: {corpus: emospeech2024, root: ROOT}
speech: {encoder: log_mel_cnn, options: {width: 8, bands: 16, channels: [4]}, crop_seconds: 0.5}
model: {head: {blocks: 1, width: 8}}
train: {epochs: 2, batch_size: 16, trackers: []}
"""
TEXT = """
data: {corpus: emospeech2024, root: ROOT}
system: classical
classical: {features: [{name: tfidf, min_rows: 1}], model: logistic_regression}
"""


WAITS = """
import signal, sys, time
signal.signal(signal.SIGTERM, lambda *_: (print("stopped in order"), sys.exit(143)))
print("begun", *sys.argv[1:], flush=True)
time.sleep(60)
"""


def begin(client, **asked):
    response = client.post("/v1/train", json={"recipe": "tiny", "name": "mine", **asked})
    assert response.status_code == 202, response.text
    return response.json()["id"]


def wait_for(client, id, *states, seconds=120):
    until = time.monotonic() + seconds
    while (job := client.get(f"/v1/train/{id}").json())["state"] not in states:
        assert time.monotonic() < until, job
        assert job["state"] not in ENDED, job
        time.sleep(0.05)
    return job


def wait_until(condition, seconds=20):
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until
        time.sleep(0.02)


def children():
    """Trainings that live: each leads a session of its own, which helpers of other tests do not."""
    found = psutil.Process(os.getpid()).children(recursive=True)
    return [one for one in found if one.status() != "zombie" and os.getsid(one.pid) == one.pid]
