"""What is said of a hop that is broken, or that nothing proves. Correcting a text needs no change
elsewhere."""

from __future__ import annotations

from checks.exchange.spoken import Protocol, Speech
from checks.lesson import Lesson, Names

# -- names -----------------------------------------------------------------------------------------


class NoSuchName(Lesson):
    """The cluster's DNS does not know it, and its namespace cannot be looked at."""

    finding = "Le nom « {host} » n’existe pas dans le DNS du cluster."
    cause = (
        "Un Service s’appelle NOM.NAMESPACE.svc.cluster.local. Le nom, ou le namespace, n’est pas "
        "celui-là ; ou c’est un Service sans adresse (clusterIP: None), dont aucun pod n’est prêt."
    )
    fix = (
        "Vérifiez-le avec la personne à qui est ce namespace ; elle le lit chez elle avec la "
        "commande ci-dessus."
    )
    look = ("kubectl get services",)
    host: str


class NoSuchService(Lesson):
    """Its namespace has no Service of that name."""

    finding = (
        "Aucun Service « {name} » dans le namespace {place} : « {host} » n’est pas connu.{near}"
    )
    cause = (
        "Dans un cluster, un nom d’hôte est celui d’un Service : NOM dans le même namespace, "
        "NOM.NAMESPACE depuis un autre. Un pod ou un Deployment n’en a pas."
    )
    fix = "Corrigez le nom, ou créez le Service."
    look = ("kubectl get services -n {place}",)
    host: str
    name: str
    place: str
    near: str


class ElsewhereInstead(NoSuchService):
    """A namespace that is looked at has one."""

    cause = (
        "Un nom sans namespace est cherché dans le namespace du pod qui le demande, et là "
        "seulement."
    )
    fix = "Écrivez le nom complet : {right}"
    right: str


class MisspelledName(Lesson):
    """The Service exists, and the DNS does not know the name as it is written."""

    finding = "Le Service {name} existe dans {place}, mais « {host} » n’est pas son nom."
    cause = (
        "Le DNS du cluster connaît NOM, NOM.NAMESPACE, NOM.NAMESPACE.svc et "
        "NOM.NAMESPACE.svc.cluster.local. Un point final interdit de compléter le nom."
    )
    fix = "Écrivez {right}"
    look = ("kubectl get services -n {place}",)
    host: str
    name: str
    place: str
    right: str


class AliasOfNothing(Lesson):
    """An ExternalName Service names a host that does not exist."""

    finding = (
        "Le Service {name} n’est qu’un autre nom (ExternalName) pour « {other} », qui n’existe pas."
    )
    cause = "Un tel Service ne vérifie rien : le DNS renvoie le nom qui y est écrit."
    fix = "Corrigez externalName dans le Service {name}."
    look = ("kubectl get service {name} -n {namespace} -o yaml",)
    name: str
    other: str


class NameHeldBack(Lesson):
    """The policies of who goes do not let it ask the DNS."""

    finding = (
        "{who} ne peut pas demander au DNS du cluster où est « {host} » : {policies:la "
        "NetworkPolicy|les NetworkPolicies} {policies} de {namespace} ne {policies:laisse|laissent}"
        " rien sortir vers lui."
    )
    cause = (
        "Dès qu’une policy gouverne ce qui sort d’un pod (Egress), tout le reste est fermé, le DNS "
        "(port 53, UDP et TCP) compris."
    )
    fix = "Ajoutez à cette policy une règle « egress » vers le port 53."
    lines = (
        "# dans spec.egress",
        "- ports:",
        "    - {protocol: UDP, port: 53}",
        "    - {protocol: TCP, port: 53}",
    )
    look = ("kubectl describe networkpolicy -n {namespace}",)
    who: str
    host: str
    policies: Names


class NotKnownYet(Lesson):
    """The Service exists, and nothing explains that the DNS does not know it."""

    finding = "Le Service {name} existe, mais le DNS ne connaît pas encore « {host} »."
    cause = "Le DNS du cluster suit les Services avec quelques secondes de retard."
    fix = "Recommencez dans un instant."
    name: str
    host: str


# -- Services --------------------------------------------------------------------------------------


