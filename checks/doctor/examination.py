"""The whole examination: what does not depend on the cluster in the background, the way to the
cluster in front."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from typing import Any

from checks.access import kubeconfig
from checks.access.kubernetes_api import Api
from checks.doctor import access, machine, network, tools
from checks.doctor.lines import (
    Answer,
    Line,
    Outcome,
    State,
    ask,
    depends_on,
    outcome,
    trouble,
    unverified,
)
from checks.doctor.waiting import QUESTION_SECONDS, begin, within
from checks.errors import AccessError, UsageError
from checks.facts import Credentials, KubectlVersion
from checks.local_sspcloud import engine
from checks.sources.live_cluster import LiveCluster
from checks.sources.machine import LocalMachine
from checks.waiting import Deadline

_PATIENCE = (
    21.0  # seconds from the beginning: a program of this machine that is silent for twenty is ended
)
_BEHIND_THE_WAY = ("identity", "namespace", "rights", "quota", "policies", "skew")


@dataclass
class Examination:
    """One examination: what was asked for, and the lines found so far."""

    kubeconfig_path: str | None
    namespace: str | None
    with_policies: bool
    lines: list[Line] = field(default_factory=list)
    machine: LocalMachine = field(default_factory=LocalMachine)
    _kubectl: Future[KubectlVersion | None] = field(default_factory=Future)

    def run(self) -> Outcome:
        """Ask everything. Raises UsageError for a namespace that cannot be one, and nothing
        else."""
        deadline = Deadline(_PATIENCE)
        self._kubectl = begin(self.machine.kubectl)
        credentials = self._credentials()
        background: list[Future[Any]] = [
            begin(partial(self._ask, "python", tools.python)),
            begin(partial(self._ask, "kubectl", lambda: tools.kubectl(self._kubectl.result()))),
            begin(partial(self._ask, "ports", lambda: machine.ports(self.machine))),
            begin(partial(self._ask, "psql", lambda: machine.psql_variables(os.environ))),
            begin(lambda: self._local_sspcloud(credentials)),
        ]
        found = self._ask("kubeconfig", lambda: access.configuration(self.kubeconfig_path))
        context = State.SKIPPED
        if found is State.FAILED and credentials is None:
            self._all(("context",), depends_on("kubeconfig"))
        else:
            context = self._ask("context", lambda: access.context(self.kubeconfig_path))
        if credentials is None or context is State.FAILED:
            self._without_cluster()
        else:
            self._ask("lifetime", lambda: access.lifetime(credentials, datetime.now(UTC)))
            self._towards_cluster(background)
        _wait(background, deadline)
        return outcome(list(self.lines))

    def _ask(self, identifier: str, question: Callable[[], Answer]) -> State:
        line = ask(identifier, question)
        self.lines.append(line)
        return line.status

    def _all(self, identifiers: Sequence[str], answer: Answer) -> None:
        for identifier in identifiers:
            self._ask(identifier, lambda: answer)

    def _credentials(self) -> Credentials | None:
        try:
            return kubeconfig.read(self.kubeconfig_path)
        except Exception:  # told by the lines that read it again
            return None

    def _local_sspcloud(self, credentials: Credentials | None) -> None:
        """What only the local cluster needs: it matters to those who use it, and to those who have
        no other."""
        needed = machine.is_local(credentials.server) if credentials else not kubeconfig.in_pod()
        self._ask("disk", lambda: machine.disk(needed))
        try:
            found = engine.installed()
        except Exception as error:
            self._all(
                ("engine", "kind"),
                unverified(f"Les moteurs de conteneurs ne se laissent pas examiner ({error})."),
            )
            return
        self._ask("engine", lambda: machine.engines(found, needed))
        self._ask("kind", lambda: machine.kind(found, needed))

    def _without_cluster(self) -> None:
        configuration = {
            line.id: line.status
            for line in list(self.lines)
            if line.id in ("kubeconfig", "context")
        }
        first = "kubeconfig" if configuration["context"] is State.SKIPPED else "context"
        self._ask("proxy", lambda: network.proxy(None))
        self._all(("lifetime", "dns", "tcp", "tls", "clock", *_BEHIND_THE_WAY), depends_on(first))

    def _towards_cluster(self, background: list[Future[Any]]) -> None:
        cluster = self._connect()
        if cluster is None:
            return
        self._ask("proxy", lambda: network.proxy(cluster.api))
        try:
            road = network.way(cluster.api)
        except ValueError:
            self._all(("dns", "tcp", "tls", "clock", *_BEHIND_THE_WAY), depends_on("context"))
            return
        for identifier, step in (("dns", network.dns), ("tcp", network.tcp)):
            if self._ask(identifier, partial(step, road)) is State.FAILED:
                behind = ("tcp", "tls", "clock") if identifier == "dns" else ("tls", "clock")
                self._all((*behind, *_BEHIND_THE_WAY), depends_on(identifier))
                return
        background.append(begin(partial(self._ask, "clock", lambda: network.clock(cluster.api))))
        if self._ask("tls", lambda: network.tls(cluster.api, road)) is State.FAILED:
            self._all(_BEHIND_THE_WAY, depends_on("tls"))
        else:
            self._inside(cluster, background)

    def _connect(self) -> LiveCluster | None:
        """The cluster as kubectl would reach it. No request is made, but a program that gives a
        token may run."""
        try:
            return within(
                QUESTION_SECONDS,
                lambda: LiveCluster(
                    self.machine,
                    namespace=self.namespace,
                    api=Api(self.kubeconfig_path, QUESTION_SECONDS),
                ),
            )
        except UsageError:
            raise
        except AccessError as error:
            self._all(("identity",), trouble(error))
        except TimeoutError:
            self._all(
                ("identity",),
                unverified(
                    "Le programme qui donne vos identifiants à kubectl n’a pas répondu à temps.",
                    "Lancez « kubectl auth whoami » : il attend peut-être une réponse de vous.",
                ),
            )
        except Exception as error:
            self._all(
                ("identity",),
                unverified(f"Votre configuration n’a pas pu être employée ({error})."),
            )
        self._ask("proxy", lambda: network.proxy(None))
        others = [identifier for identifier in _BEHIND_THE_WAY if identifier != "identity"]
        self._all(("dns", "tcp", "tls", "clock", *others), depends_on("identity"))
        return None

    def _inside(self, cluster: LiveCluster, background: list[Future[Any]]) -> None:
        """Once the way is open."""
        if self._bounded("identity", lambda: self._identity(cluster)) in (
            State.FAILED,
            State.SKIPPED,
        ):
            self._all([one for one in _BEHIND_THE_WAY if one != "identity"], depends_on("identity"))
            return
        background.append(begin(lambda: self._skew(cluster)))
        if self._bounded("namespace", lambda: access.namespace(cluster)) is State.FAILED:
            self._all(("rights", "quota", "policies"), depends_on("namespace"))
            return
        background.append(begin(lambda: self._bounded("quota", lambda: access.quota(cluster))))
        self._bounded("rights", lambda: access.rights(cluster))
        if not self.with_policies:
            self._all(("policies",), network.POLICIES_NOT_TRIED)
            return
        # Here and not in the background: what it places is removed even when interrupted.
        patient = LiveCluster(
            self.machine, kubeconfig_path=self.kubeconfig_path, namespace=self.namespace
        )
        self._ask("policies", lambda: network.policies(patient))

    def _identity(self, cluster: LiveCluster) -> Answer:
        """Credentials that have ended are one problem, told once."""
        answer = access.identity(cluster)
        ended = any(
            line.id == "lifetime" and line.status is State.FAILED for line in list(self.lines)
        )
        return depends_on("lifetime") if ended and answer.status is State.FAILED else answer

    def _skew(self, cluster: LiveCluster) -> None:
        version = self._kubectl.result()
        self._bounded("skew", lambda: tools.skew(version, cluster.server_version))

    def _bounded(self, identifier: str, question: Callable[[], Answer]) -> State:
        return self._ask(identifier, lambda: within(QUESTION_SECONDS, question))


def _wait(background: Sequence[Future[Any]], deadline: Deadline) -> None:
    """Wait for every question asked in the background, but not beyond `deadline`."""
    for future in background:
        try:
            future.exception(max(0.0, deadline.left))
        except TimeoutError:
            return
