"""The invented company: its channels, plans, gifts, models, prices, fleet, suppliers and funding.

Amounts per month are those of the full size (`FULL_SIZE`), in CNY unless the name says otherwise; a plan
scales them by its number of users. Published figures of 2024 give the ends of its paths: AppGrowing for ad
spend (nearly 15 million CNY in March, nearly 50 million in July and August), investors and media for the
cost of a user (12-13 CNY, later at least 30), the press for 70 % of new users bought, six visits a visitor a
month, gifts of 5.2 to 399 CNY, an outage on 20 March, and a round of 1,000 million USD of which 600 million
could be spent on one cloud alone. All else is assumed.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from decimal import Decimal

CURRENCY = "CNY"
ZONE = "Asia/Shanghai"

SPEND_CNY = (15_000_000, 20_000_000, 27_000_000, 36_000_000, 50_000_000, 50_000_000)
"""Acquisition spend by month of the plan; later months repeat the last."""

COST_PER_BOUGHT_USER_CNY = tuple(12.5 * 2.4 ** (month / 5) for month in range(6))
"""Acquisition spend over bought users: 12.50, 14.89, 17.74, 21.14, 25.18, 30.00."""

BOUGHT_SHARE = 0.70

OUTAGE = date(2024, 3, 20)
OUTAGE_HOURS = (10, 18)
OUTAGE_FAILED_SHARE = 0.72
SURGE = {date(2024, 3, 18): 1.8, date(2024, 3, 19): 2.4, date(2024, 3, 20): 3.2, date(2024, 3, 21): 1.5}
"""How many times the usual number of organic users come around the outage."""
DAY_AFTER_OUTAGE_VISITS = 0.62

PRICE_CUT = date(2024, 5, 22)
"""Local day from which the lower list prices hold, for our own API and for the outside provider's."""
GIFTS_FROM = date(2024, 5, 1)
API_FROM = date(2024, 8, 1)


@dataclass(frozen=True)
class SpendLine:
    """One way of spending on a channel; `weight` is its share of the channel's spend."""

    kind: str
    weight: float
    campaign: str | None = None
    creators: tuple[str, ...] = ()


@dataclass(frozen=True)
class Channel:
    """A channel, its users and how it spends.

    Shares are of bought users, in the first and in the sixth month; `relative_cost` is a user's cost against
    the average; `once_share` of its users never come back, the others stay `median_stay_days` at the median.
    """

    name: str
    first_share: float
    last_share: float
    relative_cost: float
    once_share: float
    median_stay_days: float
    lines: tuple[SpendLine, ...]


CREATORS = tuple(f"creator-{number:02d}" for number in range(1, 13))

CHANNELS = (
    Channel(
        "bilibili", 0.20, 0.27, 1.20, 0.44, 11, (
            SpendLine("ads", 0.55, "bilibili-feed"),
            SpendLine("creator", 0.33, "bilibili-reviews", CREATORS[:7]),
            SpendLine("creator", 0.04, None, CREATORS[:3]),
            SpendLine("agency", 0.08),
        ),
    ),
    Channel(
        "douyin", 0.24, 0.27, 1.05, 0.52, 8, (
            SpendLine("ads", 0.70, "douyin-feed"),
            SpendLine("creator", 0.16, "douyin-shorts", CREATORS[7:]),
            SpendLine("ads", 0.06),
            SpendLine("agency", 0.08),
        ),
    ),
    Channel(
        "search", 0.20, 0.14, 0.90, 0.38, 14, (
            SpendLine("ads", 0.62, "search-brand-words"),
            SpendLine("ads", 0.32, "search-topic-words"),
            SpendLine("agency", 0.06),
        ),
    ),
    Channel(
        "app_store", 0.18, 0.16, 1.00, 0.42, 12, (
            SpendLine("ads", 0.93, "app-store-top"),
            SpendLine("ads", 0.07),
        ),
    ),
    Channel(
        "campus", 0.08, 0.08, 0.85, 0.46, 13, (
            SpendLine("coupon", 0.55, "campus-term"),
            SpendLine("ads", 0.30, "campus-posters"),
            SpendLine("agency", 0.15),
        ),
    ),
    Channel(
        "referral", 0.10, 0.08, 0.55, 0.36, 16, (
            SpendLine("referral", 0.80, "invite-a-friend"),
            SpendLine("coupon", 0.20, "invite-a-friend"),
        ),
    ),
)  # fmt: skip
"""The channels that bring bought users."""

ORGANIC = Channel("organic", 0.0, 0.0, 0.0, 0.32, 18, ())
BRAND = Channel("brand", 0.0, 0.0, 0.0, 0.0, 0.0, (SpendLine("ads", 1.0),))
"""Spend that brings nobody in particular: it stays unattributed."""
BRAND_SPEND_SHARE = 0.012

PLATFORMS = ("android", "ios", "web")
PLATFORM_SHARES = (0.46, 0.26, 0.28)
COUNTRIES = ("CN", "SG", "US")
COUNTRY_SHARES = (0.965, 0.02, 0.015)


