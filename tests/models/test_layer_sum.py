"""The learned sum from stored states against the obvious way, stacked in float32."""

import os
import threading
import time

import pytest
import torch

from emospeech.encoders.features import Features, PackedStates
from emospeech.encoders.store.packed import DTYPES, Packed, pack
from emospeech.models import layer_sum
from emospeech.models.classifier import Classifier
from emospeech.models.fusion import SequenceFusion
from emospeech.models.heads import MLPHead
from emospeech.models.layer_sum import weighted_sum
from emospeech.models.mixing import LayerMix
from emospeech.models.pooling import AttentionPooling
from emospeech.models.streams import StreamPooling

SHAPES = {"ragged": (4, (7, 3, 12)), "one utterance": (4, (9,)), "one frame": (3, (1, 1)), "one layer": (1, (5, 2))}


@pytest.fixture
def threads():
    """Set the number of threads; it is put back afterwards."""
    before = torch.get_num_threads()
    yield torch.set_num_threads
    torch.set_num_threads(before)


@pytest.fixture(params=["stretched", "joined"])
def way(request, monkeypatch):
    """Both ways of summing, on the CPU, and stretches so short that an utterance has several."""
    monkeypatch.setattr(layer_sum, "STRETCH", 5 * 16)
    return layer_sum._StretchedSum if request.param == "stretched" else layer_sum._JoinedSum


def stored(dtype="fp16", layers=4, lengths=(7, 3, 12), width=16, seed=0):
    generator = torch.Generator().manual_seed(seed)
    # longer than what is used: a crop is a view whose layers do not lie end to end
    whole = [pack(torch.randn(layers, frames + 3, width, generator=generator), dtype) for frames in lengths]
    return tuple(one.cut(2, frames) for one, frames in zip(whole, lengths, strict=True))


def obvious(weights, utterances):
    return torch.einsum("l,bltd->btd", weights, PackedStates(utterances).padded().to(weights.dtype))


