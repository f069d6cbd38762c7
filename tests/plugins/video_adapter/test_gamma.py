"""What may be written for gamma."""

import pytest
import torch

from scorekit_video_adapter.gamma import Curve, parse, spelled


def test_a_number_a_ramp_and_fit_are_read() -> None:
    assert parse(" 0.5 ") == 0.5
    assert parse("FIT") == "fit"
    ramp = parse("1..0.2")
    assert isinstance(ramp, Curve)
    ends = torch.tensor([-float("inf"), -6.0, 0.0, 6.0, float("inf")], dtype=torch.float64)
    assert ramp(ends).tolist() == pytest.approx([1.0, 1.0, 0.6, 0.2, 0.2])
    assert spelled(ramp) == "1..0.2"
    assert spelled([0.5, ramp]) == "0.5, 1..0.2"
    assert Curve((0.0,), (2.0,))(ends).tolist() == [2.0] * 5


@pytest.mark.parametrize("word", ["", "a", "much", "1..", "1..2..3", "0.5,1", "nan..1x"])
def test_anything_else_is_refused(word: str) -> None:
    with pytest.raises(ValueError, match=r'gamma must be a number such as 0.5, "a..b" .* or fit, not '):
        parse(word)


@pytest.mark.parametrize("word", ["-1", "101", "nan", "inf", "0..-2", "nan..1"])
def test_numbers_out_of_range_are_refused(word: str) -> None:
    with pytest.raises(ValueError, match=r"gamma must lie in \[0, 100\]"):
        parse(word)


def test_knots_must_increase_and_have_values() -> None:
    with pytest.raises(ValueError, match="log-SNRs that increase"):
        Curve((1.0, 1.0), (0.0, 1.0))
    with pytest.raises(ValueError, match="one value at each"):
        Curve((1.0, 2.0), (0.0,))
