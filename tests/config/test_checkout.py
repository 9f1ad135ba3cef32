"""Out of a bare checkout, nothing installed: PYTHONPATH alone finds the package and its shipped configurations."""

import os
import subprocess
import sys
from pathlib import Path

CHECKOUT = Path(__file__).parents[2]


def in_checkout(folder: Path, *arguments: str) -> str:
    """What Python prints, in another folder, without the .pth files by which installed packages are found (-S)."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(CHECKOUT), *filter(None, sys.path)])}
    command = [sys.executable, "-S", *arguments]
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_shipped_configurations_are_found(tmp_path):
    code = "import gpucnn; from gpucnn.config.check import shipped_configs; print(gpucnn.__file__, *shipped_configs())"
    file, *configs = in_checkout(tmp_path, "-c", code).split()
    assert Path(file) == CHECKOUT / "gpucnn" / "__init__.py"
    assert configs == sorted(path.stem for path in (CHECKOUT / "configs").glob("*.yaml")) and "lenet" in configs


def test_the_command_line_is_started_as_a_module(tmp_path):
    assert in_checkout(tmp_path, "-m", "gpucnn", "config", "show", "lenet").startswith("name: lenet")
