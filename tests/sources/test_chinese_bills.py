"""Bills of WeChat Pay and Alipay: signs and encodings as they come; a bill that is not whole is refused."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from breakeven.errors import InputError
from breakeven.sources.chinese_bills import SEPARATOR, alipay_bill, wechat_bill

from .samples import HERE, booked

SAMPLES = {
    name: HERE / name / "sample.csv" for name in ("wechat_pay", "wechat_pay_funds", "alipay", "alipay_funds")
}
OLD_HEADER = (
    "交易时间,公众账号ID,商户号,子商户号,设备号,微信订单号,商户订单号,用户标识,交易类型,交易状态,付款银行,货币种类,总金额,"
    "企业红包金额,微信退款单号,商户退款单号,退款金额,企业红包退款金额,退款类型,退款状态,商品名称,商户数据包,手续费,费率"
)


def text_of(name):
    return SAMPLES[name].read_bytes().decode("gb18030" if "alipay" in name else "utf-8-sig")


def written(folder, text, encoding="utf-8"):
    path = folder / "bill.csv"
    path.write_bytes(text.encode(encoding) if isinstance(text, str) else text)
    return path


@pytest.mark.parametrize("name", SAMPLES)
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "gb18030"])
def test_every_encoding_reads_the_same(tmp_path, name, encoding):
    assert booked(name, written(tmp_path, text_of(name), encoding)) == booked(name, SAMPLES[name])


def test_fees_come_back_with_refunds():
    """49.00 + 5.20 paid, 49.00 given back; fees 0.29 + 0.03, of which 0.29 came back."""
    rows = [row for row in booked("wechat_pay", SAMPLES["wechat_pay"]) if "table" in row]
    assert sum(Decimal(row["fee"]) for row in rows) == Decimal("0.03")
    assert [row["amount"] for row in rows if row["kind"] == "refund"] == ["49"]
    rows = [row for row in booked("alipay", SAMPLES["alipay"]) if "table" in row]
    assert sum(Decimal(row["fee"]) for row in rows) == Decimal("0.16")  # 0.26 + 0.03 - 0.13


def test_kinds_are_told_by_product_name():
    rows = booked("alipay", SAMPLES["alipay"], gift="礼物", kind="api_topup")
    assert {row["plan"]: row["kind"] for row in rows if row.get("amount") in ("44", "5.2")} == {
        "会员月卡": "api_topup",
        "@礼物": "gift",
    }


@pytest.mark.parametrize("name", SAMPLES)
def test_a_bill_cut_off_anywhere_is_refused(tmp_path, name):
    whole = text_of(name).splitlines()
    for kept in (1, 3, len(whole) - (3 if "alipay" in name else 2)):
        with pytest.raises(InputError, match=r"totals|claims|holds|lacks|says"):
            booked(name, written(tmp_path, "\n".join(whole[:kept])))


@pytest.mark.parametrize("name", SAMPLES)
def test_a_missing_row_is_refused(tmp_path, name):
    lines = text_of(name).splitlines()
    first_row = 5 if "alipay" in name else 1
    with pytest.raises(InputError, match=r"says it holds \d records, but \d are in it"):
        booked(name, written(tmp_path, "\n".join(lines[:first_row] + lines[first_row + 1 :])))


@pytest.mark.parametrize(
    ("name", "said", "other"),
    [
        ("wechat_pay", "`0.29,`0.60%", "`0.28,`0.60%"),
        ("wechat_pay_funds", "`500.00,`500.00", "`501.00,`500.00"),
        ("alipay", ",44.00,", ",44.01,"),
        ("alipay_funds", "-100.00,21.74", "-100.10,21.74"),
    ],
)
def test_other_amounts_than_the_totals_say_are_refused(tmp_path, name, said, other):
    text = text_of(name)
    assert said in text
    if name == "wechat_pay":
        text = text.replace("1.234.5", "1234.50")  # with a cell nobody can read, nothing can be added up
    with pytest.raises(InputError, match="add up to"):
        booked(name, written(tmp_path, text.replace(said, other, 1)))


@pytest.mark.parametrize("name", SAMPLES)
def test_a_renamed_column_is_refused(tmp_path, name):
    column = {"wechat_pay": "微信订单号", "wechat_pay_funds": "资金流水单号", "alipay": "支付宝交易号"}.get(
        name, "账务流水号"
    )
    with pytest.raises(InputError, match=f"it lacks {column}"):
        booked(name, written(tmp_path, text_of(name).replace(column, "编号", 1)))


def test_a_bill_of_before_api_v3(tmp_path):
    order = ("wx1", "15", "0", "", "42001", "M1", "o1", "NATIVE")
    paid = (
        "SUCCESS",
        "CFT",
        "CNY",
        "0.50",
        "0.00",
        "0",
        "0",
        "0",
        "0",
        "",
        "",
        "月卡",
        "",
        "0.00300",
        "0.60%",
    )
    back = ("REFUND", "CFT", "CNY", "0.00", "0.00", "50001", "R1", "-0.20", "0", "ORIGINAL", "SUCCESS")
    back += ("月卡", "", "-0.00120", "0.60%")
    paid, back = ("`" + ",`".join(("2018-08-21 18:13:12", *order, *row)) for row in (paid, back))
    totals = "总交易单数,总交易额,总退款金额,总企业红包退款金额,手续费总金额\n`2,`0.50,`0.20,`0.00,`0.00180"
    rows = booked("wechat_pay", written(tmp_path, "\r\n".join([OLD_HEADER, paid, back, totals])))
    assert [(row["source_id"], row["amount"], row["fee"]) for row in rows] == [
        ("42001", "0.5", "0.003"),
        ("50001", "0.2", "-0.0012"),
    ]


def test_a_day_without_a_bill_is_said(tmp_path):
    answer = "<xml><return_code>FAIL</return_code><return_msg>No Bill Exist</return_msg></xml>"
    with pytest.raises(InputError, match="answered with an error"):
        booked("wechat_pay", written(tmp_path, answer))


def test_a_row_saved_again_by_a_spreadsheet_keeps_its_commas(tmp_path):
    text = text_of("wechat_pay").replace("1.234.5", "1234.50")
    resaved = []
    for line in text.splitlines():
        cells = line[1:].split(",`") if line.startswith("`") else line.split(",")
        resaved.append(",".join(f'"{cell}"' if "," in cell else cell.replace('"', "") for cell in cells))
    rows = booked("wechat_pay", written(tmp_path, "\n".join(resaved)))
    assert [row["plan"] for row in rows][:2] == ["会员, 月卡", "会员 年卡"]


@pytest.mark.parametrize("name", ["wechat_pay", "alipay"])
def test_bytes_that_are_no_text_are_quarantined_alone(tmp_path, name):
    content = text_of(name).replace("1.234.5", "1234.50").encode("utf-8")
    broken = content.replace("月卡".encode(), b"\xff\xff\xff", 1)
    rows = booked(name, written(tmp_path, broken))
    whole = booked(name, written(tmp_path, content))
    assert len(rows) == len(whole)
    assert next(row["reason"] for row in rows if "quarantined" in row).startswith("bytes that are not")


@pytest.mark.slow
@settings(max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_no_damage_makes_a_bill_crash_or_lose_a_row(tmp_path, data):
    """Whatever happened to the bytes: an error a person can act on, or as many lines as the bill claims."""
    name = data.draw(st.sampled_from(sorted(SAMPLES)))
    content = bytearray(SAMPLES[name].read_bytes())
    for _ in range(data.draw(st.integers(1, 4))):
        place = data.draw(st.integers(0, len(content) - 1))
        content[place : place + data.draw(st.integers(0, 9))] = data.draw(st.binary(max_size=6))
    path = written(tmp_path, bytes(content))
    try:
        prepared = (alipay_bill if "alipay" in name else wechat_bill)(path, tmp_path)
    except InputError:
        return
    lines = prepared.path.read_bytes().splitlines()
    assert len(lines) == 1 + (prepared.records or 0)
    assert name.startswith("alipay") or SEPARATOR.encode() in lines[0]
