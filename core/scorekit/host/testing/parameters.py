"""Whether the parameters of an application serve the command line and the form: described, limited, repeatable, and judged in one voice."""

import json
import math
from collections.abc import Iterator
from typing import Any

import pydantic

from scorekit.host.errors import ParameterError
from scorekit.host.options import Option, command_line, dump, options, validate
from scorekit.host.plugin import Application

FAR = 10**15  # beyond the limits that a parameter can have
LONGEST = 500  # characters of a sentence


def description_fault(app: type[Application]) -> str:
    """The first parameter that does not say what it is, or that takes any number at all; "" if there is none."""
    for option in options(app.Params).values():
        if not option.description:
            return f"parameter {option.field} has no description"
        if _is_number(option) and not option.many and all(_taken(app, option, far) for far in (-FAR, FAR)):
            return f"parameter {option.field} takes any number: give it limits (ge, gt, le or lt)"
    return ""


def round_trip_fault(app: type[Application]) -> str:
    """Whether parameters survive JSON and the command line, and have a JSON schema; the sentence of what does not."""
    schema = app.Params.model_json_schema()
    json.dumps(schema, allow_nan=False)
    if missing := set(app.Params.model_fields) - set(schema.get("properties", {})):
        return f"the JSON schema lacks {', '.join(sorted(missing))}"
    for values in _examples(app):
        made = validate(app.Params, values)
        again = validate(app.Params, json.loads(json.dumps(dump(made), allow_nan=False)))
        if dump(again) != dump(made):
            return f"parameters change in JSON: {_first_change(dump(made), dump(again))}"
        if dump(validate(app.Params, _typed(app, command_line(made)))) != dump(made):
            return f"parameters change on the command line: {' '.join(command_line(made))[:200]}"
    return ""


def refusal_fault(app: type[Application]) -> str:
    """The first wrong value that is taken, or refused in other than one sentence that names its option; "" if all are well refused."""
    described = options(app.Params)
    wrong = [(o.name, o.field, value) for o in described.values() for value in _wrong_values(o)]
    for name, field, value in [*wrong, ("no_such_parameter", "no_such_parameter", 1)]:
        try:
            validate(app.Params, {field: value})
        except ParameterError as error:
            sentence = str(error)
            if not (name in sentence or field in sentence) or "\n" in sentence or len(sentence) > LONGEST:
                return (
                    f"--{name} = {value!r} is refused by {sentence[:120]!r}: say it in one sentence that names --{name}"
                )
        except Exception as error:
            return f"--{name} = {value!r} raises {type(error).__name__} and not ParameterError: {str(error)[:120]}"
        else:
            return f"--{name} = {value!r} is taken"
    return ""


def _is_number(option: Option) -> bool:
    return option.schema.get("type") in ("integer", "number") and "enum" not in option.schema


def _taken(app: type[Application], option: Option, value: float) -> bool:
    try:
        app.Params.model_validate({**_required(app), option.field: value})
    except pydantic.ValidationError as error:
        return all(option.field not in problem["loc"] for problem in error.errors())
    return True


def _required(app: type[Application]) -> dict[str, Any]:
    return {n: f.examples[0] for n, f in app.Params.model_fields.items() if f.is_required() and f.examples}


def _examples(app: type[Application]) -> Iterator[dict[str, Any]]:
    """The defaults, the demo, and each example of each field."""
    yield {}
    yield dict(app.demo or {})
    for name, field in app.Params.model_fields.items():
        yield from ({name: example} for example in field.examples or ())


def _typed(app: type[Application], arguments: list[str]) -> dict[str, Any]:
    """What the command line makes of the arguments."""
    words: dict[str, list[str]] = {}
    for argument in arguments:
        name, _, word = argument[2:].partition("=")
        words.setdefault(name, []).append(word)
    values: dict[str, Any] = {}
    for option in options(app.Params).values():
        if option.shape == "flag":
            values[option.field] = option.name in words
        else:
            values[option.field] = option.parse_all(words[option.name])
    return values


def _first_change(before: dict[str, Any], after: dict[str, Any]) -> str:
    name = next(name for name in before if before[name] != after.get(name))
    return f"{name} from {before[name]!r} to {after.get(name)!r}"


def _wrong_values(option: Option) -> Iterator[Any]:
    """Values that this option's own schema excludes."""
    wrong = list(_wrong_items(option))
    yield from ([value] for value in wrong) if option.many else wrong
    if option.many:
        yield 3.5
    if not option.nullable:
        yield None


def _wrong_items(option: Option) -> Iterator[Any]:
    schema, kind = option.schema, option.schema.get("type")
    if "enum" in schema or "const" in schema:
        yield "no-such-choice"
    elif kind in ("integer", "number"):
        yield "a word"
        yield math.nan
        if kind == "integer":
            yield 1.5
        for key, beyond in (("minimum", -1), ("exclusiveMinimum", 0), ("maximum", 1), ("exclusiveMaximum", 0)):
            if key in schema:
                yield schema[key] + beyond
    elif kind == "boolean":
        yield "perhaps"
    elif kind == "string" and "path" in str(schema.get("format", "")):
        yield "no/such/file"
    elif kind == "string":
        yield 3.5
        if schema.get("minLength"):
            yield ""
