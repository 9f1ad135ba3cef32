"""The simulation of many processes: its limits, and its table."""

import pytest
from bench.together import FORMS, Wire, sections, simulated, simulated_step

STEP = {"step_ms": 40.0, "cpu_ms": 30.0, "sum_ms": 0.2, "small_sum_ms": 0.05, "bytes": 246736}
ROWS = {name: [STEP] for name in FORMS}


def test_a_network_that_costs_nothing_leaves_the_computing() -> None:
    assert simulated_step(64, 0.03, 1e6, Wire(1e30, 0.0, 0.0)) == pytest.approx(0.03)


def test_what_is_sent_behind_the_backward_pass_costs_time() -> None:
    wire = Wire(1e9, 0.0, 0.0)
    sent = 2 * 3 / 4 * 1e6 / 1e9  # four processes, a megabyte
    assert simulated_step(4, 1.0, 1e6, wire) == pytest.approx(1.0 + sent * 0.262144)  # only the last sum
    assert simulated_step(4, 1e-9, 1e6, wire) == pytest.approx(sent, rel=1e-4)  # all of it
    assert simulated_step(4, 1.0, 1e5, wire) == pytest.approx(1.0 + sent / 10)  # one sum alone: all of it, too
    assert simulated_step(4, 1.0, 1e5, Wire(1e30, 0.0, 0.01)) == pytest.approx(1.02)  # and that of a few numbers


def test_the_table_grows_with_the_processes_and_stops_where_shares_do() -> None:
    rows = [[cell.strip() for cell in line.strip("| ").split("|")] for line in simulated(ROWS).splitlines()[2:]]
    weak = [float(row[4]) for row in rows]
    assert weak == sorted(weak) and weak[-1] > 900
    assert rows[-1][0] == "1,024" and rows[-1][1] == "-" and rows[-3][1] != "-"


def test_what_was_not_measured_has_no_section() -> None:
    assert sections({}) == []
    assert "2 processes of 1 thread" in sections({"processes": ROWS})[0]
