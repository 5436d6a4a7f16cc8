"""Adjust's CSV report: what each campaign cost per day.

A report of `automate.adjust.com/reports-service/csv_report` with the dimension `day`, any of the dimensions
below, and the metric `cost` or `network_cost`; columns bear Adjust's slugs or, with `readable_names`, titles.
"""

from __future__ import annotations

from collections.abc import Mapping

from breakeven.ledger.layout import Field, Layout, Value
from breakeven.sources.campaign_cost import CURRENCY_OPTION, joined_id, said_currency
from breakeven.sources.registry import Source, Words

_DIMENSIONS = {
    "day": ("day", "Day", "date"),
    "app": ("app_token", "App token", "app"),
    "network": ("channel", "Channel", "partner_name", "Partner name", "network", "Network"),
    "source_network": ("source_network", "Network (attribution)"),
    "campaign_id": ("campaign_id_network", "Campaign ID (network)"),
    "campaign": ("campaign_network", "Campaign (network)", "campaign", "Campaign"),
    "adgroup": ("adgroup_id_network", "adgroup_network", "adgroup", "Adgroup"),
    "creative": ("creative_id_network", "creative_network", "creative", "Creative"),
    "country": ("country_code", "country", "Country"),
    "os": ("os_name", "OS name", "os"),
    "platform": ("platform", "Platform"),
    "store": ("store_type", "store_id"),
}
FIELDS = (
    *(Field(name, origins, required=name == "day") for name, origins in _DIMENSIONS.items()),
    Field("cost", ("cost", "Ad spend", "network_cost", "Ad spend (network)"), required=True),
    Field("currency", ("currency_code", "currency", "Currency")),
    Field("impressions", ("impressions", "Impressions", "network_impressions")),
    Field("clicks", ("clicks", "Clicks", "network_clicks")),
)


def layouts(options: Mapping[str, str]) -> tuple[Layout, ...]:
    """One row of ad spend per row of the report; rows without cost are installs nobody was paid for."""
    layout = Layout(
        table="ad_spend",
        fields=FIELDS,
        columns={
            "day": Value("left({day}, 10)"),
            "channel": Value("coalesce({network}, {source_network})"),
            "campaign": Value("coalesce({campaign}, {campaign_id})"),
            "kind": Value("'ads'"),
            "amount": Value("{cost}"),
            "currency": said_currency(options["currency"]),
            "impressions": Value("{impressions}"),
            "clicks": Value("{clicks}"),
        },
        source_id=joined_id(_DIMENSIONS),
        skip="{cost} IS NULL OR TRY_CAST({cost} AS DECIMAL(28,9)) = 0",
        skipped_as="rows without cost",
        title="an Adjust report by day with cost",
    )
    return (layout,)


SOURCE = Source(
    name="adjust",
    label=Words("Adjust report of ad cost", "Adjust 投放成本报表"),
    tables=("ad_spend",),
    input_includes_cached=None,
    layouts=layouts,
    covers=Words("ad spend per day and campaign", "按天与计划的投放花费"),
    notes=Words(
        "Days are the report's (utc_offset or timezone of the request). Without a currency column the option "
        "currency is needed. Ask for either cost or network_cost: cost counts first.",
        "日期按报表自身的时区。没有币种列时须用选项 currency。同时有 cost 与 network_cost 时取 cost。",
    ),
    origin="https://dev.adjust.com/en/api/rs-api/csv",
    options=(CURRENCY_OPTION,),
)
