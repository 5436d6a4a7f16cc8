"""A loopback server: files over HTTP, and as much of S3 as reading objects needs (HEAD, GET, list)."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, unquote, urlsplit
from xml.sax.saxutils import escape


class Files(ThreadingHTTPServer):
    """Serves `objects` by path; notes the `Authorization` of each request; cuts answers short on demand."""

    daemon_threads = True

    def __init__(self, objects: dict[str, bytes]) -> None:
        super().__init__(("127.0.0.1", 0), _Serving)
        self.objects = objects
        self.authorizations: list[str] = []
        self.cut = False

    @property
    def port(self) -> int:
        return self.server_address[1]


class _Serving(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Files

    def log_message(self, *_):
        pass

    def do_HEAD(self):
        self._answer(body=False)

    def do_GET(self):
        self._answer(body=True)

    def _answer(self, *, body):
        self.server.authorizations.append(self.headers.get("Authorization", ""))
        parts = urlsplit(self.path)
        query = parse_qs(parts.query, keep_blank_values=True)
        if "list-type" in query:
            return self._list(parts.path.strip("/"), query)
        content = self.server.objects.get(unquote(parts.path).lstrip("/"))
        if content is None:
            return self._send(
                404, b"<Error><Code>NoSuchKey</Code></Error>" if body else b"", "application/xml"
            )
        if wanted := self.headers.get("Range"):
            first, _, last = wanted.removeprefix("bytes=").partition("-")
            piece = content[int(first) : int(last) + 1 if last else None]
            extra = {"Content-Range": f"bytes {first}-{int(first) + len(piece) - 1}/{len(content)}"}
            return self._send(206, piece, "application/octet-stream", extra)
        return self._send(200, content, "application/octet-stream", body=body)

    def _list(self, bucket, query):
        prefix = query.get("prefix", [""])[0]
        keys = sorted(
            key.removeprefix(bucket + "/") for key in self.server.objects if key.startswith(bucket + "/")
        )
        entries = "".join(
            f"<Contents><Key>{escape(key)}</Key><Size>{len(self.server.objects[bucket + '/' + key])}</Size>"
            '<LastModified>2024-08-01T00:00:00.000Z</LastModified><ETag>"0"</ETag></Contents>'
            for key in keys
            if key.startswith(prefix)
        )
        text = (
            '<?xml version="1.0"?><ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/">'
            f"<Name>{bucket}</Name><Prefix>{escape(prefix)}</Prefix><IsTruncated>false</IsTruncated>{entries}"
            "</ListBucketResult>"
        )
        self._send(200, text.encode(), "application/xml")

    def _send(self, code, content, kind, extra=None, *, body=True):
        self.send_response(code)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(content)))
        self.send_header("ETag", '"0"')
        self.send_header("Last-Modified", "Thu, 01 Aug 2024 00:00:00 GMT")
        for name, value in (extra or {}).items():
            self.send_header(name, value)
        self.end_headers()
        if body and self.command != "HEAD":
            self.wfile.write(content[: len(content) // 2] if self.server.cut else content)
        if self.server.cut:
            self.close_connection = True


@contextmanager
def serving(objects: dict[str, bytes]) -> Iterator[Files]:
    server = Files(objects)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
