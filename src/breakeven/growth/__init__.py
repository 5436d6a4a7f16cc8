"""Growth: who stays, what a user is worth after serving, when a cohort pays back, where the next yuan goes."""
