"""Which text a CONFIG names."""

from pathlib import Path

from gpucnn.config.faults import did_you_mean
from gpucnn.config.yaml_reader import LONGEST
from gpucnn.errors import ConfigError


def shipped_folder() -> Path:
    """The folder of the configurations that come with the package: inside it, or beside it in a checkout."""
    package = Path(__file__).parents[1]
    installed = package / "configs"
    return installed if installed.is_dir() else package.parent / "configs"


def shipped_configs() -> list[str]:
    """The names of the configurations that come with the package."""
    return sorted(file.stem for file in shipped_folder().glob("*.yaml"))


def read_config(config: str) -> tuple[str, str]:
    """The text of CONFIG, a file or the name of a shipped configuration, and its name in messages.

    Raises ConfigError where there is no such configuration or its text is not UTF-8.
    """
    path = Path(config)
    if path.exists() and not path.is_dir():
        with path.open("rb") as file:
            return _decoded(file.read(4 * LONGEST + 1), config), config
    if config in shipped_configs():
        return _decoded((shipped_folder() / f"{config}.yaml").read_bytes(), config), f"{config}.yaml"
    what = "is a folder" if path.is_dir() else "is neither a file nor a shipped configuration"
    raise ConfigError(f"CONFIG '{config}' {what}; {did_you_mean(path.stem, shipped_configs())}")


def _decoded(data: bytes, name: str) -> str:
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise ConfigError(
            f"{name}:{line}:1: not text in UTF-8 (byte 0x{data[error.start]:02x}); save the file as UTF-8"
        ) from None
