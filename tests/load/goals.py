"""What was aimed at, beside what was measured."""

from statistics import StatisticsError
from typing import Callable, NamedTuple

from measure import ratio


class Goal(NamedTuple):
    """A ratio or a figure, and what it may be at most, or has to be at least.

    It is `steady` if it holds on a machine with other things to do, as CPU time and memory do.
    """

    name: str
    of: Callable
    most: float | None = None
    least: float | None = None
    steady: bool = False

    def met(self, value, margin=1):
        return value <= self.most * margin if self.most is not None else value >= self.least / margin

    def __str__(self):
        return f"≤ {self.most}" if self.most is not None else f"≥ {self.least}"


def rates(of, to):
    return lambda found: ratio(found["ceiling"][of]["rate"], found["ceiling"][to]["rate"])


def spent(of, to):
    return lambda found: ratio(found["ceiling"][of]["cpu"], found["ceiling"][to]["cpu"])


def waited(of, to):
    return lambda found: ratio(*([one[2] for one in found["latency"][name]] for name in (of, to)))


def dearest(found):
    """The kind of refusal that costs most against an acceptance."""
    return max(ratio(own["refused"], own["passed"]) for own in found["flood"].values())


def fleet(found):
    sizes = sorted(found["idle"]["fleet"])
    return sizes[-1], sizes[0], sizes[-1]


def alone(found):
    return (found["idle"]["alone"],) * 3


OURS, BARE, SESSION = "sealpass", "actix, bare", "actix-session, cookie"
NODE, IRON = "Node, bare", "Node, iron-session"

GOALS = [
    Goal("CPU a request / bare handler", spent(OURS, BARE), most=1.12, steady=True),
    Goal("CPU a request, actix-session / ours", spent(SESSION, OURS), least=1.4, steady=True),
    Goal("CPU a request, Node's bare handler / ours", spent(NODE, OURS), least=1, steady=True),
    Goal("answers a second / bare handler", rates(OURS, BARE), least=0.90),
    Goal("answers a second / actix-session", rates(OURS, SESSION), least=1.4),
    Goal("answers a second / Node + iron-session", rates(OURS, IRON), least=25),
    Goal("answers a second / Node's bare handler", rates(OURS, NODE), least=1),
    Goal("p99 / bare handler's", waited(OURS, BARE), most=1.3),
    Goal("the dearest refusal / an acceptance", dearest, most=1.0, steady=True),
    Goal("resident, idle, alone (MiB)", alone, most=10, steady=True),
    Goal("resident, idle, in a fleet (MiB)", fleet, most=24, steady=True),
]


def judge(found, margin, steady):
    """Prints a line for each goal, and says whether one was missed by more than `margin`; with `steady` of those alone."""
    missed = False
    for goal in GOALS:
        try:
            middle, least, greatest = goal.of(found)
        except (KeyError, StatisticsError):  # left out, or in no round
            print(f"{goal.name:<42} not measured")
            continue
        missed |= not goal.met(middle, margin) and (goal.steady or not steady)
        verdict = "met" if goal.met(middle) else "MISSED"
        print(f"{goal.name:<42}{middle:>8.2f}  {f'({least:.2f}–{greatest:.2f})':<15} goal {goal}: {verdict}")
    return missed
