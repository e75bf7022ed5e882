import pytest
import torch

from emospeech.training.schedules import SCHEDULES, Cosine, Linear, Plateau, Replay, WarmUp


def test_plateau_decays_after_so_many_validations_without_gain():
    schedule = Plateau(factor=0.9, patience=3)
    factors = []
    for score in (0.1, 0.2, 0.2, 0.1, 0.15, 0.1, 0.1, 0.1, 0.3):
        schedule.validated(score)
        factors.append(round(schedule.factor_at(0), 4))
    # gain, gain, then the third, and the sixth, without gain
    assert factors == [1, 1, 1, 1, 0.9, 0.9, 0.9, 0.81, 0.81]


def test_plateau_goes_on_where_it_was():
    whole, first = Plateau(patience=2), Plateau(patience=2)
    scores = [0.3, 0.2, 0.1, 0.4, 0.1, 0.1, 0.1]
    for score in scores[:2]:
        first.validated(score)
    second = Plateau(patience=2)
    second.restore(first.state())
    for score in scores[2:]:
        second.validated(score)
    for score in scores:
        whole.validated(score)
    assert second.state() == whole.state()


def test_warm_up_rises_to_the_schedule_below():
    schedule = WarmUp(SCHEDULES["constant"](6), steps=4)
    assert [schedule.factor_at(step) for step in range(6)] == [0.25, 0.5, 0.75, 1.0, 1.0, 1.0]


def test_the_fall_begins_where_the_rise_ends():
    schedule = WarmUp(Linear(4), steps=2)
    assert [schedule.factor_at(step) for step in range(7)] == [0.5, 1.0, 1.0, 0.75, 0.5, 0.25, 0.0]


@pytest.mark.parametrize("end", [0.0, 0.1])
def test_cosine_is_torchs_own(end):
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0)
    oracle = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=10, eta_min=end)
    ours = Cosine(10, end=end)
    for step in range(11):
        assert ours.factor_at(step) == pytest.approx(oracle.get_last_lr()[0])
        optimizer.step()
        oracle.step()
    assert ours.factor_at(1000) == pytest.approx(end)


def test_linear_by_hand():
    assert [Linear(4, end=0.5).factor_at(step) for step in (0, 1, 2, 4, 9)] == [1.0, 0.875, 0.75, 0.5, 0.5]


@pytest.mark.parametrize("name", SCHEDULES)
def test_every_schedule_starts_at_the_base_rate(name):
    assert SCHEDULES[name](10).factor_at(0) == 1.0


def test_replay_gives_the_factors_of_another_run():
    schedule = Replay([(0, 1.0), (5, 0.9), (8, 0.81)])
    assert [schedule.factor_at(step) for step in (0, 4, 5, 7, 8, 100)] == [1.0, 1.0, 0.9, 0.9, 0.81, 0.81]
