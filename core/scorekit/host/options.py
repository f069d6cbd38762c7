"""Parameters as options: one description of each field, made from the JSON schema of its Params class.

The command line, the error sentences, the command that repeats a run and the studio's form all read the same
`Option`, so that they cannot disagree about what is allowed.
"""

import functools
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import pydantic
from pydantic.fields import FieldInfo

from scorekit.host.errors import ParameterError

# The options of `scorekit run` itself: no field may take their names.
RESERVED = {
    "seed",
    "model",
    "device",
    "dtype",
    "out",
    "resume",
    "demo",
    "json",
    "quiet",
    "help",
    "version",
    "trust-pickle",
}
NOUNS = {"integer": "a whole number", "number": "a number", "boolean": "true or false", "string": "text"}
Shape = Literal["flag", "text", "scalar", "choice", "json"]


@dataclass(frozen=True)
class Option:
    """One field of a Params class, as a user sees it.

    field      name in Python;  name  in the terminal, kebab-case, without dashes
    schema     JSON schema of one value (of one item, for a list), null taken out
    shape      how a value is spelled: flag (--x / --no-x), text, scalar (number, true/false), choice, json
    many       a list: the option is repeated;  nullable  the word `none` is a value
    default    JSON value; what a run without this option uses
    """

    field: str
    name: str
    schema: Mapping[str, Any]
    shape: Shape
    many: bool
    nullable: bool
    default: Any
    description: str
    unit: str = ""
    advanced: bool = False

    @property
    def allowed(self) -> str:
        """The allowed values in words: "a whole number from 1 to 1000", "one of sds, csd"."""
        words = _allowed(self.schema)
        words = f"a list, each item {words}" if self.many else words
        return words + (" or none" if self.nullable else "")

    def parse(self, text: str) -> Any:
        """One word of the terminal as a value that pydantic can judge; never fails, pydantic names what is wrong."""
        quoted = self.nullable and self.shape in ("text", "choice") and text.startswith('"')
        if self.nullable and text == "none":
            return None
        if self.shape == "json" or quoted:
            try:
                return json.loads(text)
            except ValueError:
                return text
        if self.shape == "choice":
            return next((value for value in _choices(self.schema) if _spell(value) == text), text)
        return text

    def spell(self, value: Any) -> str:
        """The inverse of `parse` for a JSON value."""
        if value is None and self.nullable:
            return "none"
        if self.shape == "json":
            return json.dumps(value)
        text = _spell(value)
        # Only an optional text can be mistaken: for "no value", or for an already quoted text.
        ambiguous = self.nullable and self.shape in ("text", "choice") and (text == "none" or text.startswith('"'))
        return json.dumps(text) if ambiguous else text

    def parse_all(self, texts: Sequence[str]) -> Any:
        """The words given to one option as its value: the only one, or a list of all (or one JSON list)."""
        if not self.many:
            return self.parse(texts[-1])
        if len(texts) == 1 and texts[0].startswith("["):
            try:
                return json.loads(texts[0])
            except ValueError:
                pass
        if self.nullable and list(texts) == ["none"]:
            return None
        return [self.parse(text) for text in texts]

    def arguments(self, value: Any) -> list[str]:
        """Command-line arguments that give this option the JSON `value`."""
        if self.shape == "flag":
            return [f"--{self.name}" if value else f"--no-{self.name}"]
        if not self.many or value is None:
            return [f"--{self.name}={self.spell(value)}"]
        items = [self.spell(item) for item in value]
        if not items or (len(items) == 1 and (items[0].startswith("[") or items[0] == "none")):
            return [f"--{self.name}={json.dumps(value)}"]
        return [f"--{self.name}={item}" for item in items]


@functools.cache
def options(params: type[pydantic.BaseModel]) -> Mapping[str, Option]:
    """The options of a Params class, by field name, in order of definition.

    Raises ValueError for a class that cannot be offered to a user: a field without default and example, an alias,
    two fields of one spelling, or the name of an option that `scorekit run` has itself.
    """
    schema = params.model_json_schema()
    made = {name: _option(name, field, schema) for name, field in params.model_fields.items()}
    taken = set(RESERVED)
    for option in made.values():
        spellings = {option.name, *([f"no-{option.name}"] if option.shape == "flag" else [])}
        if clash := spellings & taken:
            raise ValueError(f"parameter {option.field!r}: --{clash.pop()} is already taken")
        taken |= spellings
    return made


def _option(name: str, field: FieldInfo, whole: Mapping[str, Any]) -> Option:
    if field.alias or field.validation_alias:
        raise ValueError(f"parameter {name!r} has an alias; parameters go by one name everywhere")
    if field.is_required() and not field.examples:
        raise ValueError(f"parameter {name!r} has neither a default nor an example: the run needs no arguments")
    schema = _resolved(whole["properties"][name], whole)
    extra = field.json_schema_extra if isinstance(field.json_schema_extra, dict) else {}
    default = schema.get("default", field.examples[0] if field.examples else None)
    alternatives: list[dict[str, Any]] = schema.get("anyOf", [schema])
    resolved = [_resolved(s, whole) for s in alternatives]
    nullable = any(s.get("type") == "null" for s in resolved)
    variants = [s for s in resolved if s.get("type") != "null"]
    value: dict[str, Any] = variants[0] if len(variants) == 1 else {"anyOf": variants}
    many = value.get("type") == "array" and "items" in value and "prefixItems" not in value
    if many:
        value = _resolved(value["items"], whole)
    return Option(
        field=name,
        name=name.strip("_").replace("_", "-"),
        schema=value,
        shape=_shape(value, flag=not many and not nullable),
        many=many,
        nullable=nullable,
        default=default,
        description=(field.description or "").strip(),
        unit=str(extra.get("unit", "")),
        advanced=bool(extra.get("advanced", False)),
    )


