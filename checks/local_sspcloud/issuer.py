"""The issuer of the local cluster: it signs the tokens of « Connexion à Kubernetes », and the API
server accepts them.

The API server asks an issuer, by HTTPS, who it is and which key it signs with (OpenID Connect
Discovery). The address of this one is the API server's own, which leads to a pod with these two
documents: the cluster's certificate is the only one that is needed, and nothing of the machine is
mounted into the nodes.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from checks.errors import CahierError
from checks.local_sspcloud import tokens
from checks.local_sspcloud.progress import Progress, waiting
from checks.local_sspcloud.tokens import ALGORITHM, AUDIENCE
from checks.lock import in_turn
from checks.objects.pods import PodObject
from checks.places import ISSUER, ISSUER_NAME, ISSUER_NAMESPACE, lock
from checks.waiting import tries

if TYPE_CHECKING:
    from joserfc.jwk import RSAKey

    from checks.access.kubernetes_api import Api

_PORT = 8000
_KEYS = "keys"
_PREFIX = "oidc-"
_IMAGE = "python:3.11-slim-bookworm"  # the one that the labs use
_NOBODY = 65534
_TRIAL = timedelta(minutes=5)
_READY_SECONDS = 180.0  # an image to pull, then the API server looks every ten seconds
_POLL_SECONDS = 0.5
_RBAC = "/apis/rbac.authorization.k8s.io/v1"


def api_server_options() -> Mapping[str, str]:
    """Options of kube-apiserver that make it accept the issuer's tokens, with the platform's
    prefix."""
    return {
        "oidc-issuer-url": ISSUER,
        "oidc-client-id": AUDIENCE,
        "oidc-ca-file": "/etc/kubernetes/pki/ca.crt",  # the cluster's own authority
        "oidc-username-claim": "preferred_username",
        "oidc-username-prefix": _PREFIX,
        "oidc-groups-claim": "groups",
        "oidc-groups-prefix": _PREFIX,
    }


def is_expected(api: Api) -> bool:
    """Whether the API server runs with these options: a cluster of an older version does not."""
    query = {"labelSelector": "component=kube-apiserver"}
    servers = api.objects("Pod", "/api/v1/namespaces/kube-system/pods", query)
    option = f"--oidc-issuer-url={ISSUER}"
    return any(
        option in (container.get("command") or [])
        for pod in servers
        for container in pod["spec"]["containers"]
    )


def ensure(api: Api, progress: Progress) -> None:
    """Publish the issuer, or what is missing of it, as the cluster's administrator. Raises
    CahierError."""
    with in_turn(lock(), waiting(progress)):  # two commands would each make a key
        tokens.ensure_key()
    for path, item in _objects(tokens.key()):
        api.apply(path, item)


def wait_until_accepted(api: Api, progress: Progress) -> None:
    """Return once the API server accepts the issuer's tokens. Raises CahierError when that takes
    too long."""
    if _accepts(api):
        return
    with progress("L’API du cluster apprend à reconnaître les jetons", 15):
        if any(_accepts(api) for _ in tries(_READY_SECONDS, _POLL_SECONDS)):
            return
        raise CahierError(
            f"L’API du cluster n’accepte toujours pas les jetons ({_state(api)}).",
            f"Le pod qui les fait connaître a besoin de l’image {_IMAGE}, que le cluster "
            "télécharge. Recommencez dans un moment, ou regardez ce pod : kubectl describe "
            f"pods -n {ISSUER_NAMESPACE} --kubeconfig $(cahier cluster kubeconfig admin)",
        )


def _accepts(api: Api) -> bool:
    review = {
        "apiVersion": "authentication.k8s.io/v1",
        "kind": "TokenReview",
        "spec": {"token": tokens.sign("essai", _TRIAL)},
    }
    answer = api.request("POST", "/apis/authentication.k8s.io/v1/tokenreviews", review)
    return bool(answer["status"].get("authenticated"))


def _state(api: Api) -> str:
    """How the issuer's pod is, in a few words."""
    query = {"labelSelector": f"app={ISSUER_NAME}"}
    pods = api.each(PodObject, "Pod", f"/api/v1/namespaces/{ISSUER_NAMESPACE}/pods", query)
    for pod in pods:
        if (held := pod.status.waiting).reason:
            return f"pod {pod.name} : {held.reason}"
    return f"{len(pods)} pod dans {ISSUER_NAMESPACE}"


