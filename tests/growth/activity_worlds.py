"""Companies whose users act by rules of their own, most of which none of the curves can follow exactly."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

Floats = np.ndarray


def moved(share: Floats, by: Floats | float) -> Floats:
    """A share moved on the log-odds scale."""
    odds = np.clip(share, 1e-9, 1 - 1e-9)
    return 1 / (1 + (1 - odds) / odds * np.exp(-np.asarray(by)))


def final_exits(random, users, ages, shift):
    """Beta-geometric stays, and a steady share of those left active: the curve alive (sBG) x active."""
    chance = random.beta(0.8, 2.0, users)
    stay = random.geometric(np.maximum(chance, 1e-9))
    return (ages < stay[:, None]) & (random.random((users, len(ages))) < moved(0.6, shift))


def lasting_habits(random, users, ages, shift):
    """Lognormal stays, and each user's own habit: none of the curves."""
    stay = np.exp(random.normal(1.2, 1.4, users))
    habit = random.beta(0.9, 1.1, users)[:, None]
    return (ages <= stay[:, None]) & (random.random((users, len(ages))) < moved(habit, shift))


def pauses(random, users, ages, shift):
    """Active and paused users change places, and some leave for good."""
    is_active, is_here = np.ones(users, dtype=bool), np.ones(users, dtype=bool)
    found = np.zeros((users, len(ages)), dtype=bool)
    for k in range(len(ages)):
        is_here &= random.random(users) > 0.05
        chance = moved(np.where(is_active, 0.78, 0.09), shift[k])
        is_active = is_here & (random.random(users) < chance)
        found[:, k] = is_active
    return found


def some_never_leave(random, users, ages, shift):
    """A seventh stays for ever; the others leave sooner the longer they stay."""
    stay = np.where(random.random(users) < 0.15, np.inf, 1 + 4 * random.weibull(1.3, users))
    return (ages < stay[:, None]) & (random.random((users, len(ages))) < moved(0.7, shift))


def power_law(random, users, ages, shift):
    """Each period drawn anew from a falling share."""
    return random.random((users, len(ages))) < moved(0.4 * ages**-0.5, shift)


WORLDS: dict[str, Callable[..., Floats]] = {
    one.__name__: one for one in (final_exits, lasting_habits, pauses, some_never_leave, power_law)
}


def company(world: str, cohorts: int, seed: int, sizes=(200, 4000)) -> tuple[Floats, Floats]:
    """Users (cohort,) and active users (cohort, age) up to twice the age of the oldest cohort.

    Cohorts lie apart by 0.2 on the log-odds scale, months by 0.05.
    """
    random = np.random.default_rng([seed, *world.encode()])
    ages = np.arange(1, 2 * cohorts + 1)
    users = np.exp(random.uniform(*np.log(sizes), cohorts)).astype(int)
    months = random.normal(0, 0.05, 3 * cohorts + 1)
    active = np.empty((cohorts, 2 * cohorts + 1))
    active[:, 0] = users
    for i in range(cohorts):
        shift = random.normal(0, 0.2) + months[i + ages]
        active[i, 1:] = WORLDS[world](random, int(users[i]), ages, shift).sum(axis=0)
    return users.astype(float), active


def seen_so_far(active: Floats) -> Floats:
    """What is known when the oldest cohort is half as old as the table: NaN after."""
    cohorts = len(active)
    last = np.arange(cohorts, 0, -1)[:, None]
    return np.where(np.arange(active.shape[1]) <= last, active, np.nan)
