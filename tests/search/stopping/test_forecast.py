"""Forecasts: the rules as they are written, and that all of them follow from the study's trials."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import optuna
import pytest
from optuna.trial import TrialState

from ecg_tune.search.engine import SearchEngine
from ecg_tune.search.runner import search_stats
from ecg_tune.search.stopping.choice import Choice, Chooser
from ecg_tune.search.stopping.decision import Decision
from ecg_tune.search.stopping.forecast import Forecasts, rung_levels
from ecg_tune.search.stopping.gains import DECAY, robust_spread
from ecg_tune.search.stopping.pauses import PausedTrials
from ecg_tune.study.study import Study
from ecg_tune.study.trial import Trial
from tests.toy_search import TOY_SPACE, Log, play, settings

E = 10
FAMILIES = ("slow", "fast")


def forecast_settings(**changes):
    return settings(**{"scheduler": "forecast", "max_epochs": E, "trials": 20, **changes})


def played(study: optuna.Study | Study, *, steps: int | None = None, slots: int = 1, **changes) -> SearchEngine:
    study = study if isinstance(study, Study) else Study(study)
    engine = SearchEngine(study, TOY_SPACE, forecast_settings(**changes), Log())
    play(engine, steps=steps, slots=slots, epochs=changes.get("max_epochs", E))
    return engine


def random_trials(rng: np.random.Generator, n: int, levels: tuple[int, ...]) -> list[Trial]:
    trials = []
    for number in range(n):
        whole, length = rng.random() < 0.2, int(rng.integers(1, E + 1))
        length = E if whole else min(length, E - 1)
        curve = np.cumsum(rng.random(length) * 0.1) + rng.random() * 0.3
        values = {epoch: float(value) for epoch, value in enumerate(curve + rng.normal(0, 0.02, length), 1)}
        patient = whole and rng.random() < 0.5
        values = {e: v for e, v in values.items() if e <= 4} if patient else values
        state = "COMPLETE" if whole else "FAIL" if rng.random() < 0.1 else "RUNNING"
        best = (max(values.values()),) if whole else ()
        trials.append(Trial(number, state, family=FAMILIES[number % 2], intermediate=values, values=best))
    return trials


@pytest.mark.parametrize(
    ("grace", "epochs", "levels"),
    [(1, 27, (1, 2, 3, 4, 6, 9, 13, 19)), (3, 50, (3, 4, 6, 9, 13, 19, 28, 42)), (1, 2, (1,)), (1, 1, ()), (5, 5, ())],
)
def test_each_rung_is_half_as_far_again(grace, epochs, levels):
    assert rung_levels(grace, epochs) == levels


def expected_steps(trials: list[Trial], levels: tuple[int, ...]) -> list[tuple[float, dict[str, tuple[float, float]]]]:
    """Compute in plain loops what each step makes of a value v, (1 + slope) · v + shift: slope, and each family's shift and variance."""
    seen = [t for t in trials if t.state != "FAIL" and t.intermediate]

    def at(trial: Trial, epoch: int) -> float | None:
        if trial.last_epoch >= epoch:
            return max(v for e, v in trial.intermediate.items() if e <= epoch)
        return max(trial.intermediate.values()) if trial.state == "COMPLETE" else None

    first = np.array([value for t in seen if (value := at(t, levels[0])) is not None])
    spread, floor = robust_spread(first)
    steps, before, variance_before, own_before = [], None, 0.0, dict.fromkeys(FAMILIES, 0.0)
    for low, high in zip(levels, (*levels[1:], E), strict=True):
        made = {f: [] for f in FAMILIES}
        for t in seen:
            if (b := at(t, high)) is not None and (a := at(t, low)) is not None:
                made[t.family].append((max(a, floor), max(b, floor) - max(a, floor)))
        every = [pair for own in made.values() for pair in own]
        prior = spread if before is None else DECAY * before
        mean, variance, middle = prior, spread**2 if before is None else DECAY * variance_before, 0.0
        if every:
            mean, middle = sum(g for _, g in every) / len(every), sum(v for v, _ in every) / len(every)
            variance = (sum((g - mean) ** 2 for _, g in every) + 0.5 * prior**2) / (len(every) + 0.5)
        pace = {f: 1.0 if before is None or before <= 1e-9 else min(3.0, max(0.3, own_before[f] / before)) for f in FAMILIES}
        own = {f: (sum(g for _, g in made[f]) + mean * pace[f]) / (len(made[f]) + 1) for f in FAMILIES}
        centre = {f: (sum(v for v, _ in made[f]) + middle) / (len(made[f]) + 1) for f in FAMILIES}
        about = [(v - centre[f], g - sum(g for _, g in made[f]) / len(made[f])) for f in FAMILIES for v, g in made[f]]
        square = sum(x * x for x, _ in about)
        steepness = min(0.0, max(-1.0, sum(x * y for x, y in about) / square)) if square > 0 else 0.0
        slope = 0.6 * steepness * len(about) / (len(about) + 4)
        left = [y - slope * x for x, y in about]
        within = max(sum(y * y for y in left) / (len(left) - 1) if len(left) > 2 else variance, 1e-10)
        steps.append((slope, {f: (own[f] - slope * centre[f], within + max(variance, within) / (len(made[f]) + 1)) for f in FAMILIES}))
        before, variance_before, own_before = mean, variance, own
    return steps


