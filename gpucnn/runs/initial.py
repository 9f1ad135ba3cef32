"""The weights that a training begins with: `train.init_from`, a run, a file, or an address with its checksum."""

from pathlib import Path

from gpucnn import nn
from gpucnn.config.check import load_options
from gpucnn.config.schema import Config, split_address
from gpucnn.data.download import RemoteFile, data_folder, fetch
from gpucnn.errors import InputError
from gpucnn.runs.folder import find_run
from gpucnn.runs.saved import weights_of
from gpucnn.training.transfer import transfer_weights

WEIGHTS = "weights"  # the folder of downloaded files, among the data sets


def load_initial_weights(config: Config, net: nn.Module) -> str | None:
    """Copy the weights that `train.init_from` names into `net`, as far as they fit; returns what was taken, by name.

    None where it names none. Raises InputError where they cannot be read, or nothing fits; then nothing is changed.
    """
    named = config.train.init_from
    if named is None:
        return None
    try:
        return f"weights of {named} (train.init_from)\n{transfer_weights(_file_of(named), net)}"
    except InputError as error:
        raise type(error)(f"train.init_from: {error}") from None


def _file_of(named: str) -> Path:
    """The file of the weights: downloaded, unless it was before; as it is; or of a run."""
    address = split_address(named)
    if address is not None:
        mirror, name, checksum = address
        folder = data_folder() / WEIGHTS / checksum[:16]
        fetch([RemoteFile(name, None, checksum)], [mirror], folder)
        return folder / name
    if Path(named).is_file():
        return Path(named)
    run = find_run(named)
    return weights_of(run, load_options(str(run.config_path)).config)
