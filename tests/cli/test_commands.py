"""eval, predict, summary, info, data and config."""

import json
from pathlib import Path

import numpy as np
import pytest
import yaml
from PIL import Image

import gpucnn
from gpucnn.cli import main
from gpucnn.runs import load


def test_summary_without_data_says_classes(capsys) -> None:
    assert main(["summary", "my_images"]) == 0
    *_, last, totals = capsys.readouterr().out.splitlines()
    assert last.split()[:4] == ["14", "linear", "classes", "65"] and "64 x classes" in last
    assert totals.startswith("23,761 parameters") and totals.endswith("for a single class")


# --- eval -------------------------------------------------------------------------------------------------------------


def test_eval_finds_what_training_found(run, capsys) -> None:
    result = json.loads((run / "result.json").read_text())
    assert main(["eval", str(run)]) == 0
    printed = capsys.readouterr().out
    assert f"accuracy {result['test_accuracy']:.2%}, loss {result['test_loss']:.4f}" in printed
    low, high = result["interval"]
    assert low < result["test_accuracy"] < high
    assert f"interval of the accuracy (95 %): {low:.2%} to {high:.2%}\n" in printed
    table = [line.split() for line in printed.splitlines() if line[:1].isdigit()]
    assert [row[0] for row in table] == list("0123456789")
    assert sum(int(row[4]) for row in table) == 360
    assert float(table[3][1]) == pytest.approx(result["classes"][3]["precision"], abs=5e-5)


def test_eval_on_another_data_set(run, capsys) -> None:
    assert main(["eval", str(run), "--data", "synthetic"]) == 0
    assert "on the 10,000 test images of synthetic" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["nowhere"], "no run at nowhere: it does not exist"),
        (["."], "no run at .: it holds no config.yaml"),
        (["RUN", "--data", "minst"], "There is no data set 'minst'"),
        (["RUN", "--data", "folder"], "--data folder: it needs options"),
    ],
)
def test_eval_of_what_is_not_there(arguments, words, run, fails) -> None:
    assert words in fails(2, "eval", *(str(run) if argument == "RUN" else argument for argument in arguments))


def test_eval_on_images_of_another_shape(run, fails, monkeypatch) -> None:
    from gpucnn.data import synthetic

    monkeypatch.setitem(gpucnn.data.SOURCES, "synthetic", lambda: synthetic.load(train=20, test=20, shape=(3, 32, 32)))
    message = fails(2, "eval", str(run), "--data", "synthetic")
    assert "the images of synthetic are 3 x 32 x 32, and the network was trained on 1 x 28 x 28" in message


def test_damaged_runs_are_told(run, fails) -> None:
    whole = (run / "model.safetensors").read_bytes()
    (run / "model.safetensors").write_bytes(whole[:-8])
    assert "model.safetensors is damaged, cut short" in fails(2, "eval", str(run))
    (run / "model.safetensors").write_bytes(whole)
    (run / "pipeline.json").write_text("{}")
    assert "pipeline.json: channels: Field required" in fails(2, "eval", str(run))
    (run / "pipeline.json").unlink()
    assert "environment.json is missing or damaged ('data'), and there is no pipeline.json" in fails(
        2, "eval", str(run)
    )
    (run / "config.yaml").write_text("name: [")
    assert "config.yaml:1:8: not YAML" in fails(2, "eval", str(run))


def test_weights_of_another_network_are_told(run, fails) -> None:
    config = yaml.safe_load((run / "config.yaml").read_text())
    config["model"][0]["conv2d"]["out_channels"] = 7
    (run / "config.yaml").write_text(yaml.safe_dump(config))
    assert "0.weight has shape (4, 1, 5, 5), expected (7, 1, 5, 5)" in fails(2, "eval", str(run))


def test_an_unfinished_run_is_evaluated_as_far_as_it_came(run) -> None:
    (run / "result.json").unlink()
    (run / "model.safetensors").unlink()
    assert main(["eval", str(run)]) == 0


# --- predict ----------------------------------------------------------------------------------------------------------


def test_predict_tells_the_three_likeliest_classes(run, digit, capsys) -> None:
    assert main(["predict", str(run), digit]) == 0
    (line,) = capsys.readouterr().out.splitlines()
    assert line.startswith(f"{digit}: 7 ") and line.count("%") == 3


def test_predict_as_json_has_all_classes(run, digit, capsys) -> None:
    assert main(["predict", str(run), digit, "--json", digit]) == 0
    first, second = json.loads(capsys.readouterr().out)
    assert first == second and (first["file"], first["class"]) == (digit, "7")
    shares = first["probabilities"]
    assert sorted(shares) == list("0123456789") and sum(shares.values()) == pytest.approx(1, abs=1e-5)
    assert list(shares.values()) == sorted(shares.values(), reverse=True) and shares["7"] == first["probability"]


