"""A callback for LiteLLM's proxy: every request into a durable local spool, before its answer leaves.

    litellm_settings:
      callbacks: breakeven.sources.litellm_callback.handler

`BREAKEVEN_SPOOL` names the folder; `breakeven import BOOKS FOLDER --source litellm_spool` reads it, also
while the proxy writes. LiteLLM logs after it has answered, so a proxy that dies in between would lose the
request. This callback writes a row in the hooks that run before the last bytes leave, and again when LiteLLM
logs, should that say more. It never raises into the proxy, waits for the disk five seconds at most, and
writes ids, counts and times: never a word of a prompt or an answer.

Only the standard library and, when a handler is made, LiteLLM are needed.
"""

from __future__ import annotations

import asyncio
import logging
import os
import sys
import time
from collections import OrderedDict
from collections.abc import AsyncIterator, Mapping
from concurrent.futures import Future
from importlib import import_module
from pathlib import Path
from typing import Any

from breakeven.sources.litellm_rows import AnswerReader, Row, failed_row, logged_row
from breakeven.sources.spool import Spool

FOLDER_VARIABLE = "BREAKEVEN_SPOOL"
_MOST_SECONDS = 5.0
_MOST_REMEMBERED = 20_000
_PROXY = "litellm.proxy.proxy_server"
_log = logging.getLogger("breakeven.spool")


class Recorder:
    """What the callback does, without LiteLLM: rows into a spool, each once unless it says something new."""

    def __init__(self, spool: Spool) -> None:
        self.spool = spool
        self._seen: OrderedDict[str, tuple[Row, Future[bool]]] = OrderedDict()

    def record(self, row: Row | None) -> Future[bool] | None:
        """Spool a row unless the same was spooled before; the future says when it is on disk."""
        if row is None:
            return None
        key = str(row["id"])
        known = self._seen.get(key)
        if known is not None and known[0] == _told(row):
            return known[1]
        done = self.spool.add(row | {"revision": time.time_ns() // 1000})
        self._seen[key] = (_told(row), done)
        while len(self._seen) > _MOST_REMEMBERED:
            self._seen.popitem(last=False)
        return done

    async def durable(self, row: Row | None) -> None:
        """Spool a row and wait until it is on disk, but not for a disk that hangs."""
        done = self.record(row)
        if done is not None and not done.done():
            _, late = await asyncio.wait([asyncio.wrap_future(done)], timeout=_MOST_SECONDS)
            if late:
                _log.warning("breakeven: the spool's disk is slow; an answer left before its row was safe")


def _told(row: Row) -> Row:
    """What a row says beside its times: those alone are no news."""
    return {name: value for name, value in row.items() if name not in ("end", "first")}


def make_handler(folder: Path) -> Any:
    """A `CustomLogger` that spools into a folder. Raises `ImportError` without LiteLLM."""
    try:
        base: Any = import_module("litellm.integrations.custom_logger").CustomLogger
    except ImportError as error:
        raise ImportError(
            "this callback runs inside LiteLLM: install `litellm[proxy]` in the same environment"
        ) from error
    recorder = Recorder(
        Spool(folder, "litellm", note={"model": "-", "prompt_tokens": 0, "completion_tokens": 0})
    )

    # LiteLLM looks for hooks in the class itself, not in what it inherits from.
    class BreakevenSpool(base):
        """Spools what passes through the proxy."""

        async def async_post_call_success_hook(
            self,
            data: dict[str, Any],
            user_api_key_dict: Any,  # noqa: ARG002
            response: Any,
        ) -> None:
            try:
                reader = AnswerReader()
                reader.read(response)
                await recorder.durable(reader.row(data, _call_details(data)))
            except Exception:
                _failed_here()

        async def async_post_call_failure_hook(
            self,
            request_data: dict[str, Any],
            original_exception: Exception,  # noqa: ARG002
            user_api_key_dict: Any,  # noqa: ARG002
            traceback_str: str | None = None,  # noqa: ARG002
        ) -> None:
            try:
                await recorder.durable(failed_row(request_data))
            except Exception:
                _failed_here()

        async def async_post_call_streaming_iterator_hook(
            self,
            user_api_key_dict: Any,  # noqa: ARG002
            response: AsyncIterator[Any],
            request_data: dict[str, Any],
        ) -> AsyncIterator[Any]:
            reader = AnswerReader()
            held: list[Any] = []
            try:
                async for chunk in response:
                    # From the chunk that ends the answer on, all wait for the row.
                    if reader.read(chunk) or held:
                        held.append(chunk)
                    else:
                        yield chunk
            except Exception:
                for chunk in held:
                    yield chunk
                raise
            try:
                await recorder.durable(reader.row(request_data, _call_details(request_data)))
            except Exception:
                _failed_here()
            for chunk in held:
                yield chunk

        async def async_log_success_event(
            self,
            kwargs: dict[str, Any],
            response_obj: Any,  # noqa: ARG002
            start_time: Any,  # noqa: ARG002
            end_time: Any,  # noqa: ARG002
        ) -> None:
            try:
                recorder.record(logged_row(kwargs["standard_logging_object"]))
            except Exception:
                _failed_here()

        async def async_log_failure_event(
            self,
            kwargs: dict[str, Any],
            response_obj: Any,  # noqa: ARG002
            start_time: Any,  # noqa: ARG002
            end_time: Any,  # noqa: ARG002
        ) -> None:
            # In a proxy this may be one attempt of several: the failure hook tells what the client got.
            try:
                if _PROXY not in sys.modules:
                    recorder.record(logged_row(kwargs["standard_logging_object"]))
            except Exception:
                _failed_here()

    handler: Any = BreakevenSpool()
    handler.recorder = recorder
    return handler


def _call_details(data: Mapping[str, Any]) -> Mapping[str, Any]:
    """What LiteLLM knows of a call under way."""
    return getattr(data.get("litellm_logging_obj"), "model_call_details", None) or {}


def _failed_here() -> None:
    _log.exception("breakeven: a request could not be spooled; the proxy goes on")


def __getattr__(name: str) -> Any:
    """Make `handler` when LiteLLM asks for it, so that this module can be imported without LiteLLM."""
    if name != "handler":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    folder = os.environ.get(FOLDER_VARIABLE)
    if not folder:
        raise RuntimeError(f"set {FOLDER_VARIABLE} to the folder that the proxy may write its spool into")
    globals()["handler"] = made = make_handler(Path(folder))
    return made
