"""Ce que le TP 9 dit quand une phrase n’est pas vraie. Corriger un texte ne demande de toucher à
rien d’autre."""

from __future__ import annotations

from checks.lesson import Lesson

APPLY = "Corrigez {file}, puis appliquez-le de nouveau : kubectl apply -f {file}"
APPLY_RELAY = APPLY.format(file="relais.yaml")
RELAUNCH = (
    "Sur le SSPCloud, relancez la base depuis « Mes services » ; sur le cluster local, arrêtez-la "
    "puis relancez-la (ses données sont alors perdues)."
)


# -- MongoDB ---------------------------------------------------------------------------------------


class NoMongoDB(Lesson):
    """No MongoDB of the catalogue in the namespace."""

    finding = "Aucune base MongoDB du catalogue dans le namespace {namespace}."
    cause = (
        "Une base du catalogue se reconnaît aux étiquettes que la plateforme pose sur ses pods. "
        "Elle n’a pas été lancée, l’a été dans un autre namespace, ou a été arrêtée."
    )
    fix = (
        "Lancez-la : sur le SSPCloud, « Catalogue de services », « Databases », MongoDB ; sur le "
        "cluster local, cahier catalogue lancer mongodb"
    )
    look = ("kubectl get pods -n {namespace} --show-labels",)


class MongoDBAsleep(NoMongoDB):
    """Its Service is there, and none of its pods."""

    finding = (
        "La base MongoDB n’a plus de pod dans le namespace {namespace} : il reste son Service, "
        "mais aucun serveur derrière lui."
    )
    cause = (
        "Un StatefulSet garde autant de pods que « replicas » le dit : la base a été mise en pause."
    )
    fix = "Redemandez un pod à son StatefulSet, ou reprenez la base depuis « Mes services »."
    look = ("kubectl get statefulsets,pods,services -n {namespace}",)


class ExchangeCut(Lesson):
    """Through the tunnel, the exchange does not come to its end."""

    finding = "Sur localhost:{port}, MongoDB ne répond pas jusqu’au bout : {silence}."
    cause = "Le tunnel mène au bon pod, mais il a été coupé pendant l’échange."
    fix = "Fermez-le s’il tourne encore, et rouvrez-le dans un second terminal."
    look = ("ps aux | grep port-forward",)
    port: int
    silence: str


class AnotherMongoDB(Lesson):
    """What answers speaks MongoDB's protocol, and names itself otherwise than in the pods."""

    finding = (
        "Sur localhost:{port}, le serveur MongoDB qui répond se nomme {reached} ; celui de votre "
        "pod, {expected}."
    )
    cause = (
        "Un tunnel garde le cluster, le namespace et le pod choisis à son ouverture, même si votre "
        "contexte a changé depuis ; et partout, ce pod du catalogue s’appelle mongodb-0."
    )
    fix = "Fermez ce tunnel et rouvrez-le en nommant votre namespace (-n)."
    look = ("ps aux | grep port-forward",)
    port: int
    reached: str
    expected: str


# -- the editor ------------------------------------------------------------------------------------


class NoSecondTunnel(Lesson):
    """None of the learner's tunnels leads to the editor."""

    finding = "Aucun tunnel de votre poste ne mène à l’éditeur."
    cause = (
        "Un tunnel ne sert qu’un pod : celui de MongoDB ne mène pas à l’éditeur. Et un tunnel "
        "n’existe que tant que sa commande tourne, et que le pod choisi à son ouverture est là."
    )
    fix = (
        "Ouvrez-en un, dans un autre terminal, vers le port 8080 de l’éditeur. Le port de votre "
        "poste est à votre choix ; sans nombre à gauche du « : », kubectl en prend un qui est "
        "libre, et le dit."
    )
    look = ("ps aux | grep port-forward",)


REOPEN = "(kubectl apply -f editeur.yaml), puis rouvrez le tunnel : le pod est alors un autre."
APPLY_EDITOR = f"Corrigez editeur.yaml, appliquez-le {REOPEN}"