def to_the_end(steps: list[tuple[float, dict[str, tuple[float, float]]]], family: str) -> np.ndarray:
    """Add steps up: a value v becomes kept · v + shift, with a variance; (kept, shift, variance)."""
    kept, shift, variance = 1.0, 0.0, 0.0
    for slope, families in reversed(steps):
        own_shift, own_variance = families[family]
        kept, shift, variance = kept * (1 + slope), shift + kept * own_shift, variance + kept**2 * own_variance
    return np.array([kept, shift, variance])


@pytest.mark.parametrize("n", [1, 3, 5, 40])
@pytest.mark.parametrize("seed", range(4))
def test_a_forecast_is_the_best_value_and_what_its_family_gains_from_there(seed, n):
    levels = rung_levels(1, E)
    trials = random_trials(np.random.default_rng(seed), n, levels)
    forecasts, steps = Forecasts.of(trials, levels, E, FAMILIES), expected_steps(trials, levels)
    for trial in trials:
        if trial.state == "FAIL":
            assert not forecasts.known(trial.number)
            continue
        mean, sd = forecasts.of_trial(trial.number)
        if trial.state == "COMPLETE":
            assert (mean, sd) == (max(trial.intermediate.values()), 0.0)
            continue
        low = max(level for level in levels if level <= trial.last_epoch)
        at = levels.index(low)
        high = (*levels[1:], E)[at]
        way = (math.log(trial.last_epoch) - math.log(low)) / (math.log(high) - math.log(low))
        kept, shift, variance = to_the_end(steps[at:], trial.family) * (1 - way) + to_the_end(steps[at + 1 :], trial.family) * way
        _, floor = robust_spread(np.array([t.intermediate[1] for t in trials if t.state != "FAIL"]))
        value = max(*trial.intermediate.values(), floor)
        assert mean == pytest.approx(max(value, kept * value + shift))
        assert sd == pytest.approx(0.6 * math.sqrt(variance))


def test_a_high_first_value_gains_less_than_a_low_one_so_no_forecast_flies_away():
    """Curves that all end near 0.85, from first values between 0.5 and 0.8."""
    rng = np.random.default_rng(0)
    trials = []
    for number in range(30):
        first, last = rng.uniform(0.5, 0.8), rng.normal(0.85, 0.01)
        values = {epoch: float(last + (first - last) * 0.6 ** (epoch - 1)) for epoch in range(1, E + 1)}
        trials.append(Trial(number, "COMPLETE", family="slow", intermediate=values, values=(max(values.values()),)))
    high, low = (Trial(30 + n, "RUNNING", family="slow", intermediate={1: value}) for n, value in enumerate((0.8, 0.5)))
    forecasts = Forecasts.of([*trials, high, low], rung_levels(1, E), E, FAMILIES)
    assert forecasts.of_trial(30)[0] == pytest.approx(0.86, abs=0.035)  # by the mean gain alone it would be 1.0
    assert 0.0 < forecasts.of_trial(30)[0] - forecasts.of_trial(31)[0] < 0.1


