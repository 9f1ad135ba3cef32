"""The folder of a sweep: its configuration, its plan, and the run folders of its members."""

import json
import re
import shutil
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from gpucnn.errors import CheckpointError, InputError
from gpucnn.files import atomic_write
from gpucnn.report.history import read_epochs
from gpucnn.runs.folder import RunFolder
from gpucnn.runs.logs import LogFile
from gpucnn.sweep.grid import REPEATS, Plan, Setting
from gpucnn.training.records import EpochRecord

PLAN, CONFIG, LOG, PAGE = "sweep.json", "config.yaml", "sweep.log", "sweep.html"
SWEEPS = Path("sweeps")  # where sweeps go that are given no folder
_LONGEST = 60  # characters of a member's name
_SHOWN = 4  # options in a member's name


@dataclass
class Member:
    """One run of a sweep. `name` is that of its folder, `fault` why it failed, if it did."""

    name: str
    values: Setting
    fault: str | None = None

    @property
    def setting(self) -> Setting:
        """Its options but for the seed and the fold."""
        return {key: value for key, value in self.values.items() if key not in REPEATS}

    @property
    def overrides(self) -> list[str]:
        """Its options as a command takes them."""
        return [f"{key}={value}" for key, value in self.values.items()]

    def __str__(self) -> str:
        return " ".join(f"{key.rpartition('.')[2]}={value}" for key, value in self.values.items())


class Sweep:
    """A sweep on disk. `create` makes a new one, `open` takes one that exists; enter it to run its members.

    config.yaml is the configuration as it was given, sweep.json the plan with its members, and what the members have
    reached is in their run folders alone. sweep.log has a line for every member that ends.
    """

    def __init__(self, path: Path, plan: Plan, members: list[Member]) -> None:
        self.path, self.plan, self.members = path, plan, members
        self._log: LogFile | None = None

    @classmethod
    def create(cls, path: Path, config_text: str, plan: Plan) -> "Sweep":
        """Make the folder. Raises InputError if there is something in it, OSError."""
        if path.exists() and (not path.is_dir() or any(path.iterdir())):
            raise InputError(
                f"{path} is not an empty folder; give another --run-dir, or continue a sweep: --resume {path}"
            )
        path.mkdir(parents=True, exist_ok=True)
        sweep = cls(path, plan, [])
        atomic_write(path / LOG, b"")
        atomic_write(path / CONFIG, config_text.encode())
        if plan.search is None:
            sweep.add(plan.settings())
        else:
            sweep.write()
        return sweep

    @classmethod
    def open(cls, path: Path) -> "Sweep":
        """The sweep in a folder. Raises InputError if there is none, CheckpointError if sweep.json is damaged."""
        if not (path / PLAN).is_file():
            raise InputError(f"no sweep at {path}: it holds no {PLAN}; expected a folder that `gpucnn sweep` made")
        try:
            values = json.loads((path / PLAN).read_bytes())
            plan = Plan(**{**values["plan"], "options": tuple(values["plan"]["options"])})
            return cls(path, plan, [Member(**member) for member in values["members"]])
        except (ValueError, KeyError, TypeError, RecursionError) as error:
            raise CheckpointError(f"{path / PLAN} is damaged ({error}); restore it, or begin a new sweep") from None

    def __enter__(self) -> "Sweep":
        """Lock the folder. Raises InputError if another process runs this sweep."""
        self._log = LogFile(self.path / LOG)
        try:
            self._log.lock()
        except InputError:
            self._log.close()
            raise
        return self

    def __exit__(self, *exception: object) -> None:
        if self._log is not None:
            self._log.close()

    @property
    def config_text(self) -> str:
        """The configuration as it was given."""
        return (self.path / CONFIG).read_text(encoding="utf-8")

    def add(self, settings: list[Setting]) -> list[Member]:
        """Add a member for every setting and seed, and return them."""
        values = [{**setting, **seed} for setting in settings for seed in self.plan.seeds]
        first = len(self.members) + 1
        new = [Member(_name(number, each), each) for number, each in enumerate(values, start=first)]
        self.members += new
        self.write()
        return new

    def write(self) -> None:
        """Write sweep.json."""
        values: dict[str, Any] = {"plan": self.plan.as_dict(), "members": [asdict(member) for member in self.members]}
        atomic_write(self.path / PLAN, (json.dumps(values, indent=1, ensure_ascii=False) + "\n").encode())

    def log(self, line: str) -> None:
        """Add a line to sweep.log; the sweep must be entered."""
        if self._log is not None:
            self._log.write(line)
            self._log.flush()

    def folder(self, member: Member) -> RunFolder:
        """The member's run folder, which may not exist yet."""
        return RunFolder(self.path / member.name)

    def begun(self, member: Member) -> bool:
        """Whether the member can be resumed; the remains of one that cannot are removed."""
        folder = self.folder(member)
        if folder.config_path.is_file() and folder.resumable:
            return True
        shutil.rmtree(folder.path, ignore_errors=True)
        return False

    def reached(self, member: Member, until: int | None) -> bool:
        """Whether the member is finished, or has a checkpoint after epoch `until`."""
        folder = self.folder(member)
        return folder.finished or until is not None and folder.resumable and len(self.epochs(member)) >= until

    def epochs(self, member: Member) -> list[EpochRecord]:
        """The epochs that the member has done. Raises CheckpointError for a damaged log."""
        folder = self.folder(member)
        if not (folder.path / "metrics.jsonl").is_file() or folder.epochs_logged == 0:
            return []
        return read_epochs(folder)

    def record(self, member: Member, until: int | None = None) -> EpochRecord | None:
        """The epoch that the member is judged by: `until`, or the one whose weights it ends with; None if not done."""
        folder, epochs = self.folder(member), self.epochs(member)
        if folder.finished:
            number = folder.result().get("weights", {}).get("epoch", len(epochs))
            until = number if until is None else min(until, len(epochs))
        return epochs[until - 1] if until is not None and len(epochs) >= until else None


def _name(number: int, values: Setting) -> str:
    """A member's folder: its number, and the first of its options."""
    shown = "-".join(f"{key.rpartition('.')[2]}={value}" for key, value in list(values.items())[:_SHOWN])
    return f"{number:03d}-{re.sub(r'[^A-Za-z0-9.=+-]', '_', shown)}"[:_LONGEST]
