"""Owns storage: the eight tables, ingestion, coverage."""
