"""What a PostgreSQL of the platform's catalogue consists of, under the same names and labels.

https://github.com/InseeFrLab/helm-charts-databases/tree/main/charts/postgresql-cnpg: here a plain
pod takes the place of the CloudNativePG operator, which a learner could not install.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from checks.local_sspcloud.services.description import INSTANCE, NAME, Order, from_secret

IMAGE = "postgres:15-bookworm"
PORT = 5432
DATABASE = "defaultdb"
CLUSTER = "cnpg.io/cluster"
"""Label of all that belongs to a database."""
_UID = 999  # `postgres` in the image

# The account of the form is no superuser and owns its database, as CloudNativePG makes it.
OWNER_SCRIPT = """\
psql --no-psqlrc -v ON_ERROR_STOP=1 --username postgres --dbname postgres \\
  --set=owner="$OWNER" --set=password="$OWNER_PASSWORD" --set=database="$OWNER_DATABASE" <<'SQL'
CREATE ROLE :"owner" LOGIN PASSWORD :'password';
CREATE DATABASE :"database" OWNER :"owner";
SQL
"""

# As CloudNativePG does it: TLS is offered, under a certificate of the database's own authority, and
# not demanded. Made in the pod, whose image has openssl: its private key is nowhere else.
# https://cloudnative-pg.io/docs/1.29/ssl_connections/
_TLS_SCRIPT = """\
(
  umask 077
  cd "$PGDATA"
  new_key="-newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes"
  openssl req -x509 $new_key -days 3650 -subj "/OU={namespace}/CN={name}" \\
    -keyout ca.key -out ca.crt
  openssl req $new_key -subj "/CN={name}-rw" -addext "subjectAltName = {hosts}" \\
    -keyout server.key |
    openssl x509 -req -days 3650 -CA ca.crt -CAkey ca.key -copy_extensions copy -out server.crt
  rm ca.key
)
psql --no-psqlrc -v ON_ERROR_STOP=1 --username postgres --dbname postgres <<'SQL'
ALTER SYSTEM SET ssl = on;
ALTER SYSTEM SET ssl_min_protocol_version = 'TLSv1.3';
SQL
"""


def manifests(order: Order) -> Sequence[Mapping[str, Any]]:
    """Everything that a database consists of, in the order in which it is made: the pod last."""
    namespace, name = order.namespace, order.name
    item = _Items(namespace, name)
    made = [
        *credentials(order),
        item("v1", "ConfigMap", "-initdb", data=_initialisation(namespace, name)),
        item("v1", "Service", "-rw", spec=_service(name)),
    ]
    if not order.opened:
        made.append(same_namespace_only(namespace, name, name))
    spec = pod_spec(_container(name, order.database), f"{name}-initdb")
    pod = item("v1", "Pod", "-1", spec=spec)
    roles = {
        "cnpg.io/instanceName": f"{name}-1",
        "cnpg.io/podRole": "instance",
        "cnpg.io/instanceRole": "primary",
    }
    pod["metadata"]["labels"] |= roles
    return [*made, pod]


@dataclass(frozen=True)
class _Items:
    """Makes the objects of one database."""

    namespace: str
    name: str

    def __call__(self, version: str, kind: str, suffix: str, **content: object) -> dict[str, Any]:
        metadata = {
            "name": self.name + suffix,
            "namespace": self.namespace,
            "labels": _labels(self.name),
        }
        return {"apiVersion": version, "kind": kind, "metadata": metadata, **content}


def credentials(order: Order) -> Sequence[dict[str, Any]]:
    """The Secrets that come with a database, whoever runs it."""
    item = _Items(order.namespace, order.name)
    account = {"username": order.user, "password": order.password}
    # The real chart gives the superuser the very same password: sharing it shares more than a
    # database.
    superuser = {"username": "postgres", "password": order.password}
    return [
        item("v1", "Secret", "", type="Opaque", stringData=account),
        item("v1", "Secret", "-user", type="kubernetes.io/basic-auth", stringData=account),
        item("v1", "Secret", "-superuser", type="kubernetes.io/basic-auth", stringData=superuser),
    ]


def same_namespace_only(namespace: str, name: str, chosen: str) -> dict[str, Any]:
    """The NetworkPolicy of the form's box. `chosen`: whose pods it selects, which the platform's
    chart gets wrong."""
    spec = {
        "podSelector": {"matchLabels": {CLUSTER: chosen}},
        "policyTypes": ["Ingress"],
        "ingress": [{"from": [{"podSelector": {}}]}],
    }
    return _Items(namespace, name)("networking.k8s.io/v1", "NetworkPolicy", "", spec=spec)


def _labels(name: str) -> dict[str, str]:
    return {
        CLUSTER: name,
        NAME: "postgresql",
        INSTANCE: name,
        "app.kubernetes.io/component": "database",
        "app.kubernetes.io/managed-by": "cloudnative-pg",
    }


def _initialisation(namespace: str, name: str) -> dict[str, str]:
    """What the image runs once, on the new database, in the order of these names."""
    host = f"{name}-rw"
    places = (host, f"{host}.{namespace}", f"{host}.{namespace}.svc")
    hosts = ",".join(f"DNS:{place}" for place in (*places, f"{places[-1]}.cluster.local"))
    return {
        "10-owner.sh": OWNER_SCRIPT,
        "20-tls.sh": _TLS_SCRIPT.format(namespace=namespace, name=name, hosts=hosts),
    }


def _service(name: str) -> dict[str, Any]:
    return {
        "selector": {CLUSTER: name, "cnpg.io/instanceRole": "primary"},
        "ports": [{"name": "postgres", "port": PORT, "targetPort": PORT}],
    }


def _container(name: str, database: str) -> dict[str, Any]:
    return {
        "name": "postgres",
        "ports": [{"name": "postgresql", "containerPort": PORT}],
        "env": [
            {"name": "POSTGRES_USER", "value": "postgres"},
            from_secret("POSTGRES_PASSWORD", f"{name}-superuser", "password"),
            from_secret("OWNER", name, "username"),
            from_secret("OWNER_PASSWORD", name, "password"),
            {"name": "OWNER_DATABASE", "value": database},
        ],
    }


def pod_spec(container: Mapping[str, Any], scripts: str) -> dict[str, Any]:
    """A pod that runs the server. `container`: its name, its ports, its variables; `scripts`: the
    ConfigMap of what is run once, on the new database."""
    accepts = {
        "exec": {"command": ["pg_isready", "-q", "-h", "127.0.0.1", "-U", "postgres"]},
        "timeoutSeconds": 5,
    }
    server = {
        **container,
        "image": IMAGE,
        "imagePullPolicy": "IfNotPresent",
        "env": [
            {"name": "PGDATA", "value": "/var/lib/postgresql/data/pgdata"},
            # A port-forward arrives from the pod's own loopback, which the image would trust
            # without password.
            {"name": "POSTGRES_INITDB_ARGS", "value": "--auth-host=scram-sha-256"},
            {"name": "POSTGRES_HOST_AUTH_METHOD", "value": "scram-sha-256"},
            *container["env"],
        ],
        # A process every second while it starts (however long: a slow machine must not have it
        # killed), none afterwards: a class has thirty of them on one node. The port is open on the
        # network only once filled.
        "startupProbe": {**accepts, "periodSeconds": 1, "failureThreshold": 3600},
        "readinessProbe": {"tcpSocket": {"port": PORT}, "periodSeconds": 5},
        "resources": {
            "requests": {"cpu": "20m", "memory": "64Mi"},
            "limits": {"cpu": "1", "memory": "256Mi"},
        },
        "securityContext": {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}},
        "volumeMounts": [
            {"name": "data", "mountPath": "/var/lib/postgresql/data"},
            {"name": "initdb", "mountPath": "/docker-entrypoint-initdb.d"},
        ],
    }
    return {
        "automountServiceAccountToken": False,
        "terminationGracePeriodSeconds": 5,
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": _UID,
            "runAsGroup": _UID,
            "fsGroup": _UID,
        },
        "containers": [server],
        "volumes": [
            {"name": "data", "emptyDir": {}},
            {"name": "initdb", "configMap": {"name": scripts}},
        ],
    }
