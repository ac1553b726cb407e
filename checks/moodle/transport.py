"""The HTTP of a platform: bounded in bytes and in time, never redirected, and JSON or nothing."""

from __future__ import annotations

import json
import time
from typing import Any

import requests
import urllib3
from requests.adapters import HTTPAdapter

from checks.moodle import troubles

_CONNECTS = 5.0  # seconds
_SILENT = 10.0  # seconds without a byte
_WHOLE = 20.0  # seconds for a whole answer
_MOST = 8 * 2**20  # bytes: the members of a very large course
_AT_ONCE = 4  # connections kept


class Transport(requests.Session):
    """What the library asks through. Raises Trouble in place of what requests raises, and for what
    is no answer of a platform's; a refusal in JSON is the library's to tell."""

    def __init__(self) -> None:
        super().__init__()
        adapter = HTTPAdapter(pool_maxsize=_AT_ONCE)
        self.mount("https://", adapter)
        self.mount("http://", adapter)
        self.headers["User-Agent"] = "cahier-kubernetes"
        # a password of ~/.netrc is nothing to a platform, and would take the token's place
        self.auth = _keep

    def request(self, *words: Any, **options: Any) -> requests.Response:
        """As a session's. Raises Trouble."""
        options |= {"stream": True, "allow_redirects": False, "timeout": (_CONNECTS, _SILENT)}
        try:
            answer = super().request(*words, **options)
            with answer:
                answer._content = _whole(answer)
        except requests.exceptions.SSLError as error:
            raise troubles.cut("son certificat n’est pas reconnu par ce poste") from error
        except (requests.Timeout, TimeoutError) as error:
            raise troubles.cut("elle est restée muette") from error
        except (requests.RequestException, urllib3.exceptions.HTTPError, OSError) as error:
            raise troubles.cut("la connexion est refusée ou coupée") from error
        if answer.status_code in range(300, 400):
            raise troubles.elsewhere(answer.status_code)
        if answer.ok and answer.content:
            try:
                json.loads(answer.content)
            except (ValueError, RecursionError):
                raise troubles.elsewhere(answer.status_code) from None
        return answer


def _keep(request: requests.PreparedRequest) -> requests.PreparedRequest:
    return request


def _whole(answer: requests.Response) -> bytes:
    """The body. Raises Trouble where it is endless, or comes too slowly."""
    end = time.monotonic() + _WHOLE
    body = bytearray()
    while part := answer.raw.read1(65536, decode_content=True):
        body += part
        if len(body) > _MOST:
            raise troubles.strange("sa réponse n’en finit pas")
        if time.monotonic() > end:
            raise troubles.cut("sa réponse vient trop lentement")
    return bytes(body)
