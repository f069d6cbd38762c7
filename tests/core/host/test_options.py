"""Parameters to command-line options and back; and what is said when a value is wrong."""

import enum
import inspect
from pathlib import Path
from typing import Any, Literal

import pydantic
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import Field

from scorekit.host import commands
from scorekit.host.errors import ParameterError
from scorekit.host.options import command_line, dump, options, validate
from scorekit.host.plugin import Application, Params, RunContext


class Colour(enum.Enum):
    RED = "red"
    BLUE = "none"


class Everything(Params):
    """Every kind of field that an application may have."""

    prompt: str = Field("a red mushroom", description="What to make.", min_length=1)
    note: str | None = "old"
    steps: int = Field(100, ge=1, le=1000, description="How many steps.")
    limit: int | None = Field(3, ge=0)
    rate: float = Field(0.01, gt=0)
    scale_: float | None = None
    size: Literal[32, 64, 128] = 64
    method: Literal["sds", "csd"] | None = "sds"
    colour: Colour = Colour.RED
    fast: bool = True
    maybe: bool | None = None
    names: list[str] = ["x", "y"]
    levels: list[float] | None = None
    sizes: list[Literal[1, 2, 3]] = [1]
    pair: tuple[int, float] = (1, 2.0)
    table: dict[str, int] = {"a": 1}
    mixed: int | str = 3


class Show(Application):
    name, title, summary = "show", "Show", "Shows its parameters."
    Params = Everything  # type: ignore[assignment]

    def run(self, params: Any, ctx: RunContext) -> None:
        ctx.log(str(params))


text = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"))
finite = st.floats(allow_nan=False, allow_infinity=False)
anything = st.builds(
    Everything,
    prompt=text.filter(bool),
    note=st.none() | text | st.sampled_from(["none", '"none"', '"', "[]"]),
    steps=st.integers(1, 1000),
    limit=st.none() | st.integers(0),
    rate=finite.filter(lambda x: x > 0),
    scale_=st.none() | finite,
    size=st.sampled_from([32, 64, 128]),
    method=st.sampled_from(["sds", "csd", None]),
    colour=st.sampled_from(Colour),
    fast=st.booleans(),
    maybe=st.sampled_from([True, False, None]),
    names=st.lists(text | st.sampled_from(["[]", "[1", "none", "--steps"])),
    levels=st.none() | st.lists(finite),
    sizes=st.lists(st.sampled_from([1, 2, 3])),
    pair=st.tuples(st.integers(), finite),
    table=st.dictionaries(text, st.integers()),
    mixed=st.integers() | text,
)


def parsed(arguments: list[str], monkeypatch: pytest.MonkeyPatch) -> pydantic.BaseModel:
    """Parse by the application's real command, stopping short of executing."""
    seen: dict[str, Any] = {}
    monkeypatch.setattr(commands, "start", lambda _, values, *__, **___: seen.update(values) or 0)
    commands.command_of(Show).main(args=arguments, standalone_mode=False)
    return validate(Everything, seen)


@settings(max_examples=150, deadline=None)
@given(anything)
def test_parameters_survive_the_command_line(params: Everything) -> None:
    with pytest.MonkeyPatch.context() as monkeypatch:
        assert parsed(command_line(params), monkeypatch) == params


@settings(max_examples=50, deadline=None)
@given(anything)
def test_parameters_survive_the_run_record(params: Everything) -> None:
    assert validate(Everything, dump(params)) == params


def test_what_is_not_given_has_its_default(monkeypatch: pytest.MonkeyPatch) -> None:
    assert parsed([], monkeypatch) == Everything()
    changed = parsed(["--steps", "7", "--no-fast", "--names", "p", "--names", "q", "--scale=none"], monkeypatch)
    assert changed == Everything(steps=7, fast=False, names=["p", "q"])


@pytest.mark.parametrize(
    ("field", "value", "sentence"),
    [
        ("steps", "abc", "--steps must be a whole number from 1 to 1000; got 'abc'"),
        ("steps", 0, "--steps must be a whole number from 1 to 1000; got 0"),
        ("limit", "-1", "--limit must be a whole number of at least 0 or none; got '-1'"),
        ("rate", 0, "--rate must be a number above 0; got 0"),
        ("rate", float("nan"), "--rate must be a number above 0; got nan"),
        ("prompt", "", "--prompt must be text of at least 1 character; got ''"),
        ("size", 65, "--size must be one of 32, 64, 128; got 65"),
        ("method", "vsd", "--method must be one of sds, csd or none; got 'vsd'"),
        ("fast", "perhaps", "--fast must be true or false; got 'perhaps'"),
        ("sizes", [1, 9], "--sizes must be a list, each item one of 1, 2, 3; got 9"),
        ("table", "x", "--table must be a JSON object; got 'x'"),
    ],
)
def test_a_wrong_value_is_named_with_what_is_allowed(field: str, value: Any, sentence: str) -> None:
    with pytest.raises(ParameterError) as error:
        validate(Everything, {field: value})
    assert str(error.value) == sentence


def test_an_unknown_parameter_is_told_the_known_ones() -> None:
    with pytest.raises(ParameterError, match=r"no parameter 'stepz'; there are --prompt, --note, --steps"):
        validate(Everything, {"stepz": 1})


def test_a_rule_across_parameters_speaks_for_itself() -> None:
    class Ordered(Params):
        low: int = 1
        high: int = 2

        @pydantic.model_validator(mode="after")
        def order(self) -> "Ordered":
            if self.low > self.high:
                raise ValueError("--low must not be above --high")
            return self

    with pytest.raises(ParameterError, match=r"^--low must not be above --high$"):
        validate(Ordered, {"low": 3})


def test_a_path_has_to_exist(tmp_path: Path) -> None:
    class WithFiles(Params):
        image: Path | None = None
        frames: list[Path] = []

    here = tmp_path / "here.png"
    here.touch()
    assert validate(WithFiles, {"image": str(here), "frames": [here]})
    with pytest.raises(ParameterError, match=r"--image must be an existing path; there is no 'gone\.png'"):
        validate(WithFiles, {"image": "gone.png"})
    with pytest.raises(ParameterError, match="--frames must be an existing path"):
        validate(WithFiles, {"frames": [here, "gone.png"]})


def test_a_field_without_default_runs_with_its_example() -> None:
    class Asked(Params):
        prompt: str = Field(examples=["a boat", "a car"])

    assert validate(Asked, {}) == Asked(prompt="a boat")
    assert options(Asked)["prompt"].default == "a boat"


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"seed": (int, 1)}, "'seed': --seed is already taken"),
        ({"a_b": (int, 1), "a_b_": (int, 1)}, "'a_b_': --a-b is already taken"),
        ({"no_x": (int, 1), "x": (bool, True)}, "'x': --no-x is already taken"),
        ({"x": (int, ...)}, "'x' has neither a default nor an example"),
        ({"x": (int, Field(1, alias="y"))}, "'x' has an alias"),
    ],
)
def test_fields_that_no_option_can_stand_for_are_refused(fields: dict[str, Any], reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        options(pydantic.create_model("Bad", __base__=Params, **fields))


def test_help_shows_kind_range_choices_and_default(capsys: pytest.CaptureFixture[str]) -> None:
    commands.command_of(Show).main(args=["--help"], standalone_mode=False)
    shown = " ".join(capsys.readouterr().out.replace("│", " ").split())
    for part in ("--steps INTEGER", "from 1 to 1000", "One of 32, 64, 128", "--fast --no-fast", "[default: 64]"):
        assert part in shown, part
    assert inspect.getdoc(Show.Params) is not None
