"""Ce que le TP 7 dit quand une phrase n’est pas vraie. Corriger un texte ne demande de toucher à
rien d’autre."""

from __future__ import annotations

from checks.diagnosis.databases.relay_failures import Misplaced
from checks.lesson import Lesson
from checks.verdict import Diagnostic

APPLY = "Appliquez ensuite de nouveau proxy.yaml."
THEN = "Écrivez ceci, puis : kubectl apply -f proxy.yaml"


# -- the Deployment --------------------------------------------------------------------------------


class NoDeployment(Lesson):
    """No Deployment has the relay's name."""

    finding = "Aucun Deployment « pg-proxy » dans le namespace {namespace}."
    cause = (
        "Le manifeste n’a pas été appliqué, ou l’a été dans un autre namespace ou sous un autre "
        "nom."
    )
    fix = "Appliquez votre manifeste : kubectl apply -f proxy.yaml"
    look = ("kubectl get deployments,pods -n {namespace}",)


class DeploymentUnderAnotherName(NoDeployment):
    """A Deployment runs socat, and is called otherwise."""

    finding = (
        "Aucun Deployment « pg-proxy » dans le namespace {namespace}. Le Deployment {other} "
        "utilise bien socat, mais porte un autre nom."
    )
    fix = (
        "Donnez-lui ce nom (metadata.name), supprimez l’ancien, puis appliquez : kubectl apply -f "
        "proxy.yaml"
    )
    other: str


class FloatingImage(Lesson):
    """Another image may come under the same name. `lacking`: what is not precise in it."""

    finding = (
        "Le conteneur « {container} » du Deployment pg-proxy utilise l’image « {image} », "
        "{lacking}."
    )
    cause = (
        "C’est « la plus récente au moment du démarrage » : le pod qui remplace un pod perdu peut "
        "recevoir une autre version que lui ; et il la redemande au registre à chaque démarrage "
        "(imagePullPolicy: Always), même quand celui-ci limite les téléchargements."
    )
    fix = f"Il faut une étiquette de version après le nom de l’image. {APPLY}"
    look = ("kubectl get deployment pg-proxy -n {namespace} -o wide",)
    container: str
    image: str
    lacking: str


class FloatingSocat(FloatingImage):
    """An image whose versions are known to us."""

    fix = f"Il faut une étiquette de version après le nom de l’image. {THEN}"


class ServesOnce(Lesson):
    """socat without `fork`: the connection of a probe is enough to end it."""

    finding = (
        "Le conteneur « {container} » du pod {pod} s’arrête sans erreur (code 0), puis redémarre : "
        "{restarts} redémarrage(s)."
    )
    cause = (
        "socat n’attend qu’un seul client, le sert, puis se termine. La connexion d’une sonde en "
        "est un."
    )
    fix = (
        "Ajoutez l’option fork, qui crée un processus par client : TCP-LISTEN:5432,fork,reuseaddr. "
        f"{APPLY}"
    )
    look = ("kubectl get pods -n {namespace}",)
    container: str
    pod: str
    restarts: int


# -- its health probes -----------------------------------------------------------------------------


class DeadlyLiveness(Lesson):
    """A liveness probe fails (`said`: how); the kubelet kills after so many `seconds` of that."""

    finding = "La sonde « liveness » du conteneur « {container} » échoue sur le pod {pod} : {said}."
    cause = (
        "Le kubelet tue et redémarre le conteneur après {seconds} secondes d’échecs (periodSeconds "
        "× failureThreshold), même s’il sert très bien ses clients, et recommence sans fin : "
        "CrashLoopBackOff."
    )
    fix = (
        "Posez une question à laquelle socat peut répondre : une connexion TCP (tcpSocket) à son "
        f"port d’écoute ; ou retirez cette sonde. {THEN}"
    )
    look = ("kubectl describe pod {pod} -n {namespace}",)
    container: str
    pod: str
    said: str
    seconds: int


COMMAND_FAILS = "sa commande échoue"
NOTHING_LISTENS = "rien n’écoute sur le port {port}"
NO_HTTP = "sur le port {port}, {silence}"
HTTP_REFUSAL = "sur le port {port}, réponse HTTP {status}"


