"""Broken and odd kubeconfigs, each with what kubectl says of it: "" where it gets in."""

from __future__ import annotations

import base64
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

TOKEN = "jeton-a-ne-pas-montrer"
PASSWORD = "mot-de-passe-a-ne-pas-montrer"
_GONE = object()
_DUMPER = getattr(yaml, "CSafeDumper", yaml.SafeDumper)  # ten times as fast where there is libyaml
_V1, _BETA = "client.authentication.k8s.io/v1", "client.authentication.k8s.io/v1beta1"


@dataclass(frozen=True)
class Row:
    """What differs from a kubeconfig that works. `{server}`, `{ca}`, `{cert}`, `{key}`, `{here}`
    are filled in.

    `user` takes the place of the whole user; the other parts are added to. `files` are written
    beside: those that begin with « #! » are programs.
    """

    name: str
    says: str = ""
    user: Mapping[str, Any] = field(default_factory=lambda: {"token": TOKEN})
    cluster: Mapping[str, Any] = field(default_factory=dict)
    context: Mapping[str, Any] = field(default_factory=dict)
    top: Mapping[str, Any] = field(default_factory=dict)
    files: Mapping[str, str] = field(default_factory=dict)
    text: str = "{config}"
    encoding: str = "utf-8"
    variable: str = "{here}/config"
    environment: Mapping[str, str] = field(default_factory=dict)

    def write(self, folder: Path, port: int, pem: bytes) -> Mapping[str, str]:
        """Write it all; the variables of who uses it."""
        key, certificate = (
            pem[: pem.index(b"-----BEGIN CERTIFICATE")],
            pem[pem.index(b"-----BEGIN CERTIFICATE") :],
        )
        values = {
            "server": f"https://127.0.0.1:{port}",
            "port": str(port),
            "ca": base64.b64encode(certificate).decode(),
            "cert": base64.b64encode(certificate).decode(),
            "key": base64.b64encode(key).decode(),
            "capem": certificate.decode(),
            "keypem": key.decode(),
            "here": str(folder),
        }
        filled = _filled(self._config(), values)
        text = self.text.replace("{config}", yaml.dump(filled, Dumper=_DUMPER, sort_keys=False))
        (folder / "config").write_bytes(_fill(text, values).encode(self.encoding))
        for name, content in self.files.items():
            file = folder / name
            file.parent.mkdir(exist_ok=True)
            file.write_text(_fill(content, values))
            file.chmod(0o700 if content.startswith("#!") else 0o600)
        environment = {name: _fill(value, values) for name, value in self.environment.items()}
        return {"KUBECONFIG": _fill(self.variable, values), **environment}

    def _config(self) -> dict[str, Any]:
        cluster = {"server": "{server}", "certificate-authority-data": "{ca}", **self.cluster}
        context = {"cluster": "c", "user": "u", "namespace": "user-alice", **self.context}
        config = {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": "c", "cluster": cluster}],
            "users": [{"name": "u", "user": dict(self.user)}],
            "contexts": [{"name": "k", "context": context}],
            "current-context": "k",
            **self.top,
        }
        found: dict[str, Any] = _without(config)
        return found


def _without(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without(one) for key, one in value.items() if one is not _GONE}
    return [_without(one) for one in value] if isinstance(value, list) else value


def _fill(text: str, values: Mapping[str, str]) -> str:
    for name, value in values.items():
        text = text.replace("{" + name + "}", value)
    return text


def _filled(value: Any, values: Mapping[str, str]) -> Any:
    if isinstance(value, dict):
        return {key: _filled(one, values) for key, one in value.items()}
    if isinstance(value, list):
        return [_filled(one, values) for one in value]
    return _fill(value, values) if isinstance(value, str) else value


def answer(version: str, status: str) -> str:
    """A program that gives credentials."""
    return f"""#!/bin/sh
echo '{{"apiVersion": "{version}", "kind": "ExecCredential", "status": {status}}}'
"""


def _plugin(command: str = "./greffon", version: str = _BETA, **more: Any) -> Mapping[str, Any]:
    return {"exec": {"apiVersion": version, "command": command, **more}}


