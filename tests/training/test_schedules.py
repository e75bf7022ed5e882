from emospeech.training.schedules import SCHEDULES, Plateau, Replay, WarmUp


def test_plateau_decays_after_so_many_validations_without_gain():
    schedule = Plateau(decay=0.9, patience=3)
    factors = []
    for score in (0.1, 0.2, 0.2, 0.1, 0.15, 0.1, 0.1, 0.1, 0.3):
        schedule.validated(score)
        factors.append(round(schedule.factor(0), 4))
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
    schedule = WarmUp(SCHEDULES["constant"](0.9, 10), steps=4)
    assert [schedule.factor(step) for step in range(6)] == [0.25, 0.5, 0.75, 1.0, 1.0, 1.0]


def test_replay_gives_the_factors_of_another_run():
    schedule = Replay([(0, 1.0), (5, 0.9), (8, 0.81)])
    assert [schedule.factor(step) for step in (0, 4, 5, 7, 8, 100)] == [1.0, 1.0, 0.9, 0.9, 0.81, 0.81]
