"""Les vérifications du TP 3 : une base du catalogue, un tunnel vers elle, et personne d’autre que son propriétaire."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from checks.diagnosis.connections.services import no_service_leads
from checks.diagnosis.connections.tunnel import Tunnel, leads_elsewhere, nobody_listens, reaches
from checks.diagnosis.databases.catalogue import (
    PORT,
    RELAUNCH,
    Database,
    databases,
    launch,
    no_database,
    not_serving,
    ready_pods,
    relaunch,
    server_in,
)
from checks.diagnosis.rights.excess import entering, obtaining, tunnel_to
from checks.diagnosis.rights.leaks import only_the_owner
from checks.errors import Unverifiable
from checks.exchange.postgres import NotPostgres, identify, refusal
from checks.facts import Cluster, ForwardRefused, Pod
from checks.shell import one_word
from checks.verdict import Diagnostic
from checks.verification import verification

_STARTING = ("57P03", "53300")  # https://www.postgresql.org/docs/current/errcodes-appendix.html
_OTHER_DATABASE = ("3D000", "42501")  # the account was accepted; that database does not exist or is closed to it


# -- the database --------------------------------------------------------------------------------------------------


@verification(points=1)
def une_base_du_catalogue_existe(cluster: Cluster) -> Diagnostic | None:
    """Une base PostgreSQL du catalogue existe dans votre namespace.

    Elle est reconnue à ses étiquettes (labels), quel que soit son nom.
    """
    return no_database(cluster)


@verification(points=1, after=une_base_du_catalogue_existe)
def la_base_est_prete(cluster: Cluster) -> Diagnostic | None:
    """Le pod de la base est prêt."""
    return not_serving(cluster)


# -- the Service --------------------------------------------------------------------------------------------------


@verification(points=1, after=la_base_est_prete)
def un_service_mene_a_la_base(cluster: Cluster) -> Diagnostic | None:
    """Un Service mène au pod de la base.

    Demandé au cluster lui-même : ses EndpointSlices disent à quels pods chaque Service envoie ses clients.
    """
    return no_service_leads(cluster)


# -- the server and the tunnel ------------------------------------------------------------------------------------


@verification(points=1, after=la_base_est_prete)
def postgresql_repond_dans_le_pod(cluster: Cluster) -> Diagnostic | None:
    """Dans ce pod, c’est bien un serveur PostgreSQL qui répond.

    Une vraie ouverture de dialogue, par un tunnel à nous, sans mot de passe.
    """
    ready = ready_pods(cluster)
    said = ""
    for _, pod in ready:
        try:
            server_in(cluster, pod)
        except (NotPostgres, ForwardRefused) as silence:
            said = said or str(silence)
        else:
            return None
    database, pod = ready[0]
    return Diagnostic(
        finding=f"Le pod {pod.name} est prêt, mais PostgreSQL n’y répond pas sur le port {PORT} ({said}).",
        cause="« Prêt » veut dire que la sonde du conteneur réussit, pas que votre client sera servi.",
        fix=f"Lisez le journal du pod. {RELAUNCH}",
        commands=relaunch(cluster, database.release),
        look=(f"kubectl logs {pod.name} -n {cluster.namespace}",),
        transient=True,  # the server may still be opening its files
    )


def tunnel(cluster: Cluster) -> Tunnel:
    """The expected tunnel: localhost to any of the namespace's databases."""
    return Tunnel(
        local_port=cluster.local_port(PORT),
        pods=tuple(pod for _, pod in ready_pods(cluster)),
        port=PORT,
        speak=identify,
        service="la base",
    )


@verification(points=1, after=la_base_est_prete)
def un_tunnel_ecoute_sur_votre_poste(cluster: Cluster) -> Diagnostic | None:
    """Sur votre poste, un tunnel écoute sur localhost:5432."""
    return nobody_listens(cluster, tunnel(cluster))


@verification(points=2, after=(un_tunnel_ecoute_sur_votre_poste, postgresql_repond_dans_le_pod))
def le_tunnel_mene_a_la_base(cluster: Cluster) -> Diagnostic | None:
    """Ce tunnel mène au pod de votre base.

    Des connexions ouvertes sur localhost sont retrouvées dans la table des connexions du pod.
    """
    return leads_elsewhere(cluster, tunnel(cluster))


def reached(cluster: Cluster) -> tuple[Database, Pod] | None:
    """The database that answers on localhost, told by its fingerprint. Raises NotPostgres, OSError, Unverifiable."""
    local_port = cluster.local_port(PORT)
    with cluster.machine.connect(local_port) as connection:
        connection.settimeout(8)
        answering = identify(connection)
    for database, pod in ready_pods(cluster):
        if answering.fingerprint is None:
            # A server without SCRAM has no fingerprint: its pod's own table of connections tells as much.
            if reaches(cluster, local_port, pod, PORT):
                return database, pod
            continue
        try:
            inside = server_in(cluster, pod)
        except (NotPostgres, ForwardRefused):
            continue
        if inside.fingerprint == answering.fingerprint:
            return database, pod
    return None


