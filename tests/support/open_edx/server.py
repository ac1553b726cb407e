"""Open edX's own LTI services, as its packages have them, on a database in memory: what
tests.support.open_edx runs, in an environment of its own. One request at a time; it ends with its
standard input."""

from __future__ import annotations

import os
import sys
import threading
from wsgiref.simple_server import WSGIRequestHandler, make_server

from django.conf import settings
from django.core.management import call_command
from django.core.wsgi import get_wsgi_application

_ISSUER = "https://open-edx.exemple.fr"
_APPLICATIONS = (
    "django.contrib.contenttypes",
    "django.contrib.auth",
    "config_models",
    "lti_consumer",
)


class _Quiet(WSGIRequestHandler):
    def log_message(self, *_: object) -> None:
        pass


def _end() -> None:
    sys.stdin.read()
    os._exit(0)


if __name__ == "__main__":
    settings.configure(
        SECRET_KEY=os.urandom(32).hex(),
        ALLOWED_HOSTS=["127.0.0.1"],
        ROOT_URLCONF="courses",
        USE_TZ=True,
        LOGGING_CONFIG=None,  # its troubles, on standard error
        DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}},
        DEFAULT_AUTO_FIELD="django.db.models.AutoField",
        INSTALLED_APPS=_APPLICATIONS,
        # the tables of today: a database in memory has no past
        MIGRATION_MODULES={name.rpartition(".")[2]: None for name in _APPLICATIONS},
        # Open edX's own settings
        USAGE_ID_PATTERN=r"(?P<usage_id>(?:i4x://?[^/]+/[^/]+/[^/]+/[^@]+(?:@[^/]+)?)|(?:[^/]+))",
        LTI_API_BASE=_ISSUER,
    )
    application = get_wsgi_application()
    call_command("migrate", verbosity=0, run_syncdb=True)
    with make_server("127.0.0.1", 0, application, handler_class=_Quiet) as server:
        threading.Thread(target=_end, daemon=True).start()
        print(server.server_port, flush=True)
        server.serve_forever(0.02)
