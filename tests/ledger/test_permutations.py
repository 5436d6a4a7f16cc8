"""Any permutation, split and repetition of the same deliveries gives the same books.

The rows that count are held against a few lines of Python that say which they should be (`oracle`).

Order matters only for a source that does not say when it changed a row: of several contents under one id
without a revision, the one that came last counts, since nothing else can decide.
"""

from __future__ import annotations

import shutil
import tempfile
from contextlib import contextmanager
from pathlib import Path

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from breakeven.account.account import open_account
from breakeven.ledger.books import open_books
from breakeven.ledger.settings import Matching, MatchRule

from .bench import everything, new_books, rows, take, write
from .oracle import Oracle
from .sightings import counted, deliver, sighting

ZONE = "Asia/Shanghai"
MATCHING = Matching(
    ("gateway", "openai_usage"),
    (MatchRule(("user_id", "model"), 3), MatchRule(("user_id",), 40)),
    ("openai_usage", "anthropic_usage"),
)
QUIET = [HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
LAWS = settings(max_examples=8, deadline=None, suppress_health_check=QUIET)
WHOLE_ACCOUNTS = settings(max_examples=2, deadline=None, suppress_health_check=QUIET)
# A few moments around midnight in Shanghai and in UTC, so that chance brings rows together.
MOMENTS = [
    f"{day}T{time}" for day in (19, 20, 21)
    for time in ("10:00:00", "10:00:02", "10:00:30", "15:59:59", "16:00:01", "23:59:59", "00:00:00")
]  # fmt: skip


@st.composite
def one_sighting(draw):
    source = draw(st.sampled_from(["gateway", "sdk", "spans", "openai_usage", "anthropic_usage"]))
    is_report = source.endswith("_usage")
    return sighting(
        source,
        draw(st.sampled_from("123456")),
        draw(st.sampled_from(MOMENTS)),
        "" if is_report else draw(st.sampled_from(["", "", "r1", "r2", "r3"])),
        provider=draw(st.sampled_from(["openai", "openai", "azure"])),
        model=draw(st.sampled_from(["gpt-4o", "o3"])),
        user_id="" if is_report else draw(st.sampled_from(["", "u1", "u2"])),
        requests=50 if is_report else draw(st.sampled_from([1, 1, 1, 2])),
        # Which of the three revisions of a row came last is not the order of the numbers drawn.
        revision=draw(st.sampled_from([100, 200, 300])),
        output_tokens=draw(st.sampled_from([10, 20])),
    )


def key(row):
    return row["source"], row["source_id"]


def one_content_per_revision(drawn):
    """The rows, each revision of a key with the content it first has."""
    first = {}
    return [first.setdefault((*key(row), row["revision"]), row) for row in drawn]


@contextmanager
def playground(template):
    with tempfile.TemporaryDirectory() as name:
        shutil.copytree(template, Path(name) / "books")
        yield open_books(Path(name) / "books"), Path(name)


def figures(books):
    """All that the account is made from."""
    rollups = open_account(books).rollups
    return {name: sorted(map(repr, table.to_pylist())) for name, table in rollups.items()}


@LAWS
@given(st.data())
def test_the_same_deliveries_give_the_same_books(tmp_path_factory, data):
    template = template_of(tmp_path_factory)
    drawn = one_content_per_revision(data.draw(st.lists(one_sighting(), min_size=2, max_size=14)))
    latest = {}
    for row in drawn:
        latest[key(row)] = max(row, latest.get(key(row), row), key=lambda one: one["revision"])
    expected = Oracle(list(latest.values()), MATCHING, ZONE).counted
    seen = []
    for attempt in range(2):
        again = data.draw(st.lists(st.sampled_from(drawn), max_size=4)) if attempt else []
        order = data.draw(st.permutations([*drawn, *again]))
        cuts = sorted(data.draw(st.lists(st.integers(1, len(order)), max_size=3)))
        with playground(template) as (books, folder):
            for number, (start, end) in enumerate(zip([0, *cuts], [*cuts, len(order)], strict=True)):
                if order[start:end]:
                    deliver(books, folder, order[start:end], f"{attempt}-{number}")
            assert counted(books) == expected
            for day in ("2024-03-20", "2024-03-21"):
                held = set(counted(books, [day]))
                assert held <= set(expected)
            seen.append(everything(books, "usage"))
    assert seen[0] == seen[1]


TEMPLATE = []


def template_of(factory):
    """Empty books with the matching of this file, made once."""
    if not TEMPLATE:
        rules = [{"columns": rule.columns, "within_seconds": rule.within_seconds} for rule in MATCHING.rules]
        said = {"precedence": MATCHING.precedence, "rules": rules, "reports": MATCHING.reports}
        folder = factory.mktemp("template") / "books"
        new_books(folder, time_zone=ZONE, settings={"matching": said})
        TEMPLATE.append(folder)
    return TEMPLATE[0]


@WHOLE_ACCOUNTS
@given(st.data())
def test_several_tables_in_any_order(empty_books, data):
    """Deliveries of three tables, interleaved in any order, some of them twice: the same account."""
    parts = [
        (table, rows(table, 3, first=first, day=f"2024-03-{day}") if table == "activity"
         else rows(table, 3, first=first, at=f"2024-03-{day}T10:00:00+08:00"))
        for table in ("usage", "payments", "activity") for first, day in ((1, 20), (3, 20), (9, 22))
    ]  # fmt: skip
    seen = []
    for _ in range(2):
        order = data.draw(st.permutations([*parts, *data.draw(st.lists(st.sampled_from(parts), max_size=3))]))
        with playground(empty_books) as (books, folder):
            for number, (table, part) in enumerate(order):
                take(books, table, write(folder / f"{number}.csv", part))
            seen.append(
                (figures(books), [everything(books, table) for table in ("usage", "payments", "activity")])
            )
    assert seen[0] == seen[1]


REVISIONS = st.lists(
    st.tuples(st.sampled_from([None, 1, 2, 3]), st.integers(0, 4)), min_size=2, max_size=6, unique=True
)


@LAWS
@given(REVISIONS, st.data())
def test_of_contents_under_one_id_the_latest_revision_counts(empty_books, drawn, data):
    """Also when two contents bear one revision; a content without one only counts where none has one."""
    dated = [pair for pair in drawn if pair[0] is not None]
    if not dated:
        return
    seen = set()
    for _ in range(3):
        order = data.draw(st.permutations(drawn))
        cut = data.draw(st.integers(0, len(order)))
        with playground(empty_books) as (books, folder):
            for number, part in enumerate((order[:cut], order[cut:])):
                row = rows("activity", 1)[0]
                records = [{**row, "sessions": said, "revision": revision or ""} for revision, said in part]
                if records:
                    take(books, "activity", write(folder / f"{number}.csv", records))
            [row] = everything(books, "activity")
            seen.add(row[-1])
    [shown] = seen
    assert (max(revision for revision, _ in dated), shown) in drawn


def test_without_revisions_the_order_decides(books, fresh_books, tmp_path):
    """The limit of the property, as it is documented."""
    one, two = (write(tmp_path / f"{n}.csv", rows("activity", 1, sessions=n)) for n in (1, 2))
    for place, order in ((books, (one, two)), (fresh_books, (two, one))):
        for path in order:
            take(place, "activity", path)
    assert everything(books, "activity")[0][-1] == 2
    assert everything(fresh_books, "activity")[0][-1] == 1
