"""Choosing an engine: what a name opens, and what a person is told when it cannot be opened."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from pathlib import Path

import ibis
import pyarrow as pa
import pytest
from tests.engines.conftest import FIRST_COMPILER

from breakeven.engine.session import open_engine
from breakeven.engine.spark import SparkEngine
from breakeven.errors import BooksError, UsageError


def run(program: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run a program in a process of its own, where no Spark runs yet."""
    settings = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), **FIRST_COMPILER, **environment}
    return subprocess.run(
        [sys.executable, "-c", program], env=settings, capture_output=True, text=True, check=False
    )


@pytest.mark.parametrize("choice", ["", "duck", "Spark", "postgres://here"])
def test_an_unknown_engine_is_refused(choice: str) -> None:
    with pytest.raises(UsageError, match="use duckdb, spark, or a Spark master"):
        open_engine(choice)


def test_without_the_extra_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    # None in `sys.modules` is how Python marks a module that cannot be imported.
    monkeypatch.setitem(sys.modules, "pyspark", None)
    monkeypatch.setitem(sys.modules, "pyspark.sql", None)
    with pytest.raises(UsageError, match=r"breakeven\[spark\]"):
        open_engine("spark")


def test_nothing_loads_spark_unless_it_is_chosen() -> None:
    program = "import sys; from breakeven.engine.session import open_engine; open_engine('duckdb').close(); "
    program += "import breakeven.engine.spark; sys.exit('pyspark' in sys.modules)"
    assert run(program).returncode == 0


@pytest.mark.spark
def test_without_java_it_says_so(tmp_path: Path) -> None:
    program = "from breakeven.engine.session import open_engine; open_engine('spark')"
    done = run(program, PATH=str(tmp_path), JAVA_HOME="")
    assert f"{BooksError.__name__}: Spark needs Java" in done.stderr


@pytest.mark.spark
def test_a_master_by_url_starts_quietly_and_stops() -> None:
    """In a process of its own: a local master by URL, twice, and not a word from the JVM."""
    program = """
        import ibis, pyarrow as pa, signal
        from breakeven.engine.session import open_engine

        before = signal.getsignal(signal.SIGINT)
        rows = pa.table({"n": pa.array([1, 2], pa.int64())})
        for _ in range(2):
            engine = open_engine("local[1]")
            print(engine.arrow(ibis.memtable(rows).n.sum().as_table()).to_pylist())
            engine.close()
        assert signal.getsignal(signal.SIGINT) is before
    """
    done = run(textwrap.dedent(program))
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines() == ["[{'Sum(n)': 3}]"] * 2


@pytest.mark.spark
def test_a_cluster_that_is_none_is_out_of_reach() -> None:
    program = "from breakeven.engine.session import open_engine; open_engine('spark://no-port')"
    done = run(program)
    assert "SourceUnreachable: spark://no-port: the Spark cluster does not answer" in done.stderr


@pytest.mark.spark
def test_an_engine_leaves_a_running_spark_alone(spark: SparkEngine) -> None:
    open_engine("spark").close()
    assert spark.arrow(ibis.memtable(pa.table({"n": [1]}))).to_pylist() == [{"n": 1}]
