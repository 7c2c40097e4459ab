"""What api_fuzz.py has schemathesis do with a request before it is sent: exchange made-up names for known ones."""

import json
import os
import random

import schemathesis

KNOWN = json.loads(os.environ["LEMNIS_FUZZ_KNOWN"])


def exchanged(value, names, dice, field=None):
    """`value` with about half of the texts that have a known counterpart exchanged for it."""
    if isinstance(value, dict):
        return {key: exchanged(inner, names, dice, key) for key, inner in value.items()}
    if isinstance(value, list):
        single = field[:-1] if field and field.endswith("s") and field[:-1] in names else field
        return [exchanged(inner, names, dice, single) for inner in value]
    if isinstance(value, str) and field in names and dice.random() < 0.6:
        return dice.choice(names[field])
    return value


def exchange(context, value):
    operation = context.operation
    deletes = operation.method == "delete" or "delete" in operation.path or "rename" in operation.path
    names = KNOWN["doomed" if deletes else "kept"]
    return exchanged(value, names, random.Random(repr(value))) if isinstance(value, dict) else value


@schemathesis.hook
def map_path_parameters(context, path_parameters):
    return exchange(context, path_parameters)


@schemathesis.hook
def map_query(context, query):
    return exchange(context, query)


@schemathesis.hook
def map_headers(context, headers):
    return exchange(context, headers)


@schemathesis.hook
def map_body(context, body):
    return exchange(context, body)
