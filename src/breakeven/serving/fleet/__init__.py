"""GPUs for the hours of a month: what demand asks for, what a fleet gives, costs and loses, hour by hour."""
