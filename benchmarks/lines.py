"""The rows of the table: what is measured, in which unit, against which target."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from breakeven.report.view_model import Label

Unit = Literal["rows/s", "events/s", "GiB", "share", "ratio", "number", "s", "ms", "µs"]


@dataclass(frozen=True)
class Line:
    """One row: a figure with its target. `faster` rows must reach it, the others must not exceed it."""

    id: str
    group: str
    work: Label
    unit: Unit
    target: float
    faster: bool = False

    def is_met(self, value: float) -> bool:
        """Whether a measured value meets the target."""
        return value >= self.target if self.faster else value <= self.target

    def target_text(self) -> str:
        """The target with its direction: `≤ 12.0 ×`."""
        return f"{'≥' if self.faster else '≤'} {figure(self.target, self.unit)}"


@dataclass(frozen=True)
class Figure:
    """A measured value of a row, and beside it what it was measured against."""

    line: str
    value: float
    beside: Label


def figure(value: float, unit: Unit) -> str:
    """A value in its unit, short enough for a table.

    >>> figure(812_345, "rows/s"), figure(149_999, "rows/s"), figure(0.0312, "share")
    ('0.81 M rows/s', '149,999 rows/s', '3.1 %')
    >>> figure(1234.5, "ratio"), figure(0.62, "s")
    ('1,234 ×', '0.62 s')
    """
    if unit == "ratio":
        return f"{value:,.0f} ×" if value >= 100 else f"{value:.2f} ×"
    write: dict[str, Callable[[float], str]] = {
        "rows/s": lambda number: f"{number / 1e6:.2f} M rows/s" if number >= 5e5 else f"{number:,.0f} rows/s",
        "GiB": lambda number: f"{number:.2f} GiB",
        "share": lambda number: f"{number:.1%}".replace("%", " %"),
        "events/s": lambda number: f"{number:,.0f} events/s",
        "s": lambda number: f"{number:.2f} s",
        "ms": lambda number: f"{number:.0f} ms",
        "µs": lambda number: f"{number:.1f} µs",
        "number": lambda number: f"{number:.2f}",
    }
    return write[unit](value)


LINES: dict[str, Line] = {
    line.id: line
    for line in (
        Line(
            "import_parquet", "import",
            Label("import usage rows from Parquet", "导入 Parquet 用量"),
            "rows/s", 700_000, faster=True,
        ),
        Line(
            "import_csv", "import",
            Label("import the same rows from CSV", "导入同样的 CSV 用量"),
            "rows/s", 350_000, faster=True,
        ),
        Line(
            "import_memory", "import",
            Label("peak memory of an import", "导入时的内存峰值"), "GiB", 3,
        ),
        Line(
            "import_again", "import",
            Label("import the same file again, against the first time", "再次导入同一文件，相对首次"),
            "share", 0.05,
        ),
        Line(
            "import_half_known", "import",
            Label("import a file with half its rows known, against none", "导入一半已入账的文件，相对全新"),
            "ratio", 1.3,
        ),
        Line(
            "account_scan", "account",
            Label("full account from raw rows, against a bare scan", "由原始行出全账，相对纯扫描"),
            "ratio", 12,
        ),
        Line(
            "account_memory", "account",
            Label("peak memory of the full account", "出全账的内存峰值"), "GiB", 6,
        ),
        Line(
            "account_growth", "account",
            Label("full account of five times the rows", "行数为五倍时的全账"), "ratio", 6,
        ),
        Line(
            "account_next_day", "account",
            Label("account after one more day, against the full account", "多一天后再出账，相对全账"),
            "share", 0.05,
        ),
        Line(
            "reprice", "account",
            Label("reprice all history under changed cards", "改价后重算全部历史"), "s", 2,
        ),
        Line(
            "pricing", "pricing",
            Label(
                "price requests, against genai-prices called per request",
                "请求计价，相对逐条调用 genai-prices",
            ),
            "ratio", 1_000, faster=True,
        ),
        Line(
            "overview", "start",
            Label("overview of existing books, whole process", "已有账簿的总览，整个进程"), "s", 0.8,
        ),
        Line(
            "overview_cold", "start",
            Label("the same, view not stored", "同上，视图未存"), "s", 0.8,
        ),
        Line(
            "help", "start",
            Label("`breakeven --help`, whole process", "`breakeven --help`，整个进程"), "s", 0.15,
        ),
        Line(
            "sources", "sources",
            Label("import a source's own file, the slowest source", "导入数据源的原始文件，最慢的一种"),
            "rows/s", 150_000, faster=True,
        ),
        Line(
            "reconcile", "reconcile",
            Label("account with every bill compared, against the account", "出账并核对全部账单，相对仅出账"),
            "ratio", 1.5,
        ),
        Line(
            "close", "close",
            Label("reconcile and close a month, against the account", "核对并结账一个月，相对仅出账"),
            "ratio", 1.5,
        ),
        Line(
            "collect_rate", "collect",
            Label(
                "take spans over HTTP, killed and restarted meanwhile", "经 HTTP 接收跨度，其间反复强杀并重启"
            ),
            "events/s", 8_000, faster=True,
        ),
        Line(
            "collect_p99", "collect",
            Label("answer to a batch of a hundred, 99 of 100 requests", "百个一批的应答时间，99 分位"),
            "ms", 100,
        ),
        Line(
            "growth_fit", "growth",
            Label("BG/NBD, grouping included", "BG/NBD 拟合，含分组"), "s", 1.5,
        ),
        Line(
            "growth_fit_peers", "growth",
            Label("the same, how many times faster than its peers", "同上，比同类工具快的倍数"),
            "ratio", 8, faster=True,
        ),
        Line("growth_cells", "growth", Label("cells of activity days", "活跃日归为单元"), "s", 25),
        Line("growth_cells_memory", "growth", Label("peak memory of that", "其内存峰值"), "GiB", 2),
        Line(
            "growth_cells_next_day", "growth",
            Label("one more day of activity, against all", "多一天活跃，相对全部"), "share", 0.03,
        ),
        Line(
            "growth_cohorts", "growth",
            Label(
                "sBG and BdW by cohort and channel, 200 resamples each",
                "逐群逐渠道拟合 sBG 与 BdW，各重抽样 200 次",
            ),
            "s", 20,
        ),
        Line("growth_budget", "growth", Label("budget over 500 channels", "500 个渠道的预算分配"), "ms", 10),
        Line(
            "growth_coverage_retention", "growth",
            Label("80 % intervals of retention at twice the age, off by", "两倍账龄留存的 80 % 区间偏差"),
            "share", 0.06,
        ),
        Line(
            "growth_coverage_ltv", "growth",
            Label("80 % intervals of lifetime value, off by", "用户价值的 80 % 区间偏差"),
            "share", 0.06,
        ),
        Line(
            "growth_coverage_payback", "growth",
            Label("80 % intervals of payback, off by", "回本月份的 80 % 区间偏差"), "share", 0.06,
        ),
        Line(
            "growth_year_twelve", "growth",
            Label("survival in year 12 from four years, off by", "由四年推第 12 年留存，误差"), "share", 0.03,
        ),
        Line(
            "serving_day", "serving",
            Label("a published day: nodes implied by throughput", "公布的一天：由吞吐推出的节点数，误差"),
            "share", 0.001,
        ),
        Line(
            "serving_day_predicted", "serving",
            Label(
                "the same day from architecture and traffic alone, nodes off by",
                "同一天仅由架构与流量预测，节点数误差",
            ),
            "share", 0.25,
        ),
        Line(
            "serving_held_out_median", "serving",
            Label("deployments held out: median error of throughput", "留出的部署：吞吐误差中位数"),
            "share", 0.15,
        ),
        Line(
            "serving_held_out_mean", "serving",
            Label("the same, mean error", "同上，平均误差"), "share", 0.20,
        ),
        Line(
            "serving_held_out_within", "serving",
            Label("the same, within 20 %", "同上，误差在 20 % 以内的比例"), "share", 0.65, faster=True,
        ),
        Line(
            "serving_new_model", "serving",
            Label("models held out: median error", "留出的模型：误差中位数"), "share", 0.20,
        ),
        Line(
            "serving_three_points", "serving",
            Label("the same after three measured points each", "同上，各用三个实测点校准之后"), "share", 0.12,
        ),
        Line(
            "serving_coverage", "serving",
            Label("80 % intervals of held-out throughput, off by", "留出吞吐的 80 % 区间偏差"), "share", 0.05,
        ),
        Line(
            "serving_ranking", "serving",
            Label("ranking of GPUs for a model and shape, held out, Kendall τ", "留出时显卡排序的 Kendall τ"),
            "number", 0.85, faster=True,
        ),
        Line(
            "serving_infersim", "serving",
            Label("InferSim's six measured rates: the worst is off by", "InferSim 的六个实测值：最大误差"),
            "share", 0.20,
        ),
        Line(
            "serving_configuration", "serving",
            Label("one configuration of many", "单个配置（批量计算时）"), "µs", 50,
        ),
        Line("serving_sweep", "serving", Label("100,000 configurations", "100,000 个配置"), "s", 3),
        Line(
            "serving_cache", "serving",
            Label("ten cache capacities over 12,031 requests", "12,031 个请求、十种缓存容量"), "s", 1,
        ),
        Line(
            "serving_fleet", "serving",
            Label("a month's hourly fleet and margin, three models", "三个模型一个月的逐时机群与毛利"),
            "s", 0.5,
        ),
    )
}  # fmt: skip
"""Every row, in the order of the table."""

GROUPS = tuple(dict.fromkeys(line.group for line in LINES.values()))
"""What `--only` can name; a group's rows share books and yardsticks."""
