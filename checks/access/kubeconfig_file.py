"""One kubeconfig file, decoded as kubectl decodes it: its YAML, its types, its relative paths."""

from __future__ import annotations

import base64
import os
import re
from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any, ClassVar, TypeVar

import msgspec
import yaml

from checks.decoding import prepared, without_nulls
from checks.errors import AccessError
from checks.french import SCRIPT_PAGE
from checks.redaction import remember_tree

COPY_SCRIPT = (
    f"Sur le SSPCloud : « Mon compte », volet {SCRIPT_PAGE}, copiez le script et exécutez-le. "
    "Sur le petit SSPCloud local : export KUBECONFIG=$(cahier cluster kubeconfig alice)"
)
RENEW = (
    f"Sur le SSPCloud : « Mon compte », {SCRIPT_PAGE}, copiez de nouveau le script et exécutez-le. "
    "Sur le petit SSPCloud local : cahier cluster creer, puis export KUBECONFIG=$(cahier cluster "
    "kubeconfig alice)"
)


class Data:
    """Bytes that are written in base64."""

    def __init__(self, content: bytes) -> None:
        self.content = content

    def __bool__(self) -> bool:
        return bool(self.content)


class _Struct(msgspec.Struct, rename=lambda name: name.replace("_", "-")):
    """Unknown keys are ignored, as kubectl does."""


class Extension(_Struct):
    """What a program other than kubectl keeps in the file."""

    name: str = ""
    extension: Any = None


class Cluster(_Struct):
    """Where the API server is, and how it proves who it is."""

    server: str = ""
    tls_server_name: str = ""
    insecure_skip_tls_verify: bool = False
    certificate_authority: str = ""
    certificate_authority_data: Data | None = None
    proxy_url: str = ""
    disable_compression: bool = False
    extensions: list[Extension | None] = []


class Variable(_Struct):
    """A variable of a plugin's environment."""

    name: str = ""
    value: str = ""


class Plugin(_Struct):
    """The program that gives credentials (`exec`)."""

    command: str = ""
    args: list[str | None] = []
    env: list[Variable | None] = []
    api_version: str = msgspec.field(default="", name="apiVersion")
    install_hint: str = msgspec.field(default="", name="installHint")
    provide_cluster_info: bool = msgspec.field(default=False, name="provideClusterInfo")
    interactive_mode: str = msgspec.field(default="", name="interactiveMode")


class Provider(_Struct):
    """The older way to renew credentials (`auth-provider`): of all of them, kubectl has kept
    `oidc`."""

    name: str = ""
    config: dict[str, str] = {}


class User(_Struct):
    """Credentials."""

    client_certificate: str = ""
    client_certificate_data: Data | None = None
    client_key: str = ""
    client_key_data: Data | None = None
    token: str = ""
    token_file: str = msgspec.field(default="", name="tokenFile")
    impersonate: str = msgspec.field(default="", name="as")
    impersonate_uid: str = msgspec.field(default="", name="as-uid")
    impersonate_groups: list[str | None] = msgspec.field(default_factory=list, name="as-groups")
    impersonate_extra: dict[str, list[str | None]] = msgspec.field(
        default_factory=dict, name="as-user-extra"
    )
    username: str = ""
    password: str = ""
    auth_provider: Provider | None = None
    exec: Plugin | None = None
    extensions: list[Extension | None] = []


class Context(_Struct):
    """A cluster, a user and a namespace."""

    cluster: str = ""
    user: str = ""
    namespace: str = ""
    extensions: list[Extension | None] = []


class _NamedCluster(_Struct):
    name: str = ""
    cluster: Cluster = msgspec.field(default_factory=Cluster)


class _NamedUser(_Struct):
    name: str = ""
    user: User = msgspec.field(default_factory=User)


class _NamedContext(_Struct):
    name: str = ""
    context: Context = msgspec.field(default_factory=Context)


class _Preferences(_Struct):
    colors: bool = False
    extensions: list[Extension | None] = []


class _Content(_Struct):
    """The file as it is written."""

    kind: str = ""
    api_version: str = msgspec.field(default="", name="apiVersion")
    preferences: _Preferences = msgspec.field(default_factory=_Preferences)
    clusters: list[_NamedCluster | None] = []
    users: list[_NamedUser | None] = []
    contexts: list[_NamedContext | None] = []
    current_context: str = ""
    extensions: list[Extension | None] = []


prepared(_Content)


class File(msgspec.Struct):
    """A file, by name, its paths absolute."""

    clusters: Mapping[str, Cluster]
    users: Mapping[str, User]
    contexts: Mapping[str, Context]
    current_context: str


def load(path: Path) -> File:
    """The file. Raises FileNotFoundError, and AccessError with the words of what kubectl would
    refuse."""
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        raise
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or "son nom ne peut pas être celui d’un fichier"
        raise AccessError(f"La configuration {path} est illisible : {why}.", COPY_SCRIPT) from None
    return _file(path, path.absolute().parent, data)


@lru_cache(8)  # a command reads the same one several times
def _file(path: Path, folder: Path, data: bytes) -> File:
    content = _content(path, data)
    if (content.kind, content.api_version) not in [
        (k, v) for k in ("", "Config") for v in ("", "v1")
    ]:
        raise AccessError(
            f"La configuration {path} n’est pas un kubeconfig : son « kind » ou son « apiVersion » "
            "sont d’autre chose.",
            COPY_SCRIPT,
        )
    file = File(
        clusters={
            one.name: one.cluster
            for one in _only_once(path, "clusters", content.clusters, _NamedCluster)
        },
        users={one.name: one.user for one in _only_once(path, "users", content.users, _NamedUser)},
        contexts={
            one.name: one.context
            for one in _only_once(path, "contexts", content.contexts, _NamedContext)
        },
        current_context=content.current_context,
    )
    everywhere = [content.extensions, content.preferences.extensions]
    everywhere += [cluster.extensions for cluster in file.clusters.values()]
    everywhere += [user.extensions for user in file.users.values()]
    everywhere += [context.extensions for context in file.contexts.values()]
    for extensions in everywhere:
        _only_once(path, "extensions", extensions, Extension)
    for cluster in file.clusters.values():
        cluster.certificate_authority = _resolved(folder, cluster.certificate_authority)
    for user in file.users.values():
        _resolve(folder, user)
    return file


