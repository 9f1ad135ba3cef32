"""Faulty YAML, faulty overrides, and layers that do not fit."""

import time

import pytest

from tests.bad_input.commands import CONFIG, TRAIN, changed

MERGE_BOMB = "a0: &a0 {x: 1}\n" + "".join(f"a{k}: &a{k} {{<<: [*a{k - 1}, *a{k - 1}]}}\n" for k in range(1, 20))

CONFIGS: dict[str, tuple[str | bytes, tuple[str, ...]]] = {
    "syntax": (
        changed(("{epochs: 2", "[{epochs: 2")),
        ("x.yaml:11:1: not YAML: while parsing a flow sequence", "look at the brackets, colons and indentation"),
    ),
    "a tab": (changed(("  - relu", "\t- relu")), ("x.yaml:6:1: not YAML", "indent with spaces, not with tabs")),
    "an unknown key": (changed(("report", "reprot")), ("x.yaml:11:1: reprot: unknown key", "did you mean report?")),
    "an unknown option": (
        changed(("stride", "strid")),
        ("x.yaml:5:47: model layer 0 (conv2d): strid: unknown key 'strid'; did you mean stride?",),
    ),
    "a wrong type": (
        changed(("epochs: 2", "epochs: soon")),
        ('x.yaml:10:9: train.epochs: given "soon", expected a whole number at least 1',),
    ),
    "out of range": (
        changed(("batch_size: 32", "batch_size: 0")),
        ("x.yaml:10:20: train.batch_size: given 0, expected a whole number at least 1",),
    ),
    "too large to count": (
        changed(("stride: 2", f"stride: {10**20}")),
        ("x.yaml:5:47: model layer 0 (conv2d): stride: given 1000", "expected a whole number at least 1 and at most"),
    ),
    "not a number": (changed(("lr: 0.01", "lr: .nan")), ("x.yaml:9:25: optimizer.lr: given NaN, expected a number",)),
    "a key twice": (
        CONFIG + "name: again\n",
        ("x.yaml:12:1: the key 'name' stands here a second time (first at line 1); keep one of the two",),
    ),
    "an anchor": (changed(("small", "&a small")), ("x.yaml:1:7: the anchor '&a' is not read; remove it",)),
    "an alias": (changed(("small", "*a")), ("x.yaml:1:7: the alias '*a' repeats another part; write that part out",)),
    "a tag": (changed(("small", "!!python/name:os.system x")), ("x.yaml:1:7: the tag", "is not read; remove it")),
    "half a document more": (CONFIG + "---\na: 1\n", ("x.yaml:12:1: a second document begins here", "remove the line")),
    "too deep": ("name: " + "[" * 100_000, ("x.yaml:1:31: nested more than 24 deep; write it flatter",)),
    "too long": (CONFIG + "#" * 10**7, ("x.yaml:1:1: ", "are more than the 131072 that a configuration may have")),
    "not UTF-8": (b"device: cpu\nname: caf\xe9\n", ("x.yaml:2:1: not text in UTF-8 (byte 0xe9); save the file as",)),
    "UTF-16": (CONFIG.encode("utf-16"), ("x.yaml:1:1: not text in UTF-8 (byte 0xff); save the file as UTF-8",)),
    "a control character": (changed(("small", "\0")), ("x.yaml:1:1: the character U+0000 may not stand in YAML",)),
    "a path no system has": (
        changed(("name: digits", 'name: csv, train: "a\\0b"')),
        ("x.yaml:3:26: an escape \\0 stands for no character", "remove it"),
    ),
    "empty": ("", ("x.yaml:1:1: found nothing, expected a mapping", "`gpucnn config show lenet` prints a whole one")),
    "no mapping": ("- a\n- b\n", ("x.yaml:1:1: found a single value or a list, expected a mapping",)),
    "an unknown layer": (changed(("conv2d", "conv2")), ("x.yaml:5:5: model layer 0 (conv2)", "did you mean conv2d")),
    "an unknown optimizer": (changed(("adam", "adma")), ('x.yaml:9:1: optimizer: unknown name "adma"; did you mean',)),
    "an unknown data set": (changed(("digits", "digit")), ('x.yaml:3:1: data: unknown name "digit"; did you mean',)),
    "a softmax before cross-entropy": (
        changed(("10}\n", "10}\n  - softmax\n")),
        ("x.yaml:9:5: model layer 4 (softmax): cross_entropy takes logits", "remove this layer"),
    ),
    "no layers": (
        CONFIG.partition("model:")[0] + "model: []\noptimizer: {name: sgd, lr: 1}\n",
        ("x.yaml:4:1: model: given [], expected a list",),
    ),
    "a kernel larger than the image": (
        changed(("kernel_size: 5", "kernel_size: 29")),
        ("x.yaml:5:5: model layer 0 (conv2d): the window does not fit", "Give a smaller kernel_size or more padding"),
    ),
    "a linear layer without flatten": (
        changed(("  - flatten\n", "")),
        ("x.yaml:7:5: model layer 2 (linear): expected an input of one axis", "Put a flatten layer before it"),
    ),
    "a wrong number of outputs": (
        changed(("out_features: 10", "out_features: 9")),
        ("x.yaml:8:5: model layer 3 (linear): the network has 9 outputs, expected 10", "have out_features: 10"),
    ),
    "groups that do not divide": (
        changed(("stride: 2", "groups: 3")),
        ("x.yaml:5:5: model layer 0 (conv2d): groups is 3, which does not divide the 1 channels",),
    ),
    "a residual block that changes the shape": (
        changed(("- relu", "- residual: [{conv2d: {out_channels: 4, kernel_size: 3}}]")),
        ("x.yaml:6:5: model layer 1 (residual): its layers turn", "Keep channels and sizes, as with padding"),
    ),
    "no images left to train on": (
        changed(("validation: 40", "validation: 200")),
        ("validation is 200, which is 200 of 200 images: at least one must be taken and one be left",),
    ),
    "a class that is not there": (
        changed(("limit: 200", "classes: [1, 12]"), ("out_features: 10", "out_features: 2")),
        ("There is no class 12; the classes are 0, 1, 2",),
    ),
    "a run to begin with that is not there": (
        changed(("epochs: 2", "init_from: nowhere")),
        ("train.init_from: no run at nowhere: it does not exist; expected a folder that `gpucnn train` made",),
    ),
}


