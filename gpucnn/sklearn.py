"""A scikit-learn estimator: `CNNClassifier`, trained by a Trainer of a configuration made from its parameters."""

import copy
import json
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, Self

import numpy as np

try:
    from sklearn.base import BaseEstimator, ClassifierMixin
    from sklearn.model_selection import train_test_split
    from sklearn.utils import check_random_state, column_or_1d, compute_class_weight
    from sklearn.utils.multiclass import check_classification_targets
    from sklearn.utils.validation import _check_sample_weight, check_is_fitted, validate_data
except ImportError as error:
    raise ImportError(
        f"gpucnn.sklearn needs scikit-learn 1.6 or later ({error}); install it: pip install 'gpucnn[sklearn]'"
    ) from None

from gpucnn.config.build import build_early_stop, build_loss, build_network, build_optimizer, build_schedule
from gpucnn.config.check import check_options
from gpucnn.config.faults import Place
from gpucnn.config.schema import Checked, Config
from gpucnn.config.yaml_reader import Document
from gpucnn.data import Normalizer
from gpucnn.data.loader import Loader
from gpucnn.data.normalize import Normalization
from gpucnn.data.pipeline import as_probabilities
from gpucnn.errors import InputError
from gpucnn.generators import seeded
from gpucnn.nn import Module
from gpucnn.optim import Optimizer
from gpucnn.training import EpochRecord, Progress, Trainer
from gpucnn.training.evaluation import outputs, outputs_of

HIDDEN = 64  # features of the default network's hidden layer
CHANNELS = (16, 32)  # of the default network's convolutions
PATCH, POOL = 3, 2  # sides of their windows

Shape = tuple[int, ...]


class Examples(NamedTuple):
    """The network's inputs (N, ...), their classes by number (N,), and their weights (N,); None: all alike."""

    inputs: np.ndarray
    labels: np.ndarray
    weights: np.ndarray | None

    def take(self, indices: np.ndarray) -> "Examples":
        """The examples at `indices`."""
        weights = None if self.weights is None else self.weights[indices]
        return Examples(self.inputs[indices], self.labels[indices], weights)

    def loader(self, classes: int, batch_size: int, dtype: str, seed: int | None = None) -> Loader:
        """The examples in batches, shuffled by `seed` if there is one.

        A weight w makes the label a row with w at its class: cross-entropy, and its gradient, are then w times those
        of the class number.
        """
        labels = self.labels
        if self.weights is not None:
            labels = np.zeros((len(labels), classes), dtype)
            labels[np.arange(len(labels)), self.labels] = self.weights
        as_they_are = Normalizer.of("none", self.inputs)
        return Loader(
            (self.inputs, labels), batch_size, as_they_are, shuffle=seed is not None, seed=seed or 0, dtype=dtype
        )