def _content(path: Path, data: bytes) -> _Content:
    try:
        document = next(iter(yaml.load_all(data, Loader=_Loader)), None)
    except yaml.MarkedYAMLError as error:  # its own text quotes the file, which may hold a token
        last = data.count(b"\n")  # the end of the file may be seen one line later
        line = f", ligne {min(error.problem_mark.line, last) + 1}" if error.problem_mark else ""
        raise AccessError(
            f"La configuration {path} n’est pas du YAML{line}.", COPY_SCRIPT
        ) from None
    except (yaml.YAMLError, UnicodeError, ValueError, RecursionError):
        raise AccessError(
            f"La configuration {path} n’est pas un fichier texte YAML.", COPY_SCRIPT
        ) from None
    remember_tree(document)
    try:
        return msgspec.convert(without_nulls(document) or {}, _Content, dec_hook=_decoded)
    except msgspec.ValidationError as error:
        raise AccessError(
            f"La configuration {path} n’est pas un kubeconfig{_explained(str(error))}.", COPY_SCRIPT
        ) from None


# -- YAML ------------------------------------------------------------------------------------------


class _Loader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc]
    """Which plain words are texts: kubectl's YAML does not agree with PyYAML's (`y`, `1e3`, `1:30`,
    dates)."""

    yaml_implicit_resolvers: ClassVar[dict[str, Any]] = {}


_PLAIN = {
    "tag:yaml.org,2002:bool": r"y|Y|yes|Yes|YES|true|True|TRUE|on|On|ON|n|N|no|No|NO|false|False|"
    r"FALSE|off|Off|OFF",
    "tag:yaml.org,2002:null": r"~|null|Null|NULL|",
    "tag:yaml.org,2002:float": r"[-+]?(0[xX][0-9a-fA-F_]+|0[oO][0-7_]+|0[bB][01_]+)|"
    r"[-+]?(\.[0-9]+|[0-9][0-9_]*(\.[0-9_]*)?)([eE][-+]?[0-9]+)?|[-+]?\.(inf|Inf|INF)|\.(nan|NaN|"
    r"NAN)",
    "tag:yaml.org,2002:merge": r"<<",
}
for _tag, _words in _PLAIN.items():
    _Loader.add_implicit_resolver(_tag, re.compile(rf"^(?:{_words})$"), None)
# no key of a kubeconfig holds a number
_Loader.add_constructor("tag:yaml.org,2002:float", lambda loader, node: 0.0)
_Loader.add_constructor(
    "tag:yaml.org,2002:bool", lambda loader, node: node.value.lower() in ("y", "yes", "true", "on")
)


def _decoded(kind: type, value: object) -> Data:
    if isinstance(value, list) and all(isinstance(number, float) for number in value):
        # as Go reads bytes: whatever they are, they make no certificate
        return Data(bytes(len(value)))
    if not isinstance(value, str):
        raise ValueError("base64")
    try:
        return Data(base64.b64decode(re.sub(r"[\r\n]", "", value), validate=True))
    except ValueError:
        raise ValueError("base64") from None


_EXPECTED = {
    "str": "un texte",
    "bool": "true ou false",
    "object": "un groupe de clés",
    "array": "une liste",
}
_GOT = {
    "int": "un nombre",
    "float": "un nombre",
    "bool": "true ou false (des guillemets en font un texte)",
}


def _explained(said: str) -> str:
    """The end of a sentence that says where a value is of another type than it must; never that
    value."""
    key = re.search(r" - at `\$\.?(.*)`$", said)
    where = f" : « {key[1]} »" if key else ""
    types = re.match(r"Expected `([^`| ]+).*`, got `([^`]+)`", said)
    if types is None:
        return f"{where} n’est pas du base64" if where else ""
    if not where:
        return ""
    got = _GOT.get(types[2]) or _EXPECTED.get(types[2], "autre chose")
    return f"{where} doit être {_EXPECTED.get(types[1], 'autre chose')}, et non {got}"


# -- names and paths -------------------------------------------------------------------------------

_Named = TypeVar("_Named", _NamedCluster, _NamedUser, _NamedContext, Extension)


def _only_once(
    path: Path, part: str, entries: Sequence[_Named | None], kind: type[_Named]
) -> Sequence[_Named]:
    """The entries. Raises AccessError where a name comes twice: kubectl refuses the file."""
    found = [kind() if entry is None else entry for entry in entries]
    names = [entry.name for entry in found]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise AccessError(
            f"La configuration {path} nomme deux fois « {twice} » ({part}) : kubectl ne sait pas "
            "lequel choisir.",
            "Ouvrez ce fichier et gardez l’un des deux, ou effacez-le et recommencez. "
            + COPY_SCRIPT,
        )
    return found


def _resolve(folder: Path, user: User) -> None:
    user.client_certificate = _resolved(folder, user.client_certificate)
    user.client_key = _resolved(folder, user.client_key)
    user.token_file = _resolved(folder, user.token_file)
    if user.exec is not None and os.sep in user.exec.command:
        user.exec.command = _resolved(folder, user.exec.command)


def _resolved(folder: Path, path: str) -> str:
    return str(folder / path) if path else ""
