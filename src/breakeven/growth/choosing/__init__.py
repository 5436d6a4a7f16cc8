"""Which model to believe: backtests on the books' own past, and scores of the forecasts that were made."""