def test_values_that_explode_in_the_first_epoch_spread_nothing():
    values = np.linspace(0.5, 0.7, 20)
    spread, _ = robust_spread(values)
    wild, wild_floor = robust_spread(np.append(values, [-1e9, -1e12]))
    assert wild < 2 * spread
    assert wild_floor > -1.0
    trials = [Trial(n, "RUNNING", family="slow", intermediate={1: v, 2: v + 0.05}) for n, v in enumerate(values)]
    exploded = Trial(20, "RUNNING", family="slow", intermediate={1: -1e9, 2: 0.4})
    calm, shaken = (Forecasts.of(some, (1, 2, 3), E, FAMILIES) for some in (trials, [*trials, exploded]))
    assert shaken.of_trial(3)[0] == pytest.approx(calm.of_trial(3)[0], abs=0.1)


def test_equal_first_values_have_the_standard_deviation_as_spread():
    assert robust_spread(np.array([0.5] * 8 + [0.9])) == (pytest.approx(0.4 / 3), -math.inf)


@pytest.mark.parametrize("slots", [1, 3])
@pytest.mark.slow
def test_every_choice_follows_from_the_study_alone(study, slots):
    """At every decision the forecasts rebuilt from the database choose what those kept result by result choose."""
    engine = SearchEngine(Study(study), TOY_SPACE, forecast_settings(), Log())
    kept, checked = engine.paused.choose, []

    def both(running, may_add, **how):
        reaching = how.get("also")
        again = PausedTrials(Forecasts.of(engine.study.trials(), engine.rule.levels, E, FAMILIES), pauses=True)
        if reaching is not None:  # its epoch is judged before it is written
            again.forecasts.report(reaching, engine.trials[reaching].last_epoch + 1, engine.rungs.best[reaching])
        busy = {*running, *engine.paused.pausing}
        for trial in engine.study.trials():
            if not trial.finished and trial.number not in busy:
                again.takes(trial)
        choice = kept(running, may_add, **how)
        assert again.choose(running, may_add, **how) == choice
        assert sorted(again.waiting) == sorted(engine.paused.waiting)
        checked.append(choice)
        return choice

    engine.paused.choose = both
    play(engine, slots=slots, epochs=E)
    assert len(checked) > 20
    assert engine.done


@pytest.mark.parametrize("steps", [1, 2, 5, 9, 17, 23, 40])
@pytest.mark.slow
def test_a_search_killed_anywhere_and_resumed_equals_an_uninterrupted_one(study, steps):
    whole = optuna.create_study(direction="maximize")
    played(whole)
    played(study, steps=steps)  # the driver vanishes: nobody closes anything
    engine = played(optuna.load_study(study_name="toy", storage=study._storage))
    assert engine.done
    for one, other in zip(whole.trials, engine.study.optuna.trials, strict=True):
        assert (one.params, one.intermediate_values, one.state) == (other.params, other.intermediate_values, other.state)


@pytest.mark.parametrize("steps", [25, 30, 40])
def test_a_resumed_search_shows_those_that_wait_from_before(study, steps):
    engine = played(study, steps=steps)
    resumed = Study(optuna.load_study(study_name="toy", storage=study._storage))
    stats = search_stats(resumed, forecast_settings())
    assert stats.waiting
    assert stats.waiting == set(engine.paused.waiting)
    assert f"{len(engine.paused.waiting)} waiting" in stats.counts()


@pytest.mark.parametrize("slots", [1, 4])
def test_nothing_waits_at_the_end_and_every_family_has_a_whole_trial(study, slots):
    engine = played(study, slots=slots)
    trials = engine.study.trials()
    assert engine.done
    assert not engine.paused.waiting
    assert {trial.state for trial in trials} == {"COMPLETE", "PRUNED"}
    assert {trial.family for trial in trials if trial.state == "COMPLETE"} == set(FAMILIES)
    pruned = [trial for trial in trials if trial.state == "PRUNED"]
    assert all(trial.ended_by == "forecast" and trial.last_epoch in engine.rule.levels for trial in pruned)
    assert all(trial.forecast is not None and len(trial.forecast) == 2 for trial in pruned)
    assert max(trials, key=lambda trial: trial.best_value).state == "COMPLETE"


