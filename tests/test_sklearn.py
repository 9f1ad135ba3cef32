"""CNNClassifier is an estimator like scikit-learn's own: its checks, searches, pipelines, weights and pickles."""

import importlib
import pickle
import subprocess
import sys

import numpy as np
import pytest

import gpucnn
from gpucnn import nn
from gpucnn.errors import ConfigError, InputError
from tests.devices import on

pytest.importorskip("sklearn", reason="scikit-learn is not installed, and CNNClassifier is an estimator of its kind")

from sklearn.base import clone  # noqa: E402 - behind the question whether it is installed
from sklearn.datasets import load_digits  # noqa: E402
from sklearn.model_selection import GridSearchCV, cross_val_score  # noqa: E402
from sklearn.pipeline import make_pipeline  # noqa: E402
from sklearn.preprocessing import StandardScaler  # noqa: E402
from sklearn.utils.estimator_checks import parametrize_with_checks  # noqa: E402

from gpucnn.sklearn import CNNClassifier  # noqa: E402

STOCHASTIC = "check_sample_weight_equivalence_on_dense_data"
LAYERS = [{"conv2d": {"out_channels": 4, "kernel_size": 3}}, "relu", "flatten", {"linear": {"out_features": "classes"}}]


@pytest.fixture(scope="module")
def digits():
    """600 pictures of 8 x 8 as rows, and their labels."""
    X, y = load_digits(return_X_y=True)
    return X[:600], y[:600]


@pytest.fixture(scope="module")
def blobs():
    """Two classes of 40 rows with 3 features, which overlap somewhat."""
    rng = np.random.default_rng(0)
    y = np.repeat([0, 1], 40)
    return rng.standard_normal((80, 3)) + y[:, None], y


def excused(estimator):
    return {STOCHASTIC: "batches are drawn; scikit-learn excuses its own stochastic estimators too"}


@parametrize_with_checks([CNNClassifier()], expected_failed_checks=excused)
def test_it_passes_the_checks_of_scikit_learn(estimator, check):
    check(estimator)


def test_a_search_over_two_parameters_runs_in_two_workers(digits):
    grid = {"lr": np.array([1e-6, 0.01]), "batch_size": np.array([16, 32])}
    search = GridSearchCV(CNNClassifier(epochs=10, random_state=0), grid, cv=2, n_jobs=2).fit(*digits)
    assert search.best_params_["lr"] == 0.01 and search.best_score_ > 0.85
    assert search.score(*digits) > 0.95


def test_it_works_in_a_pipeline_and_is_cross_validated(digits):
    flat = make_pipeline(StandardScaler(), CNNClassifier(random_state=0))
    assert cross_val_score(flat, *digits, cv=2).min() > 0.75
    convolutional = CNNClassifier(shape=(1, 8, 8), epochs=10, random_state=0)
    assert cross_val_score(convolutional, *digits, cv=2).min() > 0.75


def test_pictures_and_rows_with_a_shape_are_the_same(digits):
    X, y = digits
    rows = CNNClassifier(LAYERS, shape=(1, 8, 8), epochs=1, random_state=0).fit(X, y)
    for shape in ((8, 8), (1, 8, 8)):
        pictures = CNNClassifier(LAYERS, epochs=1, random_state=0).fit(X.reshape(-1, *shape), y)
        assert pictures.shape_ == (1, 8, 8) and pictures.n_features_in_ == 64
        np.testing.assert_array_equal(pictures.predict_proba(X.reshape(-1, *shape)), rows.predict_proba(X))
        np.testing.assert_array_equal(pictures.predict_proba(X), rows.predict_proba(X))
    colour = np.random.default_rng(0).integers(0, 256, (20, 3, 5, 6), np.uint8)
    assert CNNClassifier(epochs=1).fit(colour, y[:20]).predict(colour).shape == (20,)


