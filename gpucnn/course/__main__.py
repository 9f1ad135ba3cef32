"""The course's commands: list the lessons, run one, print its program, check the answer to its exercise."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from gpucnn.course import pages
from gpucnn.course.exercise import read_answer
from gpucnn.course.exercises import exercise
from gpucnn.errors import InputError

DESCRIPTION = """\
python -m gpucnn.course               the lessons
python -m gpucnn.course run 1         run the program of lesson 1; its pictures are written into this folder
python -m gpucnn.course script 1      print the program of lesson 1
python -m gpucnn.course check 1       check your answer in exercise_01.py; the first time, write that file for you"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return the exit code: 0 done, 2 an answer that is not right yet, or wrong input."""
    parser = argparse.ArgumentParser(
        prog="python -m gpucnn.course",
        description=DESCRIPTION,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("command", choices=["list", "run", "script", "check"], nargs="?", default="list")
    parser.add_argument("lesson", type=int, nargs="?", help="its number")
    parser.add_argument("file", type=Path, nargs="?", help="of your answer; exercise_01.py for lesson 1")
    given = parser.parse_args(arguments)
    if given.command != "list" and given.lesson is None:
        parser.error(f"{given.command} needs the number of a lesson, as in: {given.command} 1")
    try:
        return COMMANDS[given.command](given)
    except InputError as error:
        print(error, file=sys.stderr)
        return 2


def _list(given: argparse.Namespace) -> int:
    print(DESCRIPTION, end="\n\n")
    for number, path in enumerate(pages.pages(), start=1):
        print(f"{number:2}  {pages.title(path).partition('. ')[2]}")
    return 0


def _run(given: argparse.Namespace) -> int:
    path = pages.page(given.lesson)
    pages.execute(pages.program(path), path.name, {"__name__": "__main__"})
    return 0


def _script(given: argparse.Namespace) -> int:
    print(pages.program(pages.page(given.lesson)), end="")
    return 0


def _check(given: argparse.Namespace) -> int:
    task = exercise(given.lesson)
    path = given.file or Path(f"exercise_{given.lesson:02}.py")
    if not path.exists():
        path.write_text(task.stub(given.lesson), encoding="utf-8")
        print(f"{path} is written. Fill in {task.name}, then run the same command again.")
        return 0
    wrong = task.judge(read_answer(path, task.name))
    if wrong:
        raise InputError(f"{path}: {wrong}")
    print(f"{path}: right. {task.praise}")
    return 0


COMMANDS = {"list": _list, "run": _run, "script": _script, "check": _check}

if __name__ == "__main__":
    sys.exit(main())
