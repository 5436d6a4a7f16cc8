"""Fitting the constants to measured points, how far held-out points lie, and refitting on a user's own."""
