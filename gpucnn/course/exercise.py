"""An exercise: a function to fill in, and a judge that recognises the usual mistakes by what they compute."""

import copy
import inspect
import textwrap
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from gpucnn.errors import InputError

Answer = Callable[..., Any]
TOLERANCE = 1e-6  # relative and absolute: answers may add in another order
MOST_SHOWN = 40  # numbers of an array in a message


class Mistake(NamedTuple):
    """A usual mistake: the function that one has written by it, and what to say."""

    function: Answer
    message: str


@dataclass(frozen=True)
class Exercise:
    """The right answer, inputs that tell it from every mistake, and the mistakes."""

    answer: Answer  # its name, arguments and docstring are those of the stub
    cases: Sequence[tuple[Any, ...]]
    mistakes: Sequence[Mistake]
    hint: str  # for who does not know how to begin
    praise: str  # what the answer is good for

    @property
    def name(self) -> str:
        """The function's name."""
        return self.answer.__name__

    def stub(self, number: int) -> str:
        """The file to fill in."""
        documentation = textwrap.indent(inspect.getdoc(self.answer) or "", "    ").strip()
        arguments = ", ".join(inspect.signature(self.answer).parameters)
        return (
            f"# Exercise of lesson {number}. To check it: python -m gpucnn.course check {number}\n\n"
            "import numpy as np\n\n\n"
            f'def {self.name}({arguments}):\n    """{documentation}\n    """\n    ...  # your lines stand here\n'
        )

    def judge(self, function: Answer) -> str:
        """What is wrong with a function, in words; "" where nothing is."""
        results = []
        for case in self.cases:
            try:
                with np.errstate(all="ignore"):  # what overflows is told by its result
                    results.append(function(*copy.deepcopy(case)))
            except Exception as error:
                return f"{stopped(error, _file_of(function))}\nThat was {self._call(case)}."
            if results[-1] is None:
                return f"{self.name} returns nothing yet. To begin: {self.hint}"
        wrong = [number for number, case in enumerate(self.cases) if not _same(results[number], self.answer(*case))]
        if not wrong:
            return ""
        case, result = self.cases[wrong[0]], results[wrong[0]]
        expected = self.answer(*case)
        seen = f"For {self._call(case)} expected {_shown(expected)}, your answer {_shown(result)}."
        for mistake in self.mistakes:
            if all(_same(given, mistake.function(*case)) for given, case in zip(results, self.cases, strict=True)):
                return f"not right yet. {mistake.message}\n{seen}"
        return f"not right yet. {_difference(result, expected)}\n{seen}"

    def _call(self, case: tuple[Any, ...]) -> str:
        names = inspect.signature(self.answer).parameters
        given = ", ".join(f"{name}={_shown(value)}" for name, value in zip(names, case, strict=True))
        return f"{self.name}({given})"


def read_answer(path: Path, name: str) -> Answer:
    """The function `name` of a file of Python. Raises InputError where the file does not run, or has none."""
    names: dict[str, Any] = {"__name__": path.stem}
    try:
        exec(compile(path.read_text(encoding="utf-8"), str(path), "exec"), names)
    except (SyntaxError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: this is not Python yet: {error}") from None
    except Exception as error:
        raise InputError(f"{path}: {stopped(error, str(path))}") from None
    if not callable(names.get(name)):
        raise InputError(f"{path}: there is no function {name} in it; remove the file, and check writes a new one")
    return names[name]


def _file_of(function: Answer) -> str:
    code = getattr(function, "__code__", None)  # a function of NumPy's has none
    return code.co_filename if code else ""


def stopped(error: Exception, file: str) -> str:
    """What ended an answer, with the last line of its file that ran."""
    lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == file]
    where = f"line {lines[-1]}" if lines else "it"
    return f"{where} stopped with {type(error).__name__}: {error}"


def _parts(value: Any) -> list[np.ndarray]:
    """What a function returned, one array or several."""
    return list(map(_array, value if isinstance(value, tuple) else (value,)))


def _array(part: Any) -> np.ndarray:
    try:
        return np.asarray(part)
    except ValueError:  # rows of different lengths
        return np.asarray(part, dtype=object)


def _same(given: Any, expected: Any) -> bool:
    given, expected = _parts(given), _parts(expected)
    return len(given) == len(expected) and all(map(_equal, given, expected))


def _equal(given: np.ndarray, expected: np.ndarray) -> bool:
    if given.shape != expected.shape or given.dtype.kind not in "biuf":
        return False
    return np.allclose(given, expected, rtol=TOLERANCE, atol=TOLERANCE, equal_nan=True)


def _difference(given: Any, expected: Any) -> str:
    """Where two answers differ first."""
    if len(_parts(given)) != len(_parts(expected)):
        return f"Expected {len(_parts(expected))} results, you return {len(_parts(given))}."
    for number, (ours, right) in enumerate(zip(_parts(given), _parts(expected), strict=True), start=1):
        which = f"result {number}" if len(_parts(given)) > 1 else "the result"
        if ours.shape != right.shape:
            return f"The shape of {which} is {ours.shape}; expected {right.shape}."
        if ours.dtype.kind not in "biuf":
            return f"The values of {which} are of type {ours.dtype}; expected numbers."
        if not _equal(ours, right):
            place = tuple(map(int, np.argwhere(~np.isclose(ours, right, TOLERANCE, TOLERANCE))[0]))
            at = f" at {place}" if place else ""
            return f"The first difference{at} of {which}: expected {right[place]:.6g}, yours is {ours[place]:.6g}."
    raise AssertionError("two answers are equal")


def _shown(value: Any) -> str:
    """A value for a message: small arrays in full, large ones by their shape."""
    if isinstance(value, tuple):
        return "(" + ", ".join(map(_shown, value)) + ")"
    if isinstance(value, np.ndarray | np.generic):
        if value.size > MOST_SHOWN:
            return f"an array {value.shape}"
        return str((np.round(value, 4) if value.dtype.kind == "f" else value).tolist())
    return repr(value)
