"""What the platform's page « Connexion à Kubernetes » gives: a script that connects kubectl for a
while."""

from __future__ import annotations

from datetime import timedelta
from urllib.parse import urlsplit

from checks import installation
from checks.errors import CahierError, UsageError
from checks.local_sspcloud import issuer, people, tokens
from checks.local_sspcloud.progress import Progress

_LONGEST = timedelta(days=7)  # as the people's certificates


def connection_script(name: str, seconds: float, progress: Progress) -> str:
    """The script that makes kubectl be `name` for so many seconds. Raises UsageError and
    CahierError."""
    from checks.access.kubernetes_api import Api

    if name == people.ADMIN:
        raise UsageError(
            f"« {name} » administre le cluster, et n’est personne du SSPCloud : il n’a pas de "
            "jeton.",
            f"Pour lui : export KUBECONFIG=$(cahier cluster kubeconfig {name})",
        )
    if not 1 <= seconds <= _LONGEST.total_seconds():
        raise UsageError(
            "Un jeton ne peut pas durer aussi peu, ou aussi longtemps.",
            f"De 1 seconde à {_LONGEST.days} jours, par exemple : --duree 1h",
        )
    installation.need("local")
    people.usable_kubeconfig(name)
    api = Api(str(people.kubeconfig_path(people.ADMIN)))
    if not issuer.is_expected(api):
        raise CahierError(
            "Ce cluster local a été fait par une version de cahier qui ne savait pas donner de "
            "jeton : son API n’en accepte pas.",
            "Refaites-le (tout son contenu est perdu) : cahier cluster supprimer, puis cahier "
            "cluster creer",
        )
    issuer.ensure(api, progress)
    issuer.wait_until_accepted(api, progress)
    token = tokens.sign(name, timedelta(seconds=seconds))
    return render(
        api.credentials.server, people.user_of(name), people.working_namespace(name), token
    )


def render(server: str, user: str, namespace: str, token: str) -> str:
    """The platform's script: https://github.com/InseeFrLab/onyxia (web/src/core/usecases)."""
    host = urlsplit(server).netloc
    return (
        f"kubectl config set-cluster {host} --server={server} --insecure-skip-tls-verify=true\n"
        f"kubectl config set-credentials {user} --token {token}\nkubectl config set-context {host} "
        f"--user={user} --cluster={host} --namespace={namespace}\nkubectl config use-context "
        f"{host}\n"
    )