class NoReadiness(Lesson):
    """No container of the pod has a readiness probe."""

    finding = "Aucun conteneur du pod {pod} n’a de sonde « readiness » (readinessProbe)."
    cause = (
        "Sans elle, un pod est « prêt » dès que son conteneur démarre : le Service lui envoie des "
        "clients avant que socat n’écoute, et continue quand il n’écoute plus."
    )
    fix = f"Ajoutez au conteneur une sonde TCP sur son port d’écoute. {THEN}"
    look = ("kubectl describe pod {pod} -n {namespace}",)
    pod: str


class HollowReadiness(Lesson):
    """A readiness probe by a command that always succeeds."""

    finding = (
        "La sonde « readiness » du conteneur « {container} » (« {command} ») réussit aussi dans un "
        "pod où rien n’écoute."
    )
    cause = (
        "Une sonde qui réussit toujours déclare prêt un pod qui ne sert personne, et le Service "
        "lui envoie des clients."
    )
    fix = f"Interrogez le port d’écoute du relais (tcpSocket). {THEN}"
    look = ("kubectl describe pod {pod} -n {namespace}",)
    container: str
    command: str
    pod: str


# -- the Service -----------------------------------------------------------------------------------


class NoService(Lesson):
    """No Service has the relay's name."""

    finding = "Aucun Service « pg-proxy » dans le namespace {namespace}."
    cause = (
        "Un pod remplacé change de nom et d’adresse. Le Service est le nom qui reste, celui que "
        "vos clients écrivent : pg-proxy:5432."
    )
    fix = f"Il en faut un de ce nom (metadata.name), devant les pods du Deployment. {THEN}"
    look = ("kubectl get services -n {namespace} -o wide",)


class ServiceUnderAnotherName(NoService):
    """A Service leads to the relay's pods, and is called otherwise."""

    finding = (
        "Aucun Service « pg-proxy » dans le namespace {namespace}. Le Service {other} mène bien à "
        "ses pods, mais porte un autre nom."
    )
    other: str


class OtherLabels(Lesson):
    """The selector asks for labels that the relay's pods do not bear."""

    finding = (
        "Le Service pg-proxy cherche des pods étiquetés {wanted} ; ceux du Deployment portent "
        "{labels}."
    )
    cause = (
        "Un Service choisit ses pods par leurs étiquettes, jamais par le nom du Deployment. Aucune "
        "erreur ne le signale : ses clients sont refusés."
    )
    fix = (
        "Recopiez dans spec.selector les étiquettes du modèle de pod (template.metadata.labels). "
        f"{THEN}"
    )
    look = (
        "kubectl get endpointslices -n {namespace} -l kubernetes.io/service-name=pg-proxy",
        "kubectl get pods -n {namespace} --show-labels",
    )
    wanted: str
    labels: str


class NoSelector(Lesson):
    """The Service chooses no pod by itself."""

    finding = (
        "Le Service pg-proxy n’a pas de sélecteur (spec.selector) : le cluster ne lui trouve aucun "
        "pod."
    )
    cause = (
        "Un Service choisit ses pods par leurs étiquettes ; sans sélecteur, rien ne suit les pods "
        "remplacés."
    )
    fix = OtherLabels.fix
    look = OtherLabels.look


class OnlyAnotherName(Lesson):
    """The Service is of type ExternalName."""

    finding = "Le Service pg-proxy est de type ExternalName : il renvoie à « {host} »."
    cause = (
        "Ce n’est qu’un autre nom, donné par le DNS : les clients ne passent pas par les pods du "
        "proxy."
    )
    fix = f"Retirez type et externalName. {OtherLabels.fix}"
    look = OtherLabels.look
    host: str


class PortNotOpened(Lesson):
    """The Service does not declare the port that its clients write."""

    finding = "Le Service pg-proxy n’ouvre pas le port 5432/TCP ; il ouvre {opened}."
    cause = (
        "« port » est celui que les clients écrivent ; « targetPort », celui des pods. Un Service "
        "n’accepte que les ports qu’il déclare."
    )
    fix = f"Dans spec.ports, écrivez port: 5432 et, en targetPort, le port où socat écoute. {THEN}"
    look = ("kubectl describe service pg-proxy -n {namespace}",)
    opened: str


