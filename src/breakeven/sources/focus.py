"""Bills of clouds and AI vendors in FOCUS, the FinOps open cost specification: versions 1.0 to 1.3.

`BilledCost` is what is owed. List, contracted and effective cost say how it came about and are not money of
their own: a negotiated discount is already in the billed cost.
"""

from __future__ import annotations

from collections.abc import Mapping

from breakeven.engine import sql
from breakeven.errors import UsageError
from breakeven.ledger.layout import Field, Layout, Value
from breakeven.ledger.tables import TABLES
from breakeven.sources.nine_decimals import nine_decimals
from breakeven.sources.providers import provider_sql
from breakeven.sources.registry import Source, SourceOption, Words
from breakeven.sources.repeated_lines import NUMBER, number_repeated_lines
from breakeven.sources.token_units import in_tokens

IDENTITY = (
    "BillingAccountId",
    "SubAccountId",
    "ProviderName",
    "ServiceProviderName",
    "PublisherName",
    "ServiceName",
    "ResourceId",
    "RegionId",
    "AvailabilityZone",
    "SkuId",
    "SkuPriceId",
    "SkuMeter",
    "ChargeCategory",
    "ChargeClass",
    "ChargeFrequency",
    "ChargeDescription",
    "ChargePeriodStart",
    "ChargePeriodEnd",
    "PricingCategory",
    "PricingUnit",
    "CommitmentDiscountId",
    "CommitmentDiscountStatus",
    "BillingCurrency",
)
"""What names a line of a bill: all that says what was charged, not how much, nor on which invoice."""

_SAME = {name: name.lower() for name in IDENTITY}
_FIELDS = (
    Field("billedcost", ("BilledCost",), required=True),
    *(
        Field(_SAME[name], (name,), name in ("BillingCurrency", "ChargeCategory", "ChargePeriodStart"))
        for name in IDENTITY
    ),
    Field("issuer", ("InvoiceIssuerName", "InvoiceIssuer", "InvoiceIssuingEntity")),
    Field("billingperiodend", ("BillingPeriodEnd",)),
    Field("effectivecost", ("EffectiveCost",)),
    Field("servicecategory", ("ServiceCategory",)),
    Field("resourcetype", ("ResourceType",)),
    Field("consumedquantity", ("ConsumedQuantity", "UsageQuantity")),
    Field("consumedunit", ("ConsumedUnit", "UsageUnit")),
    Field("pricingquantity", ("PricingQuantity",)),
    Field("pricingcurrency", ("PricingCurrency",)),
    Field("pricingcost", ("PricingCurrencyEffectiveCost",)),
    Field("invoiceid", ("InvoiceId",)),
    Field("number", (NUMBER,)),
)
_CHARGES = {"usage": "usage", "purchase": "fee", "tax": "tax", "credit": "credit", "adjustment": "adjustment"}
_SAID = "concat_ws(' ', {skumeter}, {skuid}, {skupriceid}, {chargedescription}, {servicename})"
_GPU = (
    "(?i)\\b(gpu|tpu|[abh](100|200|300|800)|h20|l40s?|l20|l4|t4|v100|a10g?|gb[23]00|"
    "p[2345](d|de|e|en)?|g[3456](dn|e)?|nc|nd|nv)\\b"
)
_MODEL = (
    "((gpt|chatgpt|claude|gemini|deepseek|qwen|qwq|kimi|moonshot|glm|doubao|ernie|hunyuan|minimax|abab|llama|"
    "mistral|mixtral|codestral|command|nova|titan|grok|o[134])-[a-z0-9][a-z0-9.:-]*[a-z0-9]|o[134]\\b)"
)
_SUFFIX = "[.:-](inp|input|outp|output|opt|out|cached?|cchd|tokens?|batch|glbl|regnl|dzone)\\b.*$"
# Companies as the price book names them, by a word in the name of who bills.
_VENDORS = {
    "amazon": ("amazon", "aws"),
    "azure": ("microsoft", "azure"),
    "google": ("google",),
    "openai": ("openai",),
    "anthropic": ("anthropic",),
    "alibaba": ("alibaba", "aliyun", "阿里"),
    "tencent": ("tencent", "腾讯"),
    "bytedance": ("bytedance", "volcano", "volcengine", "byteplus", "火山"),
    "baidu": ("baidu", "百度"),
    "huawei": ("huawei", "华为"),
    "moonshot": ("moonshot",),
    "deepseek": ("deepseek",),
    "zhipu": ("zhipu", "智谱"),
}
_CATEGORIES = TABLES["bills"].column("category").choices


