"""Answers of programming interfaces, saved one after the other: pages of buckets, and pages of objects."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from textwrap import indent

from benchmarks.native_files import FIRST, Text, filled, grouped

Bucket = Callable[[int, str], str]
"""A bucket's text, from its number and the text of its results."""


def openai_bucket(seconds: int) -> Bucket:
    """Buckets of so many seconds as OpenAI writes them, indented."""

    def bucket(number: int, results: str) -> str:
        start = FIRST + number * seconds
        times = f'      "start_time": {start},\n      "end_time": {start + seconds},\n'
        return f'    {{\n      "object": "bucket",\n{times}      "results": [\n{results}\n      ]\n    }}'

    return bucket


def anthropic_bucket(seconds: int) -> Bucket:
    """Buckets of so many seconds as Anthropic writes them, without a blank."""

    def at(number: int) -> str:
        return f"{datetime.fromtimestamp(FIRST + number * seconds, UTC):%Y-%m-%dT%H:%M:%SZ}"

    return lambda number, results: (
        f'{{"starting_at":"{at(number)}","ending_at":"{at(number + 1)}","results":[{results}]}}'
    )


def bucket_pages(bucket: Bucket, result: str, *, buckets: int, page: int, pretty: bool = False) -> Text:
    """Pages of `page` buckets each; the results are spread over so many `buckets`."""
    template = indent(result, " " * 8) if pretty else result.replace('": ', '":').replace(", ", ",")
    opening = '{\n  "object": "page",\n  "data": [\n' if pretty else '{"data":['
    closing = (
        '\n  ],\n  "has_more": %s,\n  "next_page": %s\n}\n' if pretty else '],"has_more":%s,"next_page":%s}\n'
    )
    between = ",\n" if pretty else ","

    def text(records: int) -> Iterator[str]:
        used = min(buckets, records)
        size = -(-records // used)
        used = -(-records // size)
        results = grouped(filled([template], records), size, between)
        for number, inside in enumerate(results):
            is_first, is_last = number % page == 0, number % page == page - 1 or number == used - 1
            yield (opening if is_first else between) + bucket(number, inside)
            if is_last:
                follows = number < used - 1
                yield closing % (("true", f'"page_{number}"') if follows else ("false", "null"))

    return text


def object_pages(url: str, record: str, *, page: int = 100) -> Text:
    """Pages of a list of objects, as Stripe answers them."""
    template = indent(record, "    ")

    def text(records: int) -> Iterator[str]:
        pages = -(-records // page)
        for number, inside in enumerate(grouped(filled([template], records), page, ",\n"), 1):
            more = "true" if number < pages else "false"
            head = f'{{\n  "object": "list",\n  "url": "{url}",\n  "has_more": {more},\n'
            yield f'{head}  "data": [\n{inside}\n  ]\n}}\n'

    return text