@pytest.mark.parametrize("shape", [(2, 9), (1, 1, 18), (2, 3, 3), (1, 2, 3, 3)])
def test_signals_pictures_and_volumes_of_any_size_have_a_network(shape):
    X = np.random.default_rng(0).standard_normal((12, 18))
    model = CNNClassifier(shape=shape, epochs=1).fit(X, np.arange(12) % 3)
    assert model.predict_proba(X).shape == (12, 3)


def test_it_is_pickled_to_another_process(blobs, tmp_path):
    X, y = blobs
    model = CNNClassifier(epochs=2, random_state=0).fit(X, np.array(["no", "yes"])[y])
    (tmp_path / "model.pickle").write_bytes(pickle.dumps(model))
    np.save(tmp_path / "X.npy", X)
    program = (
        "import pickle, numpy as np; model = pickle.load(open('model.pickle', 'rb')); X = np.load('X.npy')\n"
        "np.save('answers.npy', model.predict(X)); np.save('probabilities.npy', model.predict_proba(X))"
    )
    subprocess.run([sys.executable, "-W", "error", "-c", program], cwd=tmp_path, check=True)
    np.testing.assert_array_equal(np.load(tmp_path / "answers.npy"), model.predict(X))
    np.testing.assert_array_equal(np.load(tmp_path / "probabilities.npy"), model.predict_proba(X))


def test_partial_fit_learns_and_goes_on_after_a_pickle(blobs):
    X, y = blobs
    model = CNNClassifier(random_state=0, lr=0.01).partial_fit(X[::2], y[::2], classes=[0, 1])
    first = model.history_[0].train_loss
    copied = pickle.loads(pickle.dumps(model))
    for each in (model, copied):
        for part in (slice(0, None, 2), slice(1, None, 2)) * 5:
            each.partial_fit(X[part], y[part])
    np.testing.assert_array_equal(copied.predict_proba(X), model.predict_proba(X))
    assert model.n_iter_ == 11 and model.history_[-1].train_loss < first
    assert model.score(X, y) > 0.7
    assert model.partial_fit(X[:3], y[:3]).classes_.tolist() == [0, 1]  # a batch of one class


def test_a_warm_start_goes_on_from_the_weights(blobs):
    X, y = blobs
    cold = CNNClassifier(epochs=5, random_state=0).fit(X, y)
    warm = clone(cold).set_params(warm_start=True).fit(X, y)
    np.testing.assert_array_equal(warm.predict_proba(X), cold.predict_proba(X))
    last, net = warm.history_[-1].train_loss, warm.net_
    assert warm.fit(X, y).history_[0].train_loss < last and warm.net_ is net
    np.testing.assert_array_equal(cold.fit(X, y).predict_proba(X), clone(cold).fit(X, y).predict_proba(X))
    with pytest.raises(InputError, match=r"warm_start: y has the classes \[1\], expected those before: \[0 1\]"):
        warm.fit(X, np.ones(80, int))


def test_early_stopping_keeps_the_best_epochs_weights(blobs):
    X, y = blobs
    options = {"early_stopping": True, "validation_fraction": 0.25, "patience": 3, "lr": 0.05, "schedule": "constant"}
    model = CNNClassifier(epochs=100, random_state=0, **options).fit(X, y)
    losses = [record.validation_loss for record in model.history_]
    best = int(np.argmin(losses))
    assert model.n_iter_ == best + 1 + 3 < 100
    again = CNNClassifier(random_state=0, **{**options, "patience": 100}, epochs=best + 1).fit(X, y)
    np.testing.assert_allclose(model.predict_proba(X), again.predict_proba(X), rtol=1e-6)


