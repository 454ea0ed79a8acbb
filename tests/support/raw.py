"""A server on loopback that answers with bytes of the test's own, whether they are HTTP or not."""

import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager


@contextmanager
def raw_server(answer: Callable[[socket.socket], object], tls: ssl.SSLContext | None = None) -> Iterator[str]:
    """Serve each connection, its first request read, with `answer`; yield the URL."""

    def serve(connection: socket.socket) -> None:
        try:
            connection.settimeout(5)
            with tls.wrap_socket(connection, server_side=True) if tls else connection as line:
                head = b""
                # A client that begins with a handshake (0x16) is answered at once.
                while b"\r\n\r\n" not in head and head[:1] != b"\x16" and (more := line.recv(4096)):
                    head += more
                answer(line)
        except OSError:
            pass
        finally:
            connection.close()

    def accept() -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            threading.Thread(target=serve, args=(connection,), daemon=True).start()

    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=accept, daemon=True).start()
        yield f"{'https' if tls else 'http'}://127.0.0.1:{listener.getsockname()[1]}"
        listener.shutdown(socket.SHUT_RDWR)
