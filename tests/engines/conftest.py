"""The same tests on every engine: `engine_name` runs them on DuckDB, and on Spark where that is asked for."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from pathlib import Path

import pytest

from breakeven.engine.session import Engine, open_engine
from breakeven.engine.spark import SparkEngine

HERE = Path(__file__).parent
IGNORED = (
    # Ibis 12 still calls a name that DuckDB 2 has renamed.
    "ignore:fetch_arrow_table:DeprecationWarning",
    # pyspark leaves the socket of a result to the garbage collector.
    "ignore:unclosed <socket:ResourceWarning",
)

# For many small queries the time goes into compiling them: the JVM's first compiler is enough.
FIRST_COMPILER = {"SPARK_SUBMIT_OPTS": "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC"}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.path.is_relative_to(HERE):
            for warning in IGNORED:
                item.add_marker(pytest.mark.filterwarnings(warning))


@pytest.fixture(scope="session")
def spark() -> Iterator[SparkEngine]:
    """One Spark for the whole run: engines that tests open are sessions of it."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in FIRST_COMPILER.items():
            patch.setenv(name, value)
        with SparkEngine("local[2]", memory_gib=1.5) as engine:
            yield engine
            gc.collect()


@pytest.fixture(scope="session", params=["duckdb", pytest.param("spark", marks=pytest.mark.spark)])
def engine_name(request: pytest.FixtureRequest) -> str:
    if request.param == "spark":
        request.getfixturevalue("spark")
    return request.param


@pytest.fixture
def engine(engine_name: str) -> Iterator[Engine]:
    opened = open_engine(engine_name)
    yield opened
    opened.close()
