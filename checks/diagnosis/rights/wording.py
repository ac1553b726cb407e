"""What a right in a namespace is called in French, and where it leads: it explains, and never
decides what is too much.

Its order is that in which rights are told: those that open most come first.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass

from checks.diagnosis.rights.rbac import Request
from checks.refusals import VERBS

READS = ("list", "watch", "get")
WRITES = ("create", "patch", "update", "delete", "deletecollection")
_CHANGES = ("create", "patch", "update")

_POD = (
    "Qui crée un pod chez vous choisit ce qu’il exécute, les Secrets qu’il monte et le compte de "
    "service qu’il prend : c’est lire tous vos Secrets, et agir comme vos services."
)
_RUNS = (
    "Qui en crée ou en modifie choisit les pods qu’ils lancent : image, commande, Secrets montés, "
    "compte de service. C’est lire tous vos Secrets, et agir comme vos services."
)
_GIVES = (
    "Qui écrit des Roles ou des RoleBindings, ou donne des droits qu’il n’a pas, finit par avoir "
    "tous ceux qui lui manquent."
)
_ACTS_AS = (
    "Un compte de service est l’identité de vos services, VSCode compris : qui la prend peut tout "
    "ce qu’ils peuvent."
)
_ADDED = (
    "Un conteneur ajouté à un pod voit ses programmes, leurs variables et leurs fichiers : c’est y "
    "entrer, mot de passe compris."
)
_OPENS = (
    "Vos NetworkPolicies ferment votre base au réseau : qui en écrit, ou en supprime, l’ouvre à "
    "qui il veut."
)
_LEADS = (
    "Un Service dit où vont les clients qui l’appellent : qui le change se met entre vos "
    "programmes et la base."
)
_BY_API = (
    "L’API transmet elle-même la demande, de l’intérieur du cluster : aucune NetworkPolicy ne "
    "l’arrête."
)
_READS_CONFIG = (
    "Une ConfigMap dit comment marchent vos programmes, et contient parfois ce qu’elle ne devrait "
    "pas."
)
_STOPS = "Qui expulse un pod, ou en change le nombre, arrête ce qu’il sert."
_ASKS = "C’est apprendre ce que chacun peut faire chez vous, ce qu’un tunnel ne demande pas."
_PLAIN = (
    "Ce que ce droit ouvre dépend de qui se sert de cette ressource, aujourd’hui ou demain. Un "
    "tunnel ne le demande pas : c’est un droit de trop."
)
_KEEPERS = ("deployments", "statefulsets", "daemonsets", "replicasets")


@dataclass(frozen=True)
class Telling:
    """Rights that go together. `leads`: where they lead; "" where the sentence that they break says
    enough."""

    group: str
    resource: str
    verbs: tuple[str, ...]
    leads: str = ""


_TABLE = (
    Telling("", "secrets", READS),
    *(Telling("", f"pods/{way}", ("create", "get")) for way in ("exec", "attach")),
    Telling("", "pods/ephemeralcontainers", ("patch", "update"), _ADDED),
    Telling("", "pods/log", ("get",)),
    Telling("", "pods", ("create",), _POD),
    *(Telling("batch", kind, _CHANGES, _RUNS) for kind in ("jobs", "cronjobs")),
    *(Telling("apps", kind, _CHANGES, _RUNS) for kind in _KEEPERS),
    Telling("", "replicationcontrollers", _CHANGES, _RUNS),
    Telling("", "serviceaccounts/token", ("create",), _ACTS_AS),
    Telling("", "serviceaccounts", ("impersonate",), _ACTS_AS),
    Telling("rbac.authorization.k8s.io", "rolebindings", _CHANGES, _GIVES),
    Telling("rbac.authorization.k8s.io", "roles", (*_CHANGES, "bind", "escalate"), _GIVES),
    Telling("rbac.authorization.k8s.io", "clusterroles", ("bind",), _GIVES),
    Telling("", "pods/portforward", ("create", "get")),
    Telling("", "pods", ("delete", "deletecollection", "patch", "update")),
    Telling("", "pods/eviction", ("create",), _STOPS),
    *(Telling("apps", f"{kind}/scale", ("patch", "update"), _STOPS) for kind in _KEEPERS),
    *(Telling("apps", kind, ("delete", "deletecollection")) for kind in _KEEPERS),
    *(Telling("batch", kind, ("delete", "deletecollection")) for kind in ("jobs", "cronjobs")),
    Telling("networking.k8s.io", "networkpolicies", WRITES, _OPENS),
    Telling("", "services", WRITES, _LEADS),
    Telling("discovery.k8s.io", "endpointslices", WRITES, _LEADS),
    Telling("", "endpoints", WRITES, _LEADS),
    Telling("", "secrets", WRITES),
    Telling("", "configmaps", WRITES),
    Telling("", "persistentvolumeclaims", WRITES),
    Telling("", "serviceaccounts", WRITES),
    Telling("rbac.authorization.k8s.io", "rolebindings", ("delete", "deletecollection")),
    Telling("rbac.authorization.k8s.io", "roles", ("delete", "deletecollection")),
    *(Telling("", f"{kind}/proxy", ("get", "create"), _BY_API) for kind in ("pods", "services")),
    Telling("", "configmaps", READS, _READS_CONFIG),
    Telling("", "services", READS),
    Telling("", "events", READS),
    Telling("events.k8s.io", "events", READS),
    Telling("apps", "deployments", READS),
    Telling("authorization.k8s.io", "localsubjectaccessreviews", ("create",), _ASKS),
    Telling("", "pods", READS),
)


def _requests(one: Telling) -> Iterator[Request]:
    resource, _, subresource = one.resource.partition("/")
    return (Request(verb, one.group, resource, subresource) for verb in one.verbs)


TELLING = tuple(request for one in _TABLE for request in _requests(one))
"""The rights that the table knows, whatever the object, in its order."""
ASKED = tuple(next(_requests(one)) for one in _TABLE)
"""One right of each entry: what is asked of whoever no RoleBinding names."""
RANK = {request: place for place, request in enumerate(TELLING)}
HOMES = {
    name: {one.group for one in TELLING if one.resource == name}
    for name in {one.resource for one in TELLING}
}
"""The API groups where a resource of the table is found."""
HOMES["pods"].add("metrics.k8s.io")


def _entry(request: Request) -> Telling | None:
    name = f"{request.resource}/{request.subresource}".rstrip("/")
    for one in _TABLE:
        if (one.group, one.resource) == (request.group, name) and request.verb in one.verbs:
            return one
    return None


def leads_to(request: Request) -> str:
    """Where this right leads, in French; "" where the sentence that it breaks says enough."""
    found = _entry(request)
    if found is not None:
        return found.leads
    plain = request.resource in _KINDS and request.verb in READS and not request.subresource
    return "" if plain else _PLAIN


def reaches_secrets(request: Request) -> bool:
    """Whether who has this right obtains any Secret without reading it: by a pod that they make, an
    account, a role."""
    found = _entry(request)
    return found is not None and found.leads in (_POD, _RUNS, _GIVES, _ACTS_AS)


# -- in French -------------------------------------------------------------------------------------

_KINDS = {
    "pods": ("le pod", "pods"),
    "secrets": ("le Secret", "Secrets"),
    "services": ("le Service", "Services"),
    "configmaps": ("la ConfigMap", "ConfigMaps"),
    "events": ("l’événement", "événements"),
    "deployments": ("le Deployment", "Deployments"),
    "statefulsets": ("le StatefulSet", "StatefulSets"),
    "daemonsets": ("le DaemonSet", "DaemonSets"),
    "replicasets": ("le ReplicaSet", "ReplicaSets"),
    "jobs": ("le Job", "Jobs"),
    "cronjobs": ("le CronJob", "CronJobs"),
    "networkpolicies": ("la NetworkPolicy", "NetworkPolicies"),
    "roles": ("le Role", "Roles"),
    "rolebindings": ("la RoleBinding", "RoleBindings"),
    "serviceaccounts": ("le compte de service", "comptes de service"),
    "endpointslices": ("l’EndpointSlice", "EndpointSlices"),
    "persistentvolumeclaims": ("la PersistentVolumeClaim", "PersistentVolumeClaims"),
}
"""One of a kind with its article, and several."""
_OPENING = {
    "portforward": "ouvrir un tunnel vers",
    "exec": "exécuter des commandes dans",
    "attach": "s’attacher à un programme dans",
}
_ACTIONS = {
    ("ephemeralcontainers", "patch"): "ajouter un conteneur à",
    ("ephemeralcontainers", "update"): "ajouter un conteneur à",
    ("log", "get"): "lire le journal de",
    ("eviction", "create"): "expulser",
    ("token", "create"): "fabriquer un jeton pour",
    ("scale", "patch"): "changer le nombre de pods de",
    ("scale", "update"): "changer le nombre de pods de",
    ("", "impersonate"): "se faire passer pour",
    ("", "bind"): "donner, sans l’avoir lui-même,",
    ("", "escalate"): "écrire plus de droits qu’il n’en a dans",
    **{("proxy", verb): "parler par l’API à" for verb in (*READS, *WRITES)},
}


def said(request: Request, opening: Collection[str] = ("create", "get")) -> str:
    """What this right allows, after « peut ». `opening`: the verbs that open a tunnel or a shell on
    this server."""
    if request.resource not in _KINDS or request.group not in HOMES[request.resource]:
        return _unknown(request)
    action = _ACTIONS.get((request.subresource, request.verb), "")
    if request.subresource in _OPENING and request.verb in opening:
        action = _OPENING[request.subresource]
    if action:
        later = action == _OPENING["portforward"] and not request.name
        words = (
            f"{action} "
            f"{_object(request)}{', et vers tout pod que vous lancerez ici' if later else ''}"
        )
        return words.replace(" à le ", " au ").replace(" de le ", " du ")
    return (
        _unknown(request)
        if request.subresource or request.verb not in VERBS
        else _standard(request)
    )


def _object(request: Request) -> str:
    one, several = _KINDS[request.resource]
    if request.name:
        return f"{one} {request.name}"
    return f"n’importe {'laquelle' if one.startswith('la ') else 'lequel'} de vos {several}"


def _standard(request: Request) -> str:
    """The everyday verbs on a whole object."""
    one, several = _KINDS[request.resource]
    all_of_them = f"{'toutes' if one.startswith('la ') else 'tous'} vos {several}"
    verb = VERBS[request.verb]
    if request.verb == "create" and not request.name:
        return f"créer des {several} chez vous"
    if request.name or request.verb not in ("list", "watch", "deletecollection"):
        return f"{verb} {_object(request)}"
    if request.verb == "deletecollection":
        return f"supprimer d’un coup {all_of_them}"
    return f"lire {all_of_them}" if request.resource == "secrets" else f"{verb} {all_of_them}"


def _unknown(request: Request) -> str:
    """A right that has no words of its own: its verb, its resource and its group as they are
    written."""
    name = f"{request.resource}/{request.subresource}".rstrip("/")
    of = f", groupe d’API {request.group}" if request.group else ""
    on = (
        f"l’objet « {request.name} » de la ressource « {name} »"
        if request.name
        else f"la ressource « {name} »"
    )
    if request.resource == "*" and not request.subresource:
        on = (
            f"tout objet nommé « {request.name} »" if request.name else "n’importe quelle ressource"
        )
    return f"faire « {request.verb} » sur {on}{of}"