class Behind(Lesson):
    """What the editor's prefix gives instead of the page of the program."""

    finding = "Derrière l’éditeur, « /proxy/8501/ » donne {status} : « {said} »."
    cause = (
        "L’éditeur mène « /proxy/8501/ » au port 8501 de son propre pod, sans le préfixe : ce qui "
        "répond là décide de la suite."
    )
    fix = APPLY_EDITOR
    look = (
        "kubectl logs deployment/editeur -c programme -n {namespace}",
        "kubectl logs deployment/editeur -c editeur -n {namespace}",
    )
    status: int
    said: str


class PrefixAwaited(Behind):
    """The program serves its page behind the prefix, which the editor takes away."""

    cause = (
        "L’éditeur retire le préfixe avant d’appeler le programme, qui voit « / ». Le programme, "
        "lui, attend ses visiteurs à « /proxy/8501/ »."
    )
    fix = (
        f"Laissez PREFIXE vide dans editeur.yaml, appliquez-le {REOPEN} Devant un mandataire qui "
        "garde le préfixe, comme /absproxy/ de VSCode, ce serait l’inverse."
    )


class NothingBehind(Behind):
    """No program listens where the prefix leads."""

    finding = (
        "Derrière l’éditeur, « /proxy/8501/ » donne {status} : « {said} ». Dans son pod, aucun "
        "programme ne répond en HTTP sur le port 8501."
    )
    cause = (
        "Le nombre du préfixe est un port du pod de l’éditeur : il faut qu’un programme y écoute."
    )
    fix = f"Donnez au programme le port 8501. {APPLY_EDITOR}"


class RefusedBehind(Behind):
    """The program itself answers so."""

    cause = (
        "C’est la réponse du programme lui-même, dans son pod : l’éditeur y a bien mené. Il "
        "transmet tel quel le nom d’hôte que le client a tapé : « localhost », par un tunnel."
    )


class AnotherBehind(Behind):
    """What comes is not the program's."""

    finding = (
        "Derrière l’éditeur, « /proxy/8501/ » donne {status} : « {said} ». Ce n’est pas ce que le "
        "programme répond dans son pod."
    )
    cause = (
        "L’éditeur du TP mène « /proxy/PORT/ » au port PORT de son propre pod, et retire ce "
        "préfixe ; le vôtre fait autrement."
    )
    fix = f"Reprenez le programme de l’éditeur. {APPLY_EDITOR}"


class SilentBehind(Lesson):
    """Nothing comes from behind the prefix."""

    finding = "Derrière l’éditeur, « /proxy/8501/ » ne répond pas : {silence}."
    cause = (
        "La page de l’éditeur, elle, répond : il prend la requête et n’en rend rien, ou ce qui "
        "écoute sur le port 8501 de son pod ne parle pas HTTP."
    )
    fix = f"Reprenez le programme de l’éditeur. {APPLY_EDITOR}"
    look = Behind.look
    silence: str


class WebSocketBehind(Lesson):
    """The page comes, and its WebSocket does not."""

    finding = (
        "Derrière l’éditeur, la page s’ouvre, et son WebSocket, à « /proxy/8501/ws », ne va pas "
        "jusqu’au bout : {failure}."
    )
    cause = (
        "Un WebSocket est une conversation : l’éditeur doit transmettre Upgrade, puis recopier les "
        "octets dans les deux sens."
    )
    fix = f"Reprenez le programme de l’éditeur. {APPLY_EDITOR}"
    look = Behind.look
    failure: str


# -- the pods of the dashboard and of its relay ----------------------------------------------------


class NoPod(Lesson):
    """No pod bears the label of a role."""

    finding = "Aucun pod ne porte l’étiquette app={name} dans {namespace} : {role} n’y est pas."
    cause = (
        "Le manifeste n’a pas été appliqué, l’a été dans un autre namespace, ou donne une autre "
        "étiquette à ses pods."
    )
    fix = "Appliquez votre manifeste : kubectl apply -f code.yaml -f {file}"
    look = ("kubectl get deployments,pods -n {namespace} --show-labels",)
    role: str
    name: str
    file: str


