"""The table `ad_reporting__campaign_report` of Fivetran's dbt package: spend per day, platform and campaign.

It holds no currency: accounts are billed in their own. Say it with `currency=`, one import per currency; or
add a column `currency` to the export.
"""

from __future__ import annotations

from collections.abc import Mapping

from breakeven.ledger.layout import Field, Layout, Value
from breakeven.sources.campaign_cost import CURRENCY_OPTION, joined_id, said_currency
from breakeven.sources.registry import Source, Words

_KEY = ("source_relation", "platform", "account_id", "campaign_id", "day")
FIELDS = (
    Field("source_relation", ("source_relation",)),
    Field("day", ("date_day",), required=True),
    Field("platform", ("platform",), required=True),
    Field("account_id", ("account_id",)),
    Field("campaign_id", ("campaign_id",), required=True),
    Field("campaign", ("campaign_name",)),
    Field("impressions", ("impressions",)),
    Field("clicks", ("clicks",)),
    Field("spend", ("spend",), required=True),
    Field("currency", ("currency", "currency_code", "account_currency")),
)


def layouts(options: Mapping[str, str]) -> tuple[Layout, ...]:
    """One row of ad spend per row of the table."""
    layout = Layout(
        table="ad_spend",
        fields=FIELDS,
        columns={
            "day": Value("left({day}, 10)"),
            "channel": Value("{platform}"),
            "campaign": Value("coalesce({campaign}, {campaign_id})"),
            "kind": Value("'ads'"),
            "amount": Value("{spend}"),
            "currency": said_currency(options["currency"]),
            "impressions": Value("{impressions}"),
            "clicks": Value("{clicks}"),
        },
        source_id=joined_id(_KEY),
        title="the table ad_reporting__campaign_report",
    )
    return (layout,)


SOURCE = Source(
    name="ad_reporting",
    label=Words("Fivetran ad_reporting, campaigns", "Fivetran ad_reporting 计划报表"),
    tables=("ad_spend",),
    input_includes_cached=None,
    layouts=layouts,
    covers=Words("ad spend per day, platform and campaign", "按天、平台与计划的投放花费"),
    notes=Words(
        "The table holds no currency: say option currency, one import per currency of accounts. Days are "
        "those of each platform's account.",
        "表中没有币种：用选项 currency 指定，不同币种的账户分开导入。日期按各平台账户的时区。",
    ),
    origin="https://fivetran.github.io/dbt_ad_reporting/",
    options=(CURRENCY_OPTION,),
)
