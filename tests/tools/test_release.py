"""What a release consists of agrees: versions, dates, workflows, containers."""

import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

from gpucnn.version import __version__

ROOT = Path(__file__).parents[2]
WORKFLOWS = sorted((ROOT / ".github/workflows").glob("*.yml"))
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())


def workflow(path: Path) -> dict[str, Any]:
    return yaml.load(path.read_text(), Loader=yaml.BaseLoader)  # BaseLoader: `on` stays a word


def test_the_changelog_begins_with_this_version_and_its_date() -> None:
    text = (ROOT / "CHANGELOG.md").read_text()
    heads = re.findall(r"^## \[(\d+\.\d+\.\d+)\] - (\d{4}-\d\d-\d\d)$", text, re.MULTILINE)
    assert heads[0][0] == __version__ and [date for _, date in heads] == sorted(
        (date for _, date in heads), reverse=True
    )
    kinds = re.findall(r"^### (.+)$", text, re.MULTILINE)
    assert set(kinds) <= {"Added", "Changed", "Deprecated", "Removed", "Fixed", "Security"}


def test_the_citation_is_of_this_version() -> None:
    cited = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    assert {"cff-version", "message", "title", "authors"} <= cited.keys()  # what its schema demands
    assert (cited["version"], cited["license"]) == (__version__, PYPROJECT["project"]["license"])
    assert f"[{__version__}] - {cited['date-released']}" in (ROOT / "CHANGELOG.md").read_text()


def test_security_names_this_version() -> None:
    assert f"| {__version__.rpartition('.')[0]}.x | yes |" in (ROOT / "SECURITY.md").read_text()


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_a_workflow_is_well_formed(path) -> None:
    read = workflow(path)
    assert {"name", "on", "jobs"} <= read.keys() <= {"name", "on", "jobs", "permissions", "concurrency"}
    for name, job in read["jobs"].items():
        assert job["runs-on"] and int(job["timeout-minutes"]) <= 90, name
        assert set(job.get("needs", [])) <= read["jobs"].keys() or job["needs"] in read["jobs"]
        for step in job["steps"]:
            assert ("uses" in step) != ("run" in step)
            assert re.fullmatch(r"[\w.-]+/[\w./-]+@[\w./-]+", step.get("uses", "a/b@c"))


def test_wheels_are_built_for_every_system_and_published_without_a_secret() -> None:
    read = workflow(ROOT / ".github/workflows/wheels.yml")
    systems = " ".join(read["jobs"]["wheels"]["strategy"]["matrix"]["os"])
    assert all(word in systems for word in ("ubuntu-latest", "arm", "macos", "windows"))
    publish = read["jobs"]["publish"]
    assert publish["permissions"] == {"id-token": "write"} and "secrets." not in str(read)
    assert set(publish["needs"]) == {"wheels", "sources"} and "tag" in publish["if"]


def test_wheels_are_tried_on_every_python_that_is_promised() -> None:
    build = PYPROJECT["tool"]["cibuildwheel"]["build"]
    assert build[0] == "cp" + PYPROJECT["project"]["requires-python"].removeprefix(">=").replace(".", "") + "-*"
    assert "3.11 3.12 3.13 3.14" in (ROOT / "tools/wheels.sh").read_text() and len(build) == 4


@pytest.mark.parametrize("name", ["cpu", "cuda"])
def test_a_container_installs_and_starts_gpucnn(name) -> None:
    text = (ROOT / f"containers/Containerfile.{name}").read_text()
    assert f"-f containers/Containerfile.{name} ." in text and 'ENTRYPOINT ["gpucnn"]' in text
    extra = re.search(r"ARG CUDA=(\w+)", text)
    assert extra is None if name == "cpu" else extra[1] in PYPROJECT["project"]["optional-dependencies"]
    instructions = {line.split()[0] for line in text.splitlines() if re.match(r"[A-Z]+ ", line)}
    assert instructions <= {"FROM", "ARG", "RUN", "COPY", "ENV", "USER", "VOLUME", "WORKDIR", "ENTRYPOINT", "CMD"}
