import pytest

from gpucnn.config.overrides import apply_overrides
from gpucnn.config.yaml_reader import Document, read_yaml

TEXT = """\
train: {epochs: 10, clip_norm: 5.0}
model:
  - linear: {out_features: 5}
  - linear: {out_features: 10}
"""


def document() -> Document:
    return read_yaml(TEXT, "x.yaml")


@pytest.mark.parametrize(
    ("override", "expected"),
    [
        ("train.epochs=3", {"epochs": 3, "clip_norm": 5.0}),
        ("train.clip_norm=null", {"epochs": 10, "clip_norm": None}),
        ("train.clip_norm=1e-2", {"epochs": 10, "clip_norm": 0.01}),
        ("train.shuffle=false", {"epochs": 10, "clip_norm": 5.0, "shuffle": False}),
        ("train={epochs: 2}", {"epochs": 2}),
        *(
            (f"train.init_from={text}", {"epochs": 10, "clip_norm": 5.0, "init_from": text})
            for text in (
                "2024",
                "1e3",
                "007",
                "yes",
                "true",
                ".5",
                "{x",
                "[a]",
                "pics #2",
                "@x",
                "*x",
                "&x",
                "!x",
                "%x",
                "`x",
                "|x",
                ">x",
                "?x",
                "- x",
                "a: b",
                "~/x",
                "é",
            )
        ),
        ("train.init_from= '1' ", {"epochs": 10, "clip_norm": 5.0, "init_from": "1"}),
        ("train.init_from=", {"epochs": 10, "clip_norm": 5.0, "init_from": None}),
        ("train=epochs: 2\nclip_norm: 1", {"epochs": 2, "clip_norm": 1}),
        ("train.init_from=a=b", {"epochs": 10, "clip_norm": 5.0, "init_from": "a=b"}),
        ("train.early_stop.patience=3", {"epochs": 10, "clip_norm": 5.0, "early_stop": {"patience": 3}}),
    ],
)
def test_values_are_yaml_or_text(override: str, expected: object) -> None:
    changed = document()
    assert apply_overrides(changed, [override]) == []
    assert changed.data["train"] == expected


@pytest.mark.parametrize("text", ["2024", "null", "~", "true", "[a]", "{x"])
def test_what_only_text_can_be_given_to_is_text(text: str) -> None:
    changed = document()
    assert apply_overrides(changed, [f"data.path={text}", f"name={text}"]) == []
    assert changed.data["data"]["path"] == changed.data["name"] == text


def test_options_that_take_more_than_text_are_read_as_yaml() -> None:
    changed = document()
    overrides = [
        "data.test=12",
        "data.label=3",
        "data.train=5",
        "data.pictures=null",
        "data.pictures=",
        "data.path=",
        "data.size=[3, 4]",
    ]
    assert apply_overrides(changed, overrides) == []
    expected = {"test": 12, "label": 3, "train": 5, "pictures": None, "path": None, "size": [3, 4]}
    assert changed.data["data"] == expected


def test_a_number_in_the_path_is_a_position_in_a_list() -> None:
    changed = document()
    assert apply_overrides(changed, ["model.1.linear.out_features=3"]) == []
    assert changed.data["model"] == [{"linear": {"out_features": 5}}, {"linear": {"out_features": 3}}]


def test_the_last_of_two_overrides_holds() -> None:
    changed = document()
    assert apply_overrides(changed, ["train.epochs=3", "train.epochs=4"]) == []
    assert changed.data["train"]["epochs"] == 4


def test_a_value_that_was_overridden_has_the_override_as_its_place() -> None:
    changed = document()
    apply_overrides(changed, ["train.epochs=3", "model.0={relu: {}}"])
    assert str(changed.place(("train", "epochs"))) == "override 'train.epochs=3'"
    assert str(changed.place(("model", 0, "relu"))) == "override 'model.0={relu: {}}'"
    assert str(changed.place(("train", "clip_norm"))) == "x.yaml:1:21"


@pytest.mark.parametrize(
    ("override", "expected"),
    [
        ("train.epochs", "override 'train.epochs': expected key.path=value, for example optimizer.lr=0.01"),
        ("=3", "override '=3': expected key.path=value"),
        ("a..b=3", "override 'a..b=3': expected key.path=value"),
        ("model.2.relu=1", "override 'model.2.relu=1': model has the entries 0 to 1; given '2'"),
        ("model.linear=1", "override 'model.linear=1': model has the entries 0 to 1; given 'linear'"),
        ("train.epochs.x=1", "override 'train.epochs.x=1': train.epochs is 10; it has no options below it"),
        ("data.path=caf\udce9", "override 'data.path=caf\udce9': the value holds bytes that are not UTF-8"),
        ("train.epochs=[", "override 'train.epochs=[': the value: not YAML"),
        ("train.epochs=[*a]", "override 'train.epochs=[*a]': the value: the alias '*a'"),
    ],
)
def test_faults_name_the_override(override: str, expected: str) -> None:
    (fault,) = apply_overrides(document(), [override])
    assert str(fault).startswith(expected)