def _vendor(option: str) -> str:
    if option:
        return sql.text(option)
    issuer = "coalesce({issuer}, {providername}, {serviceprovidername}, {publishername})"
    known = " ".join(
        f"WHEN contains(lower({issuer}), {sql.text(word)}) THEN {sql.text(name)}"
        for name, words in _VENDORS.items()
        for word in words
    )
    return f"CASE {known} ELSE {provider_sql(issuer)} END"


def _category(option: str) -> str:
    if option:
        return sql.text(option)
    return (
        "CASE WHEN {servicecategory} = 'AI and Machine Learning' THEN 'inference_api' "
        f"WHEN {{servicecategory}} = 'Compute' AND regexp_matches(concat_ws(' ', {_SAID}, {{resourcetype}}), "
        f"{sql.text(_GPU)}) THEN 'gpu' ELSE 'cloud' END"
    )


def _instant(said: str) -> str:
    """SQL of an instant as a number, the same however it is written."""
    return f"coalesce(CAST(TRY(epoch_us(TRY_CAST({said} AS TIMESTAMPTZ))) AS VARCHAR), {said})"


def _day(instant: str, *, after: bool = False) -> str:
    """SQL of the UTC day in which an instant lies; with `after`, of the first that begins at it or later."""
    moment = f"TRY(TRY_CAST({instant} AS TIMESTAMPTZ) AT TIME ZONE 'UTC')"
    if after:
        moment = f"TRY({moment} + INTERVAL 1 DAY - INTERVAL 1 MICROSECOND)"
    return f"coalesce(strftime({moment}, '%Y-%m-%d'), {instant})"


