"""`gpucnn predict`: classify picture files, folders of them, tables and arrays."""

import argparse
import csv
import io
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from gpucnn.cli.answer_files import AnswerFiles
from gpucnn.cli.device import choose_device
from gpucnn.data import npz
from gpucnn.data.csv import read_ids, read_unlabelled
from gpucnn.data.pictures import as_text, counts_as_text, find_pictures
from gpucnn.data.pipeline import blank
from gpucnn.data.split import transposed_shape
from gpucnn.errors import ConfigError, DataError
from gpucnn.files import atomic_write
from gpucnn.runs.classifier import Classifier
from gpucnn.runs.saved import open_run

SHOWN_CLASSES = 3  # for each picture, the most probable first
BATCH = 256  # pictures read at a time
TABLES, ARCHIVES = (".csv", ".tsv", ".txt", ".gz"), (".npz", ".npy")


class Group(NamedTuple):
    """Some images as the pipeline gives them (N, C, H, W), and what each is called."""

    names: list[str]
    images: np.ndarray
    files: list[Path] | None = None  # where they are pictures of files


def run(arguments: argparse.Namespace) -> None:
    """Print the most probable classes of each picture, as JSON all of them, or write a table of the first alone.

    Answers that are as large as the picture are written as files.
    """
    saved = open_run(arguments.run_name)
    choose_device(None, saved.config)
    classifier = saved.classifier()
    if arguments.background:
        classifier.pipeline = classifier.pipeline.model_copy(update={"background": arguments.background})
    predictions = _Predictions(classifier, arguments)
    if arguments.csv:
        _write_table(Path(arguments.csv), predictions)
    elif arguments.json:
        _print_json(predictions)
    else:
        for prediction in predictions:
            print(f"{as_text(prediction['file'])}: {_told(prediction)}")
    if predictions.opposed and not arguments.centre:
        message = classifier.about_grounds(predictions.opposed, predictions.total)
        mend = "leave --invert out" if arguments.invert else "--invert exchanges black and white"
        print(f"{message}; {mend}, --centre finds what is drawn by itself", file=sys.stderr)
    if predictions.blank:
        print(classifier.about_blanks(predictions.blank, predictions.total), file=sys.stderr)


class _Predictions:
    """The predictions for what the command line names, read and answered some at a time."""

    def __init__(self, classifier: Classifier, arguments: argparse.Namespace) -> None:
        self.classifier, self.named = classifier, arguments.images
        self.options = {"invert": arguments.invert, "centre": arguments.centre}
        self.tta = arguments.tta
        classes = len(classifier.classes)
        self.top = min(arguments.top or (classes if arguments.json else SHOWN_CLASSES), classes)
        self.total = self.opposed = self.blank = 0
        self.table = arguments.csv is not None
        self.answers = None
        if classifier.pipeline.answers_with_maps:
            if self.table:
                raise ConfigError("--csv: the run answers each picture with a picture; leave it out, or give --json")
            self.answers = AnswerFiles(classifier, Path(arguments.out))

    def __iter__(self) -> Iterator[dict[str, Any]]:
        for group in self._groups():
            answers = self.classifier.probabilities(group.images, self.tta)
            self.total += len(group.names)
            self.opposed += int(self.classifier.pipeline.opposed(group.images).sum())
            self.blank += int(blank(group.images).sum())
            if self.answers is not None:
                yield from self.answers.written(group.names, group.files, group.images, answers)
                continue
            for name, shares in zip(group.names, answers, strict=True):
                yield self._prediction(name, shares)

    def _prediction(self, name: str, shares: np.ndarray) -> dict[str, Any]:
        """The most probable class, and the probabilities of the first `top`, in descending order.

        Or the labels that it is given, and such probabilities; or the numbers by name.
        """
        classes, outputs = self.classifier.classes, self.classifier.pipeline.outputs
        if outputs == "numbers":
            return {"file": name, "numbers": dict(zip(classes, shares.tolist(), strict=True))}
        falling = np.argsort(-shares, kind="stable")
        first: dict[str, Any] = {"class": classes[falling[0]], "probability": float(shares[falling[0]])}
        if outputs == "label_logits":
            first = {"labels": self.classifier.given(shares)}
        return {
            "file": name,
            **first,
            "probabilities": {classes[label]: float(shares[label]) for label in falling[: self.top]},
        }

    def _groups(self) -> Iterator[Group]:
        pending: list[tuple[str, Path]] = []
        for named in self.named:
            path = Path(named).expanduser()
            if path.is_dir():
                pending += [(self._called(file, path), file) for file in _pictures(path)]
            elif path.suffix.lower() in (*TABLES, *ARCHIVES):
                yield from self._files(pending)
                pending = []
                yield from self._arrays(path)
            else:
                pending.append((named, path))
        yield from self._files(pending)

    def _called(self, file: Path, folder: Path) -> str:
        """A picture's name: in a table that below its folder."""
        return str(file.relative_to(folder) if self.table else file)

    def _files(self, files: list[tuple[str, Path]]) -> Iterator[Group]:
        if files:
            self.classifier.pipeline.check_pictures()
        for start in range(0, len(files), BATCH):
            names, paths = zip(*files[start : start + BATCH], strict=True)
            yield Group(list(names), self.classifier.pipeline.images(list(paths), **self.options), list(paths))

    def _arrays(self, path: Path) -> Iterator[Group]:
        """Of a table or an archive, whose pixels are examined together for their range.

        Rows and columns stand in it as in the files of the training, which were no pictures either.
        """
        pipeline = self.classifier.pipeline
        names = None
        if path.suffix.lower() in ARCHIVES:
            pixels = npz.read_images(path)
        else:
            shape = transposed_shape(pipeline.image_shape) if pipeline.transposed else pipeline.image_shape
            several = pipeline.class_names if pipeline.outputs in ("label_logits", "numbers") else ()
            pixels, names = read_unlabelled(path, shape, several), read_ids(path)
        images = pipeline.images(pixels, transposed=pipeline.transposed, **self.options)
        names = names or [str(number) for number in range(1, len(images) + 1)]
        for start in range(0, len(images), BATCH):
            yield Group(names[start : start + BATCH], images[start : start + BATCH])