class PortNotDeclared(Lesson):
    """The Service has no such port."""

    finding = "Le Service {name} n’a pas de port {port} ; il a {ports}."
    cause = (
        "Devant un Service, on écrit le port du Service (« port »), pas celui du pod "
        "(« targetPort »). Ceux qu’il ne déclare pas ne mènent nulle part."
    )
    fix = "Employez un port qu’il déclare : {ports}."
    look = ("kubectl get service {name} -n {namespace}",)
    name: str
    port: int
    ports: str


class WithoutSelector(Lesson):
    """It chooses no pod, and nobody gave it an address."""

    finding = "Le Service {name} ne choisit aucun pod (pas de selector), et n’a aucune adresse."
    cause = (
        "Un Service sans sélecteur attend des adresses écrites à la main, dans une EndpointSlice."
    )
    fix = "Donnez au Service un selector qui convienne aux étiquettes de vos pods."
    look = (
        "kubectl get endpointslices -n {namespace}",
        "kubectl get pods -n {namespace} --show-labels",
    )
    name: str


class SelectsNobody(Lesson):
    """No pod carries what it asks for."""

    finding = (
        "Le Service {name} cherche des pods étiquetés {wanted}, et aucun de {namespace} ne l’est."
        "{nearest}"
    )
    cause = "Un Service choisit ses pods d’après leurs étiquettes (selector), toutes à la fois."
    fix = "Accordez le selector du Service et les étiquettes des pods."
    look = (
        "kubectl get service {name} -n {namespace} -o wide",
        "kubectl get pods -n {namespace} --show-labels",
    )
    name: str
    wanted: str
    nearest: str


class PortUnknownToPods(Lesson):
    """`targetPort` is a name that the pods do not give."""

    finding = (
        "Le Service {name} mène au port « {target} » de ses pods, et {pod} n’a pas de port de ce "
        "nom."
    )
    cause = "Un targetPort écrit par son nom est cherché parmi les ports nommés des conteneurs."
    fix = "Nommez le port dans le conteneur, ou écrivez targetPort en chiffres."
    look = ("kubectl get pod {pod} -n {namespace} -o jsonpath='{{.spec.containers[*].ports}}'",)
    name: str
    pod: str
    target: str


class FamilyOfNobody(Lesson):
    """None of its pods has an address of its family."""

    finding = (
        "Le Service {name} est en {families}, et ses pods n’ont pas d’adresse de cette famille : "
        "{pod} a {addresses}."
    )
    cause = "Un Service ne mène qu’aux adresses de ses familles (ipFamilies), IPv4 ou IPv6."
    fix = "Supprimez le Service, et recréez-le avec la famille de ses pods."
    look = (
        "kubectl get service {name} -n {namespace} -o yaml",
        "kubectl get pods -o wide -n {namespace}",
    )
    name: str
    families: str
    pod: str
    addresses: str


class LeadsToAnotherPort(Lesson):
    """The pod listens, elsewhere than where the Service leads."""

    finding = (
        "Le Service {name} mène au port {port} du pod {pod}, où rien n’écoute. Son programme "
        "écoute sur {ports}."
    )
    cause = "« targetPort » est le port sur lequel le programme écoute dans le pod."
    fix = "Écrivez dans le Service le targetPort sur lequel le programme écoute."
    look = ("kubectl describe service {name} -n {namespace}",)
    name: str
    pod: str
    port: int
    ports: str


class TranslatesNothing(LeadsToAnotherPort):
    """A headless Service gives the pods' addresses, and its ports are theirs."""

    finding = (
        "Le Service {name} n’a pas d’adresse à lui (clusterIP: None) : ses clients vont droit au "
        "port {port} du pod {pod}, où rien n’écoute. Son programme écoute sur {ports}."
    )
    cause = (
        "Un tel Service donne l’adresse des pods et ne traduit aucun port, quel que soit son "
        "targetPort."
    )
    fix = "Visez le port du pod : {ports}."


class NotLinkedYet(Lesson):
    """The pod answers, and the Service does not lead there yet."""

    finding = "Le pod {pod} répond, mais le Service {name} n’y mène pas encore."
    cause = "Le cluster suit les changements d’un Service avec quelques secondes de retard."
    fix = "Recommencez dans un instant."
    look = ("kubectl get endpointslices -n {namespace}",)
    name: str
    pod: str