@verification(points=2, after=le_tunnel_mene_a_la_base)
def le_serveur_est_celui_du_pod(cluster: Cluster) -> Diagnostic | None:
    """Le serveur qui répond sur localhost:5432 est celui qui tourne dans ce pod.

    Deux serveurs PostgreSQL se distinguent sans mot de passe : l’empreinte lue par localhost doit être celle qui est
    lue dans le pod.
    """
    port = cluster.local_port(PORT)
    pods = ", ".join(pod.name for _, pod in ready_pods(cluster))
    try:
        if reached(cluster):
            return None
        finding = f"Le serveur atteint par localhost:{port} n’est pas celui du pod {pods}."
        cause = "Deux serveurs PostgreSQL répondent : l’un sur votre port, l’autre dans le pod. Vos données iraient au "
        cause += "premier."
    except (NotPostgres, OSError) as silence:
        finding = f"Sur localhost:{port}, PostgreSQL ne répond pas jusqu’au bout : {silence}."
        cause = "Le tunnel a été coupé en cours d’échange."
    return Diagnostic(
        finding=finding,
        cause=cause,
        fix="Fermez ce qui écoute sur ce port et rouvrez le tunnel vers le pod de votre base, dans un second terminal.",
        commands=(tunnel(cluster).command,),
        look=("ps aux | grep port-forward", "ss -ltnp   (Windows : netstat -ano)"),
    )


# -- the account --------------------------------------------------------------------------------------------------


@verification(points=2, after=le_serveur_est_celui_du_pod)
def le_compte_du_secret_ouvre_une_session(cluster: Cluster) -> Diagnostic | None:
    """Le compte rangé dans le Secret de la base ouvre une session à travers le tunnel.

    Le mot de passe est lu dans le Secret le temps de se connecter ; il n’est ni gardé, ni montré.
    """
    try:
        found = reached(cluster)
    except (NotPostgres, OSError) as silence:
        raise Unverifiable(f"Le tunnel a été coupé : {silence}.", "Rouvrez-le, puis recommencez.") from None
    if found is None:
        raise Unverifiable("La base a changé pendant la vérification.", "Relancez la commande.")
    database, pod = found
    name = database.release
    look = (f"kubectl describe secret {name} -n {cluster.namespace}",)
    values = cluster.secret_values(name)
    user, password = _account(values or {}, pod)
    if values is None or not user or not password:
        lacking = " ou ".join(key for key, value in (("username", user), ("password", password)) if not value)
        return Diagnostic(
            finding=f"Le Secret {name} n’existe pas dans le namespace {cluster.namespace}."
            if values is None
            else f"Le Secret {name} ne contient pas de clé {lacking}.",
            cause="La plateforme y range l’utilisateur et le mot de passe de la base : sans lui, plus personne ne peut "
            "les relire, et le pod ne redémarrera pas.",
            fix="Rétablissez-le à partir de sa copie, si elle existe ; sinon relancez la base.",
            commands=_restored(cluster, name),
            look=(f"kubectl get secrets -n {cluster.namespace}", *look),
        )
    code, message = _session(cluster, values, user, password)
    if not code:
        return None
    if code in _OTHER_DATABASE:
        raise Unverifiable(
            f"Le compte {user} est reconnu, mais aucune des bases essayées ne l’admet : {message}",
            "Ajoutez au Secret une clé « database » avec le nom de la vôtre.",
        )
    if code in _STARTING:
        return Diagnostic(
            finding=f"La base {name} n’accepte pas de session pour l’instant : {message}",
            cause="Elle démarre, s’arrête, ou toutes ses places sont prises par d’autres sessions.",
            fix="Fermez vos sessions ouvertes, puis recommencez.",
            look=(f"kubectl logs {pod.name} -n {cluster.namespace}",),
            transient=True,
        )
    if password.rstrip("\r\n") != password and not _session(cluster, values, user, password.rstrip("\r\n"))[0]:
        return _line_feed(cluster, name, "password" if values.get("password") else "postgres-password", user)
    return Diagnostic(
        finding=f"La base {name} refuse le compte {user} avec le mot de passe rangé dans le Secret {name} : {message}",
        cause="Le Secret n’est qu’une copie : changer le mot de passe dans la base ne le change pas dans le Secret, ni "
        "l’inverse. Les services qui lisent le Secret ne se connectent plus.",
        fix="Mettez les deux d’accord : donnez à ce compte, dans la base, le mot de passe du Secret.",
        commands=(_aligned(cluster, name, user),),
        look=look,
    )


def _session(cluster: Cluster, values: Mapping[str, str], user: str, password: str) -> tuple[str, str]:
    """PostgreSQL's answer to this account, through the tunnel. Raises Unverifiable."""
    names = (values.get("database"), values.get("dbname"), "defaultdb", user, "postgres")
    code, message = "", ""
    for candidate in dict.fromkeys(one for one in names if one):
        try:
            with cluster.machine.connect(cluster.local_port(PORT)) as connection:
                connection.settimeout(8)
                code, message = refusal(connection, user, password, candidate)
        except OSError as cut:
            raise Unverifiable(f"Le tunnel a été coupé : {cut}.", "Rouvrez-le, puis recommencez.") from None
        if code not in _OTHER_DATABASE:
            break
    return code, message


