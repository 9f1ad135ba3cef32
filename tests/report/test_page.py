"""The page as text: one file by itself, whatever names its classes have; what is told when there is much."""

import base64
import html.parser
import json
import time
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from gpucnn import Tensor, manual_seed, nn, no_grad
from gpucnn.data import Dataset, Normalizer
from gpucnn.data.pipeline import as_probabilities
from gpucnn.errors import InputError
from gpucnn.explain import reliability
from gpucnn.explain.maps import grad_cams
from gpucnn.explain.space import hidden_values, principal
from gpucnn.explain.units import ascended
from gpucnn.geometry import ReceptiveField
from gpucnn.report import Subject, page, write_comparison, write_report
from gpucnn.report.facts import report_facts
from gpucnn.report.inside import first_of_classes, maps_inside
from gpucnn.report.likes import patch
from gpucnn.report.pixels import Viewer
from gpucnn.report.predictions import EXAMPLE_BYTES, OTHERS, Predictions, examples, merged
from gpucnn.runs.folder import RunFolder
from gpucnn.training import predict
from tests.report.runs import write_lines, write_run

CONFIG = {"name": "by hand", "dtype": "float32", "data": {"name": "digits"}, "train": {"epochs": 3}}


def subject(path, names=("cat", "dog"), shape=(1, 8, 8), count=30, channels=4, **other: Any) -> Subject:
    """A run written by hand, with a network over random images."""
    if not path.exists():
        write_run(path)
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (count, *shape), dtype=np.uint8)
    test = Dataset(images, np.arange(count) % len(names), names)
    manual_seed(0)
    features = channels * (shape[1] - 2) * (shape[2] - 2)
    net = nn.Sequential(nn.Conv2d(shape[0], channels, 3), nn.ReLU(), nn.Flatten(), nn.Linear(features, len(names)))
    told: dict[str, Any] = {
        "config": CONFIG, "net": net.eval(), "normalizer": Normalizer.fit("unit", test), "image_shape": shape,
        "class_names": names, "dataset": "digits", "test": test,
    }  # fmt: skip
    return Subject(RunFolder.open(path), **(told | other))


