"""One HTTP request over a socket that is already connected."""

from __future__ import annotations

import http.client
from dataclasses import dataclass
from socket import socket


@dataclass(frozen=True)
class HttpAnswer:
    """Status and body of an HTTP answer; the body is cut at 64 KiB."""

    status: int
    reason: str
    body: bytes


class NotHttp(Exception):
    """What answered does not speak HTTP, or the connection was cut; the message is French."""


def get(connection: socket, path: str = "/", host: str = "localhost") -> HttpAnswer:
    """Answer to `GET path`, asked of `host`. Raises NotHttp."""
    client = http.client.HTTPConnection(host, timeout=8)
    client.sock = connection
    try:
        client.request(
            "GET", path, headers={"Connection": "close", "User-Agent": "cahier-kubernetes"}
        )
        answer = client.getresponse()
        return HttpAnswer(answer.status, answer.reason, answer.read(65536))
    except (ConnectionError, EOFError) as error:  # closed or reset: chance alone decides which
        raise NotHttp("la connexion a été fermée sans réponse") from error
    except TimeoutError as error:
        raise NotHttp("aucune réponse en 8 secondes") from error
    except (http.client.HTTPException, ValueError, OSError) as error:
        raise NotHttp("ce qui répond ne parle pas HTTP") from error
