"""`cahier chemin` is never wrong: paths with faults drawn at random, on the real cluster.

The first hop that is broken is named, or not decided, never another; a path that goes is never said
to be broken. CAHIER_CHEMINS=500 draws more, CAHIER_GRAINE=7 others.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
from collections import Counter
from collections.abc import Callable, Iterator, Sequence

import msgspec
import pytest

from checks.access.kubernetes_api import collection
from checks.path.ends import pair
from checks.path.ground import Ground
from checks.path.outcome import Kind
from checks.path.outcome import Path as Found
from checks.path.walk import walk
from checks.sources.live_cluster import LiveCluster
from checks.sources.machine import LocalMachine
from checks.stage import Person
from tests.support.broken_paths import (
    RECORDED,
    RELAY_PORT,
    UNDECIDED,
    VILLAGE,
    Drawing,
    Scene,
    amiss,
    column,
    pod,
    recorded,
    shape,
)
from tests.support.waiting import until

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(3600)]

DRAWN = int(os.environ.get("CAHIER_CHEMINS", "60"))
SHARES = 6
"""Parts of the draw, for as many workers."""
SEED = os.environ.get("CAHIER_GRAINE", "")


# -- playing them ----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def village(new_resident: Callable[..., Person]) -> LiveCluster:
    cluster = LiveCluster(LocalMachine(), kubeconfig_path=str(new_resident("v").kubeconfig))
    place = collection("Pod", cluster.namespace)
    for one in VILLAGE:
        cluster.api.request("POST", place, one)

    def settled() -> bool:
        cluster.refresh()
        states = {one.name: one for one in cluster.pods()}
        refused = states["sans-image"].containers[0].waiting_reason
        return "Image" in refused and all(
            box.running
            for name, one in states.items()
            if name != "sans-image"
            for box in one.containers
        )

    until(settled)
    return cluster


@contextlib.contextmanager
def standing(cluster: LiveCluster, scene: Scene) -> Iterator[None]:
    """The objects of a scene, for as long as it is played."""
    made = []
    try:
        for one in scene.objects:
            path = collection(one["kind"], cluster.namespace)
            cluster.api.request("POST", path, one)
            made.append(f"{path}/{one['metadata']['name']}")
        if scene.words[0].startswith("localhost"):
            _until_it_runs(cluster, "relais")
        yield
    finally:
        for path in made:
            cluster.api.remove(path)
        if scene.words[0].startswith("localhost"):
            until(lambda: _gone(cluster, "relais"))


def _until_it_runs(cluster: LiveCluster, name: str) -> None:
    def runs() -> bool:
        cluster.refresh()
        found = cluster.pod(name)
        return found is not None and found.ready

    until(runs)


def _gone(cluster: LiveCluster, name: str) -> bool:
    cluster.refresh()
    return cluster.pod(name) is None


@contextlib.contextmanager
def tunnel(cluster: LiveCluster, scene: Scene) -> Iterator[None]:
    """The tunnel of a scene, where it has one."""
    if not scene.forwarded:
        yield
        return
    words = ["kubectl", "port-forward", "pod/relais", scene.forwarded, "-n", cluster.namespace]
    source = {"KUBECONFIG": cluster.credentials.source}
    port = int(scene.forwarded.partition(":")[0])
    with subprocess.Popen(
        words, env={**os.environ, **source}, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as running:
        try:
            until(lambda: bool(cluster.machine.listeners(port)))
            if scene.abandoned:
                _replace(cluster, "relais", scene)
            yield
        finally:
            running.kill()


def _replace(cluster: LiveCluster, name: str, scene: Scene) -> None:
    """Another pod of the same name: the tunnel is still that of the first."""
    path = collection("Pod", cluster.namespace)
    cluster.api.remove(f"{path}/{name}", {"gracePeriodSeconds": 0})
    until(lambda: _gone(cluster, name))
    cluster.api.request("POST", path, next(o for o in scene.objects if o["kind"] == "Pod"))
    _until_it_runs(cluster, name)


def walked(cluster: LiveCluster, words: Sequence[str]) -> Found:
    cluster.refresh()
    return walk(Ground(cluster), *pair(cluster, words))


@pytest.mark.parametrize("share", range(SHARES))
def test_the_first_broken_hop_is_named_and_no_other(
    village: LiveCluster, share: int, free_port: int
) -> None:
    matrix: Counter[tuple[str, str]] = Counter()
    wrong = []
    for number in range(share, DRAWN, SHARES):
        drawing = Drawing(f"{SEED} {number}", village.namespace)
        # every third path begins on this machine, and goes through a relay
        scene = drawing.chain(free_port) if number % 3 == 0 else drawing.scene()
        with standing(village, scene), tunnel(village, scene):
            found = walked(village, scene.words)
        expected = scene.expected
        matrix[str(expected.kind if expected else "passe"), column(found)] += 1
        told = "\n".join(f"    {hop.status} {hop.place} {hop.finding}" for hop in found.hops)
        why = amiss(scene, found)
        if why:
            wrong.append(f"n° {number} {why}\n{told}")
        elif column(found) == UNDECIDED:
            print(f"n° {number} {scene} : {UNDECIDED}\n{told}")
    for (fault, said), count in sorted(matrix.items()):
        print(f"{fault:>10} → {said:<12} {count}")
    assert not wrong, "\n".join(wrong)
    undecided = sum(count for (_, said), count in matrix.items() if said == UNDECIDED)
    assert undecided <= max(1, DRAWN // SHARES // 5), matrix


def test_a_tunnel_whose_pod_is_gone_comes_before_what_fails_behind_it(
    village: LiveCluster, free_port: int
) -> None:
    """The pod that took the name leaves its clients at once, as the tunnel does: nothing but what
    it remembers of them, and a kubectl that stops, tells one from the other."""
    relay = pod("relais", f"TCP-LISTEN:{RELAY_PORT},fork,reuseaddr")
    relay["spec"]["containers"][0]["args"][1] = "TCP:nulle-part:80,connect-timeout=2"
    for abandoned, expected in ((False, Kind.NAME), (True, Kind.TUNNEL)):
        scene = Scene(
            [f"localhost:{free_port}"],
            [relay],
            forwarded=f"{free_port}:{RELAY_PORT}",
            abandoned=abandoned,
        )
        with standing(village, scene), tunnel(village, scene):
            found = walked(village, scene.words)
        broken = found.broken
        assert broken is not None, found
        assert broken.id is expected, found
        assert ("est mort" in broken.finding) is abandoned, found


def test_the_village_that_was_recorded_is_this_one(village: LiveCluster) -> None:
    """What the paths of `tests/unit/path` are drawn on. CAHIER_ENREGISTRER=1 records it anew."""
    now = recorded(village)
    if os.environ.get("CAHIER_ENREGISTRER"):
        RECORDED.write_bytes(msgspec.json.format(msgspec.json.encode(now), indent=1) + b"\n")
    kept = msgspec.json.decode(RECORDED.read_bytes())
    assert shape(now) == shape(kept)
