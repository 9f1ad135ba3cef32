"""A sweep's page in a browser: the ranking, curves over each other, and effects that can be pointed at."""

from gpucnn.sweep import write_page
from tests.sweep.test_ranking import make


def test_a_sweeps_page(open_file, tmp_path) -> None:
    figures = [0.1, 0.3, 0.7, 0.9]
    sweep = make(tmp_path, [[0, 0.1, x, x] for x in figures], "optimizer.lr=0.001,0.1", "kind=x,y", "seed=0..0")
    page = open_file(write_page(sweep))
    assert [link.inner_text() for link in page.locator("nav a").all()] == [
        "Ranking", "Curves", "Effect of each option", "All runs"
    ]  # fmt: skip
    assert page.locator("#ranking tbody tr").first.locator("td").all_inner_texts()[:4] == ["1", "0.1", "y", "90.00 %"]
    assert page.locator("#members tbody tr").count() == 4
    assert page.locator("#curve-0 svg[role=img] > path").count() == 4
    page.locator("#curve-0 svg[role=img]").press("End")
    assert (
        page.locator("#curve-0 .readout")
        .inner_text()
        .startswith("epoch 4: lr 0.1, kind y 90.0 %, lr 0.1, kind x 70.0 %")
    )
    effect = page.locator("#effect-0")
    assert "90.0 % of the differences" in effect.locator("h3").inner_text()
    assert effect.locator("svg[role=img] > circle").count() == 6  # four settings and two means
    effect.locator("svg[role=img]").press("End")
    assert effect.locator(".readout").inner_text() == "0.1: mean 80.0 % (70.0 % to 90.0 %)"
    page.get_by_label("logarithmic loss").check()
    assert page.locator("#curve-1 svg[role=img] > path").count() == 4
