"""Where the next yuan goes: spend over channels, found exactly and proved, against today's split."""