@dataclass(frozen=True)
class SubscriptionPlan:
    """A subscription: price in CNY cents with tax, months of service, share of new subscriptions."""

    name: str
    price_cents: int
    service_months: int
    share: float


SUBSCRIPTION_PLANS = (
    SubscriptionPlan("monthly", 3_900, 1, 0.78),
    SubscriptionPlan("quarterly", 10_800, 3, 0.14),
    SubscriptionPlan("yearly", 38_800, 12, 0.08),
)
SUBSCRIBE_SHARE_OF_ACTIVE_DAYS = 0.0032
RENEWAL_SHARE = 0.68


@dataclass(frozen=True)
class Gift:
    """A gift that buys priority at peak: price in CNY cents with tax, hours of priority, share of gifts."""

    name: str
    price_cents: int
    service_hours: int
    share: float


GIFTS = (
    Gift("gift-5.20", 520, 4, 0.42),
    Gift("gift-9.99", 999, 24, 0.26),
    Gift("gift-29.90", 2_990, 72, 0.15),
    Gift("gift-49.90", 4_990, 168, 0.08),
    Gift("gift-99.00", 9_900, 336, 0.05),
    Gift("gift-199.00", 19_900, 720, 0.025),
    Gift("gift-399.00", 39_900, 1_440, 0.015),
)
GIFT_SHARE_OF_ACTIVE_DAYS = 0.0021
PEAK_HOURS = (19, 23)

REFUND_SHARE = 0.018
CHARGEBACK_SHARE = 0.0015
CHARGEBACK_FEE_CENTS = 1_500
FEE_PER_MILLE = 6
TAX_PERCENT = 6

PRODUCTS = ("app", "web")
FEATURES = ("chat", "search", "file", "long_context")
FEATURE_SHARES = (0.62, 0.22, 0.10, 0.06)
SERVICE_TIERS = ("standard", "priority")
STATUSES = ("ok", "error", "overloaded")
ERROR_SHARE = 0.006

OWN_PROVIDER = "self"
OUTSIDE_PROVIDER = "outside-api"
MODELS = ("assistant-8k", "assistant-32k", "assistant-128k", "outside-lite")
PROVIDERS = (OWN_PROVIDER, OWN_PROVIDER, OWN_PROVIDER, OUTSIDE_PROVIDER)
OUTSIDE_MODEL = 3
OVERFLOW_SHARE, OVERFLOW_SHARE_AT_PEAK = 0.12, 0.30

TOKEN_CLASSES = ("uncached_input", "cached_input", "cache_write", "output")
PRIORITY_MULTIPLIER = Decimal("1.5")

SELL_PRICES_CNY_PER_MTOK: tuple[dict[str, tuple[str, str, str, str]], ...] = (
    {
        "assistant-8k": ("12.00", "4.80", "14.40", "12.00"),
        "assistant-32k": ("24.00", "9.60", "28.80", "24.00"),
        "assistant-128k": ("60.00", "24.00", "72.00", "60.00"),
        "outside-lite": ("12.00", "4.80", "14.40", "12.00"),
    },
    {
        "assistant-8k": ("5.00", "1.25", "6.00", "5.00"),
        "assistant-32k": ("10.00", "2.50", "12.00", "10.00"),
        "assistant-128k": ("30.00", "7.50", "36.00", "30.00"),
        "outside-lite": ("5.00", "1.25", "6.00", "5.00"),
    },
)
"""Our list prices before and from the cut, in the order of `TOKEN_CLASSES`."""

BUY_PRICES_CNY_PER_MTOK = (("8.00", "3.20", "8.00", "12.00"), ("4.00", "1.60", "4.00", "6.00"))
"""What the outside provider charges for its model, before and from the cut."""

GPU = "H800"
RESERVED_GPUS = (900, 1_150, 1_450, 1_850, 2_350, 2_500)
LONG_CONTEXT_SHARE_OF_GPUS = 0.2
BURST_SHARE_OF_GPUS = 0.15
RESERVED_PRICE_PER_GPU_HOUR = "12.50"
ON_DEMAND_PRICE_PER_GPU_HOUR = "17.60"

CLOUD = "cloud-one"
CREDIT = "cloud-one credit"
LEASE_PARTNER = "gpu-lease-partner"


@dataclass(frozen=True)
class Supply:
    """A regular bill: full-size CNY by month, on the same path as users; cut at `cut_day` of each month."""

    vendor: str
    category: str
    monthly_cny: int
    growth: float
    cut_day: int = 1
    months_per_bill: int = 1
    funded_by: str | None = None


SUPPLIES = (
    Supply(CLOUD, "cloud", 2_600_000, 1.06, funded_by=CREDIT),
    Supply("bandwidth-partner", "bandwidth", 700_000, 1.10, cut_day=16),
    Supply("content-desk", "content", 850_000, 1.02),
    Supply("staff", "payroll", 8_200_000, 1.03),
    Supply(CLOUD, "training", 19_000_000, 1.05, months_per_bill=2, funded_by=CREDIT),
    Supply("offices", "other", 640_000, 1.00),
)

OPENING_CASH_CNY = 420_000_000
EQUITY_USD = 400_000_000
CREDIT_USD = 600_000_000
