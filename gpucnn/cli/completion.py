"""`gpucnn completion`: a script that lets a shell complete the command line, made from its parser.

The script holds all words: a shell that completes starts no Python. Files and folders are left to the shell.
"""

import argparse
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from gpucnn.cli.arguments import make_parser
from gpucnn.config.check import shipped_configs
from gpucnn.config.schema import json_schema

# What an argument takes, by the name that help shows for it: a kind, or the words that there are. What is not here the
# shell completes as a file.
KINDS = {
    "CONFIG": "configs",
    "RUN": "runs",
    "CONFIG|RUN": "networks",
    "key.path=value": "overrides",
    "key.path=a,b,c": "overrides",
    "D": "auto cpu cuda",
    "VIEWS": "shift flip shift,flip",
    "N": "nothing",
    "M": "nothing",
    "EPOCH": "nothing",
    "NAME": "digits fashion_mnist mnist",
    "NAME|FILE": "blur edges identity sharpen",
}


class Argument(NamedTuple):
    """An option, or an argument without a name: what it takes, None for a switch, and what help says of it."""

    takes: str | None
    says: str


class Command(NamedTuple):
    """A command, such as "data fetch", or the program itself, ""."""

    name: str
    says: str
    options: dict[str, Argument]  # by their long names
    arguments: list[Argument]
    repeats: bool  # whether the last argument may come again and again


def run(arguments: argparse.Namespace) -> None:
    """Print the script for a shell."""
    print({"bash": bash, "zsh": zsh, "fish": fish}[arguments.shell](), end="")


def commands(parser: argparse.ArgumentParser, name: str = "", says: str = "") -> Iterator[Command]:
    """The command of a parser, and those below it."""
    command = Command(name, says, {}, [], any(action.nargs in ("*", "+") for action in parser._actions))
    below: list[Command] = []
    for action in parser._actions:
        argument = Argument(None if action.nargs == 0 else _takes(action), action.help or "")
        if isinstance(action, argparse._SubParsersAction):
            told = {choice.dest: choice.help or "" for choice in action._choices_actions}
            for word, sub in action.choices.items():
                below += commands(sub, f"{name} {word}".strip(), told.get(word, ""))
        if action.option_strings:
            command.options[action.option_strings[-1]] = argument
        else:
            command.arguments.append(argument)
    yield command
    yield from below


def _takes(action: argparse.Action) -> str:
    if action.choices is not None:
        return " ".join(map(str, action.choices))
    return KINDS.get(str(action.metavar), "files")


def overrides() -> tuple[list[str], list[str]]:
    """What a configuration's options are called on the command line, as `seed=`; and with a value, `device=cpu`."""
    schema = json_schema()
    found = list(dict.fromkeys(_overrides(schema, schema, "")))
    return [word for word in found if word.endswith("=")], [word for word in found if not word.endswith("=")]


def _overrides(schema: dict[str, Any], node: dict[str, Any], path: str) -> Iterator[str]:
    """The same below a node of the JSON schema, which stands at `path`."""
    if "$ref" in node:
        node = schema["$defs"][node["$ref"].rpartition("/")[2]]
    if path and "properties" not in node:
        yield f"{path}="
    words = ("true", "false") if node.get("type") == "boolean" else node.get("enum", [node.get("const")])
    yield from (f"{path}={word}" for word in words if word is not None)
    for each in (*node.get("anyOf", ()), *node.get("oneOf", ())):
        yield from _overrides(schema, each, path)
    for name, option in node.get("properties", {}).items():
        if (path, name) != ("", "model"):  # its layers are those of one configuration
            yield from _overrides(schema, option, f"{path}.{name}".strip("."))


# --- bash and zsh -----------------------------------------------------------------------------------------------------

BASH = """\
# Completion of gpucnn's command line, made by `gpucnn completion`.
_gpucnn() {
    local line="${COMP_LINE:0:$COMP_POINT}" cur="" word="" before="" value="" command="" takes="--" kind="files"
    local given=0 words="" list
    cur="${line##*[[:space:]]}"
    line="${line%"$cur"}"
    read -r -a list <<<"$line"
    for word in "${list[@]:1}"; do # those between gpucnn and the word that is completed
        before="$word"
        if [ -n "$value" ]; then value=""; continue; fi
        case " $takes " in *" $word "*) value="yes"; continue ;; esac
        case "$word" in -*) continue ;; esac
        case "$command${command:+ }$word" in
            @ENTERED@
            *) given=$((given + 1)) ;;
        esac
        case "$command" in
            @TAKES@
        esac
    done
    if [ -n "$value" ]; then
        case "$command $before" in
            @VALUES@
        esac
    elif [ "${cur:0:1}" = - ]; then
        case "$command" in
            @OPTIONS@
        esac
    else
        case "$command $given" in
            @ARGUMENTS@
            *) kind="nothing" ;;
        esac
    fi
    COMPREPLY=()
    case "$kind" in
        files) return ;;
        nothing) ;;
        configs) words="@CONFIGS@ $(compgen -f -X '!*.yaml' -- "$cur")" ;;
        runs) words="latest $(_gpucnn_runs)" ;;
        networks) words="@CONFIGS@ latest $(_gpucnn_runs) $(compgen -f -X '!*.yaml' -- "$cur")" ;;
        overrides)
            case "$cur" in
                *=*) words="@CHOICES@" ;;
                *) words="@KEYS@"; type compopt >/dev/null 2>&1 && compopt -o nospace ;;
            esac ;;
        *) words="$kind" ;;
    esac
    COMPREPLY=($(compgen -W "$words" -- "$cur"))
    case "$cur ${COMP_WORDBREAKS-}" in # where = ends a word, what is before it stands already
        *=*\\ *=*) COMPREPLY=("${COMPREPLY[@]#"${cur%=*}="}") ;;
    esac
}
_gpucnn_runs() {
    local config
    for config in */config.yaml runs/*/*/config.yaml; do
        if [ -e "$config" ]; then echo "${config%/config.yaml}"; fi
    done
}
complete -o default -F _gpucnn gpucnn
"""


