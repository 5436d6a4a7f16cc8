"""How evenly a fleet is used where nobody says it: as DeepSeek's was on the day it published."""

from __future__ import annotations

from breakeven.report.view_model import Label

PUBLISHED_UTILISATION = 0.816
"""226.75 nodes in the mean over 278 at the peak: DeepSeek's published day, a fleet held at its peak."""
PUBLISHED_PEAK = 1.23
"""278 nodes at the peak over 226.75 in the mean: DeepSeek's published day."""
UTILISATION_SOURCE = Label(
    "DeepSeek's published day: 226.75 nodes in the mean over 278 at the peak",
    "DeepSeek 公布之日：平均 226.75 个节点除以峰值 278 个",
)
PEAK_SOURCE = Label("DeepSeek's published day, in nodes", "DeepSeek 公布之日（按节点数）")
