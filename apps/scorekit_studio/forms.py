"""Parameters as form fields and back: which widget asks for an option, what it shows, and what its content means.

Values on the one side are JSON values, as pydantic and a run's record have them; on the other what a widget holds. Nothing
here draws: `pages.fields` does.
"""

import json
import math
import re
from collections.abc import Mapping, Sequence
from typing import Any, Literal

import pydantic

from scorekit.host.errors import ParameterError
from scorekit.host.options import Option, input_paths, options
from scorekit.host.plugin import Params

Widget = Literal[
    "toggle",
    "choice",
    "choices",
    "slider",
    "integer",
    "number",
    "text",
    "long text",
    "lines",
    "list",
    "file",
    "files",
    "json",
]

SAFE = 2**53 - 1  # beyond it a browser's numbers are not whole
SLIDER_STEPS = 32
LONG_WORDS = {"prompt", "text", "caption", "description"}  # fields that hold sentences
ABBREVIATIONS = {"lr": "Learning rate", "t min": "t min", "t max": "t max"}


def widget(option: Option) -> Widget:
    """What asks for an option."""
    kind = option.schema.get("type")
    path = "path" in str(option.schema.get("format", ""))
    if option.many:
        if path:
            return "files"
        if option.shape == "choice":
            return "choices"
        return {"string": "lines", "integer": "list", "number": "list"}.get(str(kind), "json")  # type: ignore[return-value]
    if option.shape == "flag":
        return "toggle"
    if option.shape == "choice" or kind == "boolean":
        return "choice"
    if path:
        return "file"
    if option.shape == "text":
        return "long text" if LONG_WORDS & set(option.field.split("_")) else "text"
    if kind == "integer":
        low, high = bounds(option)
        few = low is not None and high is not None and 0 < high - low <= SLIDER_STEPS * step(option)
        return "slider" if few and not option.nullable else "integer"
    return "number" if kind == "number" else "json"


def label(option: Option) -> str:
    """What stands above a widget: the field in words, and its unit."""
    words = option.field.strip("_").replace("_", " ")
    words = ABBREVIATIONS.get(words, words[:1].upper() + words[1:])
    return f"{words} ({option.unit})" if option.unit else words


def hint(option: Option) -> str:
    """What is allowed, as a sentence; "" where the widget itself allows nothing else."""
    free = option.allowed in ("text", "true or false") or widget(option) in ("toggle", "choices", "slider")
    if free or (widget(option) == "choice" and not option.nullable):
        return ""
    empty = " Leave it empty for none." if option.nullable else ""
    allowed = option.allowed.removesuffix(" or none")
    return f"{allowed[0].upper()}{allowed[1:]}.{empty}"


def choices(option: Option) -> list[Any]:
    """The values that an option of the shape choice, or a nullable flag, may take."""
    if option.schema.get("type") == "boolean":
        return [True, False]
    return [option.schema["const"]] if "const" in option.schema else list(option.schema.get("enum", []))


def spell(value: Any) -> str:
    """A choice as it is shown."""
    return {True: "yes", False: "no"}[value] if isinstance(value, bool) else str(value)


def bounds(option: Option) -> tuple[float | None, float | None]:
    """Least and greatest value that a widget lets through; an exclusive bound of a whole number is moved by one."""
    schema, whole = option.schema, option.schema.get("type") == "integer"
    low, high = schema.get("minimum"), schema.get("maximum")
    if low is None and "exclusiveMinimum" in schema:
        low = math.floor(schema["exclusiveMinimum"]) + 1 if whole else schema["exclusiveMinimum"]
    if high is None and "exclusiveMaximum" in schema:
        high = math.ceil(schema["exclusiveMaximum"]) - 1 if whole else schema["exclusiveMaximum"]
    if whole:
        return (None if low is None else max(low, -SAFE)), (None if high is None else min(high, SAFE))
    return (None if low is None else float(low)), (None if high is None else float(high))


def step(option: Option) -> float:
    """By how much the arrows of a number field change it: its multiple, or a tenth of the default's order of magnitude."""
    if multiple := option.schema.get("multipleOf"):
        return multiple if option.schema.get("type") == "integer" else float(multiple)
    if option.schema.get("type") == "integer":
        return 1
    size = abs(option.default) if isinstance(option.default, int | float) and option.default else 1.0
    return float(10.0 ** (math.floor(math.log10(size)) - (0 if size < 1 else 1)))


