"""A server that holds images back, and the processes of the devices of a run."""

import io
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
import psutil
from PIL import Image

_TIMEOUT_S = 60
_PROGRAMS = ("pipeline.devices", "engine.training.training_process")


class HeldImages:
    """Serves images on loopback; those that have "held" in their names come once `release` is set.

    url      of the folder of images
    asked    gets a count with each request for a held image
    """

    def __init__(self) -> None:
        self.asked, self.release = threading.Semaphore(0), threading.Event()
        content = io.BytesIO()
        Image.fromarray(np.random.default_rng(5).integers(0, 255, (48, 64, 3), dtype=np.uint8)).save(content, "PNG")
        held = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                if "held" in self.path:
                    held.asked.release()
                    held.release.wait(_TIMEOUT_S)
                try:
                    self.send_response(200)
                    self.send_header("Content-Length", str(content.tell()))
                    self.end_headers()
                    self.wfile.write(content.getvalue())
                except OSError:
                    pass  # the process that asked is gone

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - of the base class
                """Print nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def await_requests(self, count: int) -> None:
        """Wait until so many held images were asked for."""
        for _ in range(count):
            assert self.asked.acquire(timeout=_TIMEOUT_S)

    def close(self) -> None:
        self.release.set()
        self._server.shutdown()
        self._server.server_close()


@contextmanager
def held_images() -> Iterator[HeldImages]:
    server = HeldImages()
    try:
        yield server
    finally:
        server.close()


def device_processes(parent: int | None = None) -> list[psutil.Process]:
    """The processes of devices that a process has started, oldest first; None: this one."""
    children = psutil.Process(parent or os.getpid()).children()
    return sorted(
        (child for child in children if any(name in word for word in child.cmdline() for name in _PROGRAMS)),
        key=lambda child: (child.create_time(), child.pid),
    )


def assert_gone(processes: list[psutil.Process]) -> None:
    """All of them end soon."""
    _, alive = psutil.wait_procs(processes, timeout=_TIMEOUT_S)
    assert alive == []