_GIVES = {"greffon": answer(_BETA, f'{{"token": "{TOKEN}"}}')}
_GIVES_V1 = {"greffon": answer(_V1, f'{{"token": "{TOKEN}"}}')}
_CERTIFICATE = {"client-certificate-data": "{cert}", "client-key-data": "{key}"}
_SECOND = (
    "apiVersion: v1\nkind: Config\ncurrent-context: ailleurs\nusers: [{name: u, user: {token: "
    "autre}}]\n"
)
_CONTEXT_ALONE = "contexts: [{name: k, context: {cluster: c, user: u}}]\ncurrent-context: k\n"

ROWS = [
    Row("nothing odd"),
    # -- the cluster
    Row(
        "insecure and authority",
        "root certificates file with the insecure flag",
        cluster={"insecure-skip-tls-verify": True},
    ),
    Row(
        "insecure alone",
        cluster={"insecure-skip-tls-verify": True, "certificate-authority-data": _GONE},
    ),
    Row(
        "insecure as text", "cannot unmarshal string", cluster={"insecure-skip-tls-verify": "true"}
    ),
    Row("insecure as number", "cannot unmarshal number", cluster={"insecure-skip-tls-verify": 1}),
    Row("insecure null", cluster={"insecure-skip-tls-verify": None}),
    Row(
        "authority twice",
        "are both specified for c",
        cluster={"certificate-authority": "ca.pem"},
        files={"ca.pem": "{capem}"},
    ),
    Row(
        "authority in a relative file",
        cluster={"certificate-authority-data": _GONE, "certificate-authority": "sous/ca.pem"},
        files={"sous/ca.pem": "{capem}"},
    ),
    Row(
        "authority file missing",
        "unable to read certificate-authority",
        cluster={"certificate-authority-data": _GONE, "certificate-authority": "absent.pem"},
    ),
    Row(
        "authority not base64",
        "illegal base64",
        cluster={"certificate-authority-data": "pas du base64 !"},
    ),
    Row(
        "authority in base64 on several lines",
        text="{config}",
        cluster={"certificate-authority-data": "{ca}\n"},
    ),
    Row(
        "authority not PEM",
        "unable to load root certificates",
        cluster={"certificate-authority-data": base64.b64encode(b"rien").decode()},
    ),
    Row("authority number", "cannot unmarshal number", cluster={"certificate-authority-data": 12}),
    Row(
        "authority map", "cannot unmarshal object", cluster={"certificate-authority-data": {"a": 1}}
    ),
    Row("no server", "localhost:8080", cluster={"server": _GONE}),
    Row(
        "server without scheme",
        "EOF",
        cluster={"server": "127.0.0.1:{port}"},
    ),
    Row("server with a last slash", cluster={"server": "{server}/"}),
    Row("server number", "cannot unmarshal number", cluster={"server": 6443}),
    Row("server without host", "must be a URL", cluster={"server": "https://"}),
    Row("tls-server-name", cluster={"tls-server-name": "cluster.exemple.invalid"}),
    Row(
        "tls-server-name of nobody", "certificate", cluster={"tls-server-name": "ailleurs.invalid"}
    ),
    Row(
        "proxy of an unknown kind",
        "invalid 'proxy-url'",
        cluster={"proxy-url": "ftp://127.0.0.1:3128"},
    ),
    Row("proxy without scheme", "invalid 'proxy-url'", cluster={"proxy-url": "127.0.0.1:3128"}),
    Row("proxy that is not there", "refused", cluster={"proxy-url": "http://127.0.0.1:9"}),
    Row("unknown keys", cluster={"couleur": "bleu"}, context={"x": [1]}, top={"y": {"z": None}}),
    Row(
        "extensions",
        cluster={"extensions": [{"name": "a", "extension": {"b": 1}}]},
        top={"extensions": [{"name": "a", "extension": "t"}]},
    ),
    Row(
        "extension twice",
        "duplicate name",
        cluster={"extensions": [{"name": "a", "extension": {}}, {"name": "a", "extension": {}}]},
    ),
    Row("extensions as map", "cannot unmarshal object", cluster={"extensions": {"a": 1}}),
    # -- names
    Row(
        "duplicate user",
        "duplicate name",
        top={
            "users": [
                {"name": "u", "user": {"token": "autre"}},
                {"name": "u", "user": {"token": TOKEN}},
            ]
        },
    ),
    Row(
        "duplicate cluster",
        "duplicate name",
        top={"clusters": [{"name": "c", "cluster": {"server": "{server}"}}] * 2},
    ),
    Row(
        "duplicate context",
        "duplicate name",
        top={"contexts": [{"name": "k", "context": {"cluster": "c", "user": "u"}}] * 2},
    ),
    Row("two without a name", "duplicate name", top={"users": [{"user": {}}, {"user": {}}]}),
    Row(
        "name number",
        "cannot unmarshal number",
        top={"users": [{"name": 12, "user": {"token": TOKEN}}]},
    ),
    Row("name bool", "cannot unmarshal bool", top={"current-context": True}),
    Row("context unknown", "context was not found", top={"current-context": "absent"}),
    Row("context empty", "localhost:8080", top={"current-context": ""}),
    Row("context missing", "localhost:8080", top={"current-context": _GONE}),
    Row("cluster unknown", "localhost:8080", context={"cluster": "absent"}),
    Row("user unknown", "EOF", context={"user": "absent"}),
    Row("namespace empty", context={"namespace": ""}),
    Row("namespace null", context={"namespace": None}),
    Row("namespace number", "cannot unmarshal number", context={"namespace": 12}),
    Row("another kind of object", 'no kind "Pod"', top={"kind": "Pod"}),
    Row("another version", 'for version "v2"', top={"apiVersion": "v2"}),
    Row("no kind nor version", top={"kind": _GONE, "apiVersion": _GONE}),
    Row("users as map", "cannot unmarshal object", top={"users": {"u": {"token": TOKEN}}}),
    Row("users null", "EOF", top={"users": None}),
    Row("a null among the users", top={"users": [None, {"name": "u", "user": {"token": TOKEN}}]}),
    Row("preferences as text", "cannot unmarshal string", top={"preferences": "x"}),
    # -- tokens
    Row("token block", "invalid header field value", user={"token": TOKEN + "\n"}),
    Row("token number", "cannot unmarshal number", user={"token": 123456}),
    Row("token number in quotes", "Unauthorized|logged in", user={"token": "123456"}),
    Row("token bool", "cannot unmarshal bool", user={"token": True}),
    Row("token of another", "Unauthorized|logged in", user={"token": "autre"}),
    Row("token empty", "EOF", user={"token": ""}),
    Row("token file with a newline", user={"tokenFile": "jeton"}, files={"jeton": TOKEN + "\n"}),
    Row(
        "token file with Windows lines and blanks",
        user={"tokenFile": "jeton"},
        files={"jeton": f"  {TOKEN} \r\n\r\n"},
    ),
    Row("token file in a folder", user={"tokenFile": "sous/jeton"}, files={"sous/jeton": TOKEN}),
    Row("token file absolute", user={"tokenFile": "{here}/jeton"}, files={"jeton": TOKEN}),
    Row("token file missing", "no such file", user={"tokenFile": "absent"}),
    Row("token file empty", "EOF", user={"tokenFile": "jeton"}, files={"jeton": ""}),
    Row(
        "token file of blanks",
        "invalid header field value",
        user={"tokenFile": "jeton"},
        files={"jeton": " \n"},
    ),
    Row(
        "token file of two lines",
        "invalid header field value",
        user={"tokenFile": "jeton"},
        files={"jeton": f"{TOKEN}\nx\n"},
    ),
    Row(
        "token file wins over token",
        user={"token": "autre", "tokenFile": "jeton"},
        files={"jeton": TOKEN},
    ),
    Row("token where its file is missing", user={"token": TOKEN, "tokenFile": "absent"}),
    Row("token file as map", "cannot unmarshal object", user={"tokenFile": {"a": "b"}}),
    Row(
        "token and password",
        "more than one authentication method",
        user={"token": TOKEN, "username": "a", "password": PASSWORD},
    ),
    Row(
        "token file and password",
        "username/password or bearer token",
        user={"tokenFile": "jeton", "username": "a", "password": PASSWORD},
        files={"jeton": TOKEN},
    ),
    Row("password", user={"username": "alice", "password": PASSWORD}),
    Row("name without password", "Unauthorized|logged in", user={"username": "alice"}),
    Row("password without name", "EOF", user={"password": PASSWORD}),
    Row("no credentials", "EOF", user={}),
    # -- certificates
    Row("certificate", user=_CERTIFICATE),
    Row(
        "certificate in files",
        user={"client-certificate": "cert.pem", "client-key": "cle.pem"},
        files={"cert.pem": "{capem}", "cle.pem": "{keypem}"},
    ),
    Row(
        "certificate without key",
        "client-key-data or client-key must be specified",
        user={"client-certificate-data": "{cert}"},
    ),
    Row("key without certificate", "EOF", user={"client-key-data": "{key}"}),
    Row(
        "certificate twice",
        "are both specified for u",
        user={**_CERTIFICATE, "client-certificate": "cert.pem"},
        files={"cert.pem": "{capem}"},
    ),
    Row(
        "key twice",
        "are both specified for u",
        user={**_CERTIFICATE, "client-key": "cle.pem"},
        files={"cle.pem": "{keypem}"},
    ),
    Row(
        "certificate file missing",
        "unable to read client-cert",
        user={"client-certificate": "absent.pem", "client-key-data": "{key}"},
    ),
    Row(
        "certificate that is none",
        "tls: failed to find any PEM data",
        user={**_CERTIFICATE, "client-certificate-data": "cmllbg=="},
    ),
    Row("certificate and token", user={**_CERTIFICATE, "token": TOKEN}),
    # -- programs
    Row("program", user=_plugin(), files=_GIVES),
    Row(
        "program of a folder",
        user=_plugin("sous/greffon"),
        files={"sous/greffon": _GIVES["greffon"]},
    ),
    Row(
        "program of the PATH",
        user=_plugin("greffon"),
        files=_GIVES,
        environment={"PATH": "{here}:" + os.environ["PATH"]},
    ),
    Row(
        "program v1 without mode",
        "interactiveMode must be specified",
        user=_plugin(version=_V1),
        files=_GIVES_V1,
    ),
    Row("program v1", user=_plugin(version=_V1, interactiveMode="Never"), files=_GIVES_V1),
    Row(
        "program with an unknown mode",
        "invalid interactiveMode",
        user=_plugin(interactiveMode="Parfois"),
        files=_GIVES,
    ),
    Row(
        "program that always asks",
        "standard input is not a terminal",
        user=_plugin(interactiveMode="Always"),
        files=_GIVES,
    ),
    Row(
        "program v1alpha1",
        "invalid apiVersion",
        user=_plugin(version="client.authentication.k8s.io/v1alpha1"),
        files=_GIVES,
    ),
    Row(
        "program without version",
        "apiVersion must be specified",
        user={"exec": {"command": "./greffon", "interactiveMode": "Never"}},
        files=_GIVES,
    ),
    Row(
        "program without command", "command must be specified", user={"exec": {"apiVersion": _BETA}}
    ),
    Row("program missing", "executable greffon-absent not found", user=_plugin("greffon-absent")),
    Row("program missing from its folder", "no such file", user=_plugin("./absent")),
    Row(
        "program that may not be run",
        "permission denied",
        user=_plugin(),
        files={"greffon": "rien"},
    ),
    Row(
        "program that fails",
        "exit code 7",
        user=_plugin(env=[{"name": "SECRET", "value": TOKEN}]),
        files={"greffon": "#!/bin/sh\necho la session de $SECRET est finie >&2\nexit 7\n"},
    ),
    Row(
        "program that says anything",
        "decoding stdout",
        user=_plugin(),
        files={"greffon": f"#!/bin/sh\necho {TOKEN}\n"},
    ),
    Row("program of another version", "plugin returned version", user=_plugin(), files=_GIVES_V1),
    Row(
        "program that gives nothing",
        "didn't return a token",
        user=_plugin(),
        files={"greffon": answer(_BETA, "{}")},
    ),
    Row(
        "program without status",
        "didn't return a status",
        user=_plugin(),
        files={
            "greffon": f'#!/bin/sh\necho \'{{"apiVersion": "{_BETA}", "kind": '
            f'"ExecCredential"}}\'\n'
        },
    ),
    Row(
        "program that gives a certificate alone",
        "only certificate or key",
        user=_plugin(),
        files={"greffon": answer(_BETA, '{"clientCertificateData": "x"}')},
    ),
    Row(
        "program with arguments and variables",
        user=_plugin(args=[TOKEN], env=[{"name": "VERSION", "value": _BETA}]),
        files={"greffon": answer("'$VERSION'", """{"token": "'$1'"}""")},
    ),
    Row(
        "program with a variable without name",
        "env variable name must be specified",
        user=_plugin(env=[{"value": "x"}]),
        files=_GIVES,
    ),
    Row(
        "program that reads what it is asked",
        user=_plugin(provideClusterInfo=True),
        files={
            "greffon": "#!/bin/sh\nset -e\nfor word in '\"server\":' '{server}' '\"interactive\":' "
            "'{ca}'; do\n"
            'case "$KUBERNETES_EXEC_INFO" in *"$word"*) ;; *) exit 9;; esac\ndone\n'
            + _GIVES["greffon"].removeprefix("#!/bin/sh\n")
        },
    ),
    Row("program not asked where there is a token", user={**_plugin("absent"), "token": TOKEN}),
    Row("arguments as text", "cannot unmarshal string", user=_plugin(args="a b"), files=_GIVES),
    Row("argument number", "cannot unmarshal number", user=_plugin(args=[1]), files=_GIVES),
    Row(
        "program and provider",
        "authProvider cannot be provided in combination",
        user={**_plugin(), "auth-provider": {"name": "oidc"}},
        files=_GIVES,
    ),
    # -- providers
    Row(
        "gcp",
        "gcp auth plugin has been removed",
        user={"auth-provider": {"name": "gcp", "config": {"access-token": TOKEN}}},
    ),
    Row("azure", "azure auth plugin has been removed", user={"auth-provider": {"name": "azure"}}),
    Row(
        "gcp and a token",
        "gcp auth plugin has been removed",
        user={"auth-provider": {"name": "gcp"}, "token": TOKEN},
    ),
    Row(
        "unknown provider", "no Auth Provider found", user={"auth-provider": {"name": "openstack"}}
    ),
    Row(
        "oidc without issuer",
        "Must provide idp-issuer-url",
        user={"auth-provider": {"name": "oidc", "config": {"client-id": "a"}}},
    ),
    Row(
        "oidc without anything",
        "No valid id-token",
        user={
            "auth-provider": {
                "name": "oidc",
                "config": {"client-id": "a", "idp-issuer-url": "https://127.0.0.1:9"},
            }
        },
    ),
    Row("provider as text", "cannot unmarshal string", user={"auth-provider": "oidc"}),
    Row(
        "provider with a number",
        "cannot unmarshal number",
        user={"auth-provider": {"name": "oidc", "config": {"client-id": 12}}},
    ),
    # -- as
    Row(
        "as",
        user={
            "token": TOKEN,
            "as": "oidc-bob",
            "as-uid": "7",
            "as-groups": ["a", "b"],
            "as-user-extra": {"Une clé/x": ["1", "2"]},
        },
    ),
    Row(
        "groups without as",
        "without impersonating a user",
        user={"token": TOKEN, "as-groups": ["a"]},
    ),
    Row("as list", "cannot unmarshal array", user={"token": TOKEN, "as": ["oidc-bob"]}),
    Row(
        "as with a newline", "invalid header field value", user={"token": TOKEN, "as": "oidc-bob\n"}
    ),
    # -- files
    Row("UTF-16", encoding="utf-16"),
    Row("UTF-8 with a byte order mark", encoding="utf-8-sig"),
    Row("Windows-1252", "invalid", encoding="cp1252", top={"é": "à"}, text="# é\n{config}"),
    Row("a tab", "found character that cannot start any token", text="\t{config}"),
    Row("two documents", text="{config}---\n["),
    Row("JSON after spaces", text="  \n{config}"),
    Row("several files", files={"seconde": _SECOND}, variable="{here}/config:{here}/seconde"),
    Row(
        "several files, the first without the rest",
        files={"premiere": _CONTEXT_ALONE},
        variable="{here}/premiere:{here}/absent:{here}/config",
    ),
    Row(
        "several files, the second broken",
        "error loading config file",
        files={"seconde": "users: {"},
        variable="{here}/config:{here}/seconde",
    ),
    Row("only absent files", "localhost:8080", variable="{here}/absent:{here}/non-plus"),
    Row("a folder", "is a directory", variable="{here}"),
    Row("nothing but separators", "localhost:8080", variable=":"),
    Row("a key twice", text="{config}current-context: k\n"),
    Row("an anchor", text="x: &k k\n{config}", top={"current-context": "k"}),
    Row(
        "a date as a name",
        "context was not found",
        top={},
        text="{config}current-context: 2026-11-29\n",
    ),
    Row("y is a bool", "cannot unmarshal bool", text="{config}current-context: y\n"),
    Row("1e3 is a number", "cannot unmarshal number", text="{config}current-context: 1e3\n"),
    Row("1:30 is a text", "context was not found", text="{config}current-context: 1:30\n"),
]
