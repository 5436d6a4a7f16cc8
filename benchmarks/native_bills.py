"""Files of bills, ad cost and installs in their systems' own forms."""

from __future__ import annotations

from benchmarks.native_files import Native, csv_of, template
from benchmarks.native_pages import anthropic_bucket, bucket_pages, openai_bucket

_DAY = 86_400
_YEAR_DAYS = 365

_ANTHROPIC_COST = {
    "currency": "USD", "amount": "<money>78912", "workspace_id": "wrkspc_<n>",
    "description": "Claude Sonnet 4 Usage - Input Tokens", "cost_type": "tokens", "context_window": "0-200k",
    "model": "<claude>", "service_tier": "standard", "token_type": "uncached_input_tokens",
}  # fmt: skip
_OPENAI_COST = {
    "object": "organization.costs.result", "amount": {"value": "#<money>0000000012", "currency": "usd"},
    "line_item": "<model>, input", "project_id": "proj_<n>", "organization_id": "org-1",
    "quantity": "#<tokens>", "quantity_unit": "tokens",
}  # fmt: skip

_FOCUS = {
    "BilledCost": "<money>00000025", "BillingAccountId": "acc-1", "BillingCurrency": "USD",
    "BillingPeriodEnd": "2024-09-01T00:00:00Z", "BillingPeriodStart": "2024-08-01T00:00:00Z",
    "ChargeCategory": "Usage", "ChargeClass": "", "ChargePeriodEnd": "<day>T23:00:00Z",
    "ChargePeriodStart": "<day>T22:00:00Z", "ContractedCost": "<money>", "EffectiveCost": "<money>",
    "InvoiceId": "INV-1", "InvoiceIssuerName": '"Amazon Web Services, Inc."', "ListCost": "<money>",
    "PricingCurrency": "USD", "PricingCurrencyEffectiveCost": "<money>", "ProviderName": "AWS",
    "RegionId": "us-east-1",
}  # fmt: skip
_TOKENS = _FOCUS | {
    "ChargeDescription": "claude-3-5-sonnet-20240620 input tokens", "ConsumedQuantity": "<tokens>",
    "ConsumedUnit": "1K tokens", "PricingQuantity": "<tokens>", "PricingUnit": "1K tokens",
    "PublisherName": "Anthropic", "ResourceId": "profile-<n>", "ServiceCategory": "AI and Machine Learning",
    "ServiceName": "Amazon Bedrock", "SkuId": "sku-in", "SkuMeter": "input-tokens", "SkuPriceId": "price-in",
}  # fmt: skip
_MACHINES = _FOCUS | {
    "ChargeDescription": "p5.48xlarge per hour", "ConsumedQuantity": "1", "ConsumedUnit": "Hours",
    "PricingQuantity": "1", "PricingUnit": "Hours", "PublisherName": "AWS", "ResourceId": "i-<n>",
    "ServiceCategory": "Compute", "ServiceName": "Amazon EC2", "SkuId": "sku-p5",
    "SkuMeter": "BoxUsage:p5.48xlarge", "SkuPriceId": "price-p5",
}  # fmt: skip
_FOCUS_COLUMNS = sorted(_TOKENS)

_INSTALLS = (
    "Attributed Touch Type,Attributed Touch Time,Install Time,Event Time,Event Name,Event Value,Partner,"
    "Media Source,Channel,Campaign,Campaign ID,Adset,Cost Model,Cost Value,Cost Currency,Country Code,"
    "AppsFlyer ID,Customer User ID,Platform,App ID,Is Retargeting,Retargeting Conversion Type"
)
_BOUGHT = (
    "click,<day> 00:00:00,<day> <clock>,<day> <clock>,install,,,bytedanceglobal_int,,spring CN <campaign>,"
    "c<campaign>,,cpi,<money>5678,CNY,CN,1700000000001-<n>,u<n>,android,id123,false,"
)
_ORGANIC = ",,<day> <clock>,<day> <clock>,install,,,organic,,,,,,,,CN,1700000000001-<n>,u<n>,ios,id123,false,"
_REPORT = (
    "day,app,app_token,partner_name,campaign_network,campaign_id_network,country_code,currency_code,installs,"
    "impressions,clicks,cost"
)


FILES: dict[str, Native] = {
    "ad_reporting": Native(
        ".csv",
        csv_of(
            "source_relation,date_day,platform,account_id,account_name,campaign_id,campaign_name,clicks,"
            "impressions,spend,conversions,conversions_value,currency",
            ",<day>,google_ads,111,Assistant,c<n>,Search brand <campaign>,<out>,<tokens>,<money>,5.0,0,USD",
        ),
    ),
    "adjust": Native(
        ".csv",
        csv_of(
            _REPORT,
            "<day>,Assistant,abc123,TikTok,spring <campaign>,c<n>,cn,CNY,<out>,<tokens>,<out>,<money>",
        ),
    ),
    "anthropic_cost": Native(
        ".json", bucket_pages(anthropic_bucket(_DAY), template(_ANTHROPIC_COST), buckets=_YEAR_DAYS, page=31)
    ),
    "appsflyer": Native(
        ".csv",
        csv_of(_INSTALLS, _BOUGHT, _ORGANIC),
        # What an install cost is a row of its own.
        rows=lambda records: records + -(-records // 2),
    ),
    "bilibili": Native(
        ".csv",
        csv_of(
            "日期,账户名称,计划ID,计划名称,创意ID,花费,展示量,点击量",
            "<day>,助手,11,必选<campaign>,<n>,<money>,<tokens>,<out>",
        ),
    ),
    "focus": Native(
        ".csv",
        csv_of(
            ",".join(_FOCUS_COLUMNS),
            *(",".join(line.get(name, "") for name in _FOCUS_COLUMNS) for line in (_TOKENS, _MACHINES)),
        ),
    ),
    "invoices": Native(
        ".csv",
        csv_of(
            "vendor,invoice_id,line,description,category,model,token_class,quantity,unit,amount,tax,currency,"
            "period_start,last_day",
            "Moonshot,MS-<campaign>,<n>,Kimi API,inference_api,moonshot-v1-8k,,<tokens>,tokens,<money>,,CNY,"
            "2024-08-01,2024-08-31",
            "Data Hall,DH-<campaign>,<n>,Rack and power,gpu,,,8,GPU,<money>,0.50,CNY,2024-08-01,2024-08-31",
        ),
        # Tax is a row of its own.
        rows=lambda records: records + records // 2,
    ),
    "ocean_engine": Native(
        ".csv",
        csv_of(
            "时间-天,账户ID,账户名称,项目ID,项目名称,消耗,展示数,点击数,转化数",
            "<day>,1,助手,<n>,春季<campaign>,<money>,<tokens>,<out>,<reasoning>",
        ),
    ),
    "openai_costs": Native(
        ".json",
        bucket_pages(
            openai_bucket(_DAY), template(_OPENAI_COST, 2), buckets=_YEAR_DAYS, page=31, pretty=True
        ),
    ),
}