def test_a_weight_of_two_is_an_example_twice_and_of_none_an_example_left_out(blobs):
    X, y = blobs
    weights = np.where(np.arange(80) < 10, 0, 1 + np.arange(80) % 3)
    whole = {"batch_size": 1000, "optimizer": "sgd", "lr": 0.5, "normalize": "none", "epochs": 5, "dtype": "float64"}
    weighted = CNNClassifier(random_state=0, **whole).fit(X, y, sample_weight=weights)
    repeated = CNNClassifier(random_state=0, **whole).fit(np.repeat(X, weights, 0), np.repeat(y, weights))
    np.testing.assert_allclose(weighted.predict_proba(X), repeated.predict_proba(X), rtol=1e-10)
    plain = CNNClassifier(random_state=0, **whole).fit(X, y)
    assert np.abs(weighted.predict_proba(X) - plain.predict_proba(X)).max() > 1e-3


def test_weights_of_classes_multiply_those_of_examples(blobs):
    X, y = blobs
    X, y = X[10:], y[10:]
    balanced = CNNClassifier(epochs=2, random_state=0, class_weight="balanced").fit(X, y)
    by_hand = CNNClassifier(epochs=2, random_state=0, class_weight={0: 70 / 60, 1: 70 / 80}).fit(X, y)
    by_example = CNNClassifier(epochs=2, random_state=0).fit(X, y, sample_weight=np.where(y == 0, 70 / 60, 70 / 80))
    for other in (by_hand, by_example):
        np.testing.assert_allclose(balanced.predict_proba(X), other.predict_proba(X), rtol=1e-5)
    undone = CNNClassifier(epochs=2, random_state=0, class_weight={0: 2}).fit(X, y, np.where(y == 0, 0.5, 1.0))
    plain = CNNClassifier(epochs=2, random_state=0).fit(X, y)
    np.testing.assert_array_equal(undone.predict_proba(X), plain.predict_proba(X))


def test_a_module_is_copied_and_its_weights_are_the_first(blobs):
    X, y = blobs
    net = nn.Sequential(nn.Linear(3, 8), nn.Tanh(), nn.Linear(8, 2))
    before = net.state_dict()
    model = clone(CNNClassifier(net, epochs=3, lr=0.05, random_state=0)).fit(X, y)
    assert model.score(X, y) > 0.7 and type(model.net_[1]) is nn.Tanh
    still = CNNClassifier(net, epochs=1, lr=1e-30, random_state=0).fit(X, y).net_.state_dict()
    for name, array in before.items():
        np.testing.assert_array_equal(net.state_dict()[name], array)
        np.testing.assert_array_equal(still[name], array)


def test_features_that_float32_cannot_tell_apart_are_learned():
    rng = np.random.default_rng(0)
    y = np.repeat([0, 1], 50)
    X = 1.7e9 + 10 * rng.standard_normal((100, 2)) + 40 * y[:, None]
    assert CNNClassifier(random_state=0).fit(X, y).score(X, y) > 0.95


def test_the_seed_decides_and_the_process_generator_goes_on_undisturbed(blobs):
    gpucnn.manual_seed(3)
    expected = nn.Linear(2, 2).weight.numpy()
    gpucnn.manual_seed(3)
    first = CNNClassifier(epochs=1, random_state=1).fit(*blobs).predict_proba(blobs[0])
    np.testing.assert_array_equal(nn.Linear(2, 2).weight.numpy(), expected)
    np.testing.assert_array_equal(CNNClassifier(epochs=1, random_state=1).fit(*blobs).predict_proba(blobs[0]), first)
    other = CNNClassifier(epochs=1, random_state=2).fit(*blobs).predict_proba(blobs[0])
    assert np.abs(other - first).max() > 1e-3


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"epochs": 0}, "CNNClassifier: train.epochs: given 0, expected a whole number at least 1"),
        ({"optimizer": "sdg"}, 'optimizer: unknown name "sdg"; did you mean sgd'),
        ({"optimizer": {"name": "sgd", "lr": 1}}, "the learning rate is CNNClassifier's own parameter lr"),
        ({"model": [{"linear": {"out": 2}}]}, r"model layer 0 \(linear\): out_features: is missing"),
        ({"model": ["relu"]}, r"model layer 0 \(relu\): the network has 3 outputs, expected 2, one per class"),
        ({"model": LAYERS}, r"model layer 0 \(conv2d\)"),
        ({"model": [nn.ReLU()]}, "expected names, numbers, lists and mappings, as in YAML; given ReLU"),
        ({"model": nn.Linear(3, 4)}, r"the network's output is \(4,\); expected \(2,\), a number per class"),
        ({"shape": (1, 2, 2)}, r"shape is \(1, 2, 2\); expected channels and sides"),
        ({"normalize": "centred"}, 'data.normalize: given "centred"'),
    ],
)  # fmt: skip
def test_parameters_that_do_not_serve_are_told(blobs, options, message):
    with pytest.raises(InputError, match=message):
        CNNClassifier(**options).fit(*blobs)


