"""Whether kubectl itself gets into the cluster with the configuration, as the same user."""

from __future__ import annotations

from checks.capabilities import Cluster
from checks.diagnosis.rights.identity import COPY_SCRIPT
from checks.errors import ConfigurationRefused, Unverifiable
from checks.facts import KubectlRefused

from . import lessons


def refused_by_kubectl(cluster: Cluster) -> lessons.UnreadConfiguration | None:
    """What is wrong when kubectl refuses the configuration, None when it gets in as we do.

    Raises Unverifiable where a real kubectl and our own reading do not agree.
    """
    try:
        user = cluster.user
    except ConfigurationRefused as refusal:
        return _refused(cluster, refusal)
    try:
        seen = cluster.kubectl_user()
    except KubectlRefused as refusal:
        stays_out, asked = (
            lessons.KubectlStaysOut(refusal=str(refusal)),
            lessons.AskKubectl(copy_script=COPY_SCRIPT),
        )
        raise Unverifiable(str(stays_out), str(asked)) from None
    if seen in (None, user):
        return None
    raise Unverifiable(str(lessons.TwoUsers(user=user, seen=seen)), lessons.WHICH_KUBECTL)


def _refused(cluster: Cluster, refusal: ConfigurationRefused) -> lessons.UnreadConfiguration:
    try:
        seen = cluster.kubectl_user()
    except KubectlRefused:
        seen = None
    if seen is not None:
        alone = lessons.KubectlAloneGetsIn(refusal=refusal.message, seen=seen)
        raise Unverifiable(str(alone), refusal.fix)
    return lessons.UnreadConfiguration(refusal=refusal, commands=refusal.commands)