def test_predict_can_exchange_black_and_white(run, digit, tmp_path, capsys) -> None:
    Image.fromarray(255 - np.asarray(Image.open(digit))).save(tmp_path / "inverted.png")
    assert main(["predict", str(run), digit, "--json"]) == 0
    expected = json.loads(capsys.readouterr().out)[0]["probabilities"]
    assert main(["predict", str(run), str(tmp_path / "inverted.png"), "--invert", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)[0]["probabilities"] == expected


@pytest.mark.parametrize("mode", ["1", "L", "P", "RGB", "RGBA", "LA", "I;16", "CMYK"])
def test_predict_reads_pictures_of_any_size_and_mode(mode, run, tmp_path, capsys) -> None:
    file = tmp_path / ("picture.jpg" if mode == "CMYK" else "picture.png")
    Image.new(mode, (40, 50)).save(file)
    assert main(["predict", str(run), str(file)]) == 0


@pytest.mark.parametrize(
    ("name", "words"),
    [("nothing.png", "nothing.png: No such file"), ("tiny.yaml", "tiny.yaml is not a picture; expected one of PNG")],
)
def test_predict_of_what_is_no_picture(name, words, run, config, fails) -> None:
    assert words in fails(2, "predict", str(run), name)


def test_load_gives_the_trained_network(run) -> None:
    net = load(run).net
    assert not net.training and list(net.state_dict()) == ["0.weight", "0.bias", "3.weight", "3.bias"]
    assert gpucnn.load(str(run)).classes == tuple("0123456789")


# --- summary ----------------------------------------------------------------------------------------------------------


def test_summary_of_lenet_by_hand(capsys) -> None:
    assert main(["summary", "lenet"]) == 0
    lines = capsys.readouterr().out.splitlines()
    rows = {line.split("  ")[0]: line for line in lines}
    assert rows["0 conv2d"].split()[2:] == ["6", "x", "28", "x", "28", "150", "117,600", "5", "x", "5", "18.4", "KiB"]
    assert "240,000" in rows["3 conv2d"] and "14 x 14" in rows["3 conv2d"]  # 5 + 1 (pool) + 4 · 2
    assert "48,120" in rows["7 linear"] and "48,000" in rows["7 linear"]
    # 28·28·6·25 + 10·10·16·150 + 400·120 + 120·84 + 84·10; 61,684 as DESIGN counts
    assert lines[-1].startswith("61,684 parameters (241.0 KiB), 416,520 multiply-adds and ")


def test_summary_of_a_run_needs_no_data(run, capsys) -> None:
    assert main(["summary", str(run)]) == 0
    assert "5,874 parameters" in capsys.readouterr().out  # 4 · 26 + 10 · 577


def test_summary_looks_into_residual_blocks(config, capsys) -> None:
    text = (
        Path(config)
        .read_text()
        .replace(
            "  - relu\n",
            "  - residual: [{conv2d: {out_channels: 4, kernel_size: 3, padding: same}}, relu]\n",
        )
    )
    Path("block.yaml").write_text(text)
    assert main(["summary", "block.yaml"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [" ".join(line.split()[:2]) for line in lines[2:6]] == ["0 conv2d", "1.0 conv2d", "1.1 relu", "1 residual"]
    assert "148" in lines[3] and "9 x 9" in lines[3] and "9 x 9" in lines[5]  # 4·4·9 + 4; 5 + 2 · 2


def test_summary_tells_the_layers_that_have_a_learning_rate_of_their_own(config, capsys) -> None:
    text = Path(config).read_text().replace("stride: 2}", "stride: 2, lr_scale: 0}")
    Path("frozen.yaml").write_text(text.replace("out_features: 10}", "out_features: 10, lr_scale: 0.015625}"))
    assert main(["summary", "frozen.yaml"]) == 0
    told = capsys.readouterr().out.splitlines()[-1]
    assert told == "lr_scale, which multiplies the learning rate: 0 for layer 0, 0.015625 for layer 3"
    assert main(["summary", config]) == 0
    assert "lr_scale" not in capsys.readouterr().out


# --- info, data, config -----------------------------------------------------------------------------------------------


def test_info_tells_what_there_is(capsys) -> None:
    assert main(["info"]) == 0
    printed = capsys.readouterr().out
    for word in (
        "gpucnn",
        "Python",
        "NumPy",
        "BLAS",
        "cores usable",
        "threads",
        "device",
        "GPU",
        "kernels on a CPU",
        "C kernels",
        "data folder",
        "memory for images",
        "decoded pictures",
    ):
        assert any(line.startswith(word) for line in printed.splitlines())


def test_info_never_fails(monkeypatch, capsys) -> None:
    monkeypatch.setattr("gpucnn.backend.why_no_gpu", lambda index=0: "there is no driver")
    monkeypatch.setenv("GPUCNN_DEVICE", "cuda")
    assert main(["info"]) == 0
    assert "device 'cuda' cannot be used: there is no driver" in capsys.readouterr().out


def test_data_list_tells_where_each_is(tmp_path, monkeypatch, capsys) -> None:
    monkeypatch.setenv("GPUCNN_DATA_DIR", str(tmp_path / "data"))
    assert main(["data", "list"]) == 0
    printed = capsys.readouterr().out
    rows = {line.split()[0]: line for line in printed.splitlines() if line}
    assert "not here yet" in rows["mnist"] and "comes with gpucnn" in rows["digits"] and "your own files" in rows["csv"]
    assert str(tmp_path / "data") in printed


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("digits", "data fetch digits: comes with gpucnn; nothing is fetched"),
        ("folder", "data fetch folder: your own files; nothing is fetched"),
        ("minst", "data fetch minst: did you mean mnist"),
    ],
)
def test_data_fetch_of_what_is_not_fetched(name, words, fails) -> None:
    assert words in fails(2, "data", "fetch", name)


def test_data_fetch_that_fails_tells_each_mirror(tmp_path, monkeypatch, fails) -> None:
    monkeypatch.setenv("GPUCNN_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setattr("gpucnn.data.mnist.MIRRORS", {"mnist": ("http://127.0.0.1:9/",)})
    message = fails(2, "data", "fetch", "mnist")
    assert "no mirror gave it" in message and "http://127.0.0.1:9/" in message


def test_config_show_prints_what_trains_the_same(config, capsys) -> None:
    assert main(["config", "show", config, "optimizer.lr=0.5"]) == 0
    shown = yaml.safe_load(capsys.readouterr().out)
    assert shown["optimizer"] == {"name": "adam", "lr": 0.5, "betas": [0.9, 0.999], "eps": 1e-08, "weight_decay": 0.0}


def test_config_show_needs_no_data(capsys) -> None:
    assert main(["config", "show", "my_images"]) == 0
    assert yaml.safe_load(capsys.readouterr().out)["data"]["path"] == "my_images"


def test_config_validate(config, capsys, fails) -> None:
    assert main(["config", "validate", config]) == 0
    assert "nothing is wrong with it" in capsys.readouterr().out
    Path(config).write_text(Path(config).read_text().replace("kernel_size: 5", "kernel_size: 0"))
    assert f"{config}:5:31: model layer 0 (conv2d): kernel_size: given 0" in fails(2, "config", "validate", config)


def test_config_validate_of_pictures_that_are_not_there(fails) -> None:
    assert "data: my_images is not a folder" in fails(2, "config", "validate", "my_images")


def test_config_schema_is_json(capsys) -> None:
    assert main(["config", "schema"]) == 0
    assert json.loads(capsys.readouterr().out)["properties"].keys() >= {"data", "model", "train"}


def test_a_folder_of_any_number_of_classes_trains_as_it_is_and_resumes(tmp_path, capsys) -> None:
    rng = np.random.default_rng(0)
    for name in ("dark", "grey", "light"):
        (tmp_path / "my_images" / name).mkdir(parents=True)
        for number in range(10):
            pixels = rng.integers(0, 256, (8, 8, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(tmp_path / "my_images" / name / f"{number}.png")
    command = ["train", "my_images", "--quiet", "device=cpu", "report=false", "data.size=8"]
    assert main([*command, "--run-dir", "run", "train.epochs=1"]) == 0
    kept = yaml.safe_load((tmp_path / "run" / "config.yaml").read_text())
    assert kept["model"][-1]["linear"]["out_features"] == 3
    assert main([*command, "--resume", "run", "train.epochs=2"]) == 0
    assert main(["train", "run/config.yaml", "--quiet", "--run-dir", "again"]) == 0
    assert (tmp_path / "again/model.safetensors").read_bytes() == (tmp_path / "run/model.safetensors").read_bytes()
    capsys.readouterr()
    assert main(["summary", "run"]) == 0
    assert "195" in capsys.readouterr().out.splitlines()[-2].split()  # 3 · (64 + 1)


def test_a_folder_of_pictures_from_training_to_prediction(tmp_path, capsys) -> None:
    rng = np.random.default_rng(0)
    for name, level in (("dark", 40), ("light", 200)):
        (tmp_path / "my_images" / name).mkdir(parents=True)
        for number in range(20):
            pixels = rng.integers(level - 30, level + 30, (20, 30, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(tmp_path / "my_images" / name / f"{number}.png")
    assert main(["train", "my_images", "--run-dir", "run", "--quiet", "train.epochs=3", "device=cpu"]) == 0
    capsys.readouterr()
    assert main(["predict", "run", "my_images/dark/0.png", "my_images/light/0.png", "--json"]) == 0
    assert [set(each["probabilities"]) for each in json.loads(capsys.readouterr().out)] == [{"dark", "light"}] * 2
