"""AppsFlyer raw data: each install is a new user, and what it cost where AppsFlyer knows.

The raw data installs report, V5, as the dashboard and the Pull API give it (column titles) or as Push API and
Data Locker do (snake case). Organic installs are a report of their own; both read alike. Re-attributions and
re-engagements bring back known users: they are no acquisitions, but what they cost is spent.
"""

from __future__ import annotations

from collections.abc import Mapping

from breakeven.engine import sql
from breakeven.errors import UsageError
from breakeven.ledger.layout import Field, Layout, Value
from breakeven.periods import time_zone
from breakeven.sources.registry import Source, SourceOption, Words

FIELDS = (
    Field("install_time", ("Install Time", "install_time"), required=True),
    Field("event_time", ("Event Time", "event_time")),
    Field("event", ("Event Name", "event_name")),
    Field("media_source", ("Media Source", "media_source"), required=True),
    Field("campaign", ("Campaign", "campaign", "campaign_name")),
    Field("campaign_id", ("Campaign ID", "af_c_id")),
    Field("appsflyer_id", ("AppsFlyer ID", "appsflyer_id"), required=True),
    Field("customer_user_id", ("Customer User ID", "customer_user_id")),
    Field("country", ("Country Code", "country_code")),
    Field("platform", ("Platform", "platform")),
    Field("is_retargeting", ("Is Retargeting", "is_retargeting")),
    Field("cost", ("Cost Value", "af_cost_value", "cost_value")),
    Field("cost_currency", ("Cost Currency", "af_cost_currency", "cost_currency")),
)
_CAMPAIGN = Value("coalesce({campaign}, {campaign_id})")
_RETURNED = (
    "(lower({is_retargeting}) = 'true' OR lower({event}) IN ('re-attribution', 're-engagement', 'reinstall'))"
)


def layouts(options: Mapping[str, str]) -> tuple[Layout, ...]:
    """Installs, and apart from them what they cost."""
    zone = time_zone(options["time_zone"]).key
    unpaid = [name.strip().lower() for name in options["unpaid"].split(",") if name.strip()]
    if any("{" in name for name in unpaid):
        raise UsageError("option unpaid has a name with a brace")
    installs = Layout(
        table="acquisitions",
        fields=FIELDS,
        columns={
            "user_id": Value("coalesce({customer_user_id}, {appsflyer_id})"),
            "acquired_at": Value("{install_time}"),
            "channel": Value("coalesce({media_source}, 'organic')"),
            "campaign": _CAMPAIGN,
            "is_paid": Value(
                "CASE WHEN coalesce(lower({media_source}), 'organic') IN "
                f"({sql.texts(['organic', *unpaid])}) THEN 'false' ELSE 'true' END"
            ),
            "platform": Value("{platform}"),
            "country": Value("{country}"),
        },
        source_id="{appsflyer_id}",
        skip=_RETURNED,
        skipped_as="re-attributions, re-engagements and reinstalls: users who were won before",
        time_zone=zone,
        title="an AppsFlyer raw data report of installs",
    )
    if options["cost"] == "no":
        return (installs,)
    if options["cost"] != "yes":
        raise UsageError(f"option cost={options['cost']} is not yes or no")
    cost = Layout(
        table="ad_spend",
        fields=FIELDS,
        columns={
            "day": Value("left(coalesce({event_time}, {install_time}), 10)"),
            "channel": Value("{media_source}"),
            "campaign": _CAMPAIGN,
            "kind": Value("'ads'"),
            "amount": Value("{cost}"),
            "currency": Value("{cost_currency}"),
        },
        source_id="{appsflyer_id} || ':' || coalesce({event_time}, {install_time})",
        where="{cost} IS NOT NULL AND coalesce(TRY_CAST({cost} AS DECIMAL(28,9)), 1) <> 0",
        is_rest=False,
        title=installs.title,
    )
    return (installs, cost)


SOURCE = Source(
    name="appsflyer",
    label=Words("AppsFlyer raw data, installs", "AppsFlyer 原始数据：安装"),
    tables=("acquisitions", "ad_spend"),
    input_includes_cached=None,
    layouts=layouts,
    covers=Words("new users with channel and campaign, their cost", "新增用户的渠道与计划，及其成本"),
    notes=Words(
        "Where the app sets no customer user id, the AppsFlyer id stands for the user and joins with "
        "nothing else. Where the ad platform's own spend is imported too, say cost=no, or it counts twice.",
        "应用未设置 customer user id 时以 AppsFlyer ID 代替，无法与其他数据关联。"
        "若同时导入广告平台自己的花费，请用 cost=no，否则会重复计算。",
    ),
    origin="https://support.appsflyer.com/hc/en-us/articles/208387843",
    options=(
        SourceOption("time_zone", "UTC", Words("the zone of the export's times", "导出时间所属时区")),
        SourceOption(
            "unpaid",
            "",
            Words(
                "media sources that cost nothing, by comma, beside organic",
                "organic 以外的免费来源，逗号分隔",
            ),
        ),
        SourceOption(
            "cost", "yes", Words("book cost per install: yes or no", "是否记入每次安装的成本：yes 或 no")
        ),
    ),
)
