"""README and docs/usage.md: commands, programs and configurations run as they stand, and links lead somewhere."""

import re
import shlex
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from gpucnn.cli import main
from gpucnn.cli.arguments import make_parser
from gpucnn.config.check import check_options
from gpucnn.config.yaml_reader import read_yaml
from gpucnn.data import load_source

ROOT = Path(__file__).parents[2]
README, USAGE = ROOT / "README.md", ROOT / "docs/usage.md"
TAKES = {"usage.md": {"sh", "yaml", "python"}}


def blocks(page: Path, language: str) -> list[str]:
    """The code blocks of a page in one language; those without a name are ""."""
    return re.findall(rf"^```{language}\n(.*?)^```$", page.read_text(), re.DOTALL | re.MULTILINE)


def commands(page: Path, language: str) -> list[list[str]]:
    """The commands of the page's blocks, as words; what a shell would write them to is left out."""
    lines = "".join(blocks(page, language)).splitlines()
    return [shlex.split(re.split(r" >+ ", line)[0], comments=True) for line in lines]


@pytest.fixture
def folder(tmp_path, monkeypatch) -> Path:
    """A folder with a trained run, pictures, and a table without labels."""
    monkeypatch.chdir(tmp_path)
    assert main(["train", "smoke", "train.epochs=1", "report=false", "--quiet", "--device", "cpu"]) == 0
    images = load_source("digits").source.test.images[:4, 0]
    Path("photos").mkdir()
    for name, image in zip(("picture.png", "photos/one.png"), images, strict=False):
        Image.fromarray(image).save(name)
    np.savetxt("test.csv", images.reshape(4, -1), "%d", ",")
    return tmp_path


def test_the_commands_of_the_page_run(folder) -> None:
    ran = commands(USAGE, "sh")
    assert [words for words in ran if words[0] != "gpucnn"] == [["pip", "install", "gpucnn"]]
    for words in ran:
        if words[0] == "gpucnn":
            assert main(words[1:]) == 0, words
    assert Path("out.csv").read_text().startswith("id,label\n")
    assert len(ran) == 7


def test_the_programs_of_the_page_run(folder) -> None:
    names: dict[str, object] = {}
    for program in blocks(USAGE, "python"):
        exec(compile(program, USAGE.name, "exec"), names)
    assert names["classifier"].predict_proba(names["pictures"]).shape == (2, 10)


@pytest.mark.parametrize("page", [README, USAGE], ids=lambda page: page.name)
def test_the_configuration_of_a_page_is_accepted(page) -> None:
    [text] = blocks(page, "yaml")
    assert check_options(read_yaml(text, page.name)).config.name == "lenet"


@pytest.mark.parametrize("page", [README, USAGE], ids=lambda page: page.name)
def test_the_commands_in_the_text_are_understood(page) -> None:
    """Those in running text and tables; RUN, CONFIG and the like stand for themselves."""
    found = [words for words in re.findall(r"`gpucnn ([^`]+)`", page.read_text()) if "[" not in words]
    assert len(found) > (2 if page == README else 15)
    for words in found:
        make_parser().parse_args(shlex.split(words.replace("IMAGE...", "IMAGE").replace("RUN...", "RUN")))


def test_every_command_is_in_the_table() -> None:
    text = USAGE.read_text()
    for action in make_parser()._subparsers._group_actions:  # type: ignore[union-attr]
        assert all(f"`gpucnn {name}" in text for name in action.choices)  # type: ignore[union-attr]


@pytest.mark.parametrize("page", [README, USAGE], ids=lambda page: page.name)
def test_links_and_pictures_are_there(page) -> None:
    links = re.findall(r"\]\(([^)#]+)", page.read_text())
    assert len(links) > 15
    for link in links:
        assert "://" in link or (page.parent / link).exists(), link


def test_the_readme_fits_on_two_screens() -> None:
    assert len(README.read_text().splitlines()) <= 100


def test_the_readme_begins_with_what_ci_runs() -> None:
    called = re.findall(r'^(?:\w+=\S+ )?readme "([^"]+)"', (ROOT / ".ci/run").read_text(), re.MULTILINE)
    assert len(called) == 3 and called == [line for line in called if f"\n{line}\n" in README.read_text()]
