"""Reports of new users and ad cost, and the mappings that ship with us: nothing twice, no total as spend."""

from __future__ import annotations

from decimal import Decimal

import pytest

from breakeven.errors import InputError, UsageError
from breakeven.ledger.books import create_books
from breakeven.ledger.mapping import read_mapping
from breakeven.sources.shipped_mappings import SHIPPED, shipped_mapping

from .samples import HERE, booked, in_books

SAMPLES = {name: HERE / name / "sample.csv" for name in ("appsflyer", "adjust", "ad_reporting")}
OCEAN_ENGINE = """时间-天,账户ID,账户名称,项目ID,项目名称,消耗,展示数,点击数,转化数
2024-03-20,1,助手,7001,春季,1234.56,15000,900,12
2024-03-20,1,助手,7002,@春季二,0.44,20,1,0
2024-03-21,1,助手,7001,春季,1.2.3,1,1,1
合计,-,-,-,-,1235.00,15021,902,13
"""
OCEAN_ENGINE_BEFORE = """日期,广告主,计划ID,计划名称,总花费(元),展现数,点击数
2024-03-20,助手,7001,春季,1234.56,15000,900
总计,,,,1234.56,15000,900
"""
BILIBILI = """日期,账户名称,计划ID,计划名称,创意ID,花费,展示量,点击量
2024-03-20,助手,11,必选一,901,10.50,1000,30
2024-03-20,助手,11,必选一,902,9.50,900,20
总计,--,--,--,--,20.00,1900,50
"""


def by_mapping(folder, name, text, encoding="utf-8"):
    """Rows and refusals after importing an export with a shipped mapping, and what the import said."""
    path = folder / "export.csv"
    path.write_bytes(text.encode(encoding))
    mapping = read_mapping(shipped_mapping(name))
    books = create_books(folder / "books", name="sample", currency="CNY", time_zone="Asia/Shanghai")
    [result] = books.ingest(mapping.table, [path], mapping=mapping)
    return in_books(books), result


def test_installs_are_users_and_re_engagements_are_not():
    rows = booked("appsflyer", SAMPLES["appsflyer"])
    users = [row for row in rows if row.get("table") == "acquisitions"]
    assert [(row["user_id"], row["channel"], row["is_paid"]) for row in users] == [
        ("u1", "bytedanceglobal_int", True), ("1700000000001-0000002", "organic", False),
        ("u3", "Facebook Ads", True), ("u5", "Facebook Ads", True),
    ]  # fmt: skip
    spent = [Decimal(row["amount"]) for row in rows if row.get("table") == "ad_spend"]
    assert sum(spent) == Decimal("15.845678")  # 12.345678 for an install that came twice, 3.5 to win one back


def test_cost_can_be_left_to_the_platforms():
    rows = booked(
        "appsflyer", SAMPLES["appsflyer"], cost="no", unpaid="facebook ads", time_zone="Asia/Shanghai"
    )
    assert {row.get("table", "") for row in rows} == {"acquisitions", ""}
    assert {row["user_id"]: row["is_paid"] for row in rows if "table" in row}["u3"] is False
    assert rows[0]["at" if "at" in rows[0] else "acquired_at"] == "2024-03-20T08:30:00"
    with pytest.raises(UsageError, match="cost=maybe"):
        booked("appsflyer", SAMPLES["appsflyer"], cost="maybe")


def test_data_locker_names_read_like_titles(tmp_path):
    names = {
        "Install Time": "install_time", "Event Time": "event_time", "Event Name": "event_name",
        "Media Source": "media_source", "Campaign ID": "af_c_id", "AppsFlyer ID": "appsflyer_id",
        "Customer User ID": "customer_user_id", "Country Code": "country_code", "Platform": "platform",
        "Is Retargeting": "is_retargeting", "Cost Value": "af_cost_value",
        "Cost Currency": "af_cost_currency",
    }  # fmt: skip
    header, rest = SAMPLES["appsflyer"].read_text("utf-8").split("\n", 1)
    other = tmp_path / "locker.csv"
    other.write_text(",".join(names.get(one, one) for one in header.split(",")) + "\n" + rest)
    assert booked("appsflyer", other) == booked("appsflyer", SAMPLES["appsflyer"])