def test_all_faults_of_a_configuration_are_told_at_once(blobs):
    with pytest.raises(ConfigError) as error:
        CNNClassifier(epochs=-1, batch_size=0, lr=-2.0).fit(*blobs)
    assert [line.split(": given")[0] for line in str(error.value).splitlines()] == [
        f"CNNClassifier: {name}" for name in ("optimizer.lr", "train.epochs", "train.batch_size")
    ]


def test_data_that_do_not_serve_are_told(blobs, digits):
    X, y = blobs
    with pytest.raises(InputError, match="the first call of partial_fit needs classes"):
        CNNClassifier().partial_fit(X, y)
    with pytest.raises(InputError, match="class_weight='balanced' needs all labels at once"):
        CNNClassifier(class_weight="balanced").partial_fit(X, y, classes=[0, 1])
    with pytest.raises(InputError, match=r"y has the class np.int64\(1\), which is none of \[0 5\]"):
        CNNClassifier().partial_fit(X, y, classes=[0, 5])
    with pytest.raises(InputError, match="all weights of examples are 0"):
        CNNClassifier(class_weight={0: 0, 1: 0}).fit(X, y)
    with pytest.raises(ValueError, match="Negative values"):
        CNNClassifier().fit(X, y, sample_weight=-np.ones(80))
    model = CNNClassifier(epochs=1).fit(digits[0].reshape(-1, 1, 8, 8), digits[1])
    with pytest.raises(InputError, match=r"X has pictures of shape \(4, 16\); expected \(1, 8, 8\), as in training"):
        model.predict(digits[0].reshape(-1, 4, 16))
    with pytest.raises(InputError, match=r"shape is \(1, 4, 16\), and X has pictures of shape \(8, 8\)"):
        CNNClassifier(shape=(1, 4, 16)).fit(digits[0].reshape(-1, 8, 8), digits[1])


def test_without_scikit_learn_the_command_that_installs_it_is_told(monkeypatch):
    monkeypatch.setitem(sys.modules, "sklearn.base", None)
    monkeypatch.delitem(sys.modules, "gpucnn.sklearn")
    with pytest.raises(ImportError, match=r"pip install 'gpucnn\[sklearn\]'"):
        importlib.import_module("gpucnn.sklearn")


def test_it_trains_on_a_gpu_and_its_pickle_opens_without_one(gpu, blobs):
    X, y = blobs
    options = {"epochs": 2, "batch_size": 40, "random_state": 0}
    for weights in (None, 1 + y):
        model = CNNClassifier(**options).fit(X, y, sample_weight=weights).partial_fit(X, y)
        found, kept = model.predict_proba(X), pickle.dumps(model)
        with on("numpy"):
            loaded = pickle.loads(kept)
            np.testing.assert_allclose(loaded.predict_proba(X), found, rtol=1e-4)
            assert loaded.partial_fit(X, y).n_iter_ == 4
            again = CNNClassifier(**options).fit(X, y, sample_weight=weights).partial_fit(X, y)
            np.testing.assert_allclose(again.predict_proba(X), found, rtol=1e-3)
