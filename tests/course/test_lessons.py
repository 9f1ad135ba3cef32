"""Every lesson's program runs, prints what its page says, and makes the pictures that lie beside it."""

import re
import runpy
from pathlib import Path

import pytest

import gpucnn
from gpucnn.course import pages
from gpucnn.course.__main__ import main
from gpucnn.course.exercises import FILES
from tests.devices import kept

COURSE = runpy.run_path(str(Path(__file__).parents[2] / "tools/course.py"))
PAGES = pages.pages()
PICTURE = re.compile(r"!\[[^]]+\]\(([^)]+)\)")
TAKES = {f"course/{path.name}": {"sh", "python"} for path in PAGES} | {"course/index.md": {"sh"}}
MOST = 60_000  # bytes of a picture


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.stem)
def test_a_page_prints_and_draws_what_it_says(path, tmp_path, monkeypatch) -> None:
    text = path.read_text()
    monkeypatch.chdir(tmp_path)
    with kept():
        gpucnn.set_device("cpu")
        ran = COURSE["again"](path)
    assert COURSE["without_times"](ran) == COURSE["without_times"](text)
    named = PICTURE.findall(text)
    assert named and sorted(named) == sorted(made.name for made in tmp_path.iterdir())
    for name in named:
        drawn = (path.parent / name).read_text()
        assert len(drawn) < MOST and (tmp_path / name).read_text() == drawn, (
            f"python tools/course.py draws {name} again"
        )


def test_every_lesson_has_an_exercise_and_every_number_a_lesson() -> None:
    assert [int(path.name[:2]) for path in PAGES] == list(range(1, len(FILES) + 1))
    for number, path in enumerate(PAGES, start=1):
        assert f"python -m gpucnn.course check {number}\n" in path.read_text()


def test_commands_of_the_index_run(tmp_path, monkeypatch, capsys) -> None:
    monkeypatch.chdir(tmp_path)
    [block] = pages.blocks(PAGES[0].parent / "index.md")
    for command in block.text.splitlines():
        *program, words = command.partition("#")[0].partition("python -m gpucnn.course")
        assert program == ["", "python -m gpucnn.course"]
        assert main(words.split()) in (0, 1), command  # 1: the exercise is not done
    assert "What a window is" in capsys.readouterr().out and (tmp_path / "exercise_01.py").is_file()


def test_links_lead_somewhere_and_pictures_belong_to_a_page() -> None:
    folder = PAGES[0].parent
    texts = {path: path.read_text() for path in folder.glob("*.md")}
    for path, text in texts.items():
        for name in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", pages.PATTERN.sub("", text)):
            assert (folder / name).exists(), f"{path.name}: {name}"
    shown = {name for text in texts.values() for name in PICTURE.findall(text)}
    assert shown == {path.name for path in folder.glob("*.svg")}
    index = texts[folder / "index.md"]
    assert re.findall(r"\]\((\d\d-[^)]+\.md)\)", index) == [path.name for path in PAGES]


def test_the_tape_has_as_many_lines_as_its_title_says() -> None:
    [tape] = [block.text for block in pages.blocks(PAGES[7]) if "class Var" in block.text]
    assert "60 lines" in pages.title(PAGES[7]) and len([line for line in tape.splitlines() if line.strip()]) <= 60


def test_a_page_whose_output_is_old_is_noticed(tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    page = tmp_path / "01-page.md"
    page.write_text('```python\nprint(2)\n```\n\n```text title="Output"\n1\n```\n')
    assert COURSE["again"](page) == page.read_text().replace("\n1\n", "\n2\n")
    page.write_text("```python\nprint(2)\n```\n")
    with pytest.raises(ValueError, match="no block of output follows"):
        COURSE["again"](page)
    timed = '```text title="Output on one machine"\nloops 12.5 ms\n```'
    other = timed.replace("12.5 ms", "9 ms")
    assert COURSE["without_times"](timed) == COURSE["without_times"](other) != COURSE["without_times"](timed + "x")
