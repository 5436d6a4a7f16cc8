"""One file per system we read; they yield records, never tables."""