# -- their Services --------------------------------------------------------------------------------


class OfService(Lesson):
    """What the lessons of a Service have in common."""

    cause = (
        "Le DNS du cluster ne connaît que les Services ; un Service choisit des pods par leurs "
        "étiquettes (selector), et leur envoie ses clients sur un de leurs ports (targetPort). "
        "Rien ne signale qu’il ne mène à personne."
    )
    look = (
        "kubectl get endpointslices -n {namespace} -l kubernetes.io/service-name={name}",
        "cahier chemin svc/{name}:80 --namespace {namespace}",
    )
    name: str


class NoService(OfService):
    """No Service has the name of the role."""

    finding = "Aucun Service « {name} » dans le namespace {namespace}."
    fix = "Appliquez votre manifeste : kubectl apply -f {file}"
    file: str


class NoSuchPort(OfService):
    """The Service does not open the port that its clients write."""

    finding = "Le Service {name} n’ouvre pas le port 80 ; il ouvre {ports}."
    fix = (
        f"Écrivez « port: 80 », celui que prend un navigateur quand l’adresse n’en dit pas. {APPLY}"
    )
    ports: str
    file: str


class SelectsNobody(OfService):
    """The cluster worked out that it leads to no pod."""

    finding = (
        "Le Service {name} ne mène à aucun pod : il cherche {selector}, et les pods portent "
        "{label}."
    )
    fix = f"Accordez le sélecteur du Service aux étiquettes des pods. {APPLY}"
    selector: str
    label: str
    file: str


NO_SELECTOR = "des adresses que personne n’a écrites (aucun sélecteur)"


class TakesAnotherPod(OfService):
    """It leads to a pod that is not of the role."""

    finding = "Le Service {name} mène au pod {other}, qui n’est pas {role}."
    fix = f"Accordez le sélecteur du Service aux étiquettes des seuls pods voulus. {APPLY}"
    role: str
    other: str
    file: str


class WrongTarget(OfService):
    """A client of the Service is not let in (`said`: what it got)."""

    finding = (
        "Un pod de votre namespace n’entre pas par {name}:80 ({said}) : le Service envoie ses "
        "clients au port {target} de {pod}, qui écoute sur {heard}."
    )
    fix = f"Donnez à targetPort le port où le programme écoute. {APPLY}"
    said: str
    target: str
    pod: str
    heard: int
    file: str


class ClosedByPolicies(Lesson):
    """NetworkPolicies of the namespace keep its own pods out."""

    finding = (
        "Un pod de votre namespace n’entre pas dans {role} : la NetworkPolicy {names} choisit ses "
        "pods, et n’admet personne qui vienne d’ici."
    )
    cause = (
        "Un pod qu’aucune NetworkPolicy ne choisit reçoit tout le monde ; dès que l’une le "
        "choisit, il ne reçoit plus que ceux que l’une d’elles admet. Un tunnel, qui entre par la "
        "boucle locale du pod, n’en voit rien."
    )
    fix = "Retirez-la, ou admettez-y les pods de votre namespace."
    look = (
        "kubectl describe networkpolicy -n {namespace}",
        "cahier chemin svc/{name}:80 --namespace {namespace}",
    )
    role: str
    names: str
    name: str


# -- through the relay -----------------------------------------------------------------------------


class Unanswered(Lesson):
    """The relay takes a client, and no answer comes. `said`: the last words of its log."""

    finding = (
        "Le relais accepte un client, et rien ne lui répond : {silence}. Son journal finit par : "
        "« {said} »."
    )
    cause = (
        "Un relais ne cherche sa cible qu’à l’arrivée d’un client : il est prêt même quand elle "
        "n’existe pas. Devant un Service, le port est celui du Service, qui le traduit en port du "
        "pod."
    )
    fix = (
        "Visez le Service par son nom et par son port, tels que « kubectl get services » les "
        "montre."
    )
    look = (
        "kubectl logs deployment/relais -n {namespace}",
        "kubectl get services -n {namespace}",
    )
    silence: str
    said: str


