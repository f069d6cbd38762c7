"""Parameters become form fields and come back as they were: every kind of field that a plugin can declare."""

from pathlib import Path
from typing import Literal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import BaseModel, Field

from scorekit.host.errors import ParameterError
from scorekit.host.options import options, validate
from scorekit.host.plugin import Params
from scorekit_studio import forms


class Inner(BaseModel):
    x: int = 1


class Every(Params):
    prompt: str = Field("a red mushroom", min_length=1, description="What.", examples=["one", "two"])
    name: str | None = None
    steps: int = Field(500, ge=1, le=100_000)
    few: int = Field(4, ge=1, le=16)
    even: int = Field(32, ge=16, le=128, multiple_of=16, json_schema_extra={"unit": "px"})
    above: int = Field(3, gt=0, lt=10)
    maybe: int | None = Field(8, ge=1, le=64)
    rate: float = Field(0.012, ge=0, le=1, json_schema_extra={"advanced": True})
    positive: float = Field(1.0, gt=0)
    perhaps: float | None = None
    style: Literal["flat", "sketch"] = "flat"
    level: Literal[1, 2, 3] = 2
    start: Literal["live", "scratch"] | None = None
    flag: bool = True
    unsure: bool | None = None
    image: Path | None = None
    pictures: list[Path] = []
    words: list[str] = ["a", "b c, d"]
    channels: list[int] = Field([64, 96], min_length=1)
    weights: list[float] | None = None
    kinds: list[Literal["a", "b", "c"]] = ["a"]
    size: tuple[int, int] = (3, 4)
    inner: Inner = Inner()
    huge: int = Field(0, ge=0, le=2**64)


EXPECTED = {
    "prompt": "long text", "name": "text", "steps": "integer", "few": "slider", "even": "slider", "above": "slider", "maybe": "integer",
    "rate": "number", "positive": "number", "perhaps": "number", "style": "choice", "level": "choice", "start": "choice",
    "flag": "toggle", "unsure": "choice", "image": "file", "pictures": "files", "words": "lines", "channels": "list",
    "weights": "list", "kinds": "choices", "size": "json", "inner": "json", "huge": "integer",
}  # fmt: skip
OPTIONS = options(Every)


def test_every_kind_of_field_has_its_widget() -> None:
    assert {name: forms.widget(option) for name, option in OPTIONS.items()} == EXPECTED


def test_defaults_come_back_as_they_were_and_are_valid() -> None:
    back = {name: forms.from_widget(o, forms.to_widget(o, o.default)) for name, o in OPTIONS.items()}
    assert forms.problems(Every, back) == {}
    assert validate(Every, back) == validate(Every, {})


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("name", "none"), ("name", None), ("maybe", None), ("maybe", 3), ("perhaps", None), ("perhaps", 0.25), ("start", None),
        ("start", "scratch"), ("unsure", None), ("unsure", False), ("weights", None), ("weights", [0.1, 2.0]), ("kinds", []),
        ("kinds", ["c", "a"]), ("words", ["one, two", "three"]), ("channels", [1, 2, 3]), ("size", [5, 6]), ("inner", {"x": 7}),
        ("level", 3), ("flag", False), ("rate", 1e-4),
    ],
)  # fmt: skip
def test_values_of_a_run_fill_the_form_and_come_back(field: str, value: object) -> None:
    option = OPTIONS[field]
    assert forms.from_widget(option, forms.to_widget(option, value)) == value


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(-(2**40), 2**40), max_size=5), st.floats(-1e9, 1e9, allow_subnormal=False))
def test_numbers_keep_their_value(whole: list[int], real: float) -> None:
    channels, perhaps = OPTIONS["channels"], OPTIONS["perhaps"]
    assert forms.from_widget(channels, forms.to_widget(channels, whole)) == whole
    assert forms.from_widget(perhaps, forms.to_widget(perhaps, real)) == real


def test_what_a_field_cannot_mean_is_said_by_its_name() -> None:
    for field, held, words in (
        ("channels", "64, wide", "Channels must be a list, each item a whole number; got 'wide'"),
        ("size", "[1,", "Size must be JSON"),
        ("steps", None, "Steps must be a whole number from 1 to 100000; it is empty"),
    ):
        with pytest.raises(ParameterError) as error:
            forms.from_widget(OPTIONS[field], held)
        assert words in str(error.value)


def test_problems_stand_beside_their_field_and_in_its_words() -> None:
    found = forms.problems(Every, {"steps": 0, "even": 40, "prompt": "", "image": "/nowhere/at/all.png"})
    assert found["steps"] == "Steps must be a whole number from 1 to 100000; got 0"
    assert found["even"] == "Even (px) must be a whole number from 16 to 128, a multiple of 16; got 40"
    assert set(found) == {"steps", "even", "prompt"}
    assert "no '/nowhere/at/all.png'" in forms.problems(Every, {"image": "/nowhere/at/all.png"})["image"]


def test_what_concerns_several_fields_stands_for_the_whole() -> None:
    from pydantic import model_validator

    class Ordered(Params):
        low: float = 0.1
        high: float = 0.9

        @model_validator(mode="after")
        def _ordered(self) -> "Ordered":
            if self.low >= self.high:
                raise ValueError("low must be below high")
            return self

    assert forms.problems(Ordered, {"low": 2.0}) == {"": "Low must be below high"}
    assert forms.problems(Ordered, {}) == {}


def test_ranges_steps_units_and_hints() -> None:
    assert forms.bounds(OPTIONS["above"]) == (1, 9)
    assert forms.bounds(OPTIONS["huge"]) == (0, forms.SAFE)
    assert forms.step(OPTIONS["even"]) == 16
    assert forms.step(OPTIONS["rate"]) == pytest.approx(0.01)
    assert forms.label(OPTIONS["even"]) == "Even (px)"
    assert forms.hint(OPTIONS["maybe"]) == "A whole number from 1 to 64. Leave it empty for none."
    assert forms.hint(OPTIONS["flag"]) == ""
    assert forms.examples(Every, OPTIONS["prompt"]) == ["one", "two"]


def test_axes_of_a_sweep() -> None:
    assert forms.axis(None, "0-3, 7") == [0, 1, 2, 3, 7]
    assert forms.axis(OPTIONS["steps"], "10 20,20; 30") == [10, 20, 30]
    assert forms.axis(OPTIONS["prompt"], "a red mushroom\n\na blue car, small\n") == [
        "a red mushroom",
        "a blue car, small",
    ]
    assert forms.axis(OPTIONS["maybe"], "4, none") == [4, None]
    assert forms.axis(OPTIONS["style"], ["flat", "sketch"]) == ["flat", "sketch"]
    for option, words in ((None, "-1"), (OPTIONS["steps"], "ten"), (OPTIONS["steps"], "1.5")):
        with pytest.raises(ParameterError):
            forms.axis(option, words)
    assert {"image", "pictures", "words", "size"}.isdisjoint(forms.sweepable(Every))
