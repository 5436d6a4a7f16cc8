"""Breakeven: open-source books for LLM products."""

__version__ = "0.1.0"