def layouts(options: Mapping[str, str]) -> tuple[Layout, ...]:
    """The layout of a FOCUS bill. Raises `UsageError` for an option it cannot take."""
    if options["category"] and options["category"] not in _CATEGORIES:
        raise UsageError(
            f"option category={options['category']} is not known", remedy=f"use {', '.join(_CATEGORIES)}"
        )
    charges = " ".join(f"WHEN {sql.text(said)} THEN {sql.text(ours)}" for said, ours in _CHARGES.items())
    quantity, unit = in_tokens(
        "coalesce({consumedquantity}, {pricingquantity})",
        "CASE WHEN {consumedquantity} IS NULL THEN {pricingunit} ELSE {consumedunit} END",
    )
    derived = {
        "said": f"regexp_replace(lower({_SAID}), '[_ /]+', '-', 'g')",
        "about_ai": "coalesce({servicecategory} = 'AI and Machine Learning', false)",
        "start_instant": _instant("{chargeperiodstart}"),
        "end_instant": _instant("{chargeperiodend}"),
        "start_day": _day("{chargeperiodstart}"),
        "end_day": _day("coalesce({chargeperiodend}, {billingperiodend})", after=True),
        "exact_amount": nine_decimals("{billedcost}"),
        "exact_quantity": quantity,
        "is_converted": "coalesce({pricingcurrency} <> {billingcurrency} AND TRY_CAST({effectivecost} AS "
        "DECIMAL(38,18)) = TRY_CAST({billedcost} AS DECIMAL(38,18)), false)",
        "named": f"CASE WHEN {{about_ai}} THEN regexp_extract({{said}}, {sql.text(_MODEL)}, 1) END",
    }
    class_of_tokens = (
        "CASE WHEN NOT {about_ai} OR NOT regexp_matches({said}, 'token|inp|outp') THEN NULL "
        "WHEN regexp_matches({said}, 'cache-?(write|creation)') THEN 'cache_write' "
        "WHEN regexp_matches({said}, 'cache|cchd') THEN 'cached_input' "
        "WHEN regexp_matches({said}, 'outp|completion|-opt(-|$)') THEN 'output' "
        "WHEN regexp_matches({said}, 'inp|prompt') THEN 'uncached_input' END"
    )
    instants = {"ChargePeriodStart": "{start_instant}", "ChargePeriodEnd": "{end_instant}"}
    keys = ", ".join(f"coalesce({instants.get(name, f'{{{_SAME[name]}}}')}, '')" for name in IDENTITY)
    return (
        Layout(
            table="bills",
            fields=_FIELDS,
            columns={
                "vendor": Value(_vendor(options["vendor"])),
                "category": Value(_category(options["category"])),
                "charge": Value(
                    f"CASE WHEN {{chargeclass}} = 'Correction' THEN 'adjustment' ELSE "
                    f"CASE lower({{chargecategory}}) {charges} ELSE {{chargecategory}} END END"
                ),
                "model": Value(f"nullif(regexp_replace({{named}}, {sql.text(_SUFFIX)}, ''), '')"),
                "token_class": Value(class_of_tokens),
                "service_tier": Value(
                    "CASE WHEN {about_ai} AND regexp_matches({said}, '\\bbatch\\b') THEN 'batch' END"
                ),
                "period_start": Value("{start_day}"),
                # A charge of an hour, or of no time at all, belongs to its day.
                "period_end": Value(
                    "CASE WHEN {end_day} > {start_day} OR {chargeperiodend} < {chargeperiodstart} "
                    "THEN {end_day} ELSE coalesce(strftime(TRY_CAST({start_day} AS DATE) + INTERVAL 1 DAY, "
                    "'%Y-%m-%d'), {end_day}) END"
                ),
                "amount": Value("{exact_amount}"),
                "currency": Value("upper({billingcurrency})"),
                "quantity": Value("CASE WHEN {exact_quantity} NOT LIKE '-%' THEN {exact_quantity} END"),
                "unit": Value(unit),
                "pricing_amount": Value(
                    f"CASE WHEN {{is_converted}} THEN {nine_decimals('{pricingcost}')} END"
                ),
                "pricing_currency": Value("CASE WHEN {is_converted} THEN upper({pricingcurrency}) END"),
                "invoice_id": Value("{invoiceid}"),
            },
            source_id=f"md5(concat_ws('|', {keys})) || ':' || coalesce({{number}}, '1')",
            derived=derived,
            prepare=number_repeated_lines(IDENTITY, ("BilledCost", "ConsumedQuantity", "PricingQuantity")),
            title="a FOCUS bill",
        ),
    )


SOURCE = Source(
    name="focus",
    label=Words("FOCUS bill (cloud and AI vendors)", "FOCUS 账单（云与 AI 供应商）"),
    tables=("bills",),
    input_includes_cached=None,
    layouts=layouts,
    covers=Words("what clouds and AI vendors bill, line by line", "云与 AI 供应商逐行的账单"),
    notes=Words(
        "BilledCost is the amount, rounded to nine decimals, half to even; list, contracted and effective "
        "cost are "
        "not booked. A purchase is charge `fee`, a correction `adjustment`. Charge periods become UTC days. "
        "Lines "
        "that say the same all count. Negative quantities (of corrections) are not booked, their amounts "
        "are. "
        "Model and token class are read from SKU and description where they name them. When a vendor issues "
        "a "
        "month again, undo the earlier import first: a line that has gone cannot be seen in the new file.",
        "BilledCost 为金额，四舍六入五成双到九位小数；列表价、合同价与有效成本不入账。购买（Purchase）记为 "
        "fee，"
        "更正（Correction）记为 adjustment。计费时段换算为 UTC 日。内容相同的行全部计入。"
        "更正行的负数量不入账，金额入账。"
        "模型与词元类别仅在 SKU 或说明中写明时读取。供应商重新出具某月账单时，请先撤销先前的导入："
        "新文件里看不出哪一行已被取消。",
    ),
    origin="https://focus.finops.org",
    options=(
        SourceOption("vendor", "", Words("who bills, if not as the file says", "出账方，默认取自文件")),
        SourceOption(
            "category",
            "",
            Words("one category for all lines", "所有行的类别，默认按服务类别"),
        ),
    ),
)
