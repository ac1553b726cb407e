"""The people of the small SSPCloud, made as Onyxia makes them, through the Kubernetes API only."""

from __future__ import annotations

import base64
import contextlib
import re
import secrets
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from checks import installation, state
from checks.access import kubeconfig
from checks.errors import AccessError, CahierError, Refused, UsageError
from checks.facts import OWNER_BINDING
from checks.local_sspcloud import teacher
from checks.local_sspcloud.messages import none_here
from checks.places import LEARNERS, admin_kubeconfig, people_folder, write_private
from checks.redaction import remember
from checks.waiting import tries

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric import ec

    from checks.access.kubernetes_api import Api

TEACHER = "prof"
ADMIN = "admin"

_LIFETIME = timedelta(days=7)
_RENEWED_BEFORE_END = timedelta(hours=1)
_WAIT_SECONDS = 60.0
_NAME = re.compile(r"[a-z0-9]([-a-z0-9]{0,38}[a-z0-9])?")
_RBAC = "/apis/rbac.authorization.k8s.io/v1"
_CERTIFICATES = "/apis/certificates.k8s.io/v1/certificatesigningrequests"


@dataclass(frozen=True)
class _Cluster:
    """Where the API server is: what every kubeconfig of the cluster has in common."""

    server: str
    authority: str
    """Its certificate authority, PEM in base64."""


def namespace_of(name: str) -> str:
    """The personal namespace of a learner."""
    return f"user-{name}"


def working_namespace(name: str) -> str:
    """Where a person's kubectl works."""
    return "default" if name == TEACHER else namespace_of(name)


def user_of(name: str) -> str:
    """The user whom RBAC knows."""
    return f"oidc-{name}"


def kubeconfig_path(name: str) -> Path:
    """Where a person's kubeconfig is written; `admin` is the cluster's administrator. May not
    exist."""
    return admin_kubeconfig() if name == ADMIN else people_folder() / f"{name}.kubeconfig"


def known() -> Sequence[str]:
    """Everybody whose kubeconfig can be asked for."""
    others = {path.stem for path in people_folder().glob("*.kubeconfig")} - {*LEARNERS, TEACHER}
    return [*LEARNERS, *sorted(others), TEACHER, ADMIN]


def ensure_people(api: Api, admin: Path | None = None) -> None:
    """Make whoever is missing: three learners and the teacher. `admin`: the administrator's
    kubeconfig file."""
    source = admin or admin_kubeconfig()
    with ThreadPoolExecutor(len(LEARNERS) + 1) as pool:
        made = [pool.submit(create_person, api, source, name) for name in LEARNERS]
        made.append(pool.submit(create_teacher, api, source))
        for one in made:
            one.result()


def create_person(api: Api, admin: Path, name: str) -> Path:
    """Make a learner, or what is missing of one; the kubeconfig file. Pods can be made there when
    it returns.

    `admin` is the administrator's kubeconfig file, which `api` uses. Raises CahierError.
    """
    if not _NAME.fullmatch(name) or name in (ADMIN, TEACHER):
        raise UsageError(
            f"« {name} » ne peut pas être le nom d’un apprenant.", "Par exemple : dominique"
        )
    namespace = create_namespace(api, name)
    file = _ensure_kubeconfig(api, admin, name, namespace)
    account = f"/api/v1/namespaces/{namespace}/serviceaccounts/default"
    _wait(lambda: api.find(account) is not None, f"Le namespace {namespace} n’est pas prêt.")
    return file


def create_namespace(api: Api, name: str) -> str:
    """Make a learner's namespace and rights, or what is missing of them; its name. Raises
    CahierError."""
    namespace = namespace_of(name)
    wait_until_not_terminating(api, namespace)
    for path, item in _objects(name):
        api.apply(path, item)
    return namespace


