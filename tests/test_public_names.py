"""The package's public names exist, are imported lazily, and are all there is."""

import subprocess
import sys

import breakeven


def test_every_public_name_can_be_imported():
    for name in breakeven.__all__:
        assert getattr(breakeven, name) is not None
    assert set(breakeven._HOMES) == set(breakeven.__all__)


def test_importing_the_package_imports_nothing_heavy():
    code = "import sys, breakeven; print([m for m in ('duckdb', 'pyarrow', 'ibis') if m in sys.modules])"
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert shown.stdout.strip() == "[]"
