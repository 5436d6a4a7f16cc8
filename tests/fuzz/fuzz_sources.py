"""Fuzz the sources with coverage guidance: `python tests/fuzz/fuzz_sources.py focus langfuse -runs=2000`.

Names of sources choose which are fuzzed (all without any); other arguments go to libFuzzer. A crash, or a
record that is not accounted for, stops the run and leaves its input in `crash-*`. Needs the extra `fuzz`.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path
from random import Random


def main() -> None:
    """Fuzz until libFuzzer is done."""
    import atheris

    sys.path.insert(0, str(Path(__file__).parents[2]))
    with atheris.instrument_imports(include=["breakeven.sources", "breakeven.ledger"]):
        from tests.sources.mutations import account_for, damaged
        from tests.sources.samples import HERE

        from breakeven.sources.registry import find_source

    folders = {path.parent.name: path.parent for path in sorted(HERE.glob("*/expected.jsonl"))}
    chosen = [name for name in sys.argv[1:] if name in folders] or list(folders)
    samples = {name: next(folders[name].glob("sample.*")) for name in chosen}
    for name in chosen:
        find_source(name)
    workplace = Path(tempfile.mkdtemp(prefix="breakeven-fuzz-"))

    def one(data: bytes) -> None:
        given = atheris.FuzzedDataProvider(data)
        name = given.PickValueInList(chosen)
        if given.ConsumeBool():
            content = damaged(samples[name].read_bytes(), Random(given.ConsumeInt(8)))
        else:
            content = given.ConsumeBytes(given.remaining_bytes())
        account_for(name, samples[name], content, workplace)

    atheris.Setup([argument for argument in sys.argv if argument not in folders], one)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
