"""Random traces of prefix blocks, and caches that are kept step by step that the one pass must agree with."""

from __future__ import annotations

from collections import OrderedDict
from pathlib import Path

import pytest
from hypothesis import strategies as st

from breakeven.serving.prefix_cache import PrefixTrace

KIMI = next(
    (
        folder / "shared/data/traces/mooncake_fast25_conversation_trace.jsonl.gz"
        for folder in Path(__file__).resolve().parents
        if (folder / "shared/data/traces").is_dir()
    ),
    Path("absent"),
)
needs_kimi = pytest.mark.skipif(not KIMI.exists(), reason="the trace lies beside the project")
BLOCK = 4


@st.composite
def traces(draw, most=25):
    """Requests that each go on from a part of an earlier one, as conversations and shared prompts do."""
    steps = draw(
        st.lists(
            st.tuples(
                st.integers(0, 30),
                st.integers(0, 6),
                st.integers(0, 4),
                st.integers(1, BLOCK),
                st.integers(0, 3),
            ),
            min_size=1,
            max_size=most,
        )
    )
    made, seconds, now, new = [], [], 0, 0
    lengths = []
    for source, kept, added, last, wait in steps:
        prefix = made[source % len(made)][:kept] if made else ()
        blocks = (*prefix, *range(new, new + added))
        new += added
        now += wait
        made.append(blocks)
        seconds.append(now)
        lengths.append(max(0, (len(blocks) - 1) * BLOCK + last) if blocks else 0)
    names = draw(st.permutations(range(new)))  # ids need no order
    return PrefixTrace.of(seconds, lengths, [[names[block] for block in blocks] for blocks in made], BLOCK)


def requests_of(trace):
    """(seconds, input tokens, blocks) one by one."""
    for i in range(trace.requests):
        blocks = trace.blocks[trace.starts[i] : trace.starts[i + 1]].tolist()
        yield float(trace.seconds[i]), int(trace.input_tokens[i]), blocks


class LruCache:
    """The last touched stay."""

    def __init__(self, capacity):
        self.capacity, self.held = capacity, OrderedDict()

    def __contains__(self, block):
        return block in self.held

    def touch(self, block):
        if block in self.held:
            self.held.move_to_end(block)
        elif self.capacity:
            if len(self.held) >= self.capacity:
                self.held.popitem(last=False)
            self.held[block] = True


class LfuCache:
    """The most often touched stay, of equals the last touched; a new block must rank to enter."""

    def __init__(self, capacity):
        self.capacity, self.rank, self.held, self.moment = capacity, {}, set(), 0

    def __contains__(self, block):
        return block in self.held

    def touch(self, block):
        self.moment += 1
        self.rank[block] = (self.rank.get(block, (0, 0))[0] + 1, self.moment)
        self.held.add(block)
        if len(self.held) > self.capacity:
            self.held.remove(min(self.held, key=lambda each: self.rank[each]))


class InfiniteCache:
    def __init__(self, capacity):
        self.held = set()

    def __contains__(self, block):
        return block in self.held

    def touch(self, block):
        self.held.add(block)


CACHES = {"lru": LruCache, "lfu": LfuCache, "infinite": InfiniteCache}


def naive_hits(trace, policy, capacity, counted=None):
    """(blocks, tokens) that a cache kept step by step serves."""
    cache = CACHES[policy](capacity)
    hit_blocks = hit_tokens = 0
    for i, (_, tokens, blocks) in enumerate(requests_of(trace)):
        found = next((j for j, block in enumerate(blocks) if block not in cache), len(blocks))
        if counted is None or counted[i]:
            hit_blocks += found
            hit_tokens += min(found * trace.block_tokens, tokens)
        for block in reversed(blocks):
            cache.touch(block)
    return hit_blocks, hit_tokens
