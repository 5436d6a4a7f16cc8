"""A vendor's bill and its usage may spell its name in two ways; they are one supplier."""

from __future__ import annotations

from collections.abc import Container

from breakeven.sources.providers import provider_name


def usage_name(vendor: str, providers: Container[str]) -> str:
    """The provider that a bill's vendor is in usage: itself where usage calls it so.

    >>> usage_name("OpenAI", {"openai"}), usage_name("Our GPUs", {"Our GPUs"})
    ('openai', 'Our GPUs')
    """
    return vendor if vendor in providers else provider_name(vendor)
