"""The space in which a network tells pictures apart: the values of its last hidden layer, in two dimensions."""

from typing import Any, Literal, NamedTuple

import numpy as np

from gpucnn import nn
from gpucnn.errors import InputError
from gpucnn.explain.layers import layer_facts
from gpucnn.explain.scores import hooked
from gpucnn.geometry import Sizes
from gpucnn.runs.classifier import Classifier
from gpucnn.tensor import Tensor
from gpucnn.threads import one_blas_thread
from gpucnn.training.evaluation import outputs


class Projection(NamedTuple):
    """Points (N, 2), and the share of the values' variance that lies along each axis, (2,)."""

    points: np.ndarray
    shares: np.ndarray


def space(
    classifier: Classifier, pictures: Any, method: Literal["pca", "tsne", "umap"] = "pca", **options: bool
) -> np.ndarray:
    """Pictures as points (N, 2) by the values of the network's last hidden layer: near ones are alike to it.

    pictures, options: as `Classifier.predict_proba` takes them. method: pca, the two directions in which values vary
    most; or tsne or umap, which keep neighbours together, need scikit-learn or umap-learn, and take minutes for
    thousands of pictures.

    Raises InputError for another method, where its library is not installed, and for pictures that do not fit.
    """
    if method not in METHODS:
        raise InputError(f"method is {method!r}; expected {', '.join(METHODS)}")
    images = classifier.pipeline.images(pictures, **options)
    values = hidden_values(classifier.net, classifier.normalizer.apply(images))
    return METHODS[method](values)


def last_weights(net: nn.Sequential, shape: Sizes) -> tuple[str, nn.Layer]:
    """The name of the last layer with weights, for images of `shape`, and the layer. Raises InputError if none has."""
    layers = [(facts.name, facts.layer) for facts in layer_facts(net, shape) if facts.parameters]
    if not layers:
        raise InputError("no layer of this network has weights, so none is hidden")
    return layers[-1]


def hidden_values(net: nn.Sequential, inputs: np.ndarray) -> np.ndarray:
    """What the last layer with weights is given, (N, F), for the network's inputs (N, C, *sizes); of maps their means.

    Raises InputError if no layer has weights.
    """
    _, layer = last_weights(net, inputs.shape[1:])
    seen: list[np.ndarray] = []

    def keep(module: nn.Module, given: tuple[Tensor, ...], output: Tensor) -> None:
        values = given[0].numpy()
        seen.append(values.reshape(*values.shape[:2], -1).mean(axis=2))  # (N, M, *small) -> (N, M)

    with hooked(layer, keep):
        outputs(net, inputs)
    return np.concatenate(seen)


def principal(values: np.ndarray) -> Projection:
    """The values (N, F) along the two orthogonal directions in which they vary most: principal components.

    Of each direction the end is chosen on which the value farthest from the mean is positive. Where values vary in
    fewer directions, the others are 0.
    """
    centred = values.astype(np.float64) - values.mean(axis=0)
    points = np.zeros((len(centred), 2))
    with one_blas_thread():
        if centred.shape[0] < centred.shape[1]:
            squares, sides = np.linalg.eigh(centred @ centred.T)  # (N, N) is the smaller
            found = sides * np.sqrt(np.maximum(squares, 0))
        else:
            squares, directions = np.linalg.eigh(centred.T @ centred)
            found = centred @ directions
    found, squares = found[:, : -2 - 1 : -1], np.maximum(squares[: -2 - 1 : -1], 0)
    points[:, : found.shape[1]] = found * np.sign(found[np.abs(found).argmax(axis=0), np.arange(found.shape[1])])
    total = float((centred**2).sum())
    shares = np.zeros(2)
    shares[: len(squares)] = squares / total if total else 0
    return Projection(points, shares)


def _tsne(values: np.ndarray) -> np.ndarray:
    """L. van der Maaten, G. Hinton, Visualizing Data using t-SNE, 2008; as scikit-learn has it."""
    try:
        from sklearn.manifold import TSNE
    except ImportError:
        raise InputError("t-SNE needs scikit-learn: pip install 'gpucnn[sklearn]', or take method='pca'") from None
    perplexity = min(30.0, (len(values) - 1) / 3)
    return TSNE(2, perplexity=perplexity, init="pca", random_state=0).fit_transform(values.astype(np.float32))


def _umap(values: np.ndarray) -> np.ndarray:
    """L. McInnes, J. Healy, J. Melville, UMAP, 2018; as umap-learn has it. One seed gives the same points again."""
    try:
        from umap import UMAP
    except ImportError:
        raise InputError("UMAP needs umap-learn: pip install umap-learn, or take method='pca'") from None
    neighbours = max(2, min(15, len(values) - 1))
    made = UMAP(n_components=2, n_neighbors=neighbours, init="pca", random_state=0, n_jobs=1)
    return made.fit_transform(values.astype(np.float32))


# Each maps values (N, F) to points (N, 2).
METHODS = {"pca": lambda values: principal(values).points, "tsne": _tsne, "umap": _umap}