def test_a_trial_says_why_it_waited_and_resumed(study):
    engine = played(study)
    stories = {trial.number: [Decision.stored(decision) for decision in trial.decisions] for trial in engine.study.trials()}
    assert any(decision.resumes for story in stories.values() for decision in story)
    for number, story in stories.items():
        assert [decision.resumes for decision in story] == [at % 2 == 1 for at in range(len(story))], "it pauses and resumes in turn"
        for decision in story:
            text = decision.text(number, E)
            assert text.startswith(f"trial {number} {'resumes after' if decision.resumes else 'waits at'} epoch {decision.epoch}: ")
            assert f"forecast {min(decision.mean, 1.0):.4f} ± {decision.sd:.4f} at epoch {E}" in text


def test_the_least_promising_waiting_trial_is_pruned_when_too_many_wait(study, monkeypatch):
    monkeypatch.setattr("ecg_tune.search.stopping.pauses.MOST_WAITING", 3)
    engine = SearchEngine(Study(study), TOY_SPACE, forecast_settings(trials=40), Log())
    most = []
    wait = engine._wait

    def counted(number):
        wait(number)
        most.append(len(engine.paused.waiting))

    engine._wait = counted
    play(engine, epochs=E)
    assert max(most) == 3
    assert engine.done


def test_a_lost_worker_lets_its_trial_wait_at_a_rung_and_else_be_handed_out_next(study):
    engine = SearchEngine(Study(study), TOY_SPACE, forecast_settings(), Log())
    first, second = engine.next_assignment(), engine.next_assignment()
    engine.retry_lost(first.number, "killed", counted=True)
    assert engine.next_assignment().number == first.number  # it has no epoch yet
    for epoch in (1, 2, 3, 4, 5):
        engine.paused.choose = lambda running, may_add, **how: Choice(second.number, second.family, "worth")
        engine.record(second.number, {"epoch": epoch, "value": 0.9, "complete": False, "epochs": epoch})
    engine.retry_lost(second.number, "killed", counted=True)
    assert (engine.unfinished, engine.paused.waiting) == ([second.number], [])


def test_a_spent_budget_ends_waiting_trials_which_a_larger_one_resumes(study):
    played(study, total_epochs=15)
    stopped = [t for t in Study(study).trials() if t.state == "PRUNED"]
    assert stopped
    assert all(t.ended_by == "total_epochs" for t in stopped)


def test_the_sampler_sees_forecasts(study):
    engine = SearchEngine(Study(study), TOY_SPACE, forecast_settings(), Log())
    play(engine, steps=25, epochs=E)
    shown = [trial for family in FAMILIES for trial in engine.additions.history.seen(family)]
    assert {trial.number for trial in shown} >= set(engine.paused.waiting)
    for trial in shown:
        if engine.forecasts.known(trial.number):
            assert trial.state == TrialState.COMPLETE
            assert trial.value == pytest.approx(engine.forecasts.of_trial(trial.number)[0])
        assert "family" not in trial.params


@pytest.mark.parametrize(("first", "then"), [("asha", "forecast"), ("forecast", "asha")])
@pytest.mark.slow
def test_a_study_may_change_its_scheduler(study, first, then):
    played(study, steps=20, scheduler=first)
    engine = played(optuna.load_study(study_name="toy", storage=study._storage), scheduler=then)
    assert engine.done
    assert {trial.state for trial in engine.study.trials()} == {"COMPLETE", "PRUNED"}


def test_a_stop_that_asha_had_decided_is_kept_when_the_search_goes_on_with_forecasts(study):
    engine = SearchEngine(Study(study), TOY_SPACE, forecast_settings(scheduler="asha"), Log())
    task = engine.next_assignment()
    engine.record(task.number, {"epoch": 1, "value": 0.1, "complete": False, "epochs": 1})
    engine.study.record(engine.trials[task.number], ended_by="asha")  # and the driver dies before it could close it
    again = SearchEngine(Study(study), TOY_SPACE, forecast_settings(), Log())
    assert (again.unfinished, again.paused.waiting) == ([], [])
    assert study.trials[task.number].state == TrialState.PRUNED
    assert study.trials[task.number].user_attrs["ended_by"] == "asha"


