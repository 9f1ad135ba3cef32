import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from gpucnn.errors import InputError
from gpucnn.report import plot_confusion, plot_curves
from tests.report.runs import ACCURACIES, LOSSES, RATES, write_lines, write_result, write_run


@pytest.fixture
def run(tmp_path) -> Path:
    return write_run(tmp_path / "run")


def lines(panel) -> dict[str, tuple[list[float], list[float]]]:
    """A panel's curves: label -> (x, y)."""
    return {line.get_label(): (list(line.get_xdata()), list(line.get_ydata())) for line in panel.lines}


# --- curves -----------------------------------------------------------------------------------------------------------


def test_epochs_are_drawn_training_beside_validation(run) -> None:
    loss, _, accuracy, _, rate, speed = plot_curves(run).axes
    assert lines(loss) == {
        "training (mean while learning)": ([1, 2, 3], LOSSES),
        "validation (afterwards)": ([1, 2, 3], [1.0, 0.25, 0.125]),
    }
    percent = [100 * share for share in ACCURACIES]
    assert [y for _, y in lines(accuracy).values()] == [percent, percent]
    assert [y for _, y in lines(rate).values()] == [RATES]
    assert [y for _, y in lines(speed).values()] == [[1000, 2000, 3000]]


def test_minibatches_are_drawn_where_they_were_trained(run) -> None:
    _, loss, _, accuracy, _, _ = plot_curves(run).axes
    assert lines(loss) == {
        "training": ([0.5, 1, 1.5, 2, 2.5, 3], [2.125, 1.875, 0.625, 0.375, 0.375, 0.125]),
        "validation": ([1, 2, 3], [1.0, 0.25, 0.125]),
    }
    assert lines(accuracy)["training"][1] == [25, 25, 75, 75, 87.5, 87.5]


def test_many_minibatches_are_drawn_as_means_that_the_title_tells_of(run) -> None:
    header = "split,epoch,step,images,loss,accuracy"
    write_lines(run / "batches.csv", [header, *(f"train,1,{step},4,{step},0.5" for step in range(1, 1002))])
    _, loss, *_ = plot_curves(run).axes
    x, y = lines(loss)["training"]
    assert y[:2] == [2, 5] and y[-1] == 1000.5 and len(y) == 334  # of 1 to 3, 4 to 6, ..., 1000 and 1001
    assert x[0] == pytest.approx(2 / 1001) and loss.get_title() == "loss, means of 3 minibatches"


def test_axes_have_names_and_units(run) -> None:
    axes = plot_curves(run).axes
    assert [panel.get_ylabel() for panel in axes] == [
        "mean loss per image", "mean loss per image", "accuracy (% of images)", "accuracy (% of images)",
        "learning rate", "training speed (images/s)",
    ]  # fmt: skip
    assert [panel.get_xlabel() for panel in axes[4:]] == ["epochs done"] * 2
    assert all(panel.get_ylim()[0] == 0 for panel in axes[4:])


def test_without_validation_there_is_training_alone(tmp_path) -> None:
    loss, minibatches, *_ = plot_curves(write_run(tmp_path / "run", validation=False)).axes
    assert len(loss.lines) == len(minibatches.lines) == 1


def test_curves_of_a_run_that_is_under_way(run) -> None:
    (run / "result.json").unlink()
    write_lines(run / "metrics.jsonl", (run / "metrics.jsonl").read_text().splitlines()[:1])
    assert lines(plot_curves(run).axes[0])["training (mean while learning)"] == ([1], [2.0])


def test_a_folder_that_is_no_run_is_refused(tmp_path) -> None:
    for plot in (plot_curves, plot_confusion):
        with pytest.raises(InputError, match="no run at"):
            plot(tmp_path)


# --- confusion matrix -------------------------------------------------------------------------------------------------


def test_counts_stand_in_the_row_of_their_true_class(run) -> None:
    figure = plot_confusion(run)
    panel = figure.axes[0]
    counts = {text.get_position()[::-1]: text.get_text() for text in panel.texts}  # (row, column) -> count
    assert counts == {(0, 0): "8", (0, 1): "2", (1, 0): "0", (1, 1): "5"}
    assert panel.get_ylabel() == "true class" and panel.get_xlabel() == "predicted class"
    for axis in (panel.xaxis, panel.yaxis):
        assert [label.get_text() for label in axis.get_ticklabels()] == ["cat", "dog"]
    assert figure.get_suptitle() == "run: 13 of 15 test images classified correctly"


def test_colours_are_shares_of_the_row_on_a_scale_from_0_to_100(run) -> None:
    (picture,) = plot_confusion(run).axes[0].images
    np.testing.assert_allclose(picture.get_array(), [[80, 20], [0, 100]])
    assert picture.get_clim() == (0, 100)


def test_a_class_without_images_has_an_empty_row(run) -> None:
    write_result(run, [[3, 0], [0, 0]], ("cat", "dog"))
    (picture,) = plot_confusion(run).axes[0].images
    assert picture.get_array().tolist() == [[100, 0], [0, 0]]


@pytest.mark.parametrize("classes", [2, 3, 10, 30])
def test_counts_fit_into_their_cells(classes, run) -> None:
    counts = np.eye(classes, dtype=int) * 60_000
    write_result(run, counts.tolist(), tuple(f"a class with a name {i}" for i in range(classes)))
    figure = plot_confusion(run)
    figure.canvas.draw()
    panel = figure.axes[0]
    cell = panel.get_window_extent().width / classes
    assert len(panel.texts) == classes**2
    assert all(text.get_window_extent().width < cell for text in panel.texts)
    for axis, side in ((panel.xaxis, "width"), (panel.yaxis, "height")):
        assert all(getattr(label.get_window_extent(), side) <= cell for label in axis.get_ticklabels())
    assert len(figure.axes) == 2 and figure.get_tightbbox().width <= figure.get_figwidth()


def test_very_many_classes_are_a_picture_of_bounded_size(run) -> None:
    write_result(run, np.eye(600, dtype=int).tolist(), tuple(map(str, range(600))))
    figure = plot_confusion(run)
    assert max(figure.get_size_inches()) < 20
    assert not figure.axes[0].texts and len(figure.axes[0].get_yticks()) < 120


def test_names_are_shown_as_they_are_or_cut(run) -> None:
    write_result(run, [[1, 0], [0, 1]], ("$a_$ \\frac{", "n" * 300))
    assert plot_confusion(run).png()  # neither is read as a formula
    shown = [label.get_text() for label in plot_confusion(run).axes[0].get_xticklabels()]
    assert shown == ["$a_$ \\frac{", "n" * 23 + "…"]


def test_without_test_images_there_is_no_confusion_matrix(run) -> None:
    write_result(run, None, ())
    with pytest.raises(InputError, match="had no test images"):
        plot_confusion(run)


# --- all of them ---


def test_matplotlib_is_imported_for_a_picture_and_pyplot_never(run) -> None:
    program = (
        "import sys, gpucnn.report as report\n"
        "assert 'matplotlib' not in sys.modules\n"
        f"report.plot_curves({str(run)!r}).png()\n"
        "assert 'matplotlib' in sys.modules and 'matplotlib.pyplot' not in sys.modules\n"
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path)), "MPLBACKEND": "tkagg"}
    subprocess.run([sys.executable, "-c", program], check=True, env=environment)
