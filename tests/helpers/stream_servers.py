"""Test servers on loopback that stream, drop, stall and reset."""

import io
import re
import socket
import ssl
import struct
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress

from PIL import Image

from tests.helpers.video_samples import image

Serve = Callable[[socket.socket, "StreamServer"], None]


class StreamServer:
    """Takes connections on a port of loopback; each is served by the next of `serves`, the last one again and again.

    requests  what each connection asked for, up to its first empty line
    """

    def __init__(self, *serves: Serve, tls: ssl.SSLContext | None = None) -> None:
        self.serves, self.requests = list(serves), list[bytes]()
        self.sent = 0  # images, over all connections
        self.gone = threading.Event()
        self.came_back = 0.0
        self._port, self._tls = 0, tls
        self._listening: socket.socket | None = None
        self._threads: list[threading.Thread] = []
        self._connections: list[socket.socket] = []
        self.listen()

    @property
    def port(self) -> int:
        return self._port

    def listen(self) -> None:
        """Take connections, again."""
        self._listening = socket.create_server(("127.0.0.1", self._port), reuse_port=False)
        self._port = self._listening.getsockname()[1]
        self.came_back = time.monotonic()
        thread = threading.Thread(target=self._accept, args=(self._listening,), daemon=True)
        thread.start()
        self._threads.append(thread)

    def hang_up(self) -> None:
        """Refuse connections from now on, and reset those that are there."""
        if self._listening is not None:
            self._listening.shutdown(socket.SHUT_RDWR)
            self._listening.close()
            self._listening = None
        for connection in self._connections:
            reset(connection)

    def close(self) -> None:
        self.gone.set()
        self.hang_up()
        for thread in self._threads:
            thread.join(5)

    def _accept(self, listening: socket.socket) -> None:
        while True:
            try:
                connection, _ = listening.accept()
            except OSError:
                return
            self._connections.append(connection)
            thread = threading.Thread(target=self._serve, args=(connection,), daemon=True)
            thread.start()
            self._threads.append(thread)

    def _serve(self, connection: socket.socket) -> None:
        try:
            if self._tls is not None:
                connection = self._tls.wrap_socket(connection, server_side=True)
            request = _request(connection)
            if not request:
                return  # only a check of the connection
            self.requests.append(request)
            serve = self.serves.pop(0) if len(self.serves) > 1 else self.serves[0]
            serve(connection, self)
        except OSError:
            pass
        finally:
            with suppress(OSError):
                connection.close()


def _request(connection: socket.socket) -> bytes:
    request = b""
    while b"\r\n\r\n" not in request and (part := connection.recv(4096)):
        request += part
    return request


def reset(connection: socket.socket) -> None:
    """Break a connection off so that the other side is told of an error."""
    try:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        connection.shutdown(socket.SHUT_RD)
        connection.close()
    except OSError:
        pass


@contextmanager
def serving(*serves: Serve, tls: ssl.SSLContext | None = None) -> Iterator[StreamServer]:
    server = StreamServer(*serves, tls=tls)
    try:
        yield server
    finally:
        server.close()


def jpeg(number: int) -> bytes:
    """`image(number)` as a camera sends it."""
    file = io.BytesIO()
    Image.fromarray(image(number)).save(file, "JPEG", quality=95)
    return file.getvalue()


def mjpeg(frames: int, then: str = "close", *, every_s: float = 0.02) -> Serve:
    """A camera's answer: so many images, and then "close", "reset" or "stall"."""

    def serve(connection: socket.socket, server: StreamServer) -> None:
        connection.sendall(b"HTTP/1.0 200 OK\r\nContent-Type: multipart/x-mixed-replace; boundary=cut\r\n\r\n")
        for _ in range(frames):
            body = jpeg(server.sent)
            head = b"--cut\r\nContent-Type: image/jpeg\r\nContent-Length: %d\r\n\r\n" % len(body)
            connection.sendall(head + body + b"\r\n")
            server.sent += 1
            server.gone.wait(every_s)
        if then == "stall":
            server.gone.wait()
        elif then == "reset":
            reset(connection)

    return serve


