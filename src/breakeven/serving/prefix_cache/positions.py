"""Where each found block stood in the cache's order: a cache of so many blocks or more served it.

Both policies order all blocks seen so far, whatever the capacity, and a cache of C blocks holds the first C:

- `lru`: the last touched first. A request touches its last block first and its first block last.
- `lfu`: the most often touched first; of those, the last touched. Touches of evicted blocks stay counted, and
a
  new block enters only if it ranks high enough.
- `infinite`: holds all.

So one pass gives every capacity, a larger cache serves whatever a smaller one does, and since a prefix is
touched whenever what follows it is, and later, the blocks in the cache always form whole prefixes. The
method is that of Mattson, Gecsei, Slutz and Traiger (1970), Evaluation techniques for storage hierarchies,
IBM Systems Journal 9(2), 78-117; the counting is offline, for all requests at once.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np

from breakeven.serving.prefix_cache.runs import Births, Runs
from breakeven.serving.prefix_cache.trace import Ints, PrefixTrace
from breakeven.serving.prefix_cache.weight_before import weight_before_and_above

Policy = Literal["lru", "lfu", "infinite"]
POLICIES: tuple[Policy, ...] = ("lru", "lfu", "infinite")


def first_with_limit(policies: Sequence[Policy]) -> Policy:
    """The first policy that evicts, else the first: the one to compare nodes with.

    >>> first_with_limit(["infinite", "lfu"]), first_with_limit(["infinite"])
    ('lfu', 'infinite')
    """
    limited: list[Policy] = [each for each in policies if each != "infinite"]
    return (limited or policies)[0]


def positions(trace: PrefixTrace, runs: Runs, births: Births, policy: Policy) -> Ints:
    """(run,) the place, from 1, of each run's first block; the next block of the run is at the next place.

    Before the third request below, an LRU cache holds 9, 7, 8 in this order, and an LFU cache 7, 9, 8.

    >>> from breakeven.serving.prefix_cache.runs import found_again
    >>> trace = PrefixTrace.of([0, 1, 2], [1024] * 3, [(7, 8), (7, 9), (7, 8)])
    >>> runs, births = found_again(trace)
    >>> positions(trace, runs, births, "lru").tolist(), positions(trace, runs, births, "lfu").tolist()
    ([1, 3, 1], [1, 3, 1])
    """
    if policy == "infinite":
        return np.ones(len(runs.request), np.int64)
    return _recency(trace, runs) if policy == "lru" else _frequency(trace, runs, births)


def _recency(trace: PrefixTrace, runs: Runs) -> Ints:
    """Touches since the last touch of the block, less those of blocks that were touched again since."""
    again = weight_before_and_above(runs.last_touch, runs.blocks)
    return trace.starts[runs.request] - runs.last_touch - again


def _frequency(trace: PrefixTrace, runs: Runs, births: Births) -> Ints:
    """Blocks whose (count, moment) is greater: all that ever had such a pair, less those that moved on."""
    scale = trace.touches + 1
    keys = np.concatenate([runs.count * scale + runs.last_touch, births.count * scale + births.first_touch])
    weights = np.concatenate([-runs.blocks, births.blocks])
    # A request looks up before it leaves anything; its runs come last first, so none sees another's removal.
    order = np.lexsort((np.arange(len(keys)), np.concatenate([runs.request, births.request])))
    above = np.empty(len(keys), np.int64)
    above[order] = weight_before_and_above(keys[order], weights[order])
    # Of the birth that the run itself comes from, only the blocks touched after it are above it.
    own = births.of_touch[trace.starts[runs.last_request] + runs.depth]
    later = births.first_touch[own] + births.blocks[own] - 1 - runs.last_touch
    return 1 + above[: len(runs.request)] + later