def two_alike(*, slow_s: float | None, fast_s: float | None) -> Forecasts:
    """Two waiting trials with the same curve, of two families whose epochs take other times, and two whole ones of each."""
    curve = {1: 0.6, 2: 0.69}
    waiting = [
        Trial(n, "RUNNING", family=f, intermediate=curve, seconds=s)
        for n, (f, s) in enumerate(zip(FAMILIES, (slow_s, fast_s), strict=True))
    ]
    whole = {epoch: 0.5 + 0.2 * (1 - 0.5**epoch) for epoch in range(1, E + 1)}
    ended = [
        Trial(2 + n, "COMPLETE", family=FAMILIES[n % 2], intermediate=whole, values=(max(whole.values()),), seconds=None) for n in range(4)
    ]
    return Forecasts.of([*waiting, *ended], (1, 2, 4), E, FAMILIES)


@pytest.mark.parametrize(("slow_s", "fast_s", "chosen"), [(20.0, 2.0, 1), (2.0, 20.0, 0)])
def test_with_cost_seconds_the_trial_of_cheaper_epochs_resumes(slow_s, fast_s, chosen):
    forecasts = two_alike(slow_s=slow_s, fast_s=fast_s)
    assert Chooser(forecasts, (0, 1), (), cost="seconds").choose_last().number == chosen
    assert Chooser(forecasts, (0, 1), (), cost="epochs").choose_last().number == 0  # a tie: the earlier one


def test_the_seconds_of_an_epoch_are_the_trials_own_else_its_familys_else_all():
    forecasts = two_alike(slow_s=20.0, fast_s=None)
    assert forecasts.seconds_of_epoch().tolist() == [10.0] * 6
    forecasts.report(1, 3, 0.69, 3.0)
    assert forecasts.seconds_of_epoch().tolist() == [10.0, 1.0, 10.0, 1.0, 10.0, 1.0]


def test_a_search_saves_seconds_and_every_choice_follows_from_the_study(study):
    engine = played(study, cost="seconds")
    assert engine.done
    again = Forecasts.of(engine.study.trials(), engine.rule.levels, E, FAMILIES)
    np.testing.assert_array_equal(again.seconds_of_epoch(), engine.forecasts.seconds_of_epoch())


def test_seconds_of_a_trial_that_trained_longer_elsewhere_are_those_of_an_epoch():
    """An imported trial keeps its seconds, and of its 50 epochs only those of this search."""
    imported = Trial(0, "PRUNED", family="slow", intermediate=dict.fromkeys(range(1, E + 1), 0.5), seconds=500.0, epochs_trained=50)
    unknown = Trial(1, "PRUNED", family="slow", intermediate={1: 0.5}, seconds=0.0)
    assert Forecasts.of([imported, unknown], (1, 2, 4), E, FAMILIES).seconds_of_epoch().tolist() == [10.0, 10.0]


def kinds(schedule: str, *, first: int, gain: float) -> list[Trial]:
    """Eight trials of one family and schedule that were trained to the end: all of their gain comes after epoch 4."""
    config = {"training": {"schedule": schedule}}
    start = {first + n: 0.6 + 0.01 * n for n in range(8)}
    return [
        Trial(
            number, "COMPLETE", family="slow", config=config, values=(value + gain,),
            intermediate={epoch: value + (gain if epoch > 4 else 0.001 * epoch) for epoch in range(1, E + 1)},
        )
        for number, value in start.items()
    ]  # fmt: skip


def test_curves_of_different_schedules_are_forecast_apart():
    late, steady = ({"training": {"schedule": schedule}} for schedule in ("one_cycle", "plateau"))
    waiting = [Trial(30 + n, "RUNNING", family="slow", config=config, intermediate={1: 0.65}) for n, config in enumerate((late, steady))]
    ended = [*kinds("one_cycle", first=0, gain=0.2), *kinds("plateau", first=10, gain=0.01)]
    forecasts = Forecasts.of([*ended, *waiting], rung_levels(1, E), E, FAMILIES)
    (of_late, of_steady), _ = forecasts.forecast([30, 31])
    assert of_late == pytest.approx(0.85, abs=0.03)
    assert of_steady == pytest.approx(0.66, abs=0.03)