def answer(status: str, body: bytes = b"", headers: Sequence[str] = ()) -> Serve:
    """A whole answer of HTTP."""

    def serve(connection: socket.socket, _: StreamServer) -> None:
        lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", "Connection: close", *headers]
        connection.sendall("\r\n".join(lines).encode() + b"\r\n\r\n" + body)

    return serve


def rtsp(transport_stream: bytes, then: str = "close", *, every_s: float = 0.0) -> Serve:
    """An RTSP server that sends a transport stream over the connection itself (RFC 2326, interleaved), and then ends.

    The stream goes out 7 packets of 188 bytes at a time, as RTP of the payload type 33.
    """

    def serve(connection: socket.socket, server: StreamServer) -> None:
        request = server.requests[-1]
        while True:
            method, url = request.split()[:2]
            number = next(line for line in request.split(b"\r\n") if line.lower().startswith(b"cseq:"))
            headers, body = [number, b"Session: 7;timeout=60"], b""
            if method == b"DESCRIBE":
                body = b"v=0\r\no=- 0 0 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\nm=video 0 RTP/AVP 33\r\na=control:track\r\n"
                headers += [b"Content-Type: application/sdp", b"Content-Base: " + url + b"/"]
            elif method == b"SETUP":
                assert b"RTP/AVP/TCP" in request
                headers += [b"Transport: RTP/AVP/TCP;unicast;interleaved=0-1"]
            elif method == b"OPTIONS":
                headers += [b"Public: OPTIONS, DESCRIBE, SETUP, PLAY, TEARDOWN"]
            headers += [b"Content-Length: %d" % len(body)]
            connection.sendall(b"RTSP/1.0 200 OK\r\n" + b"\r\n".join(headers) + b"\r\n\r\n" + body)
            if method == b"PLAY":
                break
            request = _request(connection)
            if not request:
                return
        for number, begin in enumerate(range(0, len(transport_stream), 7 * 188)):
            load = (
                struct.pack(">BBHII", 0x80, 33, number % 65536, 90 * number, 7)
                + transport_stream[begin : begin + 7 * 188]
            )
            connection.sendall(struct.pack(">cBH", b"$", 0, len(load)) + load)
            server.gone.wait(every_s)
        if then == "stall":
            server.gone.wait()
        elif then == "reset":
            reset(connection)

    return serve


@contextmanager
def datagram_stream(transport_stream: bytes, *, rtp: bool = False) -> Iterator[int]:
    """A transport stream sent to a port of loopback again and again, bare or as RTP (RFC 3551, payload 33)."""
    with socket.socket(type=socket.SOCK_DGRAM) as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    ended = threading.Event()

    def send() -> None:
        number = 0
        with socket.socket(type=socket.SOCK_DGRAM) as out:
            while not ended.is_set():
                for begin in range(0, len(transport_stream), 7 * 188):
                    head = struct.pack(">BBHII", 0x80, 33, number % 65536, 90 * number, 7) if rtp else b""
                    with suppress(OSError):  # no listener yet
                        out.sendto(head + transport_stream[begin : begin + 7 * 188], ("127.0.0.1", port))
                    number += 1
                    ended.wait(0.002)

    thread = threading.Thread(target=send, daemon=True)
    thread.start()
    try:
        yield port
    finally:
        ended.set()
        thread.join(5)


def part_of(data: bytes, most: int | None = None, *, ranges: bool = True) -> Serve:
    """A file, or what is asked of it; the connection ends after `most` bytes, whatever was announced."""

    def serve(connection: socket.socket, server: StreamServer) -> None:
        asked = re.search(rb"(?i)range: bytes=(\d+)-", server.requests[-1])
        begin = int(asked[1]) if asked is not None and ranges else 0
        status = "206 Partial Content" if begin else "200 OK"
        lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(data) - begin}", "Connection: close"]
        if ranges:
            lines += ["Accept-Ranges: bytes", f"Content-Range: bytes {begin}-{len(data) - 1}/{len(data)}"]
        connection.sendall("\r\n".join(lines).encode() + b"\r\n\r\n")
        connection.sendall(data[begin:] if most is None else data[begin : begin + most])

    return serve
