"""The weights that a training begins with: `train.init_from`, a run, a file, or an address with its checksum."""

from collections.abc import Sequence
from pathlib import Path

from gpucnn import nn
from gpucnn.config.schema import Config, split_address
from gpucnn.data.download import RemoteFile, data_folder, fetch
from gpucnn.errors import InputError
from gpucnn.runs.saved import open_run, weights_of
from gpucnn.training.transfer import Transfer, last_layer, transfer_weights

WEIGHTS = "weights"  # the folder of downloaded files, among the data sets


def load_initial_weights(config: Config, net: nn.Module, class_names: Sequence[str]) -> str | None:
    """Copy the weights that `train.init_from` names into `net`, as far as they fit; returns what was taken, by name.

    Of a run with other classes than `class_names`, the last layer is not taken, even if it fits. None where nothing is
    named. Raises InputError where weights cannot be read, or nothing fits; then nothing is changed.
    """
    named = config.train.init_from
    if named is None:
        return None
    try:
        return f"weights of {named} (train.init_from)\n{_transferred(named, net, tuple(class_names))}"
    except InputError as error:
        raise type(error)(f"train.init_from: {error}") from None


def _transferred(named: str, net: nn.Module, class_names: tuple[str, ...]) -> Transfer:
    """Take the weights of an address, a file or a run."""
    address = split_address(named)
    if address is not None:
        return transfer_weights(_downloaded(*address), net)
    if Path(named).is_file():
        return transfer_weights(named, net)
    run = open_run(named)
    anew = () if run.class_names == class_names else (last_layer(net),)
    return transfer_weights(weights_of(run.folder, run.config), net, anew)


def _downloaded(mirror: str, name: str, checksum: str) -> Path:
    """The file of an address; one that was downloaded before is not asked for again."""
    folder = data_folder() / WEIGHTS / checksum[:16]
    fetch([RemoteFile(name, None, checksum)], [mirror], folder)
    return folder / name
