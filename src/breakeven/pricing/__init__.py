"""Usage in, money out, no clock."""
