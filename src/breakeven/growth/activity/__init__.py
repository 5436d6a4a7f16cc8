"""The share of a cohort that is active, and its forecast. Users come back, or may: activity is not churn."""
