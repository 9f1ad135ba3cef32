"""The base class of values that a run stores as JSON: validated when read, immutable."""

from typing import Self

from pydantic import BaseModel, ConfigDict, ValidationError

from gpucnn.errors import DataError

MAX_JSON = 2**24  # characters: 65,536 classes with names of a hundred letters, and their counts


class Kept(BaseModel):
    """Base of stored values: no unknown keys, no silent conversions, only finite numbers."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, allow_inf_nan=False)

    def to_json(self) -> str:
        """Text that `from_json` reads."""
        return self.model_dump_json(indent=2) + "\n"

    @classmethod
    def from_json(cls, text: str | bytes) -> Self:
        """Read what `to_json` wrote. Raises DataError that names the first error."""
        if len(text) > MAX_JSON:
            raise DataError(f"it is longer than {MAX_JSON:,} bytes. Restore it, or train again.")
        try:
            return cls.model_validate_json(text)
        except ValidationError as error:
            first = error.errors(include_url=False, include_input=False)[0]
            place = ".".join(map(str, first["loc"])) or "the file"
            raise DataError(f"{place}: {first['msg']}. Restore it, or train again.") from None
