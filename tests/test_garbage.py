"""Garbage is looked for again after a block, as before it."""

import gc

import pytest

from gpucnn.garbage import uncollected


def test_garbage_is_looked_for_outside_the_block_alone() -> None:
    assert gc.isenabled()
    with pytest.raises(ValueError, match="inside"), uncollected():
        assert not gc.isenabled()
        with uncollected():
            assert not gc.isenabled()
        assert not gc.isenabled()  # the outer block still holds
        raise ValueError("inside")
    assert gc.isenabled()


def test_who_turned_it_off_finds_it_off() -> None:
    gc.disable()
    try:
        with uncollected():
            pass
        assert not gc.isenabled()
    finally:
        gc.enable()
