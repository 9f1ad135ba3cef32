"""The range and normalisation of training images, applied to other images of any type."""

from dataclasses import replace

import numpy as np

from gpucnn.data.dataset import Dataset
from gpucnn.data.loader import Batches, Data, Loader, as_batches
from gpucnn.data.ranges import recognise_arrays
from gpucnn.nn import Module
from gpucnn.training.evaluation import dtype_of, inputs_to_probabilities
from gpucnn.training.kinds import Kind


class Inputs:
    """The range and the normalisation of a Loader's images."""

    def __init__(self, loader: Loader) -> None:
        self.normalizer = loader.normalizer
        self._pixels = recognise_arrays(loader.images)  # None: the numbers are taken as they are

    def normalised(self, images: np.ndarray, dtype: str) -> np.ndarray:
        """Images (N, ...) like those of the training, of any type -> (N, ...) as the network takes them.

        Raises DataError for numbers that are not of the training's range, nor of another that pictures have.
        """
        return self.normalizer.apply(self._fitted(images), dtype)

    def probabilities(self, net: Module, images: np.ndarray, batch_size: int, kind: Kind | None = None) -> np.ndarray:
        """Class probabilities (N, C) of `images` (N, ...); see `normalised`, and `evaluation.predict`."""
        inputs = self.normalised(np.asarray(images), dtype_of(net).name)
        return inputs_to_probabilities(net, inputs, batch_size, kind)

    def batches(self, data: Data, batch_size: int, dtype: str) -> Batches:
        """`data` in batches: a Dataset or arrays seen as the training's were, a Loader as it is."""
        if isinstance(data, Dataset):
            data = replace(data, images=self._fitted(data.images))
        elif isinstance(data, tuple) and len(data) == 2:
            data = self._fitted(np.asarray(data[0])), data[1]
        else:
            return as_batches(data, batch_size, dtype)
        return Loader(data, batch_size, self.normalizer, dtype=dtype)

    def _fitted(self, images: np.ndarray) -> np.ndarray:
        return images if self._pixels is None or images.ndim != 4 else self._pixels.fit(images)