# -- objects ---------------------------------------------------------------------------------------


def _objects(key: RSAKey) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Path and content of what publishes the issuer."""
    from joserfc.jwk import KeySet

    discovery = {
        "issuer": ISSUER,
        "jwks_uri": f"{ISSUER}/{_KEYS}",
        "id_token_signing_alg_values_supported": [ALGORITHM],
        "response_types_supported": ["id_token"],
        "subject_types_supported": ["public"],
    }
    documents = {
        "discovery": json.dumps(discovery),
        _KEYS: json.dumps(KeySet([key]).as_dict(private=False)),
    }
    role = {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": ISSUER_NAME}
    # The API server asks as anybody: these documents, and nothing else, are for everybody.
    rule = {
        "apiGroups": [""],
        "resources": ["services/proxy"],
        "resourceNames": [ISSUER_NAME],
        "verbs": ["get"],
    }
    anybody = {
        "apiGroup": "rbac.authorization.k8s.io",
        "kind": "Group",
        "name": "system:unauthenticated",
    }
    space = f"namespaces/{ISSUER_NAMESPACE}"
    rbac = "rbac.authorization.k8s.io/v1"
    yield (
        f"/api/v1/{space}",
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": ISSUER_NAMESPACE}},
    )
    yield f"/api/v1/{space}/configmaps/{ISSUER_NAME}", _item("v1", "ConfigMap", data=documents)
    yield (
        f"/apis/apps/v1/{space}/deployments/{ISSUER_NAME}",
        _item("apps/v1", "Deployment", spec=_deployment(key.kid or "")),
    )
    service = {"selector": {"app": ISSUER_NAME}, "ports": [{"port": 80, "targetPort": _PORT}]}
    yield f"/api/v1/{space}/services/{ISSUER_NAME}", _item("v1", "Service", spec=service)
    yield f"{_RBAC}/{space}/roles/{ISSUER_NAME}", _item(rbac, "Role", rules=[rule])
    yield (
        f"{_RBAC}/{space}/rolebindings/{ISSUER_NAME}",
        _item(rbac, "RoleBinding", roleRef=role, subjects=[anybody]),
    )


def _item(version: str, kind: str, **content: object) -> dict[str, Any]:
    metadata = {"name": ISSUER_NAME, "namespace": ISSUER_NAMESPACE}
    return {"apiVersion": version, "kind": kind, "metadata": metadata, **content}


def _deployment(key_name: str) -> dict[str, Any]:
    paths = [
        {"key": "discovery", "path": ".well-known/openid-configuration"},
        {"key": _KEYS, "path": _KEYS},
    ]
    container = {
        "name": "documents",
        "image": _IMAGE,
        "imagePullPolicy": "IfNotPresent",
        "command": ["python3", "-m", "http.server", str(_PORT), "--directory", "/documents"],
        "readinessProbe": {
            "httpGet": {"path": f"/{_KEYS}", "port": _PORT},
            "periodSeconds": 2,
            "timeoutSeconds": 5,
        },
        "resources": {
            "requests": {"cpu": "5m", "memory": "24Mi"},
            "limits": {"cpu": "500m", "memory": "64Mi"},
        },
        "securityContext": {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}},
        "volumeMounts": [{"name": "documents", "mountPath": "/documents", "readOnly": True}],
    }
    pod = {
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "terminationGracePeriodSeconds": 1,
        "securityContext": {"runAsNonRoot": True, "runAsUser": _NOBODY, "runAsGroup": _NOBODY},
        "containers": [container],
        "volumes": [{"name": "documents", "configMap": {"name": ISSUER_NAME, "items": paths}}],
    }
    # A new key is a new pod: a file of a running one would follow a minute later.
    labels = {"metadata": {"labels": {"app": ISSUER_NAME}, "annotations": {"cahier/key": key_name}}}
    return {
        "replicas": 1,
        "selector": {"matchLabels": {"app": ISSUER_NAME}},
        "template": {**labels, "spec": pod},
    }