def to_widget(option: Option, value: Any) -> Any:
    """What a widget holds for a JSON value; None: empty. Files hold the path as text, or a list of them."""
    kind = widget(option)
    if kind in ("text", "long text", "file"):
        return "" if value is None else str(value)
    if kind in ("choices", "files"):
        return list(value or [])
    if kind == "lines":
        return "\n".join(value or [])
    if kind == "list":
        return ", ".join(f"{item:g}" if isinstance(item, float) else str(item) for item in value or [])
    if kind == "json":
        return "" if value is None and option.nullable else json.dumps(value, ensure_ascii=False)
    if kind == "number" and value is not None:
        return float(value)
    return value


def from_widget(option: Option, held: Any) -> Any:
    """The JSON value that a widget's content means; the inverse of `to_widget`. Raises ParameterError if it means none."""
    kind, name = widget(option), label(option)
    if kind in ("text", "long text", "file"):
        text = str(held or "")
        if kind == "file" and not text and not option.nullable:
            raise ParameterError(f"{name} needs a file")
        return None if option.nullable and not text.strip() else text
    if kind in ("lines", "list", "choices", "files"):
        items = _items(option, kind, held)
        return None if option.nullable and not items else items
    if kind == "json":
        if option.nullable and not str(held or "").strip():
            return None
        try:
            return json.loads(str(held or ""))
        except ValueError as error:
            raise ParameterError(f"{name} must be JSON, {option.allowed}; {error}") from None
    if held is None and not option.nullable:
        raise ParameterError(f"{name} must be {option.allowed}; it is empty")
    return held


def _items(option: Option, kind: Widget, held: Any) -> list[Any]:
    if kind in ("choices", "files"):
        return list(held or [])
    if kind == "lines":
        return [line.strip() for line in str(held or "").splitlines() if line.strip()]
    return [number(option, word) for word in re.split(r"[,;\s]+", str(held or "")) if word]


def number(option: Option, word: str) -> float:
    """A word as a whole number or a number, as the option wants. Raises ParameterError."""
    try:
        return int(word) if option.schema.get("type") == "integer" else float(word)
    except ValueError:
        raise ParameterError(f"{label(option)} must be {option.allowed}; got {word!r}") from None


def problems(params: type[Params], values: Mapping[str, Any]) -> dict[str, str]:
    """What is wrong with JSON values: a sentence by field, "" for what concerns several; empty if nothing is."""
    described = options(params)
    try:
        made = params.model_validate({**{n: o.default for n, o in described.items()}, **values})
    except pydantic.ValidationError as error:
        found: dict[str, str] = {}
        for problem in error.errors(include_url=False):
            field = str(problem["loc"][0]) if problem["loc"] else ""
            option = described.get(field)
            own = problem["msg"].removeprefix("Value error, ").removeprefix("Assertion failed, ")
            if option is None:
                sentence = own
            elif problem["type"] in ("value_error", "assertion_error"):
                sentence = f"{label(option)}: {own}"
            else:
                sentence = f"{label(option)} must be {option.allowed}; got {_short(problem['input'])}"
            found.setdefault(field if option else "", sentence[:1].upper() + sentence[1:])
        return found
    return {
        name: f"{label(described[name])} must be an existing path; there is no {str(path)!r}"
        for name, path in input_paths(made)
        if not path.exists()
    }


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."


def examples(params: type[Params], option: Option) -> list[Any]:
    """Other values to try, as the plugin's author names them."""
    return list(params.model_fields[option.field].examples or [])


def sweepable(params: type[Params]) -> dict[str, Option]:
    """The options of which a sweep can take several values: all of one text, number, choice or flag."""
    kinds = ("toggle", "choice", "slider", "integer", "number", "text", "long text")
    return {name: option for name, option in options(params).items() if widget(option) in kinds}


def axis(option: Option | None, words: str | Sequence[Any]) -> list[Any]:
    """The values of one axis of a sweep, each once. `option` None: the seed.

    words  chosen values, or a text: one a line for texts, else separated by commas; for whole numbers also "1-4"
    Raises ParameterError.
    """
    if not isinstance(words, str):
        return list(dict.fromkeys(words))
    if option is not None and widget(option) in ("text", "long text"):
        return list(dict.fromkeys(line.strip() for line in words.splitlines() if line.strip()))
    values: list[Any] = []
    for word in re.split(r"[,;\s]+", words.strip()):
        span = re.fullmatch(r"(\d+)-(\d+)", word)
        whole = option is None or option.schema.get("type") == "integer"
        if span and whole and int(span[1]) <= int(span[2]) < int(span[1]) + 1000:
            values += range(int(span[1]), int(span[2]) + 1)
        elif word and option is None:
            if not word.isdigit():
                raise ParameterError(f"Seed must be whole numbers from 0; got {word!r}")
            values.append(int(word))
        elif word and option is not None:
            values.append(None if option.nullable and word == "none" else number(option, word))
    return list(dict.fromkeys(values))
