"""Where features fit: a laptop, a node of a cluster, a machine with a large GPU and a small disk."""

import pytest

from emospeech.config import Cache
from emospeech.encoders.store.room import Demand, Room, Variant, choose, size
from emospeech.runtime.errors import UserError

GB = 1e9
# XLS-R 300M over EmoSPeech 2024: 3000 + 750 clips of 9.2 s, 50 frames a second
FRAMES = 460
FULL = Demand(3000 * FRAMES, 750 * FRAMES, 24, 1024, int(0.2 * GB), 3750, augmented=True)
PLAIN = Demand(3000 * FRAMES, 750 * FRAMES, 24, 1024, int(0.2 * GB), 3750, augmented=False)


def chosen(demand, room, missing=None, **cache):
    choice, passed = choose(Cache(**cache), demand, room, missing or (lambda variant: variant.bytes(demand)))
    return choice, [(one.mode, one.views) for one in passed]


def test_the_published_recipe_takes_what_the_reference_says():
    assert size(PLAIN.layers and Variant("layers", 1, "fp16", 1).bytes(PLAIN)) == "85.0 GB"


@pytest.mark.parametrize(
    ("demand", "room", "expected"),
    [
        (FULL, Room(disk=100 * GB, host=10 * GB, gpu=0), ("mixed", 4, True, "disk")),  # a laptop
        (PLAIN, Room(disk=100 * GB, host=10 * GB, gpu=0), ("layers", 1, True, "disk")),
        (FULL, Room(disk=2000 * GB, host=200 * GB, gpu=0), ("layers", 4, True, "disk")),  # a node
        (FULL, Room(disk=200 * GB, host=200 * GB, gpu=0), ("layers", 2, True, "disk")),
        (PLAIN, Room(disk=40 * GB, host=100 * GB, gpu=140 * GB), ("layers", 1, False, "cuda")),  # a large GPU
        (FULL, Room(disk=400 * GB, host=100 * GB, gpu=22 * GB), ("layers", 4, True, "disk")),
        (FULL, Room(disk=20 * GB, host=100 * GB, gpu=22 * GB), ("mixed", 4, True, "cuda")),
        (FULL, Room(disk=0, host=100 * GB, gpu=0), ("mixed", 4, False, "cpu")),  # read-only
    ],
)
def test_the_best_that_fits(demand, room, expected):
    choice, _ = chosen(demand, room)
    assert (choice.variant.mode, choice.variant.views, choice.written, choice.device) == expected


def test_what_did_not_fit_is_given_back_to_be_told():
    _, passed = chosen(FULL, Room(disk=20 * GB, host=10 * GB, gpu=0))
    assert passed == [("layers", 4), ("layers", 2)]


def test_what_is_there_already_takes_no_room():
    choice, _ = chosen(FULL, Room(disk=3 * GB, host=1 * GB, gpu=0), missing=lambda variant: 0)
    assert (choice.variant.mode, choice.written) == ("layers", True)


def test_words_of_the_recipe_are_kept():
    room = Room(disk=2000 * GB, host=200 * GB, gpu=140 * GB)
    assert chosen(FULL, room, mode="mixed")[0].variant.mode == "mixed"
    assert chosen(FULL, room, views=7)[0].variant.views == 7
    assert chosen(FULL, room, device="disk", mode="mixed")[0].device == "disk"
    assert chosen(FULL, room, device="cpu", mode="mixed")[0].device == "cpu"
    assert not chosen(FULL, room, write=False, mode="mixed")[0].written
    with pytest.raises(UserError, match="no room"):
        chosen(FULL, Room(disk=100 * GB, host=10 * GB, gpu=0), mode="layers")
    with pytest.raises(UserError, match="no room"):
        chosen(FULL, Room(disk=0, host=900 * GB, gpu=0), write=True)
    with pytest.raises(UserError, match="no room"):
        chosen(FULL, Room(disk=900 * GB, host=900 * GB, gpu=8 * GB), device="cuda")
    with pytest.raises(UserError, match="no GPU computes here"):
        chosen(FULL, Room(disk=900 * GB, host=900 * GB, gpu=0), device="cuda")


def test_integers_and_fewer_frames_take_less():
    whole = Variant("layers", 1, "fp16", 1).bytes(PLAIN)
    assert Variant("layers", 1, "int8", 1).bytes(PLAIN) == pytest.approx(whole / 2, rel=0.01)
    assert Variant("layers", 1, "fp16", 2).bytes(PLAIN) == pytest.approx(whole / 2, rel=0.01)
    assert Variant("mixed", 1, "fp16", 1).bytes(PLAIN) == pytest.approx(whole / 24, rel=0.1)
