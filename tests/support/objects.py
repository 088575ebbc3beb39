"""An object store for tests: enough of S3, in memory, for a broker to keep its log across restarts."""

from __future__ import annotations

import hashlib
import threading
import time
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, unquote, urlsplit
from xml.sax.saxutils import escape


class ObjectStore:
    """Serves one bucket on 127.0.0.1 until it is closed; writes may be conditional on an object's tag."""

    def __init__(self) -> None:
        self.objects: dict[str, tuple[bytes, str]] = {}
        self.lock = threading.Lock()
        self._server = _Server(("127.0.0.1", 0), _handler(self))
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()

    @property
    def environment(self) -> dict[str, str]:
        """The variables by which a client of S3 finds it."""
        url = f"http://127.0.0.1:{self._server.server_address[1]}"
        return {
            **dict.fromkeys(("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"), "test"),
            **dict.fromkeys(("AWS_ENDPOINT", "AWS_ENDPOINT_URL"), url),
            **dict.fromkeys(("AWS_REGION", "AWS_DEFAULT_REGION"), "test-1"),
            "AWS_ALLOW_HTTP": "true",
        }

    def close(self) -> None:
        """Stop serving."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


class _Server(ThreadingHTTPServer):
    def handle_error(self, *_: object) -> None:
        """Say nothing of clients that were killed."""


def _handler(store: ObjectStore) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _key(self) -> str:
            return unquote(urlsplit(self.path).path.lstrip("/").partition("/")[2])

        def _reply(self, status: int, body: bytes = b"", tag: str = "", length: int | None = None) -> None:
            self.send_response(status)
            self.send_header("Content-Length", str(len(body) if length is None else length))
            self.send_header("Last-Modified", formatdate(time.time(), usegmt=True))
            if tag:
                self.send_header("ETag", tag)
            self.end_headers()
            self.wfile.write(body)

        def do_GET(self) -> None:
            query = parse_qs(urlsplit(self.path).query, keep_blank_values=True)
            if "list-type" in query:
                self._list(query.get("prefix", [""])[0], query.get("delimiter", [""])[0])
                return
            with store.lock:
                found = store.objects.get(self._key())
            if found is None:
                self._reply(404, b"<Error><Code>NoSuchKey</Code></Error>")
            else:
                self._reply(200, found[0], found[1])

        def do_HEAD(self) -> None:
            with store.lock:
                found = store.objects.get(self._key())
            if found is None:
                self._reply(404)
            else:
                self._reply(200, b"", found[1], len(found[0]))

        def do_PUT(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            tag = f'"{hashlib.md5(body).hexdigest()}"'
            with store.lock:
                found = store.objects.get(self._key())
                wanted = self.headers.get("If-Match")
                exists = self.headers.get("If-None-Match") == "*" and found is not None
                if exists or (wanted is not None and (found is None or found[1] != wanted)):
                    status = 412
                else:
                    status = 200
                    store.objects[self._key()] = body, tag
            self._reply(status, tag=tag if status == 200 else "")

        def do_DELETE(self) -> None:
            with store.lock:
                store.objects.pop(self._key(), None)
            self._reply(204)

        def _list(self, prefix: str, delimiter: str) -> None:
            with store.lock:
                found = {key: value for key, value in store.objects.items() if key.startswith(prefix)}
            keys, folders = [], set()
            for key in sorted(found):
                rest = key[len(prefix) :]
                if delimiter and delimiter in rest:
                    folders.add(prefix + rest.partition(delimiter)[0] + delimiter)
                else:
                    keys.append(key)
            when = time.strftime("%Y-%m-%dT%H:%M:%S.000Z", time.gmtime())
            contents = "".join(
                f"<Contents><Key>{escape(key)}</Key><LastModified>{when}</LastModified>"
                f"<ETag>{escape(found[key][1])}</ETag><Size>{len(found[key][0])}</Size></Contents>"
                for key in keys
            )
            prefixes = "".join(
                f"<CommonPrefixes><Prefix>{escape(f)}</Prefix></CommonPrefixes>" for f in sorted(folders)
            )
            self._reply(
                200,
                f"<ListBucketResult><IsTruncated>false</IsTruncated>{contents}{prefixes}</ListBucketResult>".encode(),
            )

        def log_message(self, *_: object) -> None:
            pass
            # print(_)

    return Handler
