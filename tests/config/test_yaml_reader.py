import time

import pytest

from gpucnn.config.faults import Place
from gpucnn.config.yaml_reader import DEEPEST, LONGEST, read_value, read_yaml
from gpucnn.errors import ConfigError


def faults_of(text: str) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        read_yaml(text, "x.yaml")
    return str(caught.value).split("\n")


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1e-3", 0.001),  # text in YAML 1.1
        ("1E3", 1000.0),
        (".5", 0.5),
        ("5.", 5.0),
        ("-2", -2),
        ("010", 10),  # eight in YAML 1.1
        ("0o17", 15),
        ("0x1F", 31),
        ("yes", "yes"),  # true in YAML 1.1
        ("off", "off"),
        ("true", True),
        ("False", False),
        ("~", None),
        ("", None),
        ("null", None),
        ("1:30", "1:30"),  # ninety in YAML 1.1
        ("2024-01-01", "2024-01-01"),  # a date in YAML 1.1
        ("1_000", "1_000"),
        ("cuda:0", "cuda:0"),
        ('"5"', "5"),
        ("'true'", "true"),
        ("1.2.3", "1.2.3"),
        ("9" * 41, "9" * 41),
        ("[1, [2, 3]]", [1, [2, 3]]),
        ("{a: 1, b: {c: d}}", {"a": 1, "b": {"c": "d"}}),
    ],
)
def test_scalars_mean_what_people_mean(text: str, value: object) -> None:
    read = read_value(text, "here")
    assert read == value and type(read) is type(value)


def test_infinity_and_nan_are_floats() -> None:
    assert read_value("-.inf", "here") == float("-inf")
    assert read_value(".nan", "here") != read_value(".nan", "here")


def test_keys_are_text() -> None:
    assert read_yaml("1: a\nyes: b\nnull: c\n", "x.yaml").data == {"1": "a", "yes": "b", "null": "c"}


def test_places_are_those_of_the_keys_and_entries() -> None:
    document = read_yaml("a: 1\nb:\n  - c: 2\n  - [3, 4]\n", "x.yaml")
    assert document.place(("a",)) == Place("x.yaml", 1, 1)
    assert document.place(("b", 0, "c")) == Place("x.yaml", 3, 5)
    assert document.place(("b", 1, 1)) == Place("x.yaml", 4, 9)
    assert str(document.place(("b", 1, 1))) == "x.yaml:4:9"


def test_what_is_not_there_has_the_place_of_what_is_around_it() -> None:
    document = read_yaml("a:\n  b: 1\n", "x.yaml")
    assert document.place(("a", "missing", "deeper")) == Place("x.yaml", 1, 1)


def test_an_empty_text_is_none() -> None:
    assert read_yaml("", "x.yaml").data is None
    assert read_yaml("# only a comment\n", "x.yaml").data is None


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a: &x 1", "x.yaml:1:4: the anchor '&x' is not read; remove it"),
        ("b: *x", "x.yaml:1:4: the alias '*x' repeats another part; write that part out here"),
        ("<<: {a: 1}", "x.yaml:1:1: the merge key '<<' is not read; write the options out here"),
        (
            "a: 1\nb: 2\na: 3",
            "x.yaml:3:1: the key 'a' stands here a second time (first at line 1); keep one of the two",
        ),
        ("a: !!python/object:os.system 1", "x.yaml:1:4: the tag 'tag:yaml.org,2002:python/object:os.system' is not"),
        ("a: !mine 1", "x.yaml:1:4: the tag '!mine' is not read"),
        ("a: 1\n---\nb: 2", "x.yaml:2:1: a second document begins here"),
        ("? [a]\n: 1", "x.yaml:1:3: a key must be a word; found a list, a mapping or an alias"),
        ("a: [1,\nb: 2", "x.yaml:2:5: not YAML: while parsing a flow sequence"),
        ("a:\n\tb: 2", "x.yaml:2:1: not YAML: while scanning for the next token, found character '\\t'"),
        ("a: 'b", "x.yaml:1:6: not YAML: while scanning a quoted scalar"),
        ("a: \x01", "x.yaml:1:1: the character U+0001 may not stand in YAML"),
        ('a: "\\ud800"', "x.yaml:1:4: an escape \\uD800 to \\uDFFF is half a character"),
        ('a: "b\\0c"', "x.yaml:1:4: an escape \\0 stands for no character"),
        ("[" * (DEEPEST + 2), f"x.yaml:1:{DEEPEST + 2}: nested more than {DEEPEST} deep"),
        ("a" * (LONGEST + 1), f"x.yaml:1:1: {LONGEST + 1} characters are more than the {LONGEST}"),
    ],
)
def test_each_fault_is_told_with_its_place(text: str, expected: str) -> None:
    (fault,) = faults_of(text)
    assert fault.startswith(expected)


def test_a_tab_is_told_how_to_mend() -> None:
    assert faults_of("a:\n\tb: 2")[0].endswith("indent with spaces, not with tabs")


def test_all_faults_are_told_at_once_in_the_order_of_the_file() -> None:
    faults = faults_of("a: &x 1\nb: *x\na: 2\n<<: {c: 1}\nd: !!int 3\n")
    assert [fault.split(":")[1] for fault in faults] == ["1", "2", "3", "4", "5"]


def test_of_very_many_faults_the_first_are_told() -> None:
    faults = faults_of("".join("- &a 1\n" for _ in range(200)))
    assert len(faults) == 51 and faults[-1] == "and 150 more faults"


@pytest.mark.parametrize("hostile", ["[", "{a: ", "- ", "? ", "[[],", "&a ", '"\\n', "a: 1\n", "*a ", "[a,"])
def test_hostile_texts_take_no_time(hostile: str) -> None:
    text = (hostile * LONGEST)[:LONGEST]
    begin = time.process_time()
    faults_of(text)
    assert time.process_time() - begin < 10
