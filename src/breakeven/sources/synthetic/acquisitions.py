"""The acquisition rows of a day, and the users' visible ids."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from breakeven.sources.synthetic import company
from breakeven.sources.synthetic.clock import STARTS_US
from breakeven.sources.synthetic.plan import CompanyPlan
from breakeven.sources.synthetic.population import ORGANIC, Population
from breakeven.sources.synthetic.randomness import Purpose, choice_table, stream
from breakeven.sources.synthetic.write import chosen, numbered

CHANNEL_NAMES = (*(channel.name for channel in company.CHANNELS), company.ORGANIC.name)

_ORIGINS: tuple[tuple[int, str | None, str | None, float], ...] = tuple(
    (number, line.campaign, creator, line.weight / len(line.creators or (None,)))
    for number, channel in enumerate(company.CHANNELS)
    for line in channel.lines
    if line.kind != "agency"
    for creator in (line.creators or (None,))
)
"""What a user's row can say: channel number, campaign, creator, weight."""

CAMPAIGNS = (*dict.fromkeys(origin[1] for origin in _ORIGINS if origin[1]), None)
CREATOR_NAMES = (*company.CREATORS, None)


def acquisition_columns(plan: CompanyPlan, people: Population, day: int) -> dict[str, pa.Array]:
    """The canonical `acquisitions` columns of a day."""
    random = stream(plan.seed, Purpose.ACQUISITION, day)
    users = np.arange(people.first_of_day[day], people.first_of_day[day + 1])
    channel = people.channel[users]
    bits = random.integers(0, 65_536, (2, len(users)))
    campaign = np.full(len(users), len(CAMPAIGNS) - 1)
    creator = np.full(len(users), len(CREATOR_NAMES) - 1)
    for number in range(len(company.CHANNELS)):
        origins = [origin for origin in _ORIGINS if origin[0] == number]
        mine = np.flatnonzero(channel == number)
        pick = choice_table(tuple(origin[3] for origin in origins))[bits[0, mine]]
        campaign[mine] = np.array([CAMPAIGNS.index(origin[1]) for origin in origins])[pick]
        creator[mine] = np.array([CREATOR_NAMES.index(origin[2]) for origin in origins])[pick]
    start_us = plan.day_start_us(plan.days[day])
    countries = choice_table(company.COUNTRY_SHARES)
    return {
        "user_id": numbered("user", users),
        "acquired_at": pa.array(start_us + STARTS_US[bits[1]]).view(pa.timestamp("us", tz="UTC")),
        "channel": chosen(channel, CHANNEL_NAMES),
        "campaign": chosen(campaign, CAMPAIGNS),
        "creator": chosen(creator, CREATOR_NAMES),
        "is_paid": pa.array(channel != ORGANIC),
        "platform": chosen(people.platform[users], company.PLATFORMS),
        "country": chosen(countries[random.integers(0, 65_536, len(users))], company.COUNTRIES),
        "source_id": numbered("new-", users),
    }