@pytest.mark.parametrize("name", ["adjust", "ad_reporting"])
def test_a_currency_is_said_never_guessed(name):
    silent = booked(name, SAMPLES[name])
    told = booked(name, SAMPLES[name], currency="usd")
    missing = [row for row in silent if row.get("quarantined") == "currency"]
    assert len(missing) == 1
    assert len(told) == len(silent)
    assert not [row for row in told if row.get("quarantined") == "currency"]
    with pytest.raises(UsageError, match="ISO 4217"):
        booked(name, SAMPLES[name], currency="RMB")


@pytest.mark.parametrize(
    ("name", "column"), [("appsflyer", "Install Time"), ("adjust", "cost"), ("ad_reporting", "spend")]
)
def test_a_renamed_column_is_refused(tmp_path, name, column):
    other = tmp_path / "other.csv"
    other.write_text(SAMPLES[name].read_text("utf-8").replace(column, "new name", 1))
    with pytest.raises(InputError, match=f"it lacks {column}"):
        booked(name, other)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "gb18030"])
def test_a_line_of_totals_is_no_spend(tmp_path, encoding):
    rows, result = by_mapping(tmp_path, "ocean_engine", OCEAN_ENGINE, encoding)
    spent = [row for row in rows if "table" in row]
    assert sum(Decimal(row["amount"]) for row in spent) == Decimal("1235")
    assert [(row["campaign"], row["currency"], row["channel"]) for row in spent] == [
        ("春季", "CNY", "ocean_engine"), ("@春季二", "CNY", "ocean_engine"),
    ]  # fmt: skip
    assert (result.rows_read, result.quarantined, result.skipped) == (3, 1, 1)


def test_an_older_export_names_the_same_rows(tmp_path):
    older, _ = by_mapping(tmp_path, "ocean_engine", OCEAN_ENGINE_BEFORE)
    (tmp_path / "newer").mkdir()
    newer, _ = by_mapping(tmp_path / "newer", "ocean_engine", OCEAN_ENGINE)
    assert older == newer[:1]


def test_the_finest_level_tells_rows_apart(tmp_path):
    rows, result = by_mapping(tmp_path, "bilibili", BILIBILI)
    assert [(row["source_id"], row["amount"], row["clicks"]) for row in rows] == [
        ("2024-03-20:901", "10.5", 30), ("2024-03-20:902", "9.5", 20),
    ]  # fmt: skip
    assert result.skipped == 1


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("消耗", "金额"), "names column '消耗'"),
        (("时间-天", "天"), "names column '时间-天'"),
        (("项目ID", "编号"), None),
    ],
)
def test_a_changed_export_is_refused(tmp_path, change, message):
    text = OCEAN_ENGINE.replace(*change)
    if message:
        with pytest.raises(InputError, match=message):
            by_mapping(tmp_path, "ocean_engine", text)
    else:  # a report by account only
        rows, _ = by_mapping(tmp_path, "ocean_engine", text)
        assert {row["source_id"] for row in rows if "table" in row} == {"2024-03-20:1"}


def test_every_shipped_mapping_is_listed():
    folder = shipped_mapping("bilibili").parent
    assert {path.stem for path in folder.glob("*.yaml")} == set(SHIPPED)
    assert all(label.en and label.zh and covers.en and covers.zh for label, covers in SHIPPED.values())


@pytest.mark.parametrize(
    ("line", "message"),
    [("source_id: {join: day}", "a list of columns"), ("source_id: {join: [[]]}", "empty"),
     ("amount: {from: []}", "empty")],
)  # fmt: skip
def test_mistakes_in_a_mapping_have_a_line(tmp_path, line, message):
    path = tmp_path / "mapping.yaml"
    path.write_text(f"table: ad_spend\ncolumns:\n  {line}\n")
    with pytest.raises(InputError, match=f"yaml:3.*{message}"):
        read_mapping(path)


def test_a_mapping_that_skips_by_an_absent_column_is_refused(tmp_path):
    export, path = tmp_path / "export.csv", tmp_path / "mapping.yaml"
    export.write_text(OCEAN_ENGINE)
    path.write_text(
        "table: ad_spend\nskip: {日: [合计]}\ncolumns: {day: 时间-天, amount: 消耗, source_id: row}\n"
        "constants: {kind: ads, currency: CNY}\n"
    )
    books = create_books(tmp_path / "books", name="sample", currency="CNY")
    with pytest.raises(InputError, match="skips by column 日"):
        books.ingest("ad_spend", [export], mapping=read_mapping(path))
