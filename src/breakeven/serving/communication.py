"""What the GPUs of a replica send each other in one pass of tokens through the model.

All-reduce (tensor parallel) after attention and after the network: each GPU sends and receives 2 (t - 1)
/ t of the hidden vectors. All-to-all (attention data parallel with experts apart): each token goes to the
GPUs of its experts in 8 bits and comes back in 16 (DeepEP). Decode sends a copy for each expert straight
to its GPU. Prefill sends one copy to each server, from where it goes on over the scale-up link;
DeepSeek-V3 routes a token to at most four servers (arXiv 2412.19437, section 3.2.2).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from breakeven.serving.architecture import Architecture
from breakeven.serving.architecture.attention import Floats
from breakeven.serving.hardware import Accelerator
from breakeven.serving.layout import Layout

Phase = Literal["decode", "prefill"]

MOST_SERVERS_OF_A_TOKEN = 4
_ACTIVATION_BYTES = 2
_DISPATCH_AND_COMBINE_BYTES = 3  # one byte there, two back
USUAL_NETWORK_BYTES_PER_SECOND = 50e9  # 400 Gbit/s for each GPU, where the accelerator names none


@dataclass(frozen=True)
class Sent:
    """Bytes that one GPU sends in one pass, and how many collective operations wait for each other."""

    link_bytes: Floats
    network_bytes: Floats
    collectives: int


def sent(
    architecture: Architecture,
    accelerator: Accelerator,
    layout: Layout,
    tokens_per_group: Floats,
    phase: Phase,
) -> Sent:
    """What a pass of `tokens_per_group` tokens sends, those of one attention group.

    Pipeline stages follow each other, so what all of them send is counted.
    """
    layers = architecture.attention_layers
    vectors = tokens_per_group * architecture.hidden_size * _ACTIVATION_BYTES
    link, network, collectives = np.zeros_like(vectors), np.zeros_like(vectors), 0
    networks = max(sum(layer.count for layer in architecture.stack if layer.feed_forward is not None), 1)
    experts_apart = layout.data > 1 and architecture.moe_layers > 0
    reduced = layers + networks - (architecture.moe_layers if experts_apart else 0)
    if layout.tensor > 1:
        share = 2 * (layout.tensor - 1) / layout.tensor
        link += reduced * share * vectors
        collectives += reduced
        servers = -(-layout.tensor // accelerator.link_domain_gpus)
        if servers > 1:
            network += reduced * 2 * (servers - 1) / servers * vectors / accelerator.link_domain_gpus
    if experts_apart:
        gpus, domain = layout.stage_gpus, min(accelerator.link_domain_gpus, layout.stage_gpus)
        tokens = tokens_per_group / layout.tensor
        bytes_per_copy = architecture.hidden_size * _DISPATCH_AND_COMBINE_BYTES
        copies, servers = architecture.experts_per_token, gpus / domain
        link_copies = _distinct(gpus, copies)
        network_copies = copies * (1 - 1 / servers)
        if phase == "prefill":
            network_copies = min(_distinct(servers, copies), MOST_SERVERS_OF_A_TOKEN) * (1 - 1 / servers)
        elif servers > 1:
            link_copies = link_copies / servers
        link += architecture.moe_layers * tokens * bytes_per_copy * link_copies
        network += architecture.moe_layers * tokens * bytes_per_copy * network_copies
        collectives += 2 * architecture.moe_layers
    return Sent(link, network, collectives)


def _distinct(places: float, draws: int) -> float:
    """Places that so many draws fall on, on average.

    >>> round(_distinct(4, 8), 2)
    3.6
    """
    return places * (1 - (1 - 1 / places) ** draws)