class CNNClassifier(ClassifierMixin, BaseEstimator):
    """A network as a scikit-learn classifier. X is (N, features), or pictures (N, H, W) or (N, C, H, W).

    model: layers as in a configuration's `model:`, or a Module, which is copied and whose weights training begins with.
    By default a fully connected network of one hidden layer or, for pictures and with `shape`, two convolutions.
    shape: of an image, (C, H, W), a signal (C, W) or a volume (C, D, H, W), which a row of X is reshaped to.
    optimizer, schedule: a name, or a mapping with a name and options, as in a configuration. lr: the learning rate.
    normalize: as `data.normalize`; "standard" standardises every feature, or every channel of pictures.
    class_weight: weights by class, or "balanced". early_stopping: hold `validation_fraction` of the examples out, stop
    after `patience` epochs without a lower loss on them, and keep the best epoch's weights. warm_start: whether `fit`
    goes on from the weights it has. random_state: the seed of weights, dropout and the order of examples.

    After `fit`: `classes_`, `n_features_in_` (pixels and channels for pictures), `shape_`, `net_`, `n_iter_` (epochs),
    `history_` (an EpochRecord for each). Raises InputError, ConfigError or ValueError for parameters or data that do
    not serve, TrainingError for a loss that is not finite.
    """

    history_: list[EpochRecord]
    _optimizer: Optimizer | None  # of partial_fit

    def __init__(
        self,
        model: Module | Sequence[Any] | None = None,
        *,
        shape: Shape | None = None,
        epochs: int = 20,
        batch_size: int = 32,
        optimizer: str | Mapping[str, Any] = "adam",
        lr: float = 0.005,
        schedule: str | Mapping[str, Any] = "one_cycle",
        normalize: Normalization = "standard",
        class_weight: Mapping[Any, float] | str | None = None,
        early_stopping: bool = False,
        validation_fraction: float = 0.1,
        patience: int = 5,
        warm_start: bool = False,
        dtype: str = "float32",
        random_state: Any = None,
        verbose: bool = False,
    ) -> None:
        self.model = model
        self.shape = shape
        self.epochs = epochs
        self.batch_size = batch_size
        self.optimizer = optimizer
        self.lr = lr
        self.schedule = schedule
        self.normalize = normalize
        self.class_weight = class_weight
        self.early_stopping = early_stopping
        self.validation_fraction = validation_fraction
        self.patience = patience
        self.warm_start = warm_start
        self.dtype = dtype
        self.random_state = random_state
        self.verbose = verbose

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> Self:
        """Train for `epochs` on X with labels y (N,), anew unless `warm_start`; `sample_weight` (N,) is at least 0."""
        again = self.warm_start and hasattr(self, "net_")
        X, y = self._labelled(X, y, first=not again)
        classes = np.unique(y)
        if again and not np.array_equal(classes, self.classes_):
            raise InputError(f"warm_start: y has the classes {classes}, expected those before: {self.classes_}")
        config = self._start(X, classes, again)
        examples, held_out = self._examples(X, y, sample_weight), None
        if self.early_stopping:
            examples, held_out = self._hold_out(examples)
        self._optimizer, self.history_ = None, []  # partial_fit begins with a new optimizer
        optimizer = build_optimizer(config, self.net_.parameters())
        schedule, rule = build_schedule(config), build_early_stop(config)
        trainer = Trainer(self.net_, optimizer, build_loss(config), schedule, early_stop=rule)
        return self._train(trainer, examples, held_out, self.epochs)

    def partial_fit(self, X: Any, y: Any, classes: Any = None, sample_weight: Any = None) -> Self:
        """Train one more epoch on X with labels y (N,), at the learning rate `lr` throughout.

        The first call needs `classes`, all that there will be. The optimizer's averages go on from call to call.
        """
        first = not hasattr(self, "net_")
        if first and classes is None:
            raise InputError("the first call of partial_fit needs classes: all that later calls may bring")
        if self.class_weight == "balanced":
            raise InputError(
                "class_weight='balanced' needs all labels at once, which partial_fit has not; give it a mapping, made "
                "by sklearn.utils.compute_class_weight"
            )
        X, y = self._labelled(X, y, first)
        given = self.classes_ if classes is None else np.unique(classes)
        if not first and not np.array_equal(given, self.classes_):
            raise InputError(f"partial_fit: classes are {given}, expected those of the first call: {self.classes_}")
        config = self._start(X, given, again=not first)
        examples = self._examples(X, y, sample_weight)
        if self._optimizer is None:
            self._optimizer = build_optimizer(config, self.net_.parameters())
        return self._train(Trainer(self.net_, self._optimizer, build_loss(config)), examples, None, epochs=1)

    def predict(self, X: Any) -> np.ndarray:
        """The likeliest class of every row or picture, (N,)."""
        best = self.predict_proba(X).argmax(axis=1)
        return self.classes_[best]

    def predict_proba(self, X: Any) -> np.ndarray:
        """Probabilities (N, classes), in the order of `classes_`."""
        check_is_fitted(self)
        rows, seen = _as_rows(X)
        X = validate_data(self, rows, reset=False)
        if seen is not None and self.shape_ not in (seen, (1, *seen)):
            raise InputError(f"X has pictures of shape {seen}; expected {self.shape_}, as in training")
        scores = outputs(self.net_, self._inputs(X)).astype(np.float64)  # so that rows add up to 1 in any precision
        return as_probabilities(scores, outputs_of(self.net_))

    # --- the data -----------------------------------------------------------------------------------------------------

    def _labelled(self, X: Any, y: Any, first: bool) -> tuple[np.ndarray, np.ndarray]:
        """X as (N, features), and y (N,). `first`: this X decides on the features and on `shape_`."""
        rows, seen = _as_rows(X)
        X, y = validate_data(self, rows, y, reset=first)
        y = column_or_1d(y, warn=True)
        check_classification_targets(y)
        if first:
            self.shape_ = self._shape_of(X.shape[1], seen)
        elif seen is not None and self.shape_ not in (seen, (1, *seen)):
            raise InputError(f"X has pictures of shape {seen}; expected {self.shape_}, as before")
        return X, y

    def _shape_of(self, features: int, seen: Shape | None) -> Shape:
        """The shape of the network's inputs, by `shape` and by X."""
        if self.shape is None:
            return (features,) if seen is None else (1, *seen) if len(seen) == 2 else seen
        shape = tuple(map(int, self.shape))
        if seen is not None and shape not in (seen, (1, *seen)):
            raise InputError(f"shape is {shape}, and X has pictures of shape {seen}; leave shape out, or change one")
        if not 2 <= len(shape) <= 4 or np.prod(shape) != features or min(shape) < 1:
            raise InputError(
                f"shape is {shape}; expected channels and sides, (C, H, W), with a product of {features}, the features "
                "of a row of X"
            )
        return shape

    def _inputs(self, X: np.ndarray) -> np.ndarray:
        """X (N, features) as the network takes it: normalised in the precision it is given in, (N, ...)."""
        wide = "float64" if X.dtype in (np.float64, np.int64, np.uint64) else "float32"
        images = self._normalizer.apply(X.reshape(len(X), *self.shape_), wide)  # (N, F) -> (N, C, H, W)
        return images.astype(self.dtype, copy=False)

    def _examples(self, X: np.ndarray, y: np.ndarray, sample_weight: Any) -> Examples:
        """The inputs, class numbers and weights of X with labels y, all known classes."""
        labels = np.searchsorted(self.classes_, y).clip(max=len(self.classes_) - 1)
        if (unknown := self.classes_[labels] != y).any():
            raise InputError(f"y has the class {y[unknown][0]!r}, which is none of {self.classes_}")
        weights = None
        if sample_weight is not None:
            weights = _check_sample_weight(sample_weight, X, dtype=np.float64, ensure_non_negative=True)
        if self.class_weight is not None:
            by_class = compute_class_weight(self.class_weight, classes=self.classes_, y=y)
            weights = by_class[labels] if weights is None else weights * by_class[labels]
        if weights is not None and not weights.any():
            raise InputError("all weights of examples are 0; expected some above it")
        if weights is not None and (weights == weights[0]).all():
            weights = None
        return Examples(self._inputs(X), labels, None if weights is None else weights / weights.mean())

    def _hold_out(self, examples: Examples) -> tuple[Examples, Examples]:
        """The examples to train on, and those to validate with, in the same proportions of classes."""
        numbers = np.arange(len(examples.labels))
        parts = train_test_split(
            numbers, test_size=self.validation_fraction, stratify=examples.labels, random_state=self._random_state
        )
        train, held_out = (examples.take(part) for part in parts)
        return train, held_out

    # --- the network --------------------------------------------------------------------------------------------------

    def _start(self, X: np.ndarray, classes: np.ndarray, again: bool) -> Config:
        """The configuration; and unless training goes on, the classes, the normalisation and a new network."""
        checked = self._configuration(self.shape_)
        if not again:
            self.classes_, self._optimizer, self.history_ = classes, None, []
            self._random_state = check_random_state(self.random_state)
            self._normalizer = Normalizer.of(self.normalize, X.reshape(len(X), *self.shape_))  # (N, F) -> (N, C, H, W)
            self.net_ = self._network(checked)
            found = outputs(self.net_, self._inputs(X[:1])).shape
            if found != (1, len(classes)):
                raise InputError(f"the network's output is {found[1:]}; expected ({len(classes)},), a number per class")
        return checked.config

    def _configuration(self, shape: Shape) -> Checked:
        """The parameters as a configuration, checked. Raises ConfigError that lists every fault."""
        layers = default_layers(shape) if self.model is None or isinstance(self.model, Module) else self.model
        early_stop = {"early_stop": {"patience": self.patience}} if self.early_stopping else {}
        values = {
            "dtype": self.dtype,
            "data": {  # the name is not used: X takes its place
                "name": "digits",
                "validation": self.validation_fraction if self.early_stopping else 0,
                "normalize": self.normalize,
            },
            "model": layers,
            "optimizer": {**_with_name(self.optimizer), "lr": self.lr},
            "schedule": _with_name(self.schedule),
            "train": {"epochs": self.epochs, "batch_size": self.batch_size, **early_stop},
        }
        plain = json.loads(json.dumps(values, default=_plain))
        return check_options(Document(plain, {(): Place("CNNClassifier")}))

    def _network(self, checked: Checked) -> Module:
        """A new network. Raises ConfigError for layers that do not fit."""
        with seeded(self._seed()):
            if isinstance(self.model, Module):
                return copy.deepcopy(self.model).astype(self.dtype)
            return build_network(checked, self.shape_, len(self.classes_))

    def _seed(self) -> int:
        return int(self._random_state.randint(2**31 - 1))

    def _train(self, trainer: Trainer, examples: Examples, held_out: Examples | None, epochs: int) -> Self:
        """Train `net_`; where training may stop early the best epoch's weights are kept."""
        size, classes, best = int(self.batch_size), len(self.classes_), {}
        validation = None if held_out is None else held_out.loader(classes, size, self.dtype)
        train = examples.loader(classes, size, self.dtype, seed=self._seed())
        with seeded(self._seed()), Progress(len(train.images), shown=bool(self.verbose)) as progress:
            for record in trainer.run(train, validation, int(epochs)):
                progress(record)
                ended = isinstance(record, EpochRecord)
                if trainer.early_stop and ended and trainer.train_state.best.epoch == record.epoch:
                    best = self.net_.state_dict()
        if best:
            self.net_.load_state_dict(best)
        self.history_ += trainer.history
        self.n_iter_ = len(self.history_)
        return self


