"""What was aimed at, beside what was measured."""

from typing import Callable, NamedTuple

from measure import ratio


class Goal(NamedTuple):
    """A ratio or a figure, and what it may be at most, or has to be at least."""

    name: str
    of: Callable
    most: float | None = None
    least: float | None = None


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
    Goal("CPU a request / bare handler", spent(OURS, BARE), most=1.12),
    Goal("answers a second / bare handler", rates(OURS, BARE), least=0.90),
    Goal("answers a second / actix-session", rates(OURS, SESSION), least=1.4),
    Goal("answers a second / Node + iron-session", rates(OURS, IRON), least=25),
    Goal("answers a second / Node's bare handler", rates(OURS, NODE), least=1),
    Goal("p99 / bare handler's", waited(OURS, BARE), most=1.3),
    Goal("the dearest refusal / an acceptance", dearest, most=1.0),
    Goal("resident, idle, alone (MiB)", alone, most=10),
    Goal("resident, idle, in a fleet (MiB)", fleet, most=24),
]


def judge(found, margin):
    """Prints a line for each goal, and says whether one was missed by more than `margin`."""
    missed = False
    for goal in GOALS:
        try:
            middle, least, greatest = goal.of(found)
        except KeyError:
            print(f"{goal.name:<42} not measured")
            continue
        bound = f"≤ {goal.most}" if goal.most is not None else f"≥ {goal.least}"
        met = middle <= goal.most if goal.most is not None else middle >= goal.least
        missed |= middle > goal.most * margin if goal.most is not None else middle < goal.least / margin
        verdict = "met" if met else "MISSED"
        print(f"{goal.name:<42}{middle:>8.2f}  {f'({least:.2f}–{greatest:.2f})':<15} goal {bound}: {verdict}")
    return missed
