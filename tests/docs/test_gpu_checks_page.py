"""docs/gpu_checks.md: its commands are forms that tools/check_gpu.sh says it has; tests/tools runs its rehearsal."""

from tests.docs import runner

TAKES = {"gpu_checks.md": {"sh"}}


def test_commands_are_those_of_the_script() -> None:
    script = (runner.ROOT / "tools/check_gpu.sh").read_text().replace("--wheels FOLDER", "--wheels WHEELS")
    [block] = [block for block in runner.blocks(runner.DOCS / "gpu_checks.md") if block.language == "sh"]
    commands = [*runner.commands(block.text)]
    assert len(commands) == 2
    for words in commands:
        assert words[0] == "tools/check_gpu.sh" and f"#   {' '.join(words)}" in script
