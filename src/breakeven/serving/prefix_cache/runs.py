"""Blocks that a request finds again, in runs that were last touched together.

Requests that share a prefix share it as a whole, so almost all found blocks come in a few long runs per
request. Within a run the blocks stand one behind the other in the cache, so only its first needs looking up.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from breakeven.serving.prefix_cache.trace import Ints, Mask, PrefixTrace


@dataclass(frozen=True, eq=False)
class Runs:
    """Shapes (run,). Sorted by request, and within one from its last run to its first.

    `request` that finds the run, `depth` of its first block, `blocks` how many, `last_request` that touched
    them before, `count` how often each was touched before, `last_touch` the moment of the first block's last
    touch. Moments count single touches, over all requests; a request touches its last block first, so that
    the heads of prefixes, on which all else rests, are the last to be evicted.
    """

    request: Ints
    depth: Ints
    blocks: Ints
    last_request: Ints
    count: Ints
    last_touch: Ints


@dataclass(frozen=True, eq=False)
class Births:
    """What requests leave behind: runs of blocks by the number of their touches so far. Shapes (run,).

    `of_touch` (touch,) is the run that each touch belongs to.
    """

    request: Ints
    count: Ints
    blocks: Ints
    first_touch: Ints
    of_touch: Ints


def found_again(trace: PrefixTrace) -> tuple[Runs, Births]:
    """The runs that each request finds touched before, and those it leaves.

    The second request finds the run (7, 8), touched once before, at moments 1 and 0.

    >>> runs, _ = found_again(PrefixTrace.of([0, 5], [1024, 1536], [(7, 8), (7, 8, 9)]))
    >>> runs.request.tolist(), runs.blocks.tolist(), runs.last_touch.tolist(), runs.count.tolist()
    ([1], [2], [1], [1])
    """
    touches = np.arange(trace.touches)
    request = np.repeat(np.arange(trace.requests), trace.lengths)
    before, count = _history(trace)
    # A request touches from its last block to its first.
    moment = trace.starts[request] + trace.starts[request + 1] - 1 - touches
    same_request = request[1:] == request[:-1]

    heads = np.flatnonzero(_opens(~(same_request & (count[1:] == count[:-1])), trace))
    sizes = np.diff(np.append(heads, trace.touches))
    tails = heads + sizes - 1
    births = Births(
        request[heads], count[heads] + 1, sizes, moment[tails], np.repeat(np.arange(len(heads)), sizes)
    )

    is_found = before >= 0
    is_new = ~same_request | (before[1:] != before[:-1] + 1) | (count[1:] != count[:-1])
    heads = np.flatnonzero(is_found & _opens(is_new, trace))
    run_of_touch = np.searchsorted(heads, touches[is_found], side="right") - 1
    sizes = np.bincount(run_of_touch, minlength=len(heads))
    order = np.lexsort((-heads, request[heads]))
    heads, sizes = heads[order], sizes[order]
    runs = Runs(
        request=request[heads],
        depth=heads - trace.starts[request[heads]],
        blocks=sizes,
        last_request=request[before[heads]],
        count=count[heads],
        last_touch=moment[before[heads]],
    )
    return runs, births


def _history(trace: PrefixTrace) -> tuple[Ints, Ints]:
    """Each touch's touch of the same block before (-1: none), and how many there were."""
    order, again = trace.sorted_touches, trace.again
    before = np.full(trace.touches, -1, np.int64)
    before[order[1:][again]] = order[:-1][again]
    place = np.arange(trace.touches)
    opens = _opens(~again, trace)
    count = np.empty(trace.touches, np.int64)
    count[order] = place - np.maximum.accumulate(np.where(opens, place, 0))
    return before, count


def _opens(breaks: Mask, trace: PrefixTrace) -> Mask:
    """(touch,) where something begins: at the first touch, and where one does not continue the one before."""
    return np.concatenate([np.ones(min(1, trace.touches), bool), breaks])
