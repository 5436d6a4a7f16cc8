"""A real LiteLLM proxy on loopback, with mock models and a small upstream of ours that counts tokens.

Started from `.venv-litellm` (`./run test --slow` makes it) or from the folder `BREAKEVEN_TEST_LITELLM` names.
"""

from __future__ import annotations

import http.client
import json
import os
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

ROOT = Path(__file__).parents[3]
VENV = Path(os.environ.get("BREAKEVEN_TEST_LITELLM", ROOT / ".venv-litellm"))
PROGRAM = VENV / "bin" / "litellm"
KEY = "sk-only-for-breakeven-tests-5b1f0a"
START_SECONDS, REQUEST_SECONDS = 240, 30

USAGE = {
    "prompt_tokens": 1000,
    "completion_tokens": 60,
    "total_tokens": 1060,
    "prompt_tokens_details": {"cached_tokens": 400},
    "completion_tokens_details": {"reasoning_tokens": 25},
}


class Upstream(ThreadingHTTPServer):
    """Answers chat completions as OpenAI does; models named `flaky...` fail the first time they are asked."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Answering)
        self.lock = threading.Lock()
        self.count = 0
        self.asked: set[str] = set()

    def next_id(self) -> str:
        with self.lock:
            self.count += 1
            return f"chatcmpl-upstream-{self.count:06}"

    def fails(self, said: str) -> bool:
        with self.lock:
            first = said not in self.asked
            self.asked.add(said)
            return first


class _Answering(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Upstream

    def log_message(self, *_):
        pass

    def do_POST(self):
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if asked["model"] == "flaky" and self.server.fails(json.dumps(asked["messages"])):
            return self._send(500, "application/json", b'{"error": {"message": "try again", "code": 500}}')
        identity = {"id": self.server.next_id(), "created": int(time.time()), "model": asked["model"]}
        if not asked.get("stream"):
            message = {"role": "assistant", "content": "an answer"}
            choice = {"index": 0, "finish_reason": "stop", "message": message}
            body = identity | {"object": "chat.completion", "choices": [choice], "usage": USAGE}
            return self._send(200, "application/json", json.dumps(body).encode())
        chunks = [{"index": 0, "delta": {"role": "assistant", "content": word}} for word in ("an ", "answer")]
        chunks.append({"index": 0, "delta": {}, "finish_reason": "stop"})
        events = [identity | {"object": "chat.completion.chunk", "choices": [chunk]} for chunk in chunks]
        events.append(identity | {"object": "chat.completion.chunk", "choices": [], "usage": USAGE})
        lines = "".join(f"data: {json.dumps(event)}\n\n" for event in events) + "data: [DONE]\n\n"
        return self._send(200, "text/event-stream", lines.encode())

    def _send(self, code, kind, body):
        self.send_response(code)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


@dataclass
class Proxy:
    """A running proxy. `ask` gives the status and the id of an answer that came to its end."""

    port: int
    process: subprocess.Popen[bytes]
    log: Path

    def ask(self, model: str, words: str, *, stream: bool = False, **extra) -> tuple[int, str]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=REQUEST_SECONDS)
        try:
            messages = [{"role": "user", "content": words}]
            body = json.dumps({"model": model, "messages": messages, "stream": stream, **extra})
            headers = {"Authorization": f"Bearer {KEY}", "Content-Type": "application/json"}
            connection.request("POST", "/v1/chat/completions", body, headers)
            response = connection.getresponse()
            text = response.read().decode()
        finally:
            connection.close()
        if response.status != 200:
            return response.status, ""
        if not stream:
            return 200, json.loads(text)["id"]
        assert text.rstrip().endswith("data: [DONE]"), "the stream broke off"
        return 200, json.loads(text.split("\n", 1)[0].removeprefix("data: "))["id"]

    def kill(self) -> None:
        """As the kernel would: no time to finish anything."""
        self.process.send_signal(signal.SIGKILL)
        self.process.wait(timeout=20)


@contextmanager
def upstream() -> Iterator[Upstream]:
    server = Upstream()
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()


def config(upstream_port: int, *, callback: bool = True) -> str:
    """The proxy's configuration, as YAML that is also JSON."""
    ours = {"api_key": "sk-upstream", "api_base": f"http://127.0.0.1:{upstream_port}/v1"}
    refused = {
        "model": "openai/gpt-4o",
        "api_key": "sk-x",
        "mock_response": "Exception: content_filter_policy",
    }
    models = {
        "steady": {"model": "openai/steady", **ours},
        "flaky": {"model": "openai/flaky", **ours},
        "mock": {"model": "openai/gpt-4o", "api_key": "sk-x", "mock_response": "a mocked answer"},
        "refused": refused,
    }
    settings = {"num_retries": 2, "telemetry": False, "cache": True, "cache_params": {"type": "local"}}
    if callback:
        settings["callbacks"] = "breakeven.sources.litellm_callback.handler"
    return json.dumps(
        {
            "model_list": [{"model_name": name, "litellm_params": given} for name, given in models.items()],
            "litellm_settings": settings,
            "general_settings": {"master_key": KEY},
        }
    )


@dataclass
class Farm:
    """Starts proxies in one folder, one after the other, and stops what it started."""

    folder: Path
    spool: Path
    upstream_port: int
    callback: bool = True
    started: list[Proxy] = field(default_factory=list)

    def start(self) -> Proxy:
        """A new proxy on a free port, ready to answer."""
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        settings = self.folder / f"config-{port}.yaml"
        settings.write_text(config(self.upstream_port, callback=self.callback))
        log = self.folder / f"proxy-{port}.log"
        environment = os.environ | {
            "PYTHONPATH": str(ROOT / "src"),
            "BREAKEVEN_SPOOL": str(self.spool),
            "LITELLM_LOCAL_MODEL_COST_MAP": "True",
            "HOME": str(self.folder),
        }
        with log.open("wb") as out:
            process = subprocess.Popen(
                [str(PROGRAM), "--config", str(settings), "--host", "127.0.0.1", "--port", str(port)],
                cwd=self.folder, env=environment, stdout=out, stderr=subprocess.STDOUT,
            )  # fmt: skip
        proxy = Proxy(port, process, log)
        self.started.append(proxy)
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline:
            assert process.poll() is None, log.read_text(errors="replace")[-3000:]
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
            try:
                connection.request("GET", "/health/liveliness")
                with connection.getresponse() as response:
                    if response.status == 200:
                        return proxy
            except OSError:
                time.sleep(0.2)
            finally:
                connection.close()
        raise AssertionError(f"the proxy did not start:\n{log.read_text(errors='replace')[-3000:]}")

    def stop(self) -> None:
        for proxy in self.started:
            if proxy.process.poll() is None:
                proxy.kill()
