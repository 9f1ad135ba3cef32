"""A run's folder written by hand, so that pictures are held to figures that no code under test made."""

import json
from pathlib import Path

LOSSES, ACCURACIES = [2.0, 0.5, 0.25], [0.25, 0.75, 0.875]  # of training; validation has half the loss, as many right
RATES = [0.1, 0.05, 0.0]


def write_run(
    path: Path, matrix: list[list[int]] | None = None, names: tuple[str, ...] = ("cat", "dog"), validation: bool = True
) -> Path:
    """Three epochs of two minibatches in training and one in validation, and two test classes."""
    path.mkdir()
    (path / "config.yaml").write_text("name: by hand\n")
    epochs, batches = [], ["split,epoch,step,images,loss,accuracy"]
    for number, (loss, accuracy, rate) in enumerate(zip(LOSSES, ACCURACIES, RATES, strict=True), start=1):
        epochs.append({
            "epoch": number, "train_loss": loss, "train_accuracy": accuracy,
            "validation_loss": loss / 2 if validation else None,
            "validation_accuracy": accuracy if validation else None,
            "lr": rate, "seconds": 0.5, "images_per_second": 1000.0 * number,
        })  # fmt: skip
        batches += [f"train,{number},1,4,{loss + 0.125},{accuracy}", f"train,{number},2,4,{loss - 0.125},{accuracy}"]
        if validation:
            batches.append(f"validation,{number},1,4,{loss / 2},{accuracy}")
    write_lines(path / "metrics.jsonl", [json.dumps(epoch) for epoch in epochs])
    write_lines(path / "batches.csv", batches)
    write_result(path, matrix or [[8, 2], [0, 5]], names)
    return path


def write_result(path: Path, matrix: list[list[int]] | None, names: tuple[str, ...]) -> None:
    classes = None if matrix is None else [{"name": name} for name in names]
    result = {"test_accuracy": 0.9, "test_loss": 0.3, "dataset": "digits"}
    (path / "result.json").write_text(json.dumps({**result, "confusion_matrix": matrix, "classes": classes}))


def write_lines(path: Path, lines: list[str]) -> None:
    path.write_text("".join(f"{line}\n" for line in lines))
