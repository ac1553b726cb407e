"""What time it is for the API server."""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta

from checks.access.kubernetes_api import Api
from checks.errors import CahierError
from checks.waiting import Deadline

_HOLDS = 1800.0  # seconds for which its difference to this machine's clock holds


class ClusterTime:
    """The API server's time, from any thread. This machine's clock may be an hour off, and goes on
    while it sleeps."""

    def __init__(self, api: Api) -> None:
        self._api = api
        self._turn = threading.Lock()
        self._known = timedelta(0)
        self._holds = Deadline(-1)

    def __call__(self, moment: datetime) -> datetime:
        """A moment of this machine's as the API server tells it; the same, where it does not
        say."""
        return moment + self._ahead()

    def here(self, moment: datetime) -> datetime:
        """What a moment of the API server's is for this machine."""
        return moment - self._ahead()

    def now(self) -> datetime:
        """What time it is there; here, where it does not say."""
        return self(datetime.now(UTC))

    def _ahead(self) -> timedelta:
        with self._turn:
            if self._holds.passed:
                try:
                    said = self._api.clock()
                except CahierError:
                    said = None
                self._known = said - datetime.now(UTC) if said else timedelta(0)
                self._holds = Deadline(_HOLDS)
            return self._known
