"""What a million tokens cost, of what was asked."""

from __future__ import annotations

from breakeven.report.serving.asked import Asked, envelope_of_today
from breakeven.report.view_model import View
from breakeven.report.views.serving_cost import serving_cost_view, serving_warnings


def cost_answer(asked: Asked) -> View:
    """Money by class with its interval, speed, the best layout, and what bounds it.

    Raises `UsageError` where the GPU has no price, the model does not fit, or no layout keeps the promise.
    """
    price, served = asked.price(), asked.served()
    return serving_cost_view(served, price.shown, envelope_of_today(price.currency, serving_warnings(served)))
