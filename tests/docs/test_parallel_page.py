"""docs/parallel.md and the manifest beside it: commands that exist, and fields that Kubernetes knows."""

import copy
import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

import gpucnn
from gpucnn import nn, optim
from gpucnn.cli.arguments import parse
from gpucnn.config.schema import Train
from gpucnn.parallel.start import SIZES
from tests.docs import runner

DOCS = Path(__file__).parents[2] / "docs"
PAGE = (DOCS / "parallel.md").read_text()
MANIFEST = yaml.safe_load((DOCS / "examples/mpijob.yaml").read_text())
TAKES = {"parallel.md": {"sh", "python"}}  # commands of gpucnn are parsed, not run: they want several machines
SCHEMA = json.loads(Path(__file__).with_name("mpijob.schema.json").read_text())


def test_the_manifest_fits_its_schema() -> None:
    jsonschema = pytest.importorskip("jsonschema", reason="jsonschema is not installed, and it is the judge")
    jsonschema.validate(MANIFEST, SCHEMA)
    for path, wrong in ((("spec", "slotsPerWorker"), "2"), (("spec", "mpiReplicaSpecs", "Worker", "template"), {})):
        changed = copy.deepcopy(MANIFEST)
        place: Any = changed
        for name in path[:-1]:
            place = place[name]
        place[path[-1]] = wrong
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate(changed, SCHEMA)


def test_the_manifest_starts_as_many_processes_as_there_are_slots() -> None:
    spec = MANIFEST["spec"]
    [container] = spec["mpiReplicaSpecs"]["Launcher"]["template"]["spec"]["containers"]
    slots = spec["slotsPerWorker"] * spec["mpiReplicaSpecs"]["Worker"]["replicas"]
    assert int(container["args"][container["args"].index("-n") + 1]) == slots


def test_commands_are_those_that_gpucnn_takes() -> None:
    [container] = MANIFEST["spec"]["mpiReplicaSpecs"]["Launcher"]["template"]["spec"]["containers"]
    of_manifest = container["args"][container["args"].index("gpucnn") + 1 :]
    of_page = [found.split() for found in re.findall(r"gpucnn (train [a-z/$][^\n`#]*)", PAGE)]
    assert len(of_page) >= 4
    for arguments in (of_manifest, *of_page):
        assert parse(arguments).config in ("lenet", "CONFIG", "/shared/lenet.yaml")


def test_commands_of_blocks_are_those_that_gpucnn_takes() -> None:
    blocks = [block for block in runner.blocks(DOCS / "parallel.md") if block.language == "sh"]
    started = [words for block in blocks for words in runner.commands(block.text) if "train" in words]
    for words in started:
        assert parse(words[words.index("train") :]).config in ("lenet", "/shared/lenet.yaml")
    assert len(started) == 5


def test_its_program_runs_in_a_process_by_itself(tmp_path, monkeypatch, rng) -> None:
    monkeypatch.chdir(tmp_path)
    net = nn.Sequential(nn.Flatten(), nn.Linear(64, 3))
    data = (rng.random((32, 1, 8, 8)).astype(np.float32), rng.integers(0, 3, 32))
    optimizer = optim.SGD(net.parameters(), lr=0.1)
    names = {"gpucnn": gpucnn, "net": net, "optimizer": optimizer, "train": data, "validation": data}
    [program] = [block.text for block in runner.blocks(DOCS / "parallel.md") if block.language == "python"]
    exec(compile(program, "parallel.md", "exec"), names)
    assert names["trainer"].train_state.epoch == 5 and (tmp_path / "weights.safetensors").is_file()


def test_the_timeout_is_the_one_in_the_configuration() -> None:
    assert f"`train.timeout` seconds ({Train().timeout:g})" in PAGE
    assert "SLURM_STEP_NUM_TASKS" in SIZES
