"""MNIST and Fashion-MNIST: from the data folder, or downloaded into it.

A local copy is checked by its structure only, since archives differ; a download is checked by its checksum.
"""

from pathlib import Path

from gpucnn.data import idx
from gpucnn.data.dataset import Source
from gpucnn.data.download import RemoteFile, data_folder, fetch
from gpucnn.data.untrusted import naming
from gpucnn.errors import DataError

IMAGE_SHAPE = (1, 28, 28)
CLASS_NAMES = {
    "mnist": tuple("0123456789"),
    "fashion_mnist": (
        "T-shirt/top", "Trouser", "Pullover", "Dress", "Coat",
        "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot",
    ),
}  # fmt: skip
TORCHVISION = {"mnist": "MNIST", "fashion_mnist": "FashionMNIST"}
# As used by torchvision, TensorFlow Datasets and Keras.
MIRRORS = {
    "mnist": (
        "https://ossci-datasets.s3.amazonaws.com/mnist/",
        "https://storage.googleapis.com/cvdf-datasets/mnist/",
    ),
    "fashion_mnist": (
        "https://storage.googleapis.com/tensorflow/tf-keras-datasets/",
        "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",
    ),
}
FILES = {
    "mnist": (
        RemoteFile("train-images-idx3-ubyte.gz", 9912422,
                   "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609"),
        RemoteFile("train-labels-idx1-ubyte.gz", 28881,
                   "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c"),
        RemoteFile("t10k-images-idx3-ubyte.gz", 1648877,
                   "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6"),
        RemoteFile("t10k-labels-idx1-ubyte.gz", 4542,
                   "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6"),
    ),
    "fashion_mnist": (
        RemoteFile("train-images-idx3-ubyte.gz", 26421880,
                   "3aede38d61863908ad78613f6a32ed271626dd12800ba2636569512369268a84"),
        RemoteFile("train-labels-idx1-ubyte.gz", 29515,
                   "a04f17134ac03560a47e3764e11b92fc97de4d1bfaf8ba1a3aa29af54cc90845"),
        RemoteFile("t10k-images-idx3-ubyte.gz", 4422102,
                   "346e55b948d973a97e58d2351dde16a484bd415d4595297633bb08f03db6a073"),
        RemoteFile("t10k-labels-idx1-ubyte.gz", 5148,
                   "67da17c76eaffca5446c3361aaab5c3cd6d1c2608764d35dfb1850b086bf8dd5"),
    ),
}  # fmt: skip


def load_mnist() -> Source:
    """MNIST's 60,000 + 10,000 handwritten digits, (1, 28, 28). Raises DownloadError, DataError, OSError."""
    return _load("mnist")


def load_fashion_mnist() -> Source:
    """Fashion-MNIST's 60,000 + 10,000 articles, (1, 28, 28). Raises DownloadError, DataError, OSError."""
    return _load("fashion_mnist")


def peek() -> tuple[tuple[int, int, int], int]:
    """Image shape (C, H, W) and number of classes, of both."""
    return IMAGE_SHAPE, 10


def folder_of(name: str) -> Path:
    """The folder of the files of `name` ("mnist" or "fashion_mnist"), which may not exist yet.

    It is the folder of this name in the data folder; if that holds none of the files, torchvision's, if it does.
    """
    own, torchvision = data_folder() / name, data_folder() / TORCHVISION[name]
    return torchvision if not _held(name, own) and _held(name, torchvision) else own


def missing(name: str) -> list[RemoteFile]:
    """The files of `name` that are not on disk, neither as .gz nor plain."""
    held = _held(name, folder_of(name))
    return [file for file in FILES[name] if file not in held]


def _held(name: str, folder: Path) -> list[RemoteFile]:
    """The files of `name` that lie in a folder."""
    return [file for file in FILES[name] if idx.look_for(folder, file.name.removesuffix(".gz"))]


def download(name: str) -> Path:
    """Download what is missing of `name`; returns its folder. Raises DataError for a broken file, OSError."""
    absent = missing(name)
    if absent:
        _check_present(name, absent)
        fetch(absent, MIRRORS[name], folder_of(name))
    return folder_of(name)


def _check_present(name: str, absent: list[RemoteFile]) -> None:
    """Read the files that exist: a damaged one is an error and never leads to another data set. Raises DataError."""
    for file in FILES[name]:
        if file not in absent:
            read = idx.read_images if "images" in file.name else idx.read_labels
            read(idx.find(folder_of(name), file.name.removesuffix(".gz")))


def _load(name: str) -> Source:
    folder = download(name)
    source = idx.load(folder, class_names=CLASS_NAMES[name])
    with naming(folder):
        if source.train.image_shape != IMAGE_SHAPE:
            raise DataError(f"its images are {source.train.image_shape}; {name} has {IMAGE_SHAPE}.")
    return source
