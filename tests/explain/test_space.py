"""The last hidden layer in two dimensions: held to scikit-learn's components, and to the layer's own values."""

import sys
from types import SimpleNamespace

import numpy as np
import pytest

import gpucnn
from gpucnn import Tensor, nn, no_grad
from gpucnn.errors import InputError
from gpucnn.explain import space
from gpucnn.explain.space import hidden_values, last_weights, principal
from tests.explain.classifiers import classifier_of


@pytest.mark.parametrize("shape", [(40, 7), (9, 60), (30, 30), (12, 2), (5, 1)])
def test_principal_components_are_scikit_learns(shape, rng) -> None:
    judge = pytest.importorskip("sklearn.decomposition", reason="scikit-learn is not installed, and it is the judge")
    values = rng.normal(size=shape) * np.linspace(1, 4, shape[1])
    found, components = principal(values), min(2, shape[1])
    fitted = judge.PCA(components)
    expected = fitted.fit_transform(values)
    signs = np.sign((found.points[:, :components] * expected).sum(axis=0))
    np.testing.assert_allclose(found.points[:, :components], signs * expected, atol=1e-9)
    np.testing.assert_allclose(found.shares[:components], fitted.explained_variance_ratio_, rtol=1e-9)
    farthest = found.points[np.abs(found.points).argmax(axis=0), [0, 1]]
    assert (farthest[:components] > 0).all() and not found.points[:, components:].any()


def test_values_without_variance_are_one_point() -> None:
    found = principal(np.full((6, 3), 2.5))
    assert not found.points.any() and not found.shares.any()


def test_hidden_values_are_what_the_last_layer_with_weights_is_given(rng) -> None:
    gpucnn.manual_seed(2)
    net = nn.Sequential(
        nn.Conv2d(1, 3, 3), nn.ReLU(), nn.Flatten(), nn.Linear(48, 5), nn.ReLU(), nn.Dropout(0.5), nn.Linear(5, 2),
        nn.Softmax(),
    ).eval()  # fmt: skip
    inputs = rng.normal(size=(300, 1, 6, 6)).astype(np.float32)
    with no_grad():
        expected = net[:6](Tensor(inputs)).numpy()
    np.testing.assert_allclose(hidden_values(net, inputs), expected, rtol=1e-5, atol=1e-6)
    assert last_weights(net, (1, 6, 6))[0] == "6" and not net[6]._hooks
    convolutional = nn.Sequential(nn.Conv2d(1, 3, 3), nn.ReLU(), nn.Conv2d(3, 2, 3), nn.GlobalAvgPool2d(), nn.Flatten())
    with no_grad():
        maps = convolutional[:2](Tensor(inputs)).numpy()
    np.testing.assert_allclose(hidden_values(convolutional, inputs), maps.mean(axis=(2, 3)), rtol=1e-4, atol=1e-6)
    with pytest.raises(InputError, match="no layer of this network has weights"):
        hidden_values(nn.Sequential(nn.Flatten()), inputs)


def test_pictures_are_points(rng, monkeypatch) -> None:
    images = rng.integers(0, 256, (20, 1, 6, 6), dtype=np.uint8)
    net = nn.Sequential(nn.Flatten(), nn.Linear(36, 4), nn.ReLU(), nn.Linear(4, 2))
    classifier = classifier_of(net, images, ("a", "b"))
    hidden = hidden_values(net, classifier.normalizer.apply(images))
    np.testing.assert_array_equal(space(classifier, images), principal(hidden).points)
    with pytest.raises(InputError, match="method is 'lda'; expected pca, tsne, umap"):
        space(classifier, images, "lda")
    monkeypatch.setitem(sys.modules, "umap", None)
    with pytest.raises(InputError, match=r"UMAP needs umap-learn: pip install umap-learn"):
        space(classifier, images, "umap")
    monkeypatch.setitem(sys.modules, "sklearn.manifold", None)
    with pytest.raises(InputError, match=r"pip install 'gpucnn\[sklearn\]'"):
        space(classifier, images, "tsne")


def test_t_sne_keeps_clusters_together(rng) -> None:
    pytest.importorskip("sklearn", reason="scikit-learn is not installed")
    images = np.repeat(rng.integers(0, 256, (3, 1, 6, 6)), 20, axis=0)
    images = (images + rng.integers(0, 9, images.shape)).clip(0, 255).astype(np.uint8)
    linear = nn.Linear(36, 3)
    points = space(classifier_of(nn.Sequential(nn.Flatten(), linear), images, ("a", "b", "c")), images, "tsne")
    middles = points.reshape(3, 20, 2).mean(axis=1)  # (60, 2) -> (3, 20, 2)
    nearest = np.linalg.norm(points[:, None] - middles, axis=2).argmin(axis=1)
    assert points.shape == (60, 2) and (nearest == np.repeat(np.arange(3), 20)).all()


class FakeUMAP:
    """Takes umap-learn's options, and returns the first two columns of what it is given."""

    def __init__(self, n_neighbors=15, n_components=2, init="spectral", random_state=None, n_jobs=-1) -> None:
        self.options = (n_neighbors, n_components, init, random_state, n_jobs)

    def fit_transform(self, values: np.ndarray) -> np.ndarray:
        assert values.dtype == np.float32 and self.options == (min(15, len(values) - 1), 2, "pca", 0, 1)
        return values[:, :2]


@pytest.mark.parametrize("count", [6, 40])
def test_umap_is_given_the_hidden_values(count, rng, monkeypatch) -> None:
    images = rng.integers(0, 256, (count, 1, 6, 6), dtype=np.uint8)
    net = nn.Sequential(nn.Flatten(), nn.Linear(36, 4), nn.ReLU(), nn.Linear(4, 2))
    classifier = classifier_of(net, images, ("a", "b"))
    monkeypatch.setitem(sys.modules, "umap", SimpleNamespace(UMAP=FakeUMAP))
    hidden = hidden_values(net, classifier.normalizer.apply(images))
    np.testing.assert_array_equal(space(classifier, images, "umap"), hidden.astype(np.float32)[:, :2])
