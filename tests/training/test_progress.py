"""What people at a terminal see of a training, and that nobody else sees anything."""

import sys
import time

from gpucnn.training import BatchRecord, EpochRecord, Progress
from gpucnn.training.progress import describe
from tests.training import examples

EPOCH = EpochRecord(3, 0.123456, 0.9, 0.2, 0.85, 0.01, 2.0, 30000.4)


def show(images, shown=True):
    with Progress(images, shown) as progress:
        progress(BatchRecord("train", 3, 1, 64, 0.5, 0.25))
        time.sleep(0.25)  # the bar is drawn five times a second
        progress(BatchRecord("train", 3, 2, 64, 0.5, 0.25))
        progress(BatchRecord("validation", 3, 1, 64, 0.5, 0.25))
        progress(EPOCH)


def test_silent_without_a_terminal(capsys):
    show(128)
    examples.trainer().fit(examples.images(), examples.images(10), epochs=1)
    assert capsys.readouterr() == ("", "")


def test_a_terminal_sees_the_bar_and_a_line_for_each_epoch(capsys, monkeypatch):
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    show(128)
    out, err = capsys.readouterr()
    assert out == ""
    assert "epoch 3: 100%" in err
    assert "128/128 [" in err
    assert "images/s" in err
    assert "loss=0.5000" in err
    assert describe(EPOCH) in err


def test_a_terminal_that_wants_quiet(capsys, monkeypatch):
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    show(128, shown=False)
    assert capsys.readouterr() == ("", "")


def test_an_epoch_in_one_line():
    assert describe(EPOCH) == (
        "epoch 3: loss 0.1235, accuracy 90.00%; validation loss 0.2000, accuracy 85.00%; 2.0 s, 30,000 images/s"
    )
    without = EpochRecord(1, 0.5, 0.5, None, None, 0.1, 1.0, 10.0)
    assert describe(without) == "epoch 1: loss 0.5000, accuracy 50.00%; 1.0 s, 10 images/s"
