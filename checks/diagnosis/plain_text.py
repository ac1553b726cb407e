"""Texts of the namespace that anybody who reads it sees, where a password may have been written in clear."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from checks.diagnosis.databases import of_release
from checks.facts import Cluster

_LAST = "kubectl.kubernetes.io/last-applied-configuration"


@dataclass(frozen=True)
class Written:
    """A text that anybody who reads the namespace sees; `commands` take it away."""

    where: str
    text: str
    commands: Sequence[str]


def written(cluster: Cluster, release: str) -> Iterator[Written]:
    """Every text of the ConfigMaps, variables and arguments, but those that belong to the database itself."""
    yield from _in_config_maps(cluster, release)
    yield from _in_containers(cluster, release)


def _in_config_maps(cluster: Cluster, release: str) -> Iterator[Written]:
    place = f"-n {cluster.namespace}"
    for item in cluster.objects("ConfigMap"):
        name = item["metadata"]["name"]
        if name == "kube-root-ca.crt" or of_release(item["metadata"].get("labels") or {}, release):
            continue
        forget = f"kubectl annotate configmap {name} {place} {_LAST}-"  # kubectl apply keeps a copy there
        for key, value in (item.get("data") or {}).items():
            path = "/data/" + key.replace("~", "~0").replace("/", "~1")
            patch = shlex.quote(json.dumps([{"op": "remove", "path": path}]))
            commands = (f"kubectl patch configmap {name} {place} --type=json -p {patch}", forget)
            yield Written(f"la ConfigMap « {name} », clé « {key} »", value, commands)
        yield Written(
            f"la ConfigMap « {name} », annotation last-applied-configuration",
            (item["metadata"].get("annotations") or {}).get(_LAST, ""),
            (forget,),
        )


def _in_containers(cluster: Cluster, release: str) -> Iterator[Written]:
    for item in cluster.objects("Deployment"):
        yield from _in_template("deployment", item["metadata"]["name"], item["spec"]["template"], cluster.namespace)
    for pod in cluster.pods():
        owners = [owner["kind"] for owner in pod.raw["metadata"].get("ownerReferences") or ()]
        if not of_release(pod.labels, release) and "ReplicaSet" not in owners:  # a Deployment's own pods follow it
            kind = "" if owners else "pod"
            yield from _in_template(kind, pod.name, pod.raw, cluster.namespace)


def _in_template(kind: str, name: str, template: Mapping[str, Any], namespace: str) -> Iterator[Written]:
    """Texts of a pod, or of a Deployment's template; `kind` "" is a pod that something else makes again."""
    words = {"pod": "le pod", "deployment": "le Deployment", "": "le pod"}[kind]
    remove = (f"kubectl delete {kind} {name} -n {namespace} --ignore-not-found",) if kind else ()
    for box in template["spec"].get("containers") or ():
        for variable in box.get("env") or ():
            unset = (f"kubectl set env {kind}/{name} -n {namespace} {variable['name']}-",)
            yield Written(
                f"{words} « {name} », variable {variable['name']}",
                variable.get("value", ""),
                unset if kind == "deployment" else remove,
            )
        for word in (*(box.get("command") or ()), *(box.get("args") or ())):
            yield Written(f"{words} « {name} », arguments du conteneur {box['name']}", word, remove)


def candidates(text: str) -> Sequence[str]:
    """Words of a text that could be a password, whole or cut as an address `user:password@host` is."""
    words = [text.strip(), *text.split(), *re.split(r"[\s:=@/,;&?\"'{}\\]+", text)]
    return list(dict.fromkeys(word for word in words if 6 <= len(word) <= 128))[:60]
