"""Processes that are about to do different work are refused, and the rank is named."""

from dataclasses import replace

import numpy as np
import pytest

from gpucnn.data import Dataset, Fingerprint
from gpucnn.errors import InputError
from gpucnn.parallel import ALONE
from gpucnn.runs.agreement import Work, check_agreement
from tests.parallel.threads import Threads, together


def fingerprint(pixel: int = 0) -> Fingerprint:
    images = np.full((4, 1, 2, 2), pixel, np.uint8)
    return Fingerprint.of("shapes", {"train": Dataset(images, np.arange(4) % 2, ("a", "b"))})


WORK = Work.of("seed: 0\n", fingerprint())
CHANGES = {
    "gpucnn 0.0.1": {"version": "0.0.1"},
    "computes on cuda": {"device": "cuda"},
    "the kernels c-none": {"kernels": "c-none"},
    "another configuration": {"config": "seed: 1\n"},
    "other pixels": {"data": fingerprint(1)},
}


@pytest.mark.parametrize("words", CHANGES)
def test_other_work_is_refused_in_every_process(words: str) -> None:
    def said(communicator: Threads) -> str:
        with pytest.raises(InputError) as error:
            check_agreement(communicator, replace(WORK, **CHANGES[words]) if communicator.rank == 2 else WORK)
        return str(error.value)

    first, *others = together(3, said)
    assert words in first and first.startswith("rank 2 of 3") and others == [first] * 2


def test_the_same_work_is_accepted() -> None:
    together(2, lambda communicator: check_agreement(communicator, WORK))
    check_agreement(ALONE, WORK)
