"""The page on the command line, from its parser."""

import argparse
from collections.abc import Iterator

from gpucnn.cli.arguments import make_parser

PATH = "reference/commands.md"
HEAD = """# The command line

`gpucnn COMMAND --help` prints what this page says. Exit codes: 0 done; 2 the input is wrong, and one message says what
was given, what was expected and how to mend it; 1 anything else, such as a full disk; 130 after Ctrl-C, with a
checkpoint written.

RUN is the folder of a run, or `latest`. CONFIG is a YAML file, or the name of a
[configuration that comes with gpucnn](configurations.md).
"""


def page() -> str:
    """The page, in Markdown."""
    return "\n".join([HEAD, *_commands(make_parser())])


def _commands(parser: argparse.ArgumentParser) -> Iterator[str]:
    for action in parser._actions:
        if not isinstance(action, argparse._SubParsersAction):
            continue
        for command in action.choices.values():
            inner = [*_commands(command)]
            yield from inner or _command(command)


def _command(command: argparse.ArgumentParser) -> Iterator[str]:
    command.formatter_class = lambda prog: argparse.HelpFormatter(prog, width=100)
    yield f"## {command.prog}\n"
    yield f"{command.description}\n"
    yield f"```text\n{command.format_usage().removeprefix('usage: ')}```\n"
    known = [action for action in command._actions if action.help != argparse.SUPPRESS and action.dest != "help"]
    if known:
        rows = [f"| `{_written(action)}` | {_meaning(action)} |" for action in known]
        yield "\n".join(["| | |", "|---|---|", *rows]) + "\n"


def _written(action: argparse.Action) -> str:
    """An argument as it is typed."""
    value = action.metavar or ("|".join(map(str, action.choices)) if action.choices else "")
    return " ".join([*action.option_strings, str(value)]).strip().replace("|", "\\|")


def _meaning(action: argparse.Action) -> str:
    told = (action.help or "") % {"default": action.default, "prog": "gpucnn"}
    return told.replace("|", "\\|").replace("*", "\\*")
