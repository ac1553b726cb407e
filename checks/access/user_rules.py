"""What kubectl refuses of a user of the configuration before it sends any request: the rules of
client-go."""

from __future__ import annotations

import re
from collections.abc import Iterator

from checks.access.json_web_token import claims
from checks.access.kubeconfig import Choice, content, is_encrypted, token_of
from checks.access.kubeconfig_file import RENEW, Plugin, Provider, User
from checks.errors import ConfigurationRefused
from checks.shell import one_word

_PROTOCOL = "client.authentication.k8s.io"
API_VERSIONS = (f"{_PROTOCOL}/v1", f"{_PROTOCOL}/v1beta1")
_MODES = ("Never", "IfAvailable", "Always")
_PROVIDERS = {
    "gcp": "Pour un cluster de Google, c’est aujourd’hui le programme gke-gcloud-auth-plugin.",
    "azure": "Pour un cluster d’Azure, c’est aujourd’hui le programme kubelogin.",
}
BOTH = "Gardez celui qui est à jour, et retirez l’autre :"


def of_user(choice: Choice) -> str:
    """Its user, in a sentence."""
    return f"l’utilisateur « {choice.context.user} »"


def breaks_header(value: str) -> bool:
    """Whether this cannot be said in an HTTP header, which is one line."""
    return re.search(r"[\x00-\x08\x0a-\x1f\x7f]", value) is not None


def unset(part: str, name: str, *keys: str) -> tuple[str, ...]:
    """The commands that take keys out of the configuration."""
    return tuple(f"kubectl config unset {one_word(f'{part}.{name}.{key}')}" for key in keys)


def unreadable(whose: str, key: str, file: str) -> Iterator[ConfigurationRefused]:
    """The problem of a file that the configuration names and that does not open."""
    if not file:
        return
    try:
        content(None, file)
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or "ce nom ne peut pas être celui d’un fichier"
        yield ConfigurationRefused(
            f"Pour {whose}, votre configuration nomme un fichier qui ne se lit pas ({key}) : "
            f"{file} ({why}).",
            f"Remettez ce fichier à sa place, ou refaites votre configuration. {RENEW}",
            cause="Un chemin relatif part du dossier de la configuration, et non de celui où vous "
            "êtes.",
        )


def problems(choice: Choice) -> Iterator[ConfigurationRefused]:
    """What is wrong with the user, in kubectl's order."""
    yield from _of_certificate(choice)
    if choice.user.exec is not None:
        yield from _of_plugin(choice, choice.user.exec)
    yield from _of_user(choice)
    if is_encrypted(choice):
        if choice.user.auth_provider is not None:
            yield from _of_provider(choice, choice.user.auth_provider)
        yield from _of_token(choice)


def _of_certificate(choice: Choice) -> Iterator[ConfigurationRefused]:
    user, name = choice.user, choice.context.user
    if not user.client_certificate and not user.client_certificate_data:
        return
    for key, file, data in (
        ("client-certificate", user.client_certificate, user.client_certificate_data),
        ("client-key", user.client_key, user.client_key_data),
    ):
        if file and data:
            yield ConfigurationRefused(
                f"Pour {of_user(choice)}, votre configuration donne {key} deux fois : un fichier, "
                f"et {key}-data.",
                BOTH,
                unset("users", name, key),
                "kubectl ne choisit pas entre les deux.",
            )
    if not user.client_key and not user.client_key_data:
        yield ConfigurationRefused(
            f"Pour {of_user(choice)}, votre configuration donne un certificat sans sa clé "
            "(client-key-data).",
            f"Refaites votre configuration. {RENEW}",
            cause="Le certificat dit qui vous êtes, la clé le prouve : sans elle, kubectl refuse "
            "toute commande.",
        )
    yield from unreadable(of_user(choice), "client-certificate", user.client_certificate)
    yield from unreadable(of_user(choice), "client-key", user.client_key)


def _of_plugin(choice: Choice, plugin: Plugin) -> Iterator[ConfigurationRefused]:
    name, whose = (
        choice.context.user,
        f"Le programme qui donne les identifiants de {of_user(choice)} (exec)",
    )
    if choice.user.auth_provider is not None:
        yield ConfigurationRefused(
            f"Pour {of_user(choice)}, votre configuration nomme à la fois un programme (exec) et "
            "un auth-provider.",
            BOTH,
            unset("users", name, "auth-provider"),
        )
    if not plugin.command:
        yield ConfigurationRefused(f"{whose} n’est pas nommé : « command » manque.", RENEW)
    if not plugin.api_version:
        yield ConfigurationRefused(
            f"{whose} n’a pas d’apiVersion.",
            "Ajoutez-la :",
            (
                f"kubectl config set-credentials {one_word(name)} "
                f"--exec-api-version={API_VERSIONS[1]}",
            ),
            "Elle dit en quels mots kubectl et ce programme se parlent.",
        )
    if any(variable is None or not variable.name for variable in plugin.env):
        yield ConfigurationRefused(
            f"{whose} reçoit une variable d’environnement sans nom (env).", RENEW
        )
    yield from _of_its_mode(choice, plugin, whose)
    if is_encrypted(choice) and plugin.api_version not in API_VERSIONS:
        yield ConfigurationRefused(
            f"{whose} parle une version que kubectl ne connaît pas, ou plus : « "
            f"{plugin.api_version} ».",
            "Prenez une version récente de ce programme, et donnez la sienne :",
            (
                f"kubectl config set-credentials {one_word(name)} "
                f"--exec-api-version={API_VERSIONS[0]}",
            ),
        )


