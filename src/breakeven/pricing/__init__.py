"""Usage in, money out, no clock.

`price_book` answers "what was the price" (bitemporal, by layer of rate cards), `apply` turns usage into exact
amounts, `fx` gives dated exchange rates, `allocate` spreads bills that have no price per use.
"""