def _as_rows(X: Any) -> tuple[Any, Shape | None]:
    """X with its pictures, if it has some, as rows (N, features); and their shape."""
    X = X if hasattr(X, "ndim") else np.asarray(X)
    if X.ndim <= 2:
        return X, None
    return np.reshape(X, (len(X), -1)), X.shape[1:]  # (N, C, H, W) -> (N, C·H·W)


def default_layers(shape: Shape) -> list[Any]:
    """The layers, as in a configuration, of a small network for inputs of `shape`: (F,), or channels and sides."""
    if len(shape) == 1:
        return [{"linear": {"out_features": HIDDEN}}, "relu", {"linear": {"out_features": "classes"}}]
    layers: list[Any] = []
    sides, axes = min(shape[1:]), f"{len(shape) - 1}d"
    for channels in CHANNELS:
        layers += [{f"conv{axes}": {"out_channels": channels, "kernel_size": PATCH, "padding": "same"}}, "relu"]
        if sides >= POOL:
            layers.append({f"max_pool{axes}": {"kernel_size": POOL}})
            sides //= POOL
    return [*layers, "flatten", {"linear": {"out_features": "classes"}}]


def _with_name(option: Any) -> dict[str, Any]:
    """A name as the mapping that a configuration has. Raises InputError where `lr` is in it."""
    if not isinstance(option, Mapping):
        return {"name": option}
    if "lr" in option:
        raise InputError("the learning rate is CNNClassifier's own parameter lr; leave it out of optimizer")
    return dict(option)


def _plain(value: Any) -> Any:
    """A value of NumPy's, as a search over parameters gives it, for JSON. Raises InputError for others."""
    if isinstance(value, np.generic | np.ndarray):
        return value.tolist()
    raise InputError(f"CNNClassifier: expected names, numbers, lists and mappings, as in YAML; given {value!r:.80}")
