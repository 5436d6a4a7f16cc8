"""What a reader must know beside the figures of a prefix cache."""

from __future__ import annotations

from breakeven.report.view_model import Label, Warning  # noqa: A004 - the envelope's word
from breakeven.report.views.serving_cache_findings import POLICY_WORDS, CacheFindings, best_sizes


def warnings(found: CacheFindings) -> tuple[Warning, ...]:
    """The basis of the figures, how the trace was read, and what limits the answer."""
    basis = [Warning("basis", each) for each in found.remarks]
    return (*basis, *_of_trace(found), *_of_best_sizes(found))


def _of_trace(found: CacheFindings) -> list[Warning]:
    said: list[Warning] = []
    if found.trace.repeated_times:
        times = f"{found.trace.repeated_times:,}"
        text = Label(
            f"{times} requests came at the same time as the one before: they follow in the order of the "
            "file, and each finds what the one before left",
            f"{times} 个请求与前一个时间相同：按文件顺序回放，后者可用前者留下的缓存",
        )
        said.append(Warning("repeated_times", text))
    if found.warm_up_seconds:
        seconds = f"{found.warm_up_seconds:g}"
        text = Label(
            f"the first {seconds} s fill the cache and do not count", f"前 {seconds} 秒只填充缓存，不计入"
        )
        said.append(Warning("warm_up", text))
    minutes = f"{found.trace.span_seconds / 60:,.0f}"
    text = Label(
        f"the cache starts empty and the trace lasts {minutes} minutes: what is used again later is not "
        "seen, so a cache that persists serves more than any row here",
        f"缓存从空开始，记录仅 {minutes} 分钟：更晚的复用看不到，持久的缓存命中会高于表中各行",
    )
    return [*said, Warning("lower_bound", text)]


def _of_best_sizes(found: CacheFindings) -> list[Warning]:
    said: list[Warning] = []
    for policy, size in best_sizes(found).items():
        name = POLICY_WORDS[policy]
        if size.capacity == 0:
            text = Label(
                f"{name.en}: at these prices no size saves as much as it costs",
                f"{name.zh}：在此价格下，任何容量都得不偿失",
            )
            said.append(Warning("no_cache_pays", text))
        elif size.is_all:
            text = Label(
                f"{name.en}: the best size holds all that is used again, so longer traces may need more",
                f"{name.zh}：最佳容量已容纳全部复用，记录更长时可能更大",
            )
            said.append(Warning("best_is_all", text))
    return said