class Elements(html.parser.HTMLParser):
    """Every element, and the text in each script and style."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag, attributes) -> None:
        self.found.append((tag, dict(attributes)))

    def handle_data(self, data) -> None:
        self.texts.append(data)


@pytest.mark.parametrize(
    "name", ["</script><script>alert(1)</script>", "<!--<script>", "]]>&amp;\u2028 \\u003c", "@@facts@@"]
)
def test_a_page_has_one_style_one_script_and_its_data_whatever_names_say(name, tmp_path) -> None:
    written = write_report(subject(tmp_path / "run", names=(name, "dog"), config=CONFIG | {"name": name}))
    text = written.read_text(encoding="utf-8")
    elements = Elements(text)
    tags = [tag for tag, _ in elements.found]
    assert tags.count("style") == 1 and tags.count("script") == 2
    assert [attributes.get("type") for tag, attributes in elements.found if tag == "script"] == [
        "application/json",
        None,
    ]
    told = json.loads(next(data for data in elements.texts if data.startswith('{"title"')))
    assert told["names"] == [name, "dog"] and told["title"] == f"{name}, run"
    outside = [value for _, attributes in elements.found for value in attributes.values() if value and "//" in value]
    assert outside == []  # nothing is fetched from anywhere


def test_a_report_is_a_page_and_four_pictures_whole_or_absent(tmp_path, monkeypatch) -> None:
    before = {path.name for path in write_run(tmp_path / "run").iterdir()}
    about = subject(tmp_path / "run")
    with monkeypatch.context() as patched:
        patched.setattr("gpucnn.files.os.fsync", lambda *_: (_ for _ in ()).throw(OSError(28, "full")))
        with pytest.raises(OSError, match="full"):
            write_report(about)
    assert {path.name for path in (tmp_path / "run").iterdir()} == before
    assert write_report(about) == tmp_path / "run/report.html"
    pictures = {"curves.png", "confusion.png", "kernels.png", "feature_maps.png"}
    assert {path.name for path in (tmp_path / "run").iterdir()} == before | pictures | {"report.html"}


def test_a_hundred_epochs_of_938_steps_are_told_in_seconds_and_in_few_bytes(tmp_path) -> None:
    run = write_run(tmp_path / "run")
    record = json.loads((run / "metrics.jsonl").read_text().splitlines()[0])
    write_lines(run / "metrics.jsonl", [json.dumps(record | {"epoch": epoch}) for epoch in range(1, 101)])
    values = np.random.default_rng(0).random(100 * 938).tolist()
    lines = [f"train,{i // 938 + 1},{i % 938 + 1},64,{value!r},{value!r}" for i, value in enumerate(values)]
    write_lines(run / "batches.csv", ["split,epoch,step,images,loss,accuracy", *lines])
    begin = time.process_time()  # others may compute meanwhile
    written = write_report(subject(run, shape=(1, 28, 28), count=200))
    assert time.process_time() - begin < 10
    assert written.stat().st_size < 5_000_000
    curve = report_facts(subject(run))["runs"][0]["batches"]["train"]
    assert curve["size"] == 157 and len(curve["x"]) == 598 and curve["x"][-1] == pytest.approx(100, abs=0.1)
    assert curve["loss"]["mean"][0] == pytest.approx(np.mean(values[:157]), rel=1e-4)
    assert curve["loss"]["low"][1] == pytest.approx(min(values[157:314]), rel=1e-4)
    assert curve["loss"]["high"][-1] == pytest.approx(max(values[597 * 157 :]), rel=1e-4)


def test_large_images_and_many_channels_stay_within_their_bytes(tmp_path) -> None:
    wide = subject(tmp_path / "run", names=tuple("abcdefghijkl"), shape=(3, 96, 96), count=24, channels=512)
    assert write_report(wide).stat().st_size < 5_000_000
    facts = report_facts(wide)
    assert len(facts["maps"]["images"]) == 6 and facts["maps"]["layers"][0]["shown"] == 16
    assert facts["maps"]["layers"][0]["maps"] == 512 and facts["kernels"]["layers"][0]["shown"] == [32, 3]


def test_images_too_large_for_a_page_are_left_out_and_the_reader_is_told(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr("gpucnn.report.inside.MAP_BYTES", 63)
    facts = report_facts(subject(tmp_path / "run"))
    assert "maps" not in facts and facts["notes"][-1].startswith("The images are too large for a page")


@pytest.mark.parametrize(
    ("shape", "small"),
    [
        ((1, 48, 30), (1, 1, 48, 30)),
        ((3, 100, 30), (3, 1, 33, 10)),
        ((1, 40, 20, 33), (1, 13, 7, 11)),
        ((60, 2000), (1, 1, 30, 182)),
        ((2, 30), (1, 1, 2, 30)),
    ],
)
def test_small_pictures_of_every_kind_are_small(shape, small) -> None:
    viewer = Viewer(Dataset(np.zeros((2, *shape), np.uint8), np.zeros(2, np.int64), ("one",)))
    assert viewer.thumbnail_shape() == small
    assert 24 * np.prod(small) < EXAMPLE_BYTES


def test_without_test_images_there_are_the_figures_of_the_result(tmp_path) -> None:
    about = subject(tmp_path / "run", test=None)
    (about.folder.path / "feature_maps.png").unlink(missing_ok=True)
    facts = report_facts(about)
    assert facts["confusion"]["matrix"] == [[8, 2], [0, 5]] and "examples" not in facts and "maps" not in facts
    assert facts["notes"] == ["The test images were unavailable, so none are shown."]
    write_report(about)
    assert not (about.folder.path / "feature_maps.png").exists()


def test_a_reader_is_told_of_a_fallback_an_early_stop_and_an_unfinished_run(tmp_path) -> None:
    run = write_run(tmp_path / "run")
    config = CONFIG | {"data": {"name": "mnist"}, "train": {"epochs": 9}}
    assert report_facts(subject(run, config=config))["notes"] == [
        "Trained on digits, because mnist was unavailable (data.fallback).",
        "Early stopping ended the training after 3 of 9 epochs (train.early_stop).",
    ]
    (run / "result.json").unlink()
    facts = report_facts(subject(run, config=CONFIG | {"train": {"epochs": 9}}))
    assert facts["notes"][0].startswith("Not finished: 3 of 9 epochs are done.")
    assert facts["headline"][0][:2] == ["test accuracy", "none"] and np.sum(facts["confusion"]["matrix"]) == 30
    write_lines(run / "metrics.jsonl", [])
    with pytest.raises(InputError, match="has no whole epoch yet"):
        write_report(subject(run))
    assert not (run / "report.html").exists()


def test_a_network_that_gives_no_numbers_is_told(tmp_path) -> None:
    about = subject(tmp_path / "run")
    about.net[3].bias.data[0] = np.nan
    with pytest.raises(InputError, match="outputs are not finite"):
        write_report(about)


def test_of_many_classes_the_most_mistaken_keep_their_rows() -> None:
    rng = np.random.default_rng(0)
    confusion = np.diag(rng.integers(1, 9, 100))
    confusion[7, 80] = 5
    matrix, names = merged(confusion, [f"class {i}" for i in range(100)])
    assert np.shape(matrix) == (40, 40) and np.sum(matrix) == confusion.sum() and names[-1] == OTHERS
    assert matrix[names.index("class 7")][names.index("class 80")] == 5


def test_examples_are_the_surest_of_their_cell_and_have_room(tmp_path) -> None:
    about = subject(tmp_path / "run", shape=(1, 40, 60), count=400)
    probabilities = np.random.default_rng(1).dirichlet((1, 1), 400)
    predictions = Predictions(about.test.labels, probabilities)
    told = examples(predictions, Viewer(about.test))
    assert told["pictures"]["shape"] == [1, 1, 20, 30]  # every second pixel
    for cell, places in told["cells"].items():
        row, column = map(int, cell.split(","))
        inside = np.flatnonzero((predictions.labels == row) & (predictions.predicted == column))
        surest = inside[np.argsort(-probabilities[inside].max(axis=1), kind="stable")][:8]
        assert [told["images"][place][0] for place in places] == surest.tolist()
    sure = [told["images"][place][4] for place in told["mistakes"]]
    assert len(sure) == 24 and sure == sorted(sure, reverse=True)


def test_maps_are_of_the_first_image_of_each_class(tmp_path) -> None:
    assert first_of_classes(np.array([2, 2, 0, 1, 0])).tolist() == [2, 3, 0]
    assert len(first_of_classes(np.arange(1000))) == 10
    about = subject(tmp_path / "run")
    predictions = Predictions(about.test.labels, np.full((30, 2), 0.5))
    told = maps_inside(about, about.test, predictions, Viewer(about.test))
    assert [(image["number"], image["true"]) for image in told["images"]] == [(0, 0), (1, 1)]
    assert [(layer["maps"], layer["sizes"]) for layer in told["layers"]] == [
        (4, [6, 6]),
        (4, [6, 6]),
        (144, []),
        (2, []),
    ]


@pytest.mark.parametrize(
    ("shape", "dtype", "viewed", "note"),
    [
        ((1, 5, 6), "uint8", (1, 1, 5, 6), ""),
        ((3, 5, 6), "uint8", (3, 1, 5, 6), ""),
        ((2, 7), "float32", (1, 1, 2, 7), "Each row of a picture is a channel of the signal. Black is 0, white 13."),
        ((4, 5, 6), "uint8", (1, 1, 5, 6), "The first of 4 channels is shown."),
        ((1, 2, 3, 4), "uint8", (1, 2, 3, 4), ""),
    ],
)
def test_images_of_every_kind_are_viewable(shape, dtype, viewed, note) -> None:
    images = np.arange(np.prod(shape), dtype=dtype).reshape(1, *shape)
    viewer = Viewer(Dataset(images, np.zeros(1, np.int64), ("one",)))
    shown = viewer.view(np.array([0]))
    assert shown.shape == (1, *viewed) and shown.dtype == np.uint8 and viewer.note == note
    assert shown.max() == (255 if dtype == "float32" else shown.max())


def test_runs_are_compared_up_to_the_number_of_colours(tmp_path) -> None:
    subjects = [subject(tmp_path / f"run{i}") for i in range(9)]
    with pytest.raises(InputError, match="9 runs were given; there are 8 distinct colours"):
        write_comparison(subjects, [], tmp_path / "comparison.html")
    assert not (tmp_path / "comparison.html").exists()
    write_comparison(subjects[:2], [("train.epochs", ["3", "4"])], tmp_path / "comparison.html")
    texts = Elements((tmp_path / "comparison.html").read_text(encoding="utf-8")).texts
    told = json.loads(next(text for text in texts if text.startswith('{"title"')))
    assert told["differences"] == [["train.epochs", "3", "4"]] and len(told["runs"]) == 2
    assert told["results"][0] == [
        "test accuracy",
        *["90.00 % (loss 0.3000, 95 % interval 62.12 % to 96.26 %)"] * 2,
    ]


def test_a_page_is_made_of_the_files_in_its_folder() -> None:
    assert page.render({"title": "t", "x": "<"}).count(b'{"title":"t","x":"\\u003c"}') == 1


def test_mistakes_are_explained_by_grad_cam_as_python_gives_it(tmp_path) -> None:
    about = subject(tmp_path / "run", shape=(1, 12, 10))
    facts = report_facts(about)
    numbers = [facts["examples"]["images"][place][0] for place in facts["examples"]["mistakes"]]
    said = np.array([facts["examples"]["images"][place][2] for place in facts["examples"]["mistakes"]])
    maps, layer = grad_cams(about.net, about.normalizer.apply(about.test.images[numbers]), said)
    told = np.frombuffer(base64.b64decode(facts["cams"]["bytes"]), np.uint8).reshape(len(numbers), 12, 10)
    assert facts["cams"]["layer"] == layer == "0" and len(numbers) > 3
    largest = maps.max(axis=(1, 2), keepdims=True)
    np.testing.assert_allclose(told, 255 * maps / np.where(largest > 0, largest, 1), atol=0.51)
    assert (largest > 0).any()


def test_a_network_without_convolutions_has_no_grad_cam_in_its_report(tmp_path) -> None:
    net = nn.Sequential(nn.Flatten(), nn.Linear(64, 2)).eval()
    facts = report_facts(subject(tmp_path / "run", net=net))
    assert facts["cams"] is None and facts["examples"]["mistakes"]


def test_belief_is_measured_with_the_runs_temperature(tmp_path) -> None:
    about = subject(tmp_path / "run")
    plain, facts = report_facts(about)["belief"], report_facts(replace(about, temperature=3.0))
    kept, without = facts["belief"]["curves"]
    assert plain["curves"] == [without | {"name": "test images"}] and plain["temperature"] == 1
    with no_grad():
        logits = about.net(Tensor(about.normalizer.apply(about.test.images))).numpy()
    probabilities = as_probabilities(logits / 3, "logits")
    measured = reliability(about.test.labels, probabilities)
    assert kept["error"] == pytest.approx(measured.error, rel=1e-3)
    assert kept["images"] == measured.images[measured.images > 0].tolist()
    surest = facts["examples"]["images"][facts["examples"]["mistakes"][0]]
    assert surest[4] == pytest.approx(probabilities[surest[0]].max(), rel=1e-3)
    assert facts["belief"]["coverage"]["accuracy"][-1] == pytest.approx(
        (probabilities.argmax(axis=1) == about.test.labels).mean(), rel=1e-3
    )


@pytest.fixture
def with_training_images(tmp_path) -> Subject:
    """Three classes, of which one has no training images; a test image that is among them, another that nearly is."""
    names = ("cat", "dog", "eel")
    about = subject(tmp_path / "run", names=names)
    images = np.random.default_rng(1).integers(0, 256, (50, 1, 8, 8), dtype=np.uint8)
    images[3], images[4] = about.test.images[7], about.test.images[8]
    return replace(about, train=Dataset(images, np.arange(50) // 30, names))


def test_the_data_are_told(with_training_images) -> None:
    about = with_training_images
    told = report_facts(about)["data"]
    assert told["classes"]["rows"] == [[0, 30, 10], [1, 20, 10]] and told["classes"]["of"] == 3
    means = np.frombuffer(base64.b64decode(told["classes"]["pictures"]["bytes"]), np.uint8).reshape(2, 8, 8)
    train = about.train
    np.testing.assert_allclose(means, [train.images[train.labels == k].mean(axis=(0, 1)) for k in (0, 1)], atol=0.51)
    predicted = predict(about.net, train.images).argmax(axis=1)
    wrong = [row[0] for row in told["suspects"]["images"]]
    assert set(wrong) <= set(np.flatnonzero(predicted != train.labels)) and told["suspects"]["read"] == 50
    shares = [row[3] for row in told["suspects"]["images"]]
    assert shares == sorted(shares) and len(wrong) == min(24, (predicted != train.labels).sum())
    twins = told["twins"]
    assert [pair[:2] for pair in sorted(twins["pairs"])] == [[7, 3], [8, 4]] and twins["count"] == 2
    assert twins["otherwise_labelled"] == (about.test.labels[[7, 8]] != train.labels[[3, 4]]).sum()
    right = predict(about.net, about.test.images).argmax(axis=1) == about.test.labels
    assert twins["without"] == pytest.approx(np.delete(right, [7, 8]).mean(), rel=1e-3)


def test_of_much_data_some_is_looked_at_or_none(with_training_images, monkeypatch) -> None:
    monkeypatch.setattr("gpucnn.report.dataset.MOST_WORK", 10 * with_training_images.net.multiply_adds((1, 8, 8)))
    suspects = report_facts(with_training_images)["data"]["suspects"]
    assert suspects["read"] == 10 and {row[0] % 5 for row in suspects["images"]} == {0}
    monkeypatch.setattr("gpucnn.report.dataset.MOST_PIXELS", 80 * 64 - 1)
    assert report_facts(with_training_images)["data"] is None


def test_of_many_classes_some_are_shown_from_the_rarest_to_the_commonest(tmp_path, rng) -> None:
    names = tuple(map(str, range(90)))
    labels = np.repeat(np.arange(90), 1 + np.arange(90) % 7)
    train = Dataset(rng.integers(0, 256, (len(labels), 1, 8, 8), dtype=np.uint8), labels, names)
    about = subject(tmp_path / "run", names=names, train=train)
    rows = report_facts(about)["data"]["classes"]["rows"]
    counts = [row[1] for row in rows]
    assert len(rows) == 40 and {1, 7} <= set(counts) and [row[0] for row in rows] == sorted(row[0] for row in rows)


def test_points_are_the_hidden_values_principal_components(tmp_path, monkeypatch) -> None:
    about = subject(tmp_path / "run")
    told = report_facts(about)["space"]
    assert told["layer"] == "3" and [row[0] for row in told["images"]] == list(range(30))
    points, shares = principal(hidden_values(about.net, about.normalizer.apply(about.test.images)))
    points = points - points.min(axis=0)
    np.testing.assert_allclose(np.stack([told["x"], told["y"]], axis=1), points / points.max(), atol=1e-3)
    np.testing.assert_allclose(told["shares"], shares, rtol=1e-3)
    monkeypatch.setattr("gpucnn.report.scatter.MOST_POINTS", 12)
    few = report_facts(about)["space"]["images"]
    wrong = [row for row in told["images"] if row[1] != row[2]]
    surest = sorted(wrong, key=lambda row: -row[4])[:4]
    assert len(few) == 12 and [row[0] for row in few if row[1] != row[2]] == sorted(row[0] for row in surest)
    without = nn.Sequential(nn.AvgPool2d((8, 4)), nn.Flatten()).eval()
    assert report_facts(subject(tmp_path / "run", net=without))["space"] is None


def test_channels_are_shown_with_the_patches_that_excite_them_most(tmp_path, monkeypatch) -> None:
    about = subject(tmp_path / "run")
    (told,) = report_facts(about)["likes"]["layers"]
    assert told["name"] == "0" and told["of"] == 4 and told["patches"]["shape"] == [1, 1, 3, 3]
    weight, bias = about.net[0].weight.numpy()[:, 0], about.net[0].bias.numpy()
    patches = np.frombuffer(base64.b64decode(told["patches"]["bytes"]), np.uint8).reshape(4, 6, 3, 3)
    values = (patches / 255 * weight[:, None]).sum(axis=(2, 3)) + bias[:, None]
    np.testing.assert_allclose(values, told["values"], rtol=2e-3, atol=1e-3)
    with no_grad():
        maps = about.net[0](Tensor(about.normalizer.apply(about.test.images))).numpy()
    np.testing.assert_allclose(np.sort(maps.max(axis=(2, 3)), axis=0)[:-7:-1].T, values, rtol=1e-4, atol=1e-5)
    assert told["images"] == np.argsort(-maps.max(axis=(2, 3)), axis=0)[:6].T.tolist()
    made = np.frombuffer(base64.b64decode(told["made"]["bytes"]), np.uint8).reshape(4, 3, 3)
    pictures = ascended(about.net, about.normalizer, (1, 8, 8), "0", (0.0, 255.0))
    np.testing.assert_array_equal(made, pictures[:, 0, 3:6, 3:6].round())  # unit (3, 3) of 6 x 6 sees these
    monkeypatch.setattr("gpucnn.report.likes.MOST_WORK", 1)
    assert report_facts(about)["likes"]["layers"][0]["made"] is None
    monkeypatch.setattr("gpucnn.report.likes.BYTES", 7 * 9 * 3)
    assert len(report_facts(about)["likes"]["layers"][0]["images"]) == 3
    monkeypatch.setattr("gpucnn.report.likes.BYTES", 1)
    assert report_facts(about)["likes"] is None


def test_a_patch_is_what_its_unit_sees_and_black_beyond_the_border() -> None:
    images = np.arange(1, 49, dtype=np.uint8).reshape(1, 1, 6, 8)
    viewer, field = Viewer(Dataset(images, np.zeros(1, np.int64), ("one",))), ReceptiveField((3, 3), (2, 2), (-1, -1))
    padded = np.pad(images[0, 0], 1)
    for unit in ((0, 0), (1, 2), (2, 3)):
        expected = padded[2 * unit[0] : 2 * unit[0] + 3, 2 * unit[1] : 2 * unit[1] + 3]
        np.testing.assert_array_equal(patch(viewer, 0, np.array(unit), field)[0, 0], expected)
    np.testing.assert_array_equal(
        patch(viewer, 0, np.array([0, 0]), ReceptiveField((9, 8), (1, 1), (-3, 0)))[0, 0], images[0, 0]
    )
