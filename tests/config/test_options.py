from dataclasses import dataclass
from typing import Literal

import pytest
from pydantic import ValidationError

from gpucnn.config.options import options_model


class Slides:
    """Slides a window.

    And more that no editor shows.
    """

    def __init__(self, in_channels: int, kernel_size: int | tuple[int, ...], mode: Literal["a", "b"] = "a") -> None:
        self.given = (in_channels, kernel_size, mode)


@dataclass(frozen=True)
class Falls:
    """A dataclass has a signature too."""

    gamma: float = 0.1


def test_options_come_from_the_signature() -> None:
    model = options_model("slides", Slides, skip=("in_channels",))
    assert model.__doc__ == "Slides a window."
    assert list(model.model_fields) == ["kernel_size", "mode"]
    assert model.model_fields["kernel_size"].is_required() and model.model_fields["mode"].default == "a"
    options = model.model_validate_json('{"kernel_size": [3, 5]}')
    assert Slides(1, **dict(options)).given == (1, (3, 5), "a")


@pytest.mark.parametrize("value", ["0", "[3, 0]", "true", '"3"', "3.0", "null"])
def test_ranges_hold_inside_unions_and_tuples_and_types_are_strict(value: str) -> None:
    with pytest.raises(ValidationError):
        options_model("slides", Slides, skip=("in_channels",)).model_validate_json(f'{{"kernel_size": {value}}}')


def test_whole_numbers_stand_for_floats_but_only_finite_ones() -> None:
    model = options_model("falls", Falls)
    assert dict(model.model_validate_json('{"gamma": 2}')) == {"gamma": 2.0}
    for value in ("NaN", "Infinity", "0", "false"):
        with pytest.raises(ValidationError):
            model.model_validate_json(f'{{"gamma": {value}}}')
