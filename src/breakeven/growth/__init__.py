"""Growth: who stays, what a user is worth after serving, when it pays back, where the next yuan goes."""