def values_and_gradient(function, weights, utterances):
    weights = weights.clone().requires_grad_()
    total = function(weights, utterances)
    slope = torch.randn(total.shape, generator=torch.Generator().manual_seed(1))  # also on padding
    total.backward(slope.to(total.dtype))
    return total.detach(), weights.grad


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("dtype", DTYPES)
def test_equals_the_obvious_way(way, dtype, shape):
    layers, lengths = SHAPES[shape]
    utterances = stored(dtype, layers, lengths)
    weights = torch.linspace(-1, 1.5, layers)
    found = values_and_gradient(way.apply, weights, utterances)
    expected = values_and_gradient(obvious, weights.double(), utterances)
    assert found[0].dtype == found[1].dtype == torch.float32
    torch.testing.assert_close(found[0].double(), expected[0], rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(found[1].double(), expected[1], rtol=1e-5, atol=1e-5)
    assert found[0][~PackedStates(utterances).mask()].abs().sum() == 0


def test_by_hand():
    one = Packed(torch.tensor([[[1, 2]], [[3, 4]]], dtype=torch.int8), torch.tensor([[0.5], [10.0]]))
    weights = torch.tensor([2.0, 1.0], requires_grad=True)
    total = weighted_sum(weights, [one])
    total.backward(torch.tensor([[[1.0, 100.0]]]))
    assert total.tolist() == [[[31.0, 42.0]]]
    assert weights.grad.tolist() == [100.5, 4030.0]


def test_any_number_of_threads_gives_the_same_bits(threads):
    # utterances of one stretch and of several, wide enough for torch's own threads
    utterances, weights = stored(layers=5, lengths=(700, 40, 333), width=512), torch.rand(5)
    found = []
    for count in (1, 2, 3, 1):
        threads(count)
        found.append(values_and_gradient(weighted_sum, weights, utterances))
        assert torch.get_num_threads() == count
    for total, slope in found[1:]:
        assert torch.equal(total, found[0][0])
        assert torch.equal(slope, found[0][1])


@pytest.mark.parametrize("count", [1, 2])
def test_a_fault_in_a_thread_is_raised(threads, count):
    threads(count)
    broken = Packed(torch.ones(2, 3, 4, dtype=torch.int8), torch.ones(2, 2))
    with pytest.raises(RuntimeError, match="size"):
        weighted_sum(torch.ones(2), [broken])


def test_double_weights_have_double_gradients(way):
    weights = torch.linspace(0, 1, 4).double()
    total, slope = values_and_gradient(way.apply, weights, stored("fp32"))
    assert (total.dtype, slope.dtype) == (torch.float32, torch.float64)


@pytest.mark.parametrize("context", [torch.no_grad, torch.inference_mode])
def test_without_gradients(way, context):
    weights = torch.rand(4, requires_grad=True)
    with context():
        total = way.apply(weights, stored())
    assert not total.requires_grad
    torch.testing.assert_close(total.clone(), obvious(weights.detach(), stored()), rtol=1e-5, atol=1e-5)
    assert not way.apply(weights.detach(), stored()).requires_grad


def test_autocast_changes_nothing(way, threads):
    weights = torch.rand(4)
    plain = values_and_gradient(way.apply, weights, stored())
    with torch.autocast("cpu", dtype=torch.bfloat16):
        cast = values_and_gradient(way.apply, weights, stored())
    torch.testing.assert_close(cast, plain, rtol=0, atol=0)


def test_compiled():
    weights, utterances = torch.rand(4), stored()

    def scaled(weights, utterances):
        return weighted_sum(2 * weights, utterances) + 1

    found = values_and_gradient(torch.compile(scaled, backend="eager"), weights, utterances)
    torch.testing.assert_close(found, values_and_gradient(scaled, weights, utterances), rtol=0, atol=0)


def test_what_is_summed_together_must_fit_together():
    with pytest.raises(ValueError, match="no utterance"):
        weighted_sum(torch.ones(2), [])
    with pytest.raises(ValueError, match="have 4 layers, the model has weights for 2"):
        weighted_sum(torch.ones(2), stored())
    with pytest.raises(ValueError, match=r"different \(layers, width\): \[\(4, 8\), \(4, 16\)\]"):
        weighted_sum(torch.ones(4), (*stored(), *stored(width=8)))


def test_layer_mix_takes_what_a_store_gives():
    mix, states = LayerMix(4), PackedStates(stored())
    torch.testing.assert_close(mix(states), mix(states.padded()))
    mixed = PackedStates(stored(layers=1))  # a store that holds the sum
    for one in (LayerMix(1), mix):
        torch.testing.assert_close(one(mixed), mixed.padded()[:, 0])
    with pytest.raises(ValueError, match="have 4 layers, the model has weights for 3"):
        LayerMix(3)(states)
    with pytest.raises(ValueError, match="have 4 layers, the model takes 1"):
        LayerMix(1)(states)


def classifier():
    torch.manual_seed(0)
    fusion = SequenceFusion({"speech": 16, "text": 16}, lambda width: StreamPooling(AttentionPooling(width)))
    return Classifier(fusion, {"label": {"joint": MLPHead(16, 3)}}, (4, 16), 16, dropout=0.0).eval()


def test_classifier_on_stored_states_equals_on_padded_ones():
    model, speech, text = classifier(), PackedStates(stored()), PackedStates(stored("bf16", 1, (2, 6, 1)))
    packed = model(Features(speech, speech.mask(), text, text.mask()))["label"]
    padded = model(Features(speech.padded(), speech.mask(), text.padded()[:, 0], text.mask()))["label"]
    torch.testing.assert_close(packed, padded)
    alone = PackedStates(speech.utterances[1:2])
    words = PackedStates(text.utterances[1:2])
    single = model(Features(alone, alone.mask(), words, words.mask()))["label"]
    torch.testing.assert_close(single, packed[1:2], rtol=0, atol=1e-5)
    with pytest.raises(ValueError, match="have 2 layers, the model takes 1"):
        model(Features(None, None, PackedStates(stored(layers=2)), text.mask()))


def test_packed_states_by_hand():
    states = PackedStates((Packed(torch.ones(1, 2, 1)), Packed(torch.full((1, 1, 1), 5.0))))
    assert states.mask().tolist() == [[True, True], [True, False]]
    assert states.padded().tolist() == [[[[1.0], [1.0]]], [[[5.0], [0.0]]]]
    assert states.to("cpu").layers == 1


def test_memory_stays_far_below_all_layers_in_float32():
    """Peak growth of resident memory over one forward and backward, looked at every half millisecond."""
    layers, frames, width, clips = 24, 200, 512, 8
    utterances = stored("fp16", layers, (frames,) * clips, width)
    weights = torch.rand(layers, requires_grad=True)
    weighted_sum(weights, utterances[:1]).sum().backward()  # what torch and its threads need once
    size, (before, peak) = clips * layers * frames * width * 4, (resident(), [0])
    over = threading.Event()

    def watch():
        while not over.is_set():
            peak[0] = max(peak[0], resident())
            time.sleep(0.0005)

    watcher = threading.Thread(target=watch)
    watcher.start()
    total = weighted_sum(weights, utterances)
    total.backward(torch.ones_like(total))
    over.set()
    watcher.join()
    assert peak[0] - before < size / 5, f"{peak[0] - before} of {size} bytes"


def resident() -> int:
    """Bytes of anonymous memory; without /proc the test says nothing."""
    try:
        with open("/proc/self/status", encoding="ascii") as status:  # noqa: PTH123
            return next(int(line.split()[1]) * 1024 for line in status if line.startswith("RssAnon"))
    except (FileNotFoundError, StopIteration):
        pytest.skip("no RssAnon in /proc/self/status")


def test_workers_have_one_thread_each_and_outlive_no_fork(threads):
    threads(2)
    workers = layer_sum._workers(2)
    assert {workers.submit(torch.get_num_threads).result() for _ in range(8)} == {1}
    child = os.fork()
    if child == 0:  # a child that waits for threads it does not have would never end
        weighted_sum(torch.rand(4), stored())
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
