"""A small HTTP service for live usage: an answer of success means on disk, and in the books once."""
