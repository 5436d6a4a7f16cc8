"""What a user is worth after what serving costs, and when that covers what the user cost to win."""