class PortNameUnknown(Lesson):
    """The Service leads to a port by a name that no container gives."""

    finding = (
        "Le Service pg-proxy mène au port nommé « {port} » ; aucun port des pods ne s’appelle "
        "ainsi."
    )
    cause = (
        "Un targetPort en toutes lettres est cherché parmi les noms de « ports », dans le "
        "conteneur."
    )
    fix = PortNotOpened.fix
    look = PortNotOpened.look
    port: str


class TakesAnotherPod(Lesson):
    """A pod that is not the Deployment's has the labels of the selector too."""

    finding = (
        "Le Service pg-proxy envoie aussi des clients au pod {pod}, qui n’est pas du Deployment "
        "pg-proxy : ce pod porte lui aussi {selector}."
    )
    cause = (
        "Un Service prend tous les pods qui ont les étiquettes de son sélecteur, d’où qu’ils "
        "viennent : un client sur deux peut arriver ailleurs."
    )
    fix = (
        "Donnez aux pods du Deployment une étiquette qu’ils sont seuls à porter, et ajoutez-la au "
        "sélecteur."
    )
    look = ("kubectl get pods -n {namespace} --show-labels",)
    pod: str
    selector: str


class TakesTheBarePod(TakesAnotherPod):
    """That pod is the bare one of an earlier lab, which the Deployment replaces."""

    fix = "Supprimez le Pod {pod}, que votre Deployment remplace."


class NotYetLinked(Lesson):
    """The cluster has not followed the pods yet."""

    finding = "Le cluster n’a pas encore relié le Service pg-proxy à tous les pods du Deployment."
    cause = "Un pod n’entre dans un Service qu’une fois prêt, et en sort dès qu’il ne l’est plus."
    fix = "Attendez quelques secondes, puis recommencez."
    look = ("kubectl get endpointslices -n {namespace} -l kubernetes.io/service-name=pg-proxy",)


class ClosedPort(Lesson):
    """Nothing listens on the port to which the Service sends its clients."""

    finding = (
        "Le Service pg-proxy envoie ses clients sur le port {port} du pod {pod}, où rien n’écoute."
    )
    cause = (
        "« targetPort » est le port du pod. S’il est faux, le Service a bien des pods, mais chaque "
        "client est refusé."
    )
    fix = f"Mettez d’accord spec.ports.targetPort et le port de TCP-LISTEN. {THEN}"
    look = ("kubectl describe service pg-proxy -n {namespace}",)
    port: int
    pod: str


class ListensElsewhere(ClosedPort):
    """The relay waits for its clients on another port."""

    finding = (
        "Le Service pg-proxy envoie ses clients sur le port {port} du pod {pod}, où rien n’écoute "
        "; il écoute sur {heard}."
    )
    heard: int


# -- the way through -------------------------------------------------------------------------------


class LeadsElsewhere(Lesson):
    """The manifest explains why the relay does not lead to the colleague's."""

    finding = "{why.finding}"
    cause = "{why.cause}"
    fix = f"Visez NOM-rw.{{colleague}}.svc.cluster.local:5432, où NOM est celui de la base. {APPLY}"
    look = ("kubectl describe deployment pg-proxy -n {namespace}",)
    why: Misplaced


class ClosedByPolicies(Lesson):
    """NetworkPolicies keep the clients of the namespace away from the relay's pods."""

    finding = (
        "Un pod de votre namespace n’atteint pas pg-proxy:5432 : {reason}. Les pods du proxy sont "
        "isolés par la NetworkPolicy {names}."
    )
    cause = (
        "Une NetworkPolicy qui choisit un pod lui ferme tout ce qu’elle n’autorise pas, y compris "
        "vos propres clients."
    )
    fix = (
        "Autorisez les pods de {namespace} à joindre le port {port} du proxy, ou retirez cette "
        "NetworkPolicy, de votre fichier aussi."
    )
    look = ("kubectl get networkpolicies,services -n {namespace}",)
    reason: str
    names: str
    port: int


