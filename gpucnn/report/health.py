"""The health of layers over the epochs, and the first kernels as they form, as a page draws them."""

from typing import Any

import numpy as np

from gpucnn.report.pixels import encoded, quantised
from gpucnn.report.series import rounded
from gpucnn.report.tiles import flat_tiles
from gpucnn.runs.health import kernels_of

OF_WEIGHTS = ("weights", "gradients", "updates")
OF_UNITS = ("dead", "saturated")


def health_inside(kept: dict[str, Any]) -> dict[str, Any] | None:
    """A strip for each layer with weights, and with the activation behind it; None where no epoch was kept.

    kept: what health.json holds. `updates` are shares of the norm of the weights.
    """
    epochs = kept["epochs"]
    if not epochs:
        return None
    strips: list[dict[str, Any]] = []
    for name, figures in epochs[-1]["layers"].items():
        title, curves = f"{name} {figures['kind']}", _curves([each["layers"].get(name, {}) for each in epochs])
        if "weights" in figures or not strips or _has_units(strips[-1]):
            strips.append({"layer": name, "title": title, "curves": curves})
        else:  # the activation behind the layer before
            strips[-1]["title"] += f", {title}"
            strips[-1]["curves"] |= curves
    told = {"images": kept["images"], "part": kept["part"], "epochs": [each["epoch"] for each in epochs]}
    return {**told, "layers": strips}


def forming_inside(kept: dict[str, Any]) -> dict[str, Any] | None:
    """The kernels of the first convolution at some epochs, in 8 bits from -scale to scale; None where none were kept.

    `bytes` has `rows` kernels, one for each output and input, at each of `epochs` in turn: (rows, epochs, *size).
    """
    if not kept["kernels"]:
        return None
    epochs, kernels = kernels_of(kept["kernels"])  # (moments, O, I, *kernel)
    finite = np.abs(kernels, where=np.isfinite(kernels), out=np.zeros_like(kernels))
    scale = float(finite.max()) or 1.0
    rows = np.moveaxis(kernels.reshape(len(epochs), -1, *kernels.shape[3:]), 0, 1)  # -> (O·I, moments, *kernel)
    tiles = flat_tiles(rows.reshape(-1, *kernels.shape[3:]))  # (O·I, moments, *kernel) -> (O·I·moments, h, w)
    return {
        "layer": kept["kernels"]["layer"],
        "epochs": epochs,
        "rows": len(rows),
        "inputs": kernels.shape[2],
        "size": list(tiles.shape[1:]),
        "scale": scale,
        "bytes": encoded(quantised(np.nan_to_num(tiles), -scale, scale)),
    }


def _has_units(strip: dict[str, Any]) -> bool:
    return any(what in strip["curves"] for what in OF_UNITS)


def _curves(figures: list[dict[str, Any]]) -> dict[str, list[float | None]]:
    """Of one layer a list for each figure that it has, an entry to each epoch."""
    present = [what for what in (*OF_WEIGHTS, *OF_UNITS) if what in figures[-1]]
    curves = {what: _numbers(figures, what) for what in present}
    if "updates" in curves:
        with np.errstate(invalid="ignore", divide="ignore"):  # 0 / 0 of weights that are all 0
            curves["updates"] = curves["updates"] / curves["weights"]
    return {what: rounded(values) for what, values in curves.items()}


def _numbers(figures: list[dict[str, Any]], what: str) -> np.ndarray:
    return np.array([each.get(what) for each in figures], np.float64)  # None becomes NaN