class OneOfSeveral(Lesson):
    """Some of the pods behind a Service do not answer: its clients are sent there at random."""

    finding = (
        "Le Service {name} mène à {count} pods, et {pod} ne répond pas : un client sur {count} "
        "environ n’arrive pas. {why}"
    )
    cause = "{because}"
    fix = "{remedy}"
    look = ("kubectl get endpointslices -n {namespace}",)
    name: str
    pod: str
    count: int
    why: str
    because: str
    remedy: str


class OutOfSight(Lesson):
    """What is beyond is somebody else's, and our rights do not show it."""

    finding = "« {target} » {answer}, et vos droits ne montrent pas le namespace {place}."
    cause = "{why}"
    fix = "Demandez à la personne à qui il est de taper chez elle : cahier chemin svc/{name}:{port}"
    target: str
    name: str
    port: int
    answer: str
    place: str
    why: str


REFUSES = "refuse la connexion"
SILENT = "ne répond pas"
FAILS = "n’est pas atteint ({})"
WHY_REFUSED = (
    "Le Service n’a aucun pod prêt, ne déclare pas ce port, rien n’écoute dans son pod, ou le "
    "réseau refuse ce qu’une NetworkPolicy interdit : d’ici, rien ne les distingue."
)
WHY_SILENT = (
    "Une NetworkPolicy y écarte vos pods, ou le Service ne déclare pas ce port : les deux se "
    "voient pareillement d’ici."
)


# -- pods and their programs -----------------------------------------------------------------------


class NoSuchPod(Lesson):
    """Nothing of that name is there."""

    finding = "Aucun pod pour {what} dans le namespace {namespace}.{near}"
    cause = "Il n’a pas été créé, l’a été ailleurs ou sous un autre nom, ou a été supprimé."
    fix = "Vérifiez le nom et le namespace."
    look = ("kubectl get pods -n {namespace}",)
    what: str
    near: str


class NothingListens(Lesson):
    """The pod refuses the connection."""

    finding = "Dans le pod {pod}, rien n’écoute sur le port {port}.{elsewhere}"
    cause = (
        "Le port d’un manifeste (containerPort) n’ouvre rien : c’est le programme qui choisit où "
        "il écoute."
    )
    fix = "Faites écouter le programme sur le port {port}, ou visez celui qu’il a choisi."
    look = ("kubectl logs {pod} -n {namespace}",)
    pod: str
    port: int
    elsewhere: str


class OnLoopback(NothingListens):
    """It listens for its own pod alone."""

    finding = (
        "Dans le pod {pod}, le programme n’écoute sur le port {port} qu’à l’adresse {address} : "
        "son pod seul le joint."
    )
    cause = (
        "{address} est la boucle locale du pod. Un tunnel (kubectl port-forward) y entre ; un "
        "Service ou un autre pod, jamais."
    )
    fix = (
        "Faites écouter le programme sur toutes les adresses : {everywhere} (souvent --host "
        "{everywhere})."
    )
    address: str
    at: str
    family: str
    everywhere: str


class AtAnotherAddress(OnLoopback):
    """It listens at an address that is not where its clients come."""

    finding = (
        "Dans le pod {pod}, le programme n’écoute sur le port {port} qu’à l’adresse {address}, et "
        "ses clients arrivent à {at}."
    )
    cause = (
        "Un programme n’est joint qu’aux adresses où il écoute ; celle d’un pod change avec lui."
    )


class OtherFamily(AtAnotherAddress):
    """It takes IPv4 where its clients come in IPv6, or the reverse."""

    finding = (
        "Dans le pod {pod}, le programme n’écoute sur le port {port} qu’à l’adresse {address}, et "
        "ses clients arrivent à {at}, en {family}, qu’il ne prend pas."
    )
    cause = (
        "IPv4 et IPv6 sont deux réseaux. Ce qui écoute sur 0.0.0.0 ne prend que l’IPv4 ; sur ::, "
        "l’IPv6, et l’IPv4 aussi, sauf si le programme l’a écarté (IPV6_V6ONLY)."
    )


