"""Exercises: the right answer passes, each usual mistake gets its message, and the stub a kind one."""

import itertools

import numpy as np
import pytest

from gpucnn.course.__main__ import main
from gpucnn.course.exercise import _same
from gpucnn.course.exercises import FILES, exercise
from tests.course.answers import RIGHT, WRONG

NUMBERS = range(1, len(FILES) + 1)


def checked(number, text, folder, capsys) -> tuple[int, str]:
    """The exit code and the words of `check` for an answer."""
    path = folder / f"exercise_{number:02}.py"
    path.write_text("import numpy as np\n" + text)
    code = main(["check", str(number), str(path)])
    done = capsys.readouterr()
    return code, done.out + done.err


@pytest.mark.parametrize("number", NUMBERS)
def test_the_stub_gets_a_kind_message(number, tmp_path, monkeypatch, capsys) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["check", str(number)]) == 0
    assert "is written. Fill in" in capsys.readouterr().out
    assert main(["check", str(number)]) == 2
    words = capsys.readouterr().err
    assert f"exercise_{number:02}.py: {exercise(number).name} returns nothing yet. To begin: " in words


@pytest.mark.parametrize("number", NUMBERS)
def test_a_right_answer_passes(number, tmp_path, capsys) -> None:
    code, words = checked(number, RIGHT[number], tmp_path, capsys)
    assert code == 0 and "right. " in words, words


@pytest.mark.parametrize(("number", "says", "text"), WRONG)
def test_a_usual_mistake_is_named(number, says, text, tmp_path, capsys) -> None:
    code, words = checked(number, text, tmp_path, capsys)
    assert code == 2 and says in words and "expected" in words, words


@pytest.mark.parametrize("number", NUMBERS)
def test_the_cases_tell_every_mistake_from_the_answer_and_from_the_others(number) -> None:
    task = exercise(number)
    assert len(task.mistakes) >= 2
    functions = [task.answer, *(mistake.function for mistake in task.mistakes)]
    for one, other in itertools.combinations(functions, 2):
        assert not all(_same(one(*case), other(*case)) for case in task.cases), (one, other)


@pytest.mark.parametrize("number", NUMBERS)
def test_every_mistake_is_made_by_an_answer_of_the_tests(number) -> None:
    assert len([says for tested, says, _ in WRONG if tested == number]) >= len(exercise(number).mistakes)


def test_what_does_not_run_is_told_with_its_line(tmp_path, capsys) -> None:
    name = exercise(1).name
    assert (
        "line 3 stopped with ZeroDivisionError"
        in checked(1, f"def {name}(x, k):\n    return 1 / 0", tmp_path, capsys)[1]
    )
    assert "this is not Python yet" in checked(1, "def (", tmp_path, capsys)[1]
    deep = f"def {name}(x, k):\n    return np.tensordot(x, k, 1)"
    assert "line 3 stopped with ValueError" in checked(1, deep, tmp_path, capsys)[1]
    assert "it stopped with TypeError" in checked(1, f"{name} = np.zeros_like", tmp_path, capsys)[1]
    assert (
        "of type object; expected numbers"
        in checked(1, f"def {name}(x, k): return [[1], [1, 2], 3]", tmp_path, capsys)[1]
    )
    assert "line 2 stopped with NameError" in checked(1, "nothing", tmp_path, capsys)[1]
    assert f"there is no function {name} in it" in checked(1, "", tmp_path, capsys)[1]
    assert "The shape of the result is ()" in checked(1, f"def {name}(x, k): return 1", tmp_path, capsys)[1]
    assert (
        "expected numbers"
        in checked(1, f"def {name}(x, k): return np.full(len(x) - len(k) + 1, 'a')", tmp_path, capsys)[1]
    )
    assert "Expected 1 results, you return 2" in checked(1, f"def {name}(x, k): return 1, 2", tmp_path, capsys)[1]


def test_commands(capsys, tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert main([]) == 0 and "What a window is" in capsys.readouterr().out
    assert main(["script", "1"]) == 0
    script = capsys.readouterr().out
    assert script.startswith("import numpy as np\n")
    assert main(["run", "1"]) == 0 and capsys.readouterr().out
    assert np.size(list(tmp_path.glob("01-*.svg"))) >= 1
    for command in ("run", "check"):
        assert main([command, "99"]) == 2 and "give a number from 1 to" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        main(["run"])