@pytest.mark.parametrize("kind", CONFIGS)
def test_a_configuration(kind: str, folder, refused) -> None:
    text, words = CONFIGS[kind]
    (folder / "x.yaml").write_bytes(text if isinstance(text, bytes) else text.encode())
    refused(TRAIN, *words)


def test_a_chain_of_merge_keys(folder, refused) -> None:
    """Read as YAML 1.1 says, its 700 bytes are two to the nineteenth mappings."""
    (folder / "x.yaml").write_text(MERGE_BOMB + CONFIG)
    begin = time.process_time()
    refused(TRAIN, "x.yaml:2:10: the merge key '<<' is not read; write the options out here", lines=51)
    assert time.process_time() - begin < 5


def test_several_faults_at_once_each_with_its_place(folder, refused) -> None:
    faults = [("device", "devcie"), ("kernel_size: 5", "kernel_size: 55"), ("lr: 0.01", "lr: -1"), ("2, b", "x, b")]
    (folder / "x.yaml").write_text(changed(*faults))
    refused(
        TRAIN + " seed=x",
        "override 'seed=x': seed: given \"x\", expected a whole number",
        "x.yaml:2:1: devcie: unknown key 'devcie'; did you mean device?",
        "x.yaml:5:5: model layer 0 (conv2d): the window does not fit",
        "x.yaml:9:25: optimizer.lr: given -1, expected a number above 0",
        'x.yaml:10:9: train.epochs: given "x", expected a whole number',
        lines=5,
    )


@pytest.mark.parametrize(
    ("command", "words"),
    [
        ("train nothing.yaml", "CONFIG 'nothing.yaml' is neither a file nor a shipped configuration; known are"),
        ("train lenett", "CONFIG 'lenett' is neither a file nor a shipped configuration; did you mean lenet"),
        ("train .", "CONFIG '.' is a folder; known are "),
        ("train /dev/zero", "/dev/zero:1:1: 524289 characters are more than the 131072"),
        (f"{TRAIN} optimizer.rate=1", "override 'optimizer.rate=1': optimizer.rate: unknown key 'rate' for optimizer"),
        (f"{TRAIN} optimizer.lr=fast", "override 'optimizer.lr=fast': optimizer.lr: given \"fast\", expected a number"),
        (f"{TRAIN} optimizer.lr", "override 'optimizer.lr': expected key.path=value, for example optimizer.lr=0.01"),
        (f"{TRAIN} 'optimizer.lr=['", "override 'optimizer.lr=[': the value: not YAML"),
        (f"{TRAIN} model.9.relu=null", "override 'model.9.relu=null': model has the entries 0 to 3; given '9'"),
        (f"{TRAIN} name.first=a", "override 'name.first=a': name is 'small'; it has no options below it"),
    ],
)
def test_what_to_train_and_overrides(command: str, words: str, refused) -> None:
    refused(command, words)