class NoWayIn(Lesson):
    """The way ends before the relay, and no NetworkPolicy tells why."""

    finding = "Un pod de votre namespace n’atteint pas pg-proxy:5432 : {reason}."
    cause = (
        "Le chemin s’arrête avant le relais : le cluster n’a pas encore suivi le dernier "
        "changement, ou un Service sans adresse (clusterIP: None) mène au pod sans traduire le "
        "port."
    )
    fix = f"Faites écouter le relais sur 5432 ou donnez une adresse au Service. {APPLY}"
    look = ("kubectl get networkpolicies,services -n {namespace}",)
    reason: str


class ServerOfNobodyKnown(Lesson):
    """A pod leads to a server that is not the colleague's, and nothing tells whose it is."""

    finding = "Le pod {pod} mène à un serveur PostgreSQL qui n’est aucun de ceux de {colleague}."
    cause = (
        "PostgreSQL répond, donc tout semble marcher ; mais vos données iraient dans une autre "
        "base."
    )
    fix = f"Visez le Service de la base de {{colleague}}. {APPLY}"
    look = ("kubectl describe deployment pg-proxy -n {namespace}",)
    pod: str


class ServerOfAnotherNamespace(ServerOfNobodyKnown):
    """The pod showed where it went to serve a client."""

    finding = (
        "Le pod {pod} mène à un serveur PostgreSQL du namespace « {place} », pas de « {colleague} "
        "»."
    )
    place: str


# -- broken on purpose -----------------------------------------------------------------------------


class PortHeld(Lesson):
    """The container cannot take its port again (`said`: its last words): socat without
    `reuseaddr`."""

    finding = (
        "Arrêté pendant qu’un client était connecté, le conteneur du pod {pod} n’a pas pu "
        "redémarrer : « {said} »."
    )
    cause = (
        "Après un arrêt, le noyau garde environ une minute les connexions qui viennent d’être "
        "coupées (TIME_WAIT), et refuse leur port à qui ne dit pas qu’il accepte de le partager "
        "avec elles. Jusque-là, le pod tourne en CrashLoopBackOff. (Le vérificateur vient de le "
        "remplacer.)"
    )
    fix = f"Ajoutez l’option reuseaddr à TCP-LISTEN : TCP-LISTEN:5432,fork,reuseaddr. {APPLY}"
    look = ("kubectl logs {pod} -n {namespace} --previous",)
    pod: str
    said: str


class NotReplaced(Lesson):
    """No pod takes the place of the one that was deleted, or it is not ready (`reason`)."""

    finding = "Le pod {lost} a été supprimé exprès ; aucun autre ne le remplace. {reason.finding}"
    cause = "{reason.cause} Tant que l’ancien pod vivait, rien ne le montrait."
    fix = "{reason.fix}"
    look = (
        "kubectl describe deployment pg-proxy -n {namespace}",
        "kubectl get events -n {namespace} --sort-by=.lastTimestamp",
    )
    lost: str
    reason: Diagnostic


class ServiceLost(Lesson):
    """The pods are back, and the Service does not lead to them (`said`: what a client is told)."""

    finding = (
        "Le pod {lost} a été supprimé exprès ; ses pods sont revenus, mais les clients ne passent "
        "plus par le Service ({said})"
    )
    cause = (
        "Le Service ne suit pas les pods remplacés. Tant que l’ancien pod vivait, rien ne le "
        "montrait."
    )
    fix = f"Comparez le sélecteur du Service et les étiquettes du modèle de pod. {APPLY}"
    look = NotReplaced.look
    lost: str
    said: str


# -- this lab's words in what several labs tell, and while one waits -------------------------------

ROLE = "relais"
SERVE_ALL = (
    f"Laissez-le servir tous ceux qui viennent, par exemple TCP-LISTEN:5432,fork,reuseaddr. {APPLY}"
)
UNRESOLVED = (
    "Le nom n’est cherché qu’à l’arrivée d’un client : les pods restent prêts malgré l’erreur."
)
UNANSWERED = (
    "Demandez à votre collègue le résultat de « kubectl get svc », corrigez le nom et le port. "
    f"{APPLY}"
)
NO_ANSWER = "sans réponse"
AWAITED_RESTART = "le retour du pod {pod}, dont le programme vient d’être arrêté exprès"
AWAITED_REPLACEMENT = "le remplaçant du pod {pod}, supprimé exprès"