class ClosesAtOnce(Lesson):
    """A client is taken, and left without a word; nothing tells why."""

    finding = (
        "Le pod {pod} accepte la connexion sur le port {port}, puis la ferme sans un mot.{said}"
    )
    cause = (
        "Le programme a quitté ce client, ou relaie vers un autre qui ne répond pas ; d’ici, rien "
        "ne montre lequel."
    )
    fix = "Lisez son journal."
    look = ("kubectl logs {pod} -n {namespace}",)
    pod: str
    port: int
    said: str


class NotTried(Lesson):
    """Nothing that is read is against it, and nothing was tried."""

    finding = "Rien de ce qui se lit ne s’oppose à ce chemin, mais il n’a pas été essayé{why}."
    cause = "Seule une connexion montre qu’un programme répond et que le réseau laisse passer."
    fix = "Recommencez sans --sans-essai, avec le droit de créer des pods."
    why: str


class FailsOtherwise(Lesson):
    """It was tried, and failed in a way that nothing explains."""

    finding = "La connexion n’arrive pas ({said}), et rien de ce qui se lit ne l’explique."
    cause = "Le réseau du cluster, son DNS ou le nœud du pod sont peut-être en cause."
    fix = "Recommencez dans un instant ; si cela dure, signalez-le à qui administre le cluster."
    said: str


# -- the network -----------------------------------------------------------------------------------


class HeldBack(Lesson):
    """The policies of who goes do not let it out."""

    finding = (
        "{who} ne peut pas sortir vers {pod} (port {port}) : {policies:la NetworkPolicy|les "
        "NetworkPolicies} {policies} de {namespace} ne {policies:le permet|le permettent} pas."
    )
    cause = (
        "Une policy qui gouverne ce qui sort (Egress) ferme tout ce que ses règles « egress » ne "
        "nomment pas : pods, namespaces et ports d’arrivée."
    )
    fix = "Ajoutez à cette policy une règle « egress » vers ce pod et son port {port}."
    look = ("kubectl describe networkpolicy -n {namespace}",)
    who: str
    pod: str
    port: int
    policies: Names


class KeptOut(Lesson):
    """The policies of the pod do not let who goes in."""

    finding = (
        "{policies:La NetworkPolicy|Les NetworkPolicies} {policies} de {namespace} "
        "{policies:ferme|ferment} le pod {pod} (port {port}) à {who}.{nearest}"
    )
    cause = "{rule}"
    fix = "Ajoutez une règle « ingress » qui l’admette, ou retirez ce qui ferme."
    look = ("kubectl describe networkpolicy -n {namespace}",)
    who: str
    pod: str
    port: int
    policies: Names
    nearest: str
    rule: str


KEPT_OUT = (
    "Un pod que des policies choisissent ne prend que ce que l’une d’elles admet : qui (from) et "
    "sur quel port (ports)."
)


class OneOrTheOther(Lesson):
    """Policies at both ends may be the cause, by what we cannot read."""

    finding = (
        "Rien ne passe entre {who} et le pod {pod} (port {port}), et les NetworkPolicies des deux "
        "bouts peuvent en être la cause."
    )
    cause = (
        "Elles lisent des étiquettes de namespaces, ou des adresses, qui ne se voient pas d’ici."
    )
    fix = "Choisissez les namespaces par leur nom, avec l’étiquette kubernetes.io/metadata.name."
    look = ("kubectl describe networkpolicy -n {namespace}",)
    who: str
    pod: str
    port: int


# -- what answers ----------------------------------------------------------------------------------

PROTOCOLS = {
    Protocol.HTTP: "HTTP en clair",
    Protocol.HTTPS: "TLS",
    Protocol.POSTGRESQL: "PostgreSQL",
}
SPEECHES = {
    Speech.HTTP: "HTTP en clair",
    Speech.HTTPS: "HTTP dans TLS",
    Speech.TLS: "TLS",
    Speech.POSTGRES: "PostgreSQL",
    Speech.POSTGRES_WITHOUT_TLS: "PostgreSQL",
    Speech.POSTGRES_IN_TLS: "PostgreSQL",
}
OBSERVED = {
    Speech.HTTP: "HTTP en clair ; son adresse s’écrit avec http://",
    Speech.HTTPS: "HTTP dans TLS ; son adresse s’écrit avec https://",
    Speech.TLS: "TLS ; ce qui lui est dit en clair n’est pas compris",
    Speech.POSTGRES: "PostgreSQL, qui offre TLS sans l’exiger ; tous les sslmode y vont",
    Speech.POSTGRES_WITHOUT_TLS: "PostgreSQL sans TLS ; sslmode=require y serait refusé",
    Speech.POSTGRES_IN_TLS: "PostgreSQL, qui exige TLS ; sslmode=disable y serait refusé",
}