def test_default_configs_are_trained_to_the_end_before_anything_else_resumes(study):
    engine = SearchEngine(Study(study), TOY_SPACE, forecast_settings(), Log())
    play(engine, epochs=E)
    trials = engine.study.trials()
    defaults = [trial for trial in trials if trial.is_default]
    assert len(defaults) == len(FAMILIES)
    assert all(trial.state == "COMPLETE" and trial.last_epoch == E for trial in defaults)
    assert {decision["reason"] for trial in defaults for decision in trial.decisions if decision["resumes"]} <= {"default"}


def test_a_default_config_resumes_whatever_promises_more():
    default = Trial(0, "RUNNING", family="slow", intermediate={1: 0.1, 2: 0.1}, is_default=True)
    better = [Trial(1 + n, "RUNNING", family="slow", intermediate={1: 0.6 + 0.05 * n}) for n in range(6)]
    forecasts = Forecasts.of([default, *better], rung_levels(1, E), E, FAMILIES)
    assert Chooser(forecasts, range(7), ()).choose(FAMILIES) == Choice(0, "slow", "default")
    assert Chooser(forecasts, range(7), ()).choose_last() == Choice(0, "slow", "default")
    assert Chooser(forecasts, range(1, 7), (0,)).choose(FAMILIES).reason != "default", "a worker has it"


@pytest.mark.parametrize(("resumed", "owes"), [(2, True), (3, False), (4, False)])
def test_half_of_a_rung_resume_before_a_new_trial_starts(resumed, owes):
    """Six trials reached epoch 1; all that went on are whole, so that nothing but the quota calls for a waiting one."""
    whole = dict.fromkeys(range(1, E + 1), 0.9)
    ended = [Trial(n, "COMPLETE", family="slow", intermediate=whole, values=(0.9,)) for n in range(resumed)]
    waiting = [Trial(n, "RUNNING", family="slow", intermediate={1: 0.3 + 0.01 * n}) for n in range(resumed, 6)]
    forecasts = Forecasts.of([*ended, *waiting], rung_levels(1, E), E, ("slow",))
    choice = Chooser(forecasts, range(resumed, 6), ()).choose_last()
    assert (choice is not None and choice.reason == "quota") == owes
    if owes:
        assert choice.number == 5, "the most promising of them"


def test_a_study_read_at_once_gives_the_forecasts_of_one_followed_epoch_by_epoch() -> None:
    rng = np.random.default_rng(0)
    trials = []
    for number in range(30):
        curve = {epoch: float(rng.random()) for epoch in range(1, 11) if rng.random() < 0.8}
        trials.append(Trial(number, "RUNNING", family="rnn", intermediate=curve, seconds=3.0 * max(curve), epochs_trained=max(curve)))
    at_once, followed = Forecasts.of(trials, (1, 3, 6), 9, ("rnn",)), Forecasts((1, 3, 6), 9, ("rnn",))
    for trial in trials:
        followed.add(dataclasses.replace(trial, intermediate={}))
        for epoch, value in trial.intermediate.items():
            followed.report(trial.number, epoch, value, epoch * 3.0)
    for name in ("epoch", "best_value", "seconds", "value_at"):
        np.testing.assert_array_equal(getattr(at_once, name), getattr(followed, name), err_msg=name)


def test_a_family_that_began_at_chance_does_not_promise_its_gains_to_a_new_trial_that_began_well():
    """Three whole trials of a slow family, two of which began at 0.5; six of a fast one. None says that a new one could reach 1."""
    slow = [{1: 0.77, 2: 0.85, E: 0.916}, {1: 0.49, 2: 0.84, E: 0.90}, {1: 0.50, 2: 0.83, E: 0.90}]
    fast = [{1: 0.80 + 0.01 * n, 2: 0.85 + 0.01 * n, E: 0.87 + 0.01 * n} for n in range(7)]
    trials = [
        Trial(n, "COMPLETE", family=family, intermediate=values, values=(values[E],))
        for n, (family, values) in enumerate([*(("slow", values) for values in slow), *(("fast", values) for values in fast)])
    ]
    forecasts = Forecasts.of(trials, (1, 2, 4), E, FAMILIES)
    gain = Chooser(forecasts, (), ()).expected_gain(FAMILIES)
    assert 0 < gain < 0.005, "the best value is 0.93, and no whole trial of ten came above it"