def bash() -> str:
    """The script for bash."""
    found = list(commands(make_parser()))
    taking = {each.name: [name for name, option in each.options.items() if option.takes] for each in found}
    keys, choices = overrides()
    cases = {
        "ENTERED": [f'"{each.name}") command="{each.name}" given=0 ;;' for each in found if each.name],
        "TAKES": [f'"{each.name}") takes="{" ".join(taking[each.name]) or "--"}" ;;' for each in found],
        "VALUES": [
            f'"{each.name} {name}") kind="{each.options[name].takes}" ;;'
            for each in found
            for name in taking[each.name]
        ],
        "OPTIONS": [f'"{each.name}") kind="{" ".join(each.options)}" ;;' for each in found],
        "ARGUMENTS": [case for each in found for case in _places(each)],
        "CONFIGS": shipped_configs(),
        "KEYS": keys,
        "CHOICES": choices,
    }
    script = BASH
    for mark, words in cases.items():
        script = script.replace(
            f"@{mark}@", (" " if mark in ("CONFIGS", "KEYS", "CHOICES") else "\n            ").join(words)
        )
    return script


def _places(command: Command) -> Iterator[str]:
    """A case for each argument that a command takes, by how many were given before it."""
    for place, argument in enumerate(command.arguments):
        last = command.repeats and argument is command.arguments[-1]
        yield f'"{command.name} "{"*" if last else place}) kind="{argument.takes}" ;;'


def zsh() -> str:
    """The script for zsh, which knows bash's completion."""
    return f"#compdef gpucnn\nautoload -U +X bashcompinit && bashcompinit\n{bash()}"


# --- fish -------------------------------------------------------------------------------------------------------------

FISH = """\
# Completion of gpucnn's command line, made by `gpucnn completion`.
function __gpucnn_runs
    set -l configs */config.yaml runs/*/*/config.yaml
    string replace /config.yaml '' -- $configs
    echo latest
end
function __gpucnn_at --description 'whether this command is entered, with so many arguments, or any number'
    set -l words (string match -v -- '-*' (commandline -opc))[2..-1]
    string match -q -- "$argv[1]*" (string join ' ' -- $words '') ; or return 1
    test (count $argv) -eq 1; and return
    test (count $words) -eq (math (count (string split -n ' ' -- $argv[1])) + $argv[2])
end
complete -c gpucnn -f
"""
IN_FISH = {
    "configs": "{configs} (__fish_complete_suffix .yaml)",
    "runs": "(__gpucnn_runs)",
    "networks": "{configs} (__gpucnn_runs)",
    "overrides": "{overrides}",
    "nothing": "",
}


def fish() -> str:
    """The script for fish."""
    lines = []
    words = {"configs": " ".join(shipped_configs()), "overrides": " ".join(sum(overrides(), []))}
    for command in commands(make_parser()):
        for name, option in command.options.items():
            lines.append(f"{_in_fish(command.name)} -l {name[2:]} -d {_quoted(option.says)}")
            if option.takes == "files":
                lines[-1] += " -r -F"
            elif option.takes:
                lines[-1] += f" -x -a {_quoted(IN_FISH.get(option.takes, option.takes).format(**words))}"
        for place, argument in enumerate(command.arguments):
            takes = IN_FISH.get(argument.takes or "", argument.takes or "").format(**words)
            at = None if command.repeats and argument is command.arguments[-1] else place
            lines.append(_in_fish(command.name, at) + (" -F" if takes == "files" else f" -a {_quoted(takes)}"))
    return FISH + "\n".join(lines) + "\n"


def _in_fish(command: str, place: int | None = None) -> str:
    """The beginning of a line that holds in a command, at one place of its arguments or at all."""
    test = f"__gpucnn_at '{f'{command} ' if command else ''}'" + ("" if place is None else f" {place}")
    return f"complete -c gpucnn -n {_quoted(test)}"


def _quoted(words: str | Sequence[str]) -> str:
    text = words if isinstance(words, str) else " ".join(words)
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"').replace("$", "\\$") + '"'