class NotHeard(Lesson):
    """The connection is made, and what is wanted does not answer there."""

    finding = "La connexion à {target} est acceptée, mais rien n’y a répondu à {wanted}."
    cause = (
        "Le programme est occupé, ou parle un autre protocole : ce qu’il a répondu ne dit pas "
        "lequel."
    )
    fix = "Lisez le journal du programme, puis recommencez."
    target: str
    wanted: str


class AnswersInTls(Lesson):
    """An HTTPS server is spoken to in clear."""

    finding = "{target} n’attend que du TLS, et une adresse en « http:// » lui parle en clair."
    cause = (
        "Un serveur HTTPS ne comprend pas ce qui arrive en clair : il coupe, ou répond par une "
        "erreur 400."
    )
    fix = "Écrivez « https:// » : {right}"
    target: str
    right: str


class AnswersInClear(Lesson):
    """An HTTP server is spoken to in TLS."""

    finding = "{target} répond en clair, et une adresse en « https:// » lui parle en TLS."
    cause = (
        "Ni un tunnel ni un Service n’ajoutent TLS : c’est le programme qui le parle, ou ne le "
        "parle pas."
    )
    fix = "Écrivez « http:// » : {right}"
    target: str
    right: str


class AnotherProtocol(Lesson):
    """Something else answers than what is wanted."""

    finding = "{target} parle {spoken}, et une adresse en « {scheme}:// » demande {wanted}."
    cause = "Le chemin mène à un programme, qui n’est pas celui que nomme cette adresse."
    fix = "Visez le port où écoute ce programme-là, ou changez le début de l’adresse."
    target: str
    scheme: str
    wanted: str
    spoken: str


class PostgresWithoutTls(Lesson):
    """TLS is demanded of a server that has none."""

    finding = "Le PostgreSQL de {target} n’offre pas TLS, et sslmode={mode} l’exige."
    cause = "Un serveur PostgreSQL n’a TLS que s’il a un certificat (ssl = on)."
    fix = "Demandez TLS seulement s’il est offert : {right}"
    target: str
    mode: str
    right: str


class PostgresInTls(Lesson):
    """A server that demands TLS is asked for a session in clear."""

    finding = "Le PostgreSQL de {target} n’admet ce client qu’en TLS, et sslmode=disable l’exclut."
    cause = (
        "Ses règles (pg_hba.conf) n’ont que des lignes « hostssl » pour ce client : la même "
        "demande est admise en TLS, et refusée en clair."
    )
    fix = "Demandez TLS : {right}"
    target: str
    right: str


# -- this machine, tunnels, relays, rights ---------------------------------------------------------


class NotThere(Lesson):
    """The path goes, elsewhere than was asked."""

    finding = "localhost:{port} mène à {where}, et non à {wanted}."
    cause = "Un tunnel garde le but choisi à son ouverture."
    fix = "Fermez-le, puis ouvrez-le vers {wanted}."
    look = ("ps aux | grep port-forward",)
    port: int
    where: str
    wanted: str


class PerhapsThere(NotThere):
    """A relay goes on to where we cannot look, under another name."""

    finding = (
        "localhost:{port} mène à {where}, puis à {led} : vos droits ne montrent pas si c’est aussi "
        "{wanted}."
    )
    cause = "Deux noms, ou un nom et une adresse, peuvent mener au même serveur."
    fix = "Écrivez le même nom des deux côtés, ou demandez à la personne à qui est ce namespace."
    led: str


class NotOnThatAddress(Lesson):
    """The port is open on this machine's other address."""

    finding = "Le port {port} est ouvert sur votre poste, et pas à l’adresse {address}."
    cause = (
        "« localhost » a deux adresses, 127.0.0.1 (IPv4) et ::1 (IPv6) : ce qui n’écoute que sur "
        "l’une n’est pas sur l’autre. Sans IPv6, ou avec --address, kubectl n’en ouvre qu’une."
    )
    fix = "Écrivez 127.0.0.1:{port}"
    look = ("ss -ltnp",)
    port: int
    address: str


