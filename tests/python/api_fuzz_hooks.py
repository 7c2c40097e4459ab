"""What api_fuzz.py has schemathesis do: put what is known into a request, and note which calls succeeded.

A part of the made-up requests become a sound one, whole or with one field as it was made up: random ones alone would
seldom get past a handler's first checks.
"""

import atexit
import json
import os
import random

import schemathesis

GIVEN = json.loads(os.environ["LEMNIS_FUZZ_GIVEN"])
NEW = "NEW NAME"
succeeded = set()


def exchanged(value, names, dice, field=None):
    """`value` with most of the texts and numbers that have a known counterpart exchanged for it."""
    if isinstance(value, dict):
        return {key: exchanged(inner, names, dice, key) for key, inner in value.items()}
    if isinstance(value, list):
        single = field[:-1] if field and field.endswith("s") and field[:-1] in names else field
        return [exchanged(inner, names, dice, single) for inner in value]
    if field not in names or dice.random() > 0.75:
        return value
    if isinstance(value, str):
        return dice.choice(names[field])
    if isinstance(value, int) and not isinstance(value, bool) and names[field][0].isdigit():
        return int(dice.choice(names[field]))
    return value


def named(value, name):
    """`value` with `name` wherever a new one is wanted."""
    if isinstance(value, dict):
        return {key: named(inner, name) for key, inner in value.items()}
    if isinstance(value, list):
        return [named(inner, name) for inner in value]
    return name if value == NEW else value


@schemathesis.hook
def before_call(context, case, kwargs):
    operation = case.operation
    dice = random.Random(repr((operation.label, case.path_parameters, case.query, case.body)))
    gone = operation.method == "delete" or any(word in operation.path for word in ("delete", "restore", "rename"))
    names = GIVEN["doomed" if gone else "kept"]
    sound = GIVEN["sound"].get(operation.definition.raw["operationId"], {})
    draw, name = dice.random(), f"made-{dice.getrandbits(40):x}"
    for part in ("path_parameters", "query", "headers", "body"):
        value = getattr(case, part)
        if part == "body" and (not isinstance(value, dict) or case.media_type != "application/json"):
            continue
        fitting = named(sound.get(part), name)
        if not fitting or draw > 0.4:
            changed = exchanged(dict(value or {}), names, dice)
        elif value and draw > 0.2 and part != "path_parameters":
            field = dice.choice(sorted(value))
            changed = {**fitting, field: value[field]}
        else:
            changed = fitting
        if value is not None or changed:
            setattr(case, part, changed)


@schemathesis.hook
def after_call(context, case, response):
    if response.status_code < 300:
        succeeded.add(case.operation.label)


@atexit.register
def tell():
    with open(os.environ["LEMNIS_FUZZ_SUCCEEDED"], "w", encoding="utf-8") as file:
        json.dump(sorted(succeeded), file)
