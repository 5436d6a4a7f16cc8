"""What a channel brings for what is spent on it: carry-over, saturation, rivals, experiments."""
