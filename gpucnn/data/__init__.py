"""Data sets: read or fetched, split, normalised, augmented and served in batches."""

from gpucnn.data.augment import Augment
from gpucnn.data.dataset import Dataset, Source
from gpucnn.data.download import DownloadError
from gpucnn.data.fingerprint import Fingerprint
from gpucnn.data.image import read_image
from gpucnn.data.loader import Batch, Loader
from gpucnn.data.normalize import Normalization, Normalizer
from gpucnn.data.pipeline import Pipeline
from gpucnn.data.sources import FALLBACKS, MAY_VALIDATE, PER_PIXEL, SOURCES, Loaded, load_fallback, load_source, peek
from gpucnn.data.split import (
    draw_per_class,
    fold_of,
    hold_out,
    resplit,
    select_classes,
    transposed,
    transposed_shape,
)

__all__ = [
    "FALLBACKS",
    "MAY_VALIDATE",
    "PER_PIXEL",
    "SOURCES",
    "Augment",
    "Batch",
    "Dataset",
    "DownloadError",
    "Fingerprint",
    "Loaded",
    "Loader",
    "Normalization",
    "Normalizer",
    "Pipeline",
    "Source",
    "draw_per_class",
    "fold_of",
    "hold_out",
    "load_fallback",
    "load_source",
    "peek",
    "read_image",
    "resplit",
    "select_classes",
    "transposed",
    "transposed_shape",
]