def _of_its_mode(choice: Choice, plugin: Plugin, whose: str) -> Iterator[ConfigurationRefused]:
    mode, version = plugin.interactive_mode, plugin.api_version
    if not mode and version != API_VERSIONS[1] and not version.endswith("/v1alpha1"):
        yield _mode(choice, f"{whose} n’a pas d’interactiveMode.")
    elif mode and mode not in _MODES:
        yield _mode(
            choice, f"{whose} a un interactiveMode que kubectl ne connaît pas : « {mode} »."
        )


def _mode(choice: Choice, finding: str) -> ConfigurationRefused:
    return ConfigurationRefused(
        finding,
        "Donnez-en un ; avec IfAvailable, le programme parle à votre terminal quand il y en a un :",
        (
            f"kubectl config set-credentials {one_word(choice.context.user)} "
            "--exec-interactive-mode=IfAvailable",
        ),
        "Depuis client.authentication.k8s.io/v1, kubectl exige qu’il soit dit si ce programme peut "
        "poser des questions : Never, IfAvailable ou Always.",
    )


def _of_user(choice: Choice) -> Iterator[ConfigurationRefused]:
    user, name = choice.user, choice.context.user
    basic = [key for key in ("username", "password") if getattr(user, key)]
    if (user.token or (user.token_file and user.username and is_encrypted(choice))) and basic:
        yield ConfigurationRefused(
            f"Pour {of_user(choice)}, votre configuration donne à la fois un jeton et un mot de "
            "passe.",
            "Gardez le jeton, et retirez l’autre :",
            unset("users", name, *basic),
            "kubectl ne choisit pas entre les deux.",
        )
    keys = [key for key, value in _impersonation(user) if value]
    if keys and not user.impersonate:
        yield ConfigurationRefused(
            f"Pour {of_user(choice)}, votre configuration demande les groupes ou l’identifiant de "
            "quelqu’un d’autre (as-groups, as-uid), sans dire de qui (as).",
            "Retirez-les :",
            unset("users", name, *keys),
        )
    values = [user.impersonate, user.impersonate_uid, *user.impersonate_groups]
    values += [value for extra in user.impersonate_extra.values() for value in extra]
    if any(breaks_header(value or "") for value in values):
        yield ConfigurationRefused(
            f"Pour {of_user(choice)}, la clé « as » de votre configuration contient un retour à la "
            "ligne.",
            "Retirez-la :",
            unset("users", name, "act-as"),
        )


def impersonation(choice: Choice, real: str) -> ConfigurationRefused:
    """What is wrong when the cluster does not let `real` act as the person whom « as » names."""
    user, name = choice.user, choice.context.user
    keys = ["act-as", *(key for key, value in _impersonation(user) if value)]
    return ConfigurationRefused(
        f"Votre configuration demande à agir comme « {user.impersonate} » (clé « as » de "
        f"{of_user(choice)}), et le cluster ne le permet pas à « {real} ».",
        "Retirez cette demande :",
        unset("users", name, *keys),
        "kubectl envoie cette demande avec chaque commande : le cluster les refuse toutes, même "
        "celles qui vous sont permises.",
    )


def _impersonation(user: User) -> tuple[tuple[str, object], ...]:
    """As `kubectl config unset` calls these keys."""
    return (
        ("act-as-uid", user.impersonate_uid),
        ("act-as-groups", user.impersonate_groups),
        ("act-as-user-extra", user.impersonate_extra),
    )


def _of_provider(choice: Choice, provider: Provider) -> Iterator[ConfigurationRefused]:
    whose = (
        f"Pour {of_user(choice)}, votre configuration compte sur l’auth-provider « {provider.name} "
        "»"
    )
    if provider.name != "oidc":
        gone = (
            f"{whose}, que kubectl n’a plus."
            if provider.name in _PROVIDERS
            else f"{whose}, que kubectl n’a pas."
        )
        yield ConfigurationRefused(
            gone,
            f"{_PROVIDERS.get(provider.name, '')} {RENEW}".strip(),
            cause="kubectl s’en remet aujourd’hui à des programmes (exec) pour ces identifiants, "
            "et refuse tout sans eux. Cette configuration est peut-être celle d’un autre cluster.",
        )
        return
    for key in ("idp-issuer-url", "client-id"):
        if not provider.config.get(key):
            yield ConfigurationRefused(f"{whose}, mais « {key} » y manque.", RENEW)
    token = provider.config.get("id-token", "")
    if claims(token).exp is None or breaks_header(token):
        yield ConfigurationRefused(
            f"{whose}, mais son « id-token » manque, ou n’est pas un jeton qui annonce sa fin.",
            RENEW,
            cause="Sans un tel jeton, ni de quoi le renouveler, kubectl n’envoie aucune demande.",
        )


def _of_token(choice: Choice) -> Iterator[ConfigurationRefused]:
    user, token = choice.user, choice.user.token
    if user.token_file:
        try:
            token = token_of(user.token_file) or token
        except (OSError, ValueError):
            if not token:
                yield from unreadable(of_user(choice), "tokenFile", user.token_file)
    if user.token_file and not token:
        yield ConfigurationRefused(
            f"Le fichier de jeton de {of_user(choice)} (tokenFile) est vide, ou n’est pas un texte "
            f": {user.token_file}",
            RENEW,
        )
    if breaks_header(token):
        yield ConfigurationRefused(
            f"Le jeton de {of_user(choice)} contient un retour à la ligne, ou un autre caractère "
            "de contrôle.",
            f"Écrivez-le sur une seule ligne, sans « | » devant. {RENEW}",
            cause="Un jeton voyage dans un en-tête HTTP, qui tient sur une ligne : kubectl "
            "n’envoie pas celui-ci, et refuse toute commande.",
        )
