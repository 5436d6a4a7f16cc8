"""What a token costs to serve: architecture, hardware, step times, cache, fleet and the right price.

Numbers in, numbers out: floats, since these are models; money becomes exact again where the books take it.
"""
