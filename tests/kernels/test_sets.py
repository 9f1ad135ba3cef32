"""Every set of kernels that this machine can run, against the naive loops, over the same random configurations."""

import os
import shutil
import subprocess
import sys
from functools import partial
from pathlib import Path

import numpy as np
import pytest

import gpucnn
from gpucnn import functional as F
from gpucnn.kernels import dispatch
from tests import references
from tests.configurations import COUNT, convolution
from tests.devices import GPUS, on
from tests.judges import agrees, forward_backward, upstream


@pytest.fixture(params=["avx512", "avx2", "plain", "numpy", *GPUS])
def kernels(request: pytest.FixtureRequest):
    """One set after the other, on a GPU NumPy's; what was not built or does not run here is skipped."""
    with on(request.param):
        if request.param.startswith("cuda"):
            dispatch.choose("numpy")
        yield request.param


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_convolution(kernels, dtype):
    for config in map(convolution, range(0, COUNT, 2)):
        x, w, *_ = config.arrays
        y = references.conv(*config.arrays, **config.options)
        gradients = references.conv_gradients(x, w, upstream(y.shape), **config.options)
        ours = partial([F.conv1d, F.conv2d, F.conv3d][config.axes - 1], **config.options)
        expected = [array.astype(dtype) for array in (y, *gradients[: len(config.arrays)])]
        found = forward_backward(ours, *(array.astype(dtype) for array in config.arrays))
        agrees(found, expected, config, terms=x.size // x.shape[1] * w[0].size)


@pytest.mark.parametrize("images", [1, 3, 16, 17, 64, 100])
@pytest.mark.parametrize("options", [{}, {"padding": 2}, {"stride": 2, "padding": 1}, {"dilation": 2}, {"groups": 2}])
def test_batches_that_fill_vectors_and_that_do_not(kernels, images, options, rng):
    """Wide enough for whole blocks of vectors, and what is left over at their ends."""
    x, w = rng.standard_normal((images, 4, 9, 12)), rng.standard_normal((14, 4 // options.get("groups", 1), 5, 4))
    y = references.conv(x, w, **options)
    gradients = references.conv_gradients(x, w, upstream(y.shape), **options)
    agrees(forward_backward(partial(F.conv2d, **options), x, w), [y, *gradients[:2]], terms=y.size)


@pytest.mark.parametrize(("rows", "summed", "images"), [(1, 1, 1), (10, 84, 64), (7, 13, 33), (130, 300, 65)])
def test_linear(kernels, rows, summed, images, rng):
    x, w, b = rng.standard_normal((images, summed)), rng.standard_normal((rows, summed)), rng.standard_normal(rows)
    y = x @ w.T + b
    grad = upstream(y.shape)
    agrees(forward_backward(F.linear, x, w, b), [y, grad @ w, grad.T @ x, grad.sum(axis=0)], terms=summed * images)


def test_a_kernel_wider_than_the_sums_that_are_kept(kernels, rng):
    """More taps than one unit of the gradient by the weight takes, and images than there are zeros to read."""
    x, w = rng.standard_normal((1100, 1, 1, 40)), rng.standard_normal((2, 1, 1, 61))
    options = {"padding": ((0, 0), (30, 30))}
    y = references.conv(x, w, **options)
    gradients = references.conv_gradients(x, w, upstream(y.shape), **options)
    agrees(forward_backward(partial(F.conv2d, **options), x, w), [y, *gradients[:2]], terms=y.size)


def test_an_unknown_set_is_refused():
    with pytest.raises(gpucnn.errors.InputError, match="GPUCNN_KERNELS is 'fortran'; expected auto or numpy"):
        dispatch.choose("fortran")


def test_arrays_that_the_c_code_cannot_take_are_refused():
    if not dispatch.library.usable():
        pytest.skip("the C kernels were not built")
    c = dispatch.library.usable()["plain"]
    plan, x = np.zeros(30, np.int64), np.zeros((2, 2), np.float32)
    for wrong in (x.T[:, ::-1], x.astype(np.float64), x.astype(">f4"), [1.0], None):
        with pytest.raises(TypeError, match="C-contiguous"):
            c.contract(plan, wrong, x, None, 0.0, None, x)
    with pytest.raises(TypeError, match="expected 7 arguments, given 1"):
        c.contract(plan)


def test_a_module_that_cannot_be_loaded_is_not_called_one_that_was_not_built(monkeypatch):
    def broken(name):
        raise ImportError(f"{name}: undefined symbol")

    uncached(monkeypatch)
    monkeypatch.setattr(dispatch.library, "_was_built", lambda name: True)
    monkeypatch.setattr(dispatch.library, "_module", broken)
    assert dispatch.library.usable() == {}
    assert dispatch.library.why_none() == "the C kernels cannot be loaded: plain: undefined symbol"
    monkeypatch.setattr(dispatch.library, "_was_built", lambda name: False)
    assert "not built" in dispatch.library.why_none()


def uncached(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the library be examined anew at each call."""
    for name in ("why_unusable", "usable"):
        monkeypatch.setattr(dispatch.library, name, getattr(dispatch.library, name).__wrapped__)


def test_the_modules_are_compiled_from_the_sources_here():
    """Else they are not used, and the tests of the C kernels are skipped."""
    built = [name for name in dispatch.library.SETS if dispatch.library._was_built(name)]
    assert {name: dispatch.library.why_unusable(name) for name in built} == dict.fromkeys(built)


def test_a_module_of_other_sources_is_not_used(monkeypatch):
    if not dispatch.library.usable():
        pytest.skip("the C kernels were not built")
    uncached(monkeypatch)
    monkeypatch.setattr(dispatch.library, "fingerprint", lambda: "sources_0123456789abcdef")
    assert dispatch.library.usable() == {}
    assert "built from other sources" in dispatch.library.why_none()
    with pytest.raises(gpucnn.errors.InputError, match="'plain'.*built from other sources.*build_ext --inplace"):
        dispatch.choose("plain")
    monkeypatch.setattr(dispatch.library, "fingerprint", lambda: None)  # an installed package has no sources
    assert "plain" in dispatch.library.usable()


def test_a_changed_source_is_noticed(tmp_path):
    """In a copy of the package with its compiled modules, whose C sources are then changed."""
    if not dispatch.library.usable():
        pytest.skip("the C kernels were not built")
    package = tmp_path / "gpucnn"
    shutil.copytree(Path(gpucnn.__file__).parent, package, ignore=shutil.ignore_patterns("__pycache__"))
    program = "from gpucnn.kernels import dispatch; print(dispatch.describe())"

    def described(kernels: str) -> subprocess.CompletedProcess[str]:
        environment = {**os.environ, "GPUCNN_KERNELS": kernels, "PYTHONPATH": os.pathsep.join(["", *sys.path])}
        command = [sys.executable, "-c", program]
        return subprocess.run(command, env=environment, cwd=tmp_path, capture_output=True, text=True, check=False)

    assert described("auto").stdout.startswith("C, for ")
    with (package / "kernels/c/source/update.h").open("a") as header:
        header.write("/* changed */\n")
    assert described("auto").stdout.startswith("NumPy: the C kernels were built from other sources")
    assert "InputError: GPUCNN_KERNELS is 'plain'" in described("plain").stderr