def create_teacher(api: Api, admin: Path) -> Path:
    """Make the teacher, who may read what grading needs; the kubeconfig file. Raises
    CahierError."""
    role = yaml.safe_load(teacher.cluster_role())
    binding = {
        **teacher.binding([teacher.subject(user_of(TEACHER))]),
        "kind": "ClusterRoleBinding",
        "roleRef": {
            "apiGroup": "rbac.authorization.k8s.io",
            "kind": "ClusterRole",
            "name": teacher.ROLE,
        },
    }
    api.apply(f"{_RBAC}/clusterroles/{teacher.ROLE}", role)
    api.apply(f"{_RBAC}/clusterrolebindings/{teacher.ROLE}", binding)
    return _ensure_kubeconfig(api, admin, TEACHER, working_namespace(TEACHER))


def remove_person(api: Api, name: str) -> None:
    """Remove a learner's namespace, which the cluster empties in the background, their kubeconfig
    and their progress on this machine."""
    with contextlib.suppress(OSError):
        kubeconfig_path(name).unlink()
    state.forget(state.place_at(api.credentials.server, namespace_of(name)))
    remove_namespace(api, namespace_of(name))


def remove_namespace(api: Api, namespace: str) -> None:
    """Remove a namespace, which the cluster empties in the background; twice is harmless."""
    try:
        api.request("DELETE", f"/api/v1/namespaces/{namespace}")
    except Refused as refusal:
        if refusal.status not in (404, 409):
            raise


def usable_kubeconfig(name: str) -> Path:
    """A person's kubeconfig file, renewed when it must be. Raises UsageError for a stranger,
    AccessError."""
    if name not in known():
        raise UsageError(
            f"Personne ne s’appelle « {name} » sur le cluster local.",
            f"Choisissez parmi : {', '.join(known())}",
        )
    admin = admin_kubeconfig()
    if not admin.is_file():
        raise none_here()
    file = kubeconfig_path(name)
    if name == ADMIN or _is_current(file, _read_cluster(admin)):
        return file
    from checks.access.kubernetes_api import Api

    api = Api(str(admin))
    return create_teacher(api, admin) if name == TEACHER else create_person(api, admin, name)


# -- objects ---------------------------------------------------------------------------------------


def _objects(name: str) -> Sequence[tuple[str, Mapping[str, Any]]]:
    """Path and content of what a person is on the cluster."""
    namespace = namespace_of(name)
    space = {
        "apiVersion": "v1",
        "kind": "Namespace",
        "metadata": {"name": namespace, "labels": {"onyxia_owner": name}},
    }
    binding = {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "RoleBinding",
        "metadata": {
            "name": OWNER_BINDING,
            "namespace": namespace,
            "labels": {"createdby": "onyxia"},
        },
        "roleRef": {
            "apiGroup": "rbac.authorization.k8s.io",
            "kind": "ClusterRole",
            "name": "admin",
        },
        "subjects": [
            {"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": user_of(name)}
        ],
    }
    # No CPU, no memory: a pod without `resources` runs, as on the platform.
    quota = {
        "apiVersion": "v1",
        "kind": "ResourceQuota",
        "metadata": {
            "name": "onyxia-quota",
            "namespace": namespace,
            "labels": {"createdby": "onyxia"},
        },
        "spec": {
            "hard": {"pods": "50", "requests.storage": "50Gi", "persistentvolumeclaims": "10"}
        },
    }
    return [
        (f"/api/v1/namespaces/{namespace}", space),
        (f"{_RBAC}/namespaces/{namespace}/rolebindings/{OWNER_BINDING}", binding),
        (f"/api/v1/namespaces/{namespace}/resourcequotas/onyxia-quota", quota),
    ]


def wait_until_not_terminating(api: Api, namespace: str) -> None:
    """Wait for a namespace of that name that is being removed. Raises CahierError."""

    def settled() -> bool:
        found = api.find(f"/api/v1/namespaces/{namespace}")
        return found is None or "deletionTimestamp" not in found["metadata"]

    _wait(settled, f"L’ancien namespace {namespace} n’en finit pas d’être supprimé.")


def _wait(done: Callable[[], bool], message: str) -> None:
    if not any(done() for _ in tries(_WAIT_SECONDS, 0.05)):
        raise CahierError(
            message, "Recommencez ; sinon, recréez le cluster : cahier cluster supprimer"
        )


# -- kubeconfigs -----------------------------------------------------------------------------------


