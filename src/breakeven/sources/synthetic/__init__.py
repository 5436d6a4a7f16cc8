"""A synthetic assistant company of any size, with its exact truth beside it.

Nothing here is real: people, creators, accounts and suppliers are invented. Totals follow the published
figures of the Chinese assistant market of 2024 (see `company`). Everything it writes says `synthetic`.
"""
