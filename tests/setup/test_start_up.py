"""`breakeven --help` answers at once, because nothing heavy is imported for it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

HEAVY = {"deltalake", "duckdb", "ibis", "jinja2", "numpy", "pandas", "pyarrow", "rich", "yaml"}
BUDGET_SECONDS = 0.15

ASK_FOR_HELP = """
import sys
from importlib.metadata import entry_points

[entry_point] = entry_points(group="console_scripts", name="breakeven")
command = entry_point.load()
sys.argv = ["breakeven", "--help"]
try:
    command()
finally:
    print("\\nIMPORTED", *sorted(sys.modules))
"""


def test_help_imports_nothing_heavy():
    result = subprocess.run([sys.executable, "-c", ASK_FOR_HELP], capture_output=True, text=True, check=True)
    help_page, _, imported = result.stdout.partition("\nIMPORTED ")
    assert "breakeven" in help_page
    assert "breakeven.cli.main" in imported.split()
    assert HEAVY & set(imported.split()) == set()


def test_help_stays_within_its_budget():
    # Processor time of the best of several: other work on the machine must not decide. Bytecode is kept.
    command = Path(sys.executable).with_name("breakeven")
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    seconds = []
    for _ in range(7):
        process = subprocess.Popen([command, "--help"], env=environment, stdout=subprocess.DEVNULL)
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        assert process.returncode == 0
        seconds.append(usage.ru_utime + usage.ru_stime)
    assert min(seconds) <= BUDGET_SECONDS