class UnknownName(Lesson):
    """The relay looks for a name that nobody has."""

    finding = (
        "Le relais accepte un client, et ne trouve pas « {host} » : ce nom n’existe pas dans le "
        "DNS du cluster."
    )
    cause = Unanswered.cause
    fix = Unanswered.fix
    look = Unanswered.look
    host: str


NOTHING = "(rien)"


class AnswersAnError(Lesson):
    """An error comes through the relay, and it is not the dashboard's."""

    finding = "Par le relais, « / » donne une erreur {status} : « {said} »."
    cause = (
        "Ce n’est pas la réponse du tableau de bord, qui en donne une autre à qui l’appelle dans "
        "son pod : elle vient du relais, qui n’a pas atteint sa cible, ou d’un autre programme."
    )
    fix = f"Corrigez la cible du relais. {APPLY_RELAY}"
    look = ("kubectl logs deployment/relais -n {namespace}",)
    status: int
    said: str


class AnotherAddress(Lesson):
    """The relay asks for another path than it was asked."""

    finding = (
        "Par le relais, « / » donne 404 : « {said} ». Dans son pod, le tableau de bord a bien une "
        "page à « / »."
    )
    cause = (
        "Un mandataire HTTP refait chaque requête : il peut ajouter un préfixe à l’adresse, ou en "
        "retirer un. Le programme, derrière, doit être à l’adresse que le mandataire demande, et "
        "non à celle que le client a écrite."
    )
    fix = f"Demandez l’adresse telle qu’elle vient, sans préfixe. {APPLY_RELAY}"
    look = (
        "kubectl logs deployment/tableau -n {namespace}",
        "kubectl logs deployment/relais -n {namespace}",
    )
    said: str


class AnotherPage(Lesson):
    """A page comes, and no pod of the dashboard gives it."""

    finding = (
        "Par le relais, une page répond (« {said} »), qu’aucun pod de votre tableau de bord ne "
        "donne."
    )
    cause = "Une réponse ne prouve rien : le relais mène à un autre programme."
    fix = f"Visez le Service tableau, sur son port 80. {APPLY_RELAY}"
    look = ("kubectl get services,pods -n {namespace} -o wide",)
    said: str


class HostRefused(Lesson):
    """The dashboard refuses those who call it by a name that it does not know."""

    finding = "Par le relais, qui appelle la page « {host} » reçoit {status} : « {said} »."
    cause = (
        "Un client HTTP dit le nom qu’il a tapé (en-tête Host), et un relais TCP le laisse tel "
        "quel. Beaucoup de pages (Jupyter, Streamlit, Vite, Django) refusent un nom qu’elles ne "
        "connaissent pas : c’est une protection contre les pages d’autrui."
    )
    fix = (
        "Ajoutez ce nom à HOTES, dans tableau.yaml, puis : kubectl apply -f tableau.yaml (Un "
        "mandataire HTTP peut aussi réécrire Host ; il faut alors qu’il réécrive Origin.)"
    )
    look = ("kubectl logs deployment/tableau -n {namespace}",)
    host: str
    status: int
    said: str


class NoWebSocket(Lesson):
    """The dashboard itself opens no WebSocket."""

    finding = (
        "Dans son pod {pod}, le tableau de bord n’ouvre pas de WebSocket en « /ws » : {failure}."
    )
    cause = "Avant de chercher sur le chemin, il faut que le programme, au bout, en ouvre un."
    fix = (
        "Reprenez le programme du TP : kubectl apply -f code.yaml -f tableau.yaml, puis kubectl "
        "rollout restart deployment/tableau"
    )
    look = ("kubectl logs {pod} -n {namespace}",)
    pod: str
    failure: str