def _resolved(schema: Mapping[str, Any], whole: Mapping[str, Any]) -> dict[str, Any]:
    """A schema with its `$ref` (an enumeration or a nested model) put in place."""
    if reference := schema.get("$ref"):
        return {**whole["$defs"][reference.rpartition("/")[2]], **{k: v for k, v in schema.items() if k != "$ref"}}
    return dict(schema)


def _shape(schema: Mapping[str, Any], flag: bool) -> Shape:
    if "enum" in schema or "const" in schema:
        return "choice"
    kind = schema.get("type")
    if kind == "boolean":
        return "flag" if flag else "scalar"
    if kind == "string":
        return "text"
    return "scalar" if kind in ("integer", "number") else "json"


def _choices(schema: Mapping[str, Any]) -> list[Any]:
    return [schema["const"]] if "const" in schema else list(schema.get("enum", []))


def _spell(value: Any) -> str:
    return {True: "true", False: "false"}[value] if isinstance(value, bool) else str(value)


def _allowed(schema: Mapping[str, Any]) -> str:
    if choices := _choices(schema):
        return "one of " + ", ".join(map(_spell, choices)) if len(choices) > 1 else _spell(choices[0])
    if variants := schema.get("anyOf"):
        return " or ".join(map(_allowed, variants))
    kind, form = schema.get("type"), schema.get("format")
    if form in ("path", "file-path", "directory-path"):
        return {"path": "an existing path", "file-path": "an existing file"}.get(str(form), "an existing folder")
    if kind in ("array", "object"):
        return f"a JSON {kind}" + _count(schema, "minItems", "maxItems", "item")
    words = NOUNS.get(str(kind), "a JSON value") + _range(schema)
    words += _count(schema, "minLength", "maxLength", "character")
    if "pattern" in schema:
        words += f" matching {schema['pattern']}"
    if "multipleOf" in schema:
        words += f", a multiple of {schema['multipleOf']}"
    return words


def _range(schema: Mapping[str, Any]) -> str:
    low, high = schema.get("minimum"), schema.get("maximum")
    above, below = schema.get("exclusiveMinimum"), schema.get("exclusiveMaximum")
    if low is not None and high is not None:
        return f" from {low} to {high}"
    bounds = [(" of at least", low), (" above", above), (" up to", high), (" below", below)]
    return " and".join(f"{word} {bound}" for word, bound in bounds if bound is not None)


def _count(schema: Mapping[str, Any], lowest: str, highest: str, noun: str) -> str:
    low, high = schema.get(lowest), schema.get(highest)
    if low is None and high is None:
        return ""
    if low == high:
        return f" of {low} {noun}{'s' * (low != 1)}"
    if low and high:
        return f" of {low} to {high} {noun}s"
    return f" of at least {low} {noun}{'s' * (low != 1)}" if low else f" of at most {high} {noun}{'s' * (high != 1)}"


def validate(params: type[pydantic.BaseModel], values: Mapping[str, Any]) -> pydantic.BaseModel:
    """`values` as an instance of `params`; a required field that is not given takes its first example.

    Raises ParameterError with one sentence that names the option and the allowed values. A path among the
    parameters is an input (outputs go through `RunContext.save`) and has to exist.
    """
    described = options(params)
    examples = {n: f.examples[0] for n, f in params.model_fields.items() if f.is_required() and f.examples}
    try:
        made = params.model_validate({**examples, **values})
    except pydantic.ValidationError as error:
        raise ParameterError(explain(error, described)) from None
    for name, path in input_paths(made):
        if not path.exists():
            raise ParameterError(f"--{described[name].name} must be an existing path; there is no {str(path)!r}")
    return made


def explain(error: pydantic.ValidationError, described: Mapping[str, Option]) -> str:
    """The first problem of a validation as one sentence in the user's terms."""
    problem = error.errors(include_url=False)[0]
    place, kind, message = problem["loc"], problem["type"], problem["msg"]
    more = f" (and {error.error_count() - 1} more)" if error.error_count() > 1 else ""
    own = message.removeprefix("Value error, ").removeprefix("Assertion failed, ")
    if not place:
        return own + more
    option = described.get(str(place[0]))
    if option is None:
        known = ", ".join(f"--{o.name}" for o in described.values())
        return f"there is no parameter {str(place[0])!r}; there are {known}{more}"
    if kind in ("value_error", "assertion_error"):
        return f"--{option.name}: {own}{more}"
    return f"--{option.name} must be {option.allowed}; got {_shown(problem['input'])}{more}"


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 80 else text[:77] + "..."


def input_paths(params: pydantic.BaseModel) -> list[tuple[str, Path]]:
    """(field name, path) of every path among the parameters, also inside lists."""
    found = []
    for name in type(params).model_fields:
        value = getattr(params, name)
        items = value if isinstance(value, list | tuple | set | frozenset) else [value]
        found += [(name, item) for item in items if isinstance(item, Path)]
    return found


def command_line(params: pydantic.BaseModel) -> list[str]:
    """Arguments that give every option the value it has in `params`, defaults too: they may change with versions."""
    values = dump(params)
    return [word for name, option in options(type(params)).items() for word in option.arguments(values[name])]


def dump(params: pydantic.BaseModel) -> dict[str, Any]:
    """Parameters as JSON values; paths absolute, so that the run can be repeated from another folder."""
    values = params.model_dump(mode="json")
    for name, path in input_paths(params):
        if isinstance(getattr(params, name), Path):
            values[name] = str(path.resolve())
        else:
            values[name] = [str(p.resolve()) if isinstance(p, Path) else p for p in getattr(params, name)]
    return values