def _pictures(folder: Path) -> list[Path]:
    """The pictures below a folder; a line tells what else there is. Raises DataError if there are none."""
    found = find_pictures(folder)
    if not found.pictures:
        raise DataError(
            f"{folder} holds no pictures; give a picture, a folder of pictures, a table, or arrays as .npz or .npy"
        )
    if found.others:
        print(
            f"{folder}: {found.others.total():,} files are left out ({counts_as_text(found.others)})", file=sys.stderr
        )
    return found.pictures


def _print_json(predictions: _Predictions) -> None:
    """A list, an element as soon as it is known."""
    between = "[\n"
    for prediction in predictions:
        text = json.dumps(prediction, indent=2, ensure_ascii=False)
        print(between + "  " + text.replace("\n", "\n  "), end="")
        between = ",\n"
    print("\n]")


def _told(prediction: dict[str, Any]) -> str:
    """A prediction in one line."""
    if "answer" in prediction:
        shares = ", ".join(f"{name} {share:.1%}" for name, share in prediction.get("pixels", {}).items())
        return prediction["answer"] + (f" ({shares})" if shares else "")
    if "numbers" in prediction:
        return ", ".join(f"{name} {number:.4g}" for name, number in prediction["numbers"].items())
    shares = ", ".join(f"{name} {share:.1%}" for name, share in prediction["probabilities"].items())
    return f"{', '.join(prediction['labels']) or 'no label'} ({shares})" if "labels" in prediction else shares


def _answer(prediction: dict[str, Any]) -> list[Any]:
    """A prediction's fields in a table."""
    if "numbers" in prediction:
        return list(prediction["numbers"].values())
    return ["|".join(prediction["labels"]) if "labels" in prediction else prediction["class"]]


def _write_table(path: Path, predictions: _Predictions) -> None:
    """A table of `id,label`, the form that competitions take; several labels between bars, numbers in columns."""
    if not path.absolute().parent.is_dir():
        raise DataError(f"--csv {path}: there is no folder {path.parent}; make it, or give another")
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    numbers = predictions.classifier.pipeline.outputs == "numbers"
    table.writerow(("id", *(predictions.classifier.classes if numbers else ("label",))))
    table.writerows((prediction["file"], *_answer(prediction)) for prediction in predictions)
    atomic_write(path, text.getvalue().encode(errors="surrogateescape"))
    print(f"{predictions.total:,} predictions: {path}")
