"""The answers of `breakeven serving` from plain values: the command line and notebooks ask here alone."""