class OtherNamespace(Lesson):
    """The tunnel is in a namespace that cannot be looked at."""

    finding = (
        "Le tunnel de localhost:{port} mène à {aimed}, dans le namespace {place}, que vos droits "
        "ne montrent pas."
    )
    cause = "D’ici, seul ce qui répond sur votre poste se voit."
    fix = "Demandez à la personne à qui il est de taper chez elle : kubectl get pods"
    port: int
    aimed: str
    place: str


class AimedAtNothing(Lesson):
    """What the tunnel names has no pod."""

    finding = (
        "Le tunnel de localhost:{port} vise {aimed}, et aucun pod ne lui correspond dans "
        "{namespace}."
    )
    cause = (
        "Un tunnel reste attaché au pod choisi à son ouverture. Ce pod disparu, kubectl garde le "
        "port ouvert jusqu’au premier client, puis s’arrête."
    )
    fix = "Fermez-le, et ouvrez-le vers un pod qui existe."
    look = ("kubectl get pods -n {namespace}", "ps aux | grep port-forward")
    port: int
    aimed: str


class AimedElsewhereSince(AimedAtNothing):
    """It answers: the pod that it had chosen is no more that of what it names."""

    finding = (
        "Le tunnel de localhost:{port} répond, mais aucun pod de {namespace} ne correspond plus à "
        "{aimed} : rien ne montre lequel répond."
    )
    cause = (
        "Un tunnel garde le pod choisi à son ouverture, même quand le Service ou le Deployment "
        "qu’il nommait n’y mène plus."
    )


class OpenedBefore(Lesson):
    """The tunnel is older than every pod that it may lead to, and the pod takes no client."""

    finding = (
        "Le tunnel de localhost:{port} vers {aimed} a été ouvert avant que le pod {pod} existe : "
        "il reste attaché à celui d’avant. Rouvert, il n’irait pas plus loin que le pod : {behind}"
    )
    cause = (
        "Un tunnel garde le pod choisi à son ouverture, même quand un autre prend son nom. Il "
        "s’arrête au premier client."
    )
    fix = "D’abord le pod : {remedy} Puis fermez ce tunnel et rouvrez-le."
    look = ("ps aux | grep port-forward",)
    port: int
    aimed: str
    pod: str
    behind: str
    remedy: str


class PerhapsOpenedBefore(Lesson):
    """Nothing tells whether the tunnel is older than the pod that it was to lead to."""

    finding = (
        "Le tunnel de localhost:{port} vers {aimed} ne mène à personne, et rien ne montre s’il est "
        "encore celui du pod d’aujourd’hui."
    )
    cause = "Un tunnel garde le pod choisi à son ouverture, même quand un autre le remplace."
    fix = "Réparez d’abord ce qui suit ; puis fermez ce tunnel et rouvrez-le."
    look = ("ps aux | grep port-forward", "kubectl get pods -n {namespace}")
    port: int
    aimed: str


class RelayFails(Lesson):
    """A relay takes the client, and its own target is not known."""

    finding = (
        "Le pod {pod} prend le client sur le port {port}, puis n’atteint pas ce vers quoi il "
        "relaie. Il a dit : « {said} »."
    )
    cause = "Un relais n’essaie sa cible qu’à l’arrivée d’un client : il paraît sain jusque-là."
    fix = "Corrigez la cible de ce relais."
    look = ("kubectl logs {pod} -n {namespace}",)
    pod: str
    port: int
    said: str


class NoRight(Lesson):
    """The API server says no."""

    finding = "{who} {lacks} dans {namespace}.{holds}"
    cause = (
        "Un tunnel demande deux droits : lire le pod (get sur pods), puis créer le tunnel (create "
        "sur pods/portforward). Nommer un Service ou un Deployment demande en plus de le lire, et "
        "de lister les pods."
    )
    fix = "Donnez ce droit, et lui seul, par un Role et un RoleBinding (TP 6)."
    look = (
        "kubectl get rolebindings -n {namespace} -o wide",
        "kubectl describe roles -n {namespace}",
    )
    who: str
    lacks: str
    holds: str