def _ensure_kubeconfig(api: Api, admin: Path, name: str, namespace: str) -> Path:
    file, cluster = kubeconfig_path(name), _read_cluster(admin)
    if not _is_current(file, cluster):
        key, certificate = certified(api, user_of(name))
        write_private(
            file, render(name, namespace, cluster.server, cluster.authority, certificate, key)
        )
    return file


def _read_cluster(file: Path) -> _Cluster:
    choice = kubeconfig.choose(str(file))
    assert choice is not None, "a file that is given is never the pod's ServiceAccount"
    cluster = choice.cluster
    authority = kubeconfig.content(
        cluster.certificate_authority_data, cluster.certificate_authority
    )
    return _Cluster(cluster.server, base64.b64encode(authority).decode())


def _is_current(file: Path, cluster: _Cluster) -> bool:
    """Whether a kubeconfig is for this very cluster and good for a while."""
    try:
        found = _read_cluster(file)
        expires = kubeconfig.read(str(file)).expires
    except (CahierError, OSError, LookupError, ValueError):
        return False
    return (
        found == cluster
        and expires is not None
        and expires > datetime.now(UTC) + _RENEWED_BEFORE_END
    )


def render(
    name: str, namespace: str, server: str, authority: str, certificate: str, key: str
) -> str:
    """A kubeconfig with one context. `authority`, `certificate` and `key` are PEM in base64."""
    content = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [
            {
                "name": "cahier",
                "cluster": {"server": server, "certificate-authority-data": authority},
            }
        ],
        "users": [
            {
                "name": user_of(name),
                "user": {"client-certificate-data": certificate, "client-key-data": key},
            },
        ],
        "contexts": [
            {
                "name": f"cahier-{name}",
                "context": {"cluster": "cahier", "user": user_of(name), "namespace": namespace},
            }
        ],
        "current-context": f"cahier-{name}",
    }
    return yaml.safe_dump(content, sort_keys=False)


def certified(api: Api, user: str, groups: Sequence[str] = ()) -> tuple[str, str]:
    """A new key and the certificate that the cluster signs for this user, both PEM in base64.
    Raises CahierError."""
    installation.need("local")
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    request = _signing_request(f"cahier-{secrets.token_hex(8)}", user, groups, key)
    path = f"{_CERTIFICATES}/{request['metadata']['name']}"
    made = api.request("POST", _CERTIFICATES, request)
    try:
        approved = {
            "type": "Approved",
            "status": "True",
            "reason": "CahierCluster",
            "message": "cahier cluster creer",
        }
        made["status"] = {"conditions": [approved]}
        api.request("PUT", f"{path}/approval", made)
        _wait(lambda: _issued(api, path) != "", f"Le certificat de {user} n’a pas été signé.")
        certificate = _issued(api, path)
    finally:
        with contextlib.suppress(AccessError):
            api.request("DELETE", path)
    pem = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    remember(pem.decode())
    return base64.b64encode(pem).decode(), certificate


def _signing_request(
    name: str, user: str, groups: Sequence[str], key: ec.EllipticCurvePrivateKey
) -> dict[str, Any]:
    """Kubernetes reads the user in the common name, and the groups in the organizations."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.x509.oid import NameOID

    names = [(NameOID.ORGANIZATION_NAME, group) for group in groups] + [(NameOID.COMMON_NAME, user)]
    subject = x509.Name([x509.NameAttribute(kind, value) for kind, value in names])
    request = (
        x509.CertificateSigningRequestBuilder().subject_name(subject).sign(key, hashes.SHA256())
    )
    pem = request.public_bytes(serialization.Encoding.PEM)
    return {
        "apiVersion": "certificates.k8s.io/v1",
        "kind": "CertificateSigningRequest",
        "metadata": {"name": name},
        "spec": {
            "request": base64.b64encode(pem).decode(),
            "signerName": "kubernetes.io/kube-apiserver-client",
            "usages": ["client auth"],
            "expirationSeconds": int(_LIFETIME.total_seconds()),
        },
    }


def _issued(api: Api, path: str) -> str:
    return str(api.request("GET", path).get("status", {}).get("certificate") or "")
