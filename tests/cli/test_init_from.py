"""Fine-tuning from the command line: a run, a file or an address, as far as the weights fit."""

import hashlib
import re
from pathlib import Path

import numpy as np
import pytest
import safetensors.numpy

from gpucnn.cli import main
from gpucnn.data import download
from tests.data.server import Mirror, give, give_without_end

HALF = ["data.classes=[5,6,7,8,9]", "model.3.linear.out_features=5", "train.epochs=1"]


def weights(path: Path) -> dict[str, np.ndarray]:
    return safetensors.numpy.load_file(path / "model.safetensors")


def test_other_classes_take_all_but_the_last_layer_and_say_so(config, run, capsys) -> None:
    command = ["train", config, f"train.init_from={run}", *HALF, "--run-dir", "here"]
    assert main([*command, "optimizer.lr=1e-30", "optimizer.name=sgd"]) == 0
    printed = capsys.readouterr().out
    assert f"weights of {run} (train.init_from)\n  taken: 0.weight, 0.bias\n" in printed
    assert "  drawn anew: 3.weight (5, 576), 3.bias (5,)\n" in printed
    assert "  left there: 3.bias (10,), 3.weight (10, 576)\n" in printed
    old, new = weights(run), weights(Path("here"))
    assert np.array_equal(old["0.weight"], new["0.weight"]) and new["3.weight"].shape == (5, 576)


def test_as_many_other_classes_have_a_new_last_layer_too(config, run, capsys) -> None:
    """Of a run, whose classes are known; of the same weights in a file it is taken."""
    low = ["data.classes=[4,3,2,1,0]", "model.3.linear.out_features=5", "train.epochs=1"]
    assert main(["train", config, *HALF, "--run-dir", "high", "--quiet"]) == 0
    for named, taken in {
        "high": "0.weight, 0.bias",
        "high/model.safetensors": "0.weight, 0.bias, 3.weight, 3.bias",
    }.items():
        capsys.readouterr()
        assert main(["train", config, f"train.init_from={named}", *low, "--run-dir", f"low-{len(taken)}"]) == 0
        assert f"  taken: {taken}\n" in capsys.readouterr().out


def test_a_grown_network(config, run, capsys) -> None:
    text = Path(config).read_text().replace("  - relu\n", "  - batch_norm2d\n  - relu\n", 1)
    Path("grown.yaml").write_text(text)
    assert main(["train", "grown.yaml", f"train.init_from={run}", "--run-dir", "here"]) == 0
    printed = capsys.readouterr().out
    assert "taken: 0.weight, 0.bias, 3.weight as 4.weight, 3.bias as 4.bias\n" in printed
    assert "drawn anew: 1.weight (4,), 1.bias (4,), 1.running_mean (4,)" in printed
    assert main(["train", "here/config.yaml", "--resume", "here", "train.epochs=3", "--quiet"]) == 0


def test_a_file_of_weights(config, run, capsys) -> None:
    assert main(["train", config, f"train.init_from={run}/model.safetensors", *HALF, "--run-dir", "here"]) == 0
    assert "taken: 0.weight, 0.bias\n" in capsys.readouterr().out


@pytest.fixture
def served(run, monkeypatch, tmp_path):
    """Serves a run's weights in several ways, and their checksum."""
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("GPUCNN_DATA_DIR", str(tmp_path / "kept"))
    content = (run / "model.safetensors").read_bytes()
    answers = {
        "model.safetensors": give(content),
        "cut.safetensors": give(content[:1000], len(content)),
        "short.safetensors": give(content[:1000]),
        "other.safetensors": give(content[::-1]),
        "endless.safetensors": give_without_end,
    }
    mirror = Mirror(answers)
    yield mirror, hashlib.sha256(content).hexdigest()
    mirror.close()


def test_an_address_is_downloaded_once_and_then_needs_no_network(config, run, served, capsys) -> None:
    mirror, checksum = served
    command = ["train", config, f"train.init_from={mirror.url}model.safetensors#sha256={checksum}", *HALF]
    assert main([*command, "--run-dir", "one"]) == 0
    assert "taken: 0.weight, 0.bias\n" in capsys.readouterr().out
    mirror.close()
    assert main([*command, "--run-dir", "two", "--quiet"]) == 0
    assert mirror.asked == ["model.safetensors"]
    assert all(np.array_equal(array, weights(Path("two"))[name]) for name, array in weights(Path("one")).items())


WRONG = {
    "cut": "IncompleteRead|1000 bytes read",
    "short": r"other bytes than the published file \(SHA-256 differs\)",
    "other": r"other bytes than the published file \(SHA-256 differs\)",
    "endless": "it sent more than 100,000 bytes",
    "missing": "404",
}


@pytest.mark.parametrize("kind", WRONG)
def test_what_is_not_the_file_is_refused_and_not_kept(config, served, fails, monkeypatch, tmp_path, kind) -> None:
    mirror, checksum = served
    monkeypatch.setattr(download, "MOST_BYTES", 100_000)
    address = f"{mirror.url}{kind}.safetensors"
    message = fails(2, "train", config, f"train.init_from={address}#sha256={checksum}", "--run-dir", "here")
    assert message.startswith("train.init_from: ") and f"{address}: " in message
    assert re.search(WRONG[kind], message)
    assert not Path("here").exists()
    assert not [path for path in (tmp_path / "kept").rglob("*") if path.is_file()]


@pytest.mark.parametrize("end", ["", "#sha256=12ab", "#md5=" + 64 * "0"])
def test_an_address_without_its_checksum_is_refused_with_its_place(config, fails, end) -> None:
    text = Path(config).read_text().replace("train: {epochs: 2", f"train: {{init_from: 'http://127.0.0.1:9/a.st{end}'")
    Path("bad.yaml").write_text(text)
    message = fails(2, "train", "bad.yaml")
    assert message.startswith("bad.yaml:") and "train.init_from: given http://127.0.0.1:9/a.st" in message
    assert "expected https://.../FILE#sha256= and the file's 64 hexadecimal digits" in message
