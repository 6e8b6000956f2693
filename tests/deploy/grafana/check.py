"""The dashboard against Grafana's own description of dashboards, as its SDK has it (pip install -r tests/deploy/requirements.txt).

What the SDK does not know is lost on the way through it, and what has another type than it says is found by its annotations.
Prints what is wrong, a line each; the exit code says whether anything is. `check.py FILE`
"""

import enum
import json
import sys
import types
import typing

from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.cog.plugins import register_default_plugins
from grafana_foundation_sdk.models.dashboard import Dashboard, RowPanel

PANELS = {"stat", "timeseries"}


def lost(given, kept, path=""):
    """What is in `given` and not in `kept`."""
    if isinstance(given, dict) and isinstance(kept, dict):
        for key, value in given.items():
            if key in kept:
                yield from lost(value, kept[key], f"{path}/{key}")
            else:
                yield f"{path}/{key} is not known to Grafana"
    elif isinstance(given, list) and isinstance(kept, list) and len(given) == len(kept):
        for at, (one, other) in enumerate(zip(given, kept)):
            yield from lost(one, other, f"{path}/{at}")
    elif given != kept:
        yield f"{path} is {given!r}, and Grafana has {kept!r}"


def fits(value, kind):
    """Whether a value is of a kind of the annotations."""
    arguments = typing.get_args(kind)
    match typing.get_origin(kind):
        case typing.Union | types.UnionType:
            return any(fits(value, one) for one in arguments)
        case typing.Literal:
            return value in arguments
        case origin if origin is list:
            return isinstance(value, list) and all(fits(one, arguments[0]) for one in value)
        case origin if origin is dict:
            return isinstance(value, dict) and all(fits(one, arguments[1]) for one in value.values())
    if kind in (object, typing.Any):
        return True
    if kind in (int, float):
        return isinstance(value, (int, float) if kind is float else int) and not isinstance(value, bool)
    if isinstance(kind, type) and issubclass(kind, enum.Enum):
        return value in [one.value for one in kind]
    return isinstance(value, kind)


def wrong(model, path=""):
    """Each field of a model, and of the models in it, that is of another kind than Grafana says."""
    if isinstance(model, list):
        for at, one in enumerate(model):
            yield from wrong(one, f"{path}/{at}")
    elif type(model).__module__.startswith("grafana_foundation_sdk"):
        module = vars(sys.modules[type(model).__module__])
        for name, kind in typing.get_type_hints(type(model), module).items():
            value = getattr(model, name)
            if not fits(value, kind):
                yield f"{path}/{name} is {value!r}, and should be {kind}"
            yield from wrong(value, f"{path}/{name}")


def places(panels):
    """Panels that lie over each other, stick out, or have the number of another one."""
    taken, ids = {}, set()
    for panel in panels:
        if panel.id_val in ids:
            yield f"{panel.title}: the id {panel.id_val} is another panel's"
        ids.add(panel.id_val)
        at = panel.grid_pos
        if at.x + at.w > 24:
            yield f"{panel.title} is wider than the page"
        for cell in ((x, y) for x in range(at.x, at.x + at.w) for y in range(at.y, at.y + at.h)):
            if taken.setdefault(cell, panel.title) != panel.title:
                yield f"{panel.title} lies over {taken[cell]}"
                break


def main(path):
    with open(path, encoding="utf-8") as file:
        given = json.load(file)
    register_default_plugins()
    dashboard = Dashboard.from_json(given)
    kept = json.loads(json.dumps(dashboard, cls=JSONEncoder))
    found = [*lost(given, kept), *wrong(dashboard), *places(dashboard.panels)]
    for panel in dashboard.panels:
        if not isinstance(panel, RowPanel) and (panel.type_val not in PANELS or not panel.targets):
            found.append(f"{panel.title}: a {panel.type_val} with {len(panel.targets or [])} questions")
    print(*found, sep="\n")
    print(f"{len(dashboard.panels)} panels, {len(found)} faults")
    return 1 if found or len(dashboard.panels) < 10 else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
