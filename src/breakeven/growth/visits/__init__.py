"""Models of people who come back without contract: how often, how long, and what a visit is worth."""
