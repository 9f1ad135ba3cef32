"""Ctrl-C waits for the loop, once."""

import signal
import threading

import pytest

from gpucnn.training.interruption import Interruption


def press():
    signal.raise_signal(signal.SIGINT)


def test_the_first_press_is_taken_note_of_and_rises_at_the_end():
    steps = []
    with pytest.raises(KeyboardInterrupt), Interruption() as interruption:
        assert not interruption.requested
        press()
        assert interruption.requested
        steps.append("whole")
    assert steps == ["whole"]


def test_the_second_press_does_not_wait():
    with pytest.raises(KeyboardInterrupt), Interruption():
        press()
        press()
        pytest.fail("went on after a second Ctrl-C")


def test_afterwards_ctrl_c_is_as_before():
    with Interruption():
        pass
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_another_error_is_not_hidden():
    with pytest.raises(ZeroDivisionError), Interruption():
        press()
        raise ZeroDivisionError


def test_somebody_elses_handler_stays():
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with Interruption() as interruption:
            press()
            assert not interruption.requested
        assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGINT, before)


def test_in_another_thread_nothing_changes():
    errors = []

    def work():
        try:
            with Interruption():
                pass
        except Exception as error:
            errors.append(error)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert errors == []
