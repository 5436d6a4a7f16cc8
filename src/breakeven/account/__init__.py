"""Reads the ledger, applies prices, computes measures and metrics."""