def _line_feed(cluster: Cluster, name: str, key: str, user: str) -> Diagnostic:
    """A password that was copied into the Secret with the end of its line."""
    read = f"kubectl get secret {name} -n {cluster.namespace} -o jsonpath='{{.data.{key}}}' | base64 -d"
    return Diagnostic(
        finding=f"Le mot de passe rangé dans le Secret {name} finit par un saut de ligne ; "
        "celui de la base n’en a pas.",
        cause="Quand vous le relisez avec $(…), le shell retire cette fin de ligne. Un pod la garde : les services qui "
        "reçoivent ce mot de passe sont refusés par la base.",
        fix=f"Récrivez la clé {key} sans cette fin de ligne : « echo » en ajoute une, « echo -n » n’en ajoute pas.",
        commands=(_aligned(cluster, name, user),),
        look=(f"{read} | wc -l",),
    )


def _account(values: Mapping[str, str], pod: Pod) -> tuple[str, str]:
    """User and password of a release's Secret; the older chart writes the user in the pod only."""
    given = {
        variable["name"]: variable.get("value", "")
        for box in pod.raw.get("spec", {}).get("containers", ())
        for variable in box.get("env") or ()
    }
    user = values.get("username") or given.get("POSTGRES_USER") or given.get("POSTGRESQL_USERNAME") or ""
    return user, values.get("password") or values.get("postgres-password") or ""


def _aligned(cluster: Cluster, name: str, user: str) -> str:
    """The command that gives the role the Secret's password, without showing it nor an end of line that it may have."""
    place = f"--namespace {cluster.namespace}"
    return f"cahier catalogue compte {name} {one_word(user)} --secret {name} {place}"


def _restored(cluster: Cluster, name: str) -> tuple[str, ...]:
    """Commands that make the Secret again, from the copy that the platform keeps where there is one: launching a
    database that is there makes what it lacks."""
    copy = f"{name}-user"
    if all(item["metadata"]["name"] != copy for item in cluster.objects("Secret")):
        return relaunch(cluster, name)
    closed = any(item["metadata"]["name"] == name for item in cluster.objects("NetworkPolicy"))
    return (f"{launch(cluster, name)}{'' if closed else ' --ouvert'}",)


# -- nobody but the owner -----------------------------------------------------------------------------------------


def _pods_of(cluster: Cluster) -> Sequence[str]:
    """Names of the databases' pods; for a database without one, the name that the catalogue would give it."""
    return [one.pod.name if one.pod else f"{one.release}-1" for one in databases(cluster)]


@verification(points=2, after=une_base_du_catalogue_existe)
def personne_d_autre_n_ouvre_de_tunnel(cluster: Cluster) -> Diagnostic | None:
    """Personne d’autre que vous ne peut ouvrir un tunnel vers la base.

    Demandé au cluster pour un inconnu, pour votre collègue et pour toute personne que vos RoleBindings nomment. Le
    namespace d’un projet appartient à tous ses membres : « vous », ce sont eux.
    """
    return only_the_owner(
        cluster,
        tunnel_to(cluster, _pods_of(cluster)),
        cause="Un tunnel entre dans le pod par sa propre boucle locale : aucune NetworkPolicy ne l’arrête. Seuls les "
        "droits du namespace le réservent à son propriétaire.",
    )


@verification(points=1, after=personne_d_autre_n_ouvre_de_tunnel)
def personne_d_autre_ne_lit_le_mot_de_passe(cluster: Cluster) -> Diagnostic | None:
    """Personne d’autre que vous ne peut lire le mot de passe de la base.

    Ni dans son Secret, ni en faisant tourner chez vous un pod qui le monte, ou en prenant un de vos comptes de service.
    """
    releases = [one.release for one in databases(cluster)]
    ours = tuple(start for release in releases for start in (f"{release}-", f"sh.helm.release.v1.{release}."))
    names = {str(item["metadata"]["name"]) for item in cluster.objects("Secret")}
    return only_the_owner(
        cluster,
        obtaining(sorted({*releases, *(name for name in names if name.startswith(ours))})),
        cause="Un Secret n’est pas chiffré pour qui a le droit de le lire : base64 n’est qu’une écriture.",
    )


@verification(points=1, after=personne_d_autre_ne_lit_le_mot_de_passe)
def personne_d_autre_n_entre_dans_le_pod(cluster: Cluster) -> Diagnostic | None:
    """Personne d’autre que vous ne peut exécuter de commande dans le pod de la base."""
    return only_the_owner(
        cluster,
        entering(cluster, _pods_of(cluster)),
        cause="Dans le conteneur, psql ouvre une session d’administrateur sans mot de passe.",
    )
