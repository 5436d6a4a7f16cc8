"""One module per view: each turns an account into a view model, and computes nothing of its own."""