class UpgradeDropped(Lesson):
    """The request of a WebSocket arrives as an ordinary one."""

    finding = (
        "Par le relais, la demande d’un WebSocket reçoit {status} au lieu de 101 : « {said} ». "
        "Dans son pod, le tableau de bord en ouvre un."
    )
    cause = (
        "Un WebSocket commence par une requête HTTP qui demande à changer de langue (Upgrade). Cet "
        "en-tête ne vaut que d’un bout à l’autre d’une connexion : un mandataire HTTP ne le "
        "transmet pas, sauf s’il est fait pour, et ne voit que des requêtes et des réponses."
    )
    fix = (
        "Mettez à sa place un relais TCP, qui recopie les octets sans les lire (celui du TP 5), ou "
        "un mandataire qui transmet Upgrade. Puis : kubectl apply -f relais.yaml"
    )
    look = ("kubectl logs deployment/tableau -n {namespace}",)
    status: int
    said: str


class OriginRefused(Lesson):
    """The dashboard does not take the page for its own."""

    finding = (
        "Par le relais, la page s’ouvre, et son WebSocket est refusé (403) : « {said} ». Dans son "
        "pod, le tableau de bord en ouvre un."
    )
    cause = (
        "Pour un WebSocket, un navigateur dit aussi de quelle page il vient (en-tête Origin), et "
        "le programme le compare aux noms qu’il connaît. Réécrire Host, et lui seul, suffit à la "
        "page et ne suffit pas au WebSocket."
    )
    fix = (
        "Laissez passer les deux en-têtes tels quels (un relais TCP le fait), et nommez le relais "
        "dans HOTES. Puis : kubectl apply -f tableau.yaml -f relais.yaml"
    )
    look = ("kubectl logs deployment/tableau -n {namespace}",)
    said: str


class WebSocketCut(Lesson):
    """The WebSocket is cut on the way."""

    finding = (
        "Par le relais, la page s’ouvre, et son WebSocket ne va pas jusqu’au bout : {failure}. "
        "Dans son pod, le tableau de bord en tient un."
    )
    cause = (
        "Un WebSocket est une conversation : après la réponse 101, chacun parle quand il veut. Un "
        "relais qui attend la fin d’une réponse pour la rendre, ou qui coupe après elle, n’en "
        "laisse rien passer."
    )
    fix = (
        "Mettez à sa place un relais TCP, qui recopie les octets dans les deux sens (celui du "
        "TP 5). Puis : kubectl apply -f relais.yaml"
    )
    look = ("kubectl logs deployment/relais -n {namespace}",)
    failure: str


class ServesFew(Lesson):
    """What keeps a further WebSocket out."""

    cause = (
        "Une requête HTTP dure un instant ; un WebSocket occupe sa connexion tant que la page est "
        "ouverte. Qui sert ses clients l’un après l’autre ne sert que le premier navigateur."
    )
    count: int
    failure: str


class RelayServesFew(ServesFew):
    """It is the relay that does."""

    finding = (
        "Par le relais, {count} WebSocket(s) tiennent ensemble, et le suivant n’en est pas un : "
        "{failure}. Dans son pod, le tableau de bord en tient trois."
    )
    fix = (
        "Laissez le relais servir tous ceux qui viennent : TCP-LISTEN:8080,fork,reuseaddr, sans "
        f"max-children. {APPLY_RELAY}"
    )
    look = ("kubectl logs deployment/relais -n {namespace}",)


class ProgramServesFew(ServesFew):
    """It is the dashboard that does."""

    finding = (
        "Dans son pod {pod}, le tableau de bord tient {count} WebSocket(s), et le suivant n’en est "
        "pas un : {failure}. Le relais n’y est pour rien."
    )
    fix = (
        "Servez chaque client sans attendre le départ d’un autre, comme le programme du TP. "
        "Puis : kubectl apply -f code.yaml, et kubectl rollout restart deployment/tableau"
    )
    look = ("kubectl logs {pod} -n {namespace}",)
    pod: str


# -- this lab's words in what several labs tell ----------------------------------------------------

YOUR_MONGODB = "votre base MongoDB"
YOUR_EDITOR = "votre éditeur"
