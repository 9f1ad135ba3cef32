import pytest

from gpucnn.errors import CheckpointError, InputError
from gpucnn.report.history import read_batches, read_confusion, read_epochs
from gpucnn.runs.folder import RunFolder
from tests.report.runs import LOSSES, write_lines, write_result, write_run


@pytest.fixture
def folder(tmp_path) -> RunFolder:
    return RunFolder(write_run(tmp_path / "run"))


def test_every_line_is_read(folder) -> None:
    assert [(record.epoch, record.train_loss) for record in read_epochs(folder)] == list(enumerate(LOSSES, start=1))
    batches = read_batches(folder)
    assert batches["split"].tolist() == ["train", "train", "validation"] * 3
    assert batches["loss"][:3].tolist() == [2.125, 1.875, 1.0] and batches["step"][:3].tolist() == [1, 2, 1]
    matrix, names = read_confusion(folder)
    assert matrix.tolist() == [[8, 2], [0, 5]] and names == ["cat", "dog"]


def test_a_line_that_is_still_being_written_does_not_count(folder) -> None:
    for name, half in (("metrics.jsonl", '{"epoch": 4, "tra'), ("batches.csv", "train,4,1,4,0.")):
        with (folder.path / name).open("a") as file:
            file.write(half)
    assert len(read_epochs(folder)) == 3 and len(read_batches(folder)) == 9


def test_logs_of_a_run_that_has_just_begun(folder) -> None:
    (folder.path / "metrics.jsonl").write_bytes(b"")
    write_lines(folder.path / "batches.csv", ["split,epoch,step,images,loss,accuracy"])
    assert len(read_batches(folder)) == 0
    with pytest.raises(InputError, match="has no whole epoch yet; train it further: --resume"):
        read_epochs(folder)


@pytest.mark.parametrize(
    "line",
    ['{"epoch": 4}', "[]", "not json", "[" * 100_000, '{"epoch": "4"}', "\x00"],
)
def test_a_damaged_epoch_is_told_with_its_line(line, folder) -> None:
    with (folder.path / "metrics.jsonl").open("a") as file:
        file.write(line + "\n")
    with pytest.raises(CheckpointError, match=r"metrics.jsonl is damaged \(line 4: .*restore it, or train again"):
        read_epochs(folder)


@pytest.mark.parametrize(("value", "told"), [('"high"', "'high'"), ("null", "None"), ("true", "True")])
def test_an_epoch_of_something_else_than_numbers_is_damaged(value, told, folder) -> None:
    path = folder.path / "metrics.jsonl"
    path.write_text(path.read_text().replace('"train_loss": 2.0', f'"train_loss": {value}'))
    with pytest.raises(CheckpointError, match=f"line 1: train_loss is {told}, expected a number"):
        read_epochs(folder)


@pytest.mark.parametrize(
    ("lines", "words"),
    [
        (["epoch,loss"], "line 1: expected split,epoch,step,images,loss,accuracy"),
        ([], "line 1: expected split"),
        (["split,epoch,step,images,loss,accuracy", "train,1,1,4,high,0.5"], "could not convert string 'high'"),
        (["split,epoch,step,images,loss,accuracy", "train,1,1"], "batches.csv is damaged"),
    ],
)
def test_damaged_minibatches_are_told(lines, words, folder) -> None:
    write_lines(folder.path / "batches.csv", lines)
    with pytest.raises(CheckpointError, match=words):
        read_batches(folder)


def test_bytes_that_are_no_text_are_damage(folder) -> None:
    (folder.path / "batches.csv").write_bytes(b"\xff\n")
    with pytest.raises(CheckpointError, match="batches.csv is damaged"):
        read_batches(folder)


@pytest.mark.parametrize("matrix", [[[1, 2]], [[1, 2], [3]], [[1, -2], [3, 4]], [[0.5, 1], [1, 1]], "ab", []])
def test_a_matrix_that_is_no_table_of_counts_is_damage(matrix, folder) -> None:
    write_result(folder.path, matrix, ("cat", "dog"))
    with pytest.raises(CheckpointError, match=r"result.json is damaged \("):
        read_confusion(folder)


def test_a_result_without_the_matrix_is_damage(folder) -> None:
    (folder.path / "result.json").write_text("{}")
    with pytest.raises(CheckpointError, match="result.json is damaged"):
        read_confusion(folder)


def test_no_test_images_are_no_damage(folder) -> None:
    write_result(folder.path, None, ())
    assert read_confusion(folder) is None


def test_a_run_that_is_not_finished_has_no_matrix(folder) -> None:
    (folder.path / "result.json").unlink()
    with pytest.raises(InputError, match="is not finished; continue it first: --resume"):
        read_confusion(folder)
