"""What keeps a mark from its grade book, said with its remedy."""

from __future__ import annotations

from checks.errors import CahierError

_TOOL = (
    "Dans Moodle, ouvrez la configuration de l’outil et comparez-la à ce que montre : "
    "cahier classe relier"
)


class Trouble(CahierError):
    """The platform did not take something."""


class Passing(Trouble):
    """The same, where asking again later may do."""


class Stale(Trouble):
    """A score that the platform holds to be older than what it has, or to be no score."""


class NoMember(Trouble):
    """Somebody of the list whom the platform does not know, or not surely."""


class TokenRefused(Trouble):
    """The platform does not know us, or does not let us."""


class TokenOver(Trouble):
    """An access token that no longer holds, or never gave the right: a new one is asked for,
    once."""


def of_token(status: int, code: str) -> Trouble:
    """Why no token was given."""
    if status == 429 or status >= 500:
        return of_status(status)
    if code == "invalid_scope":
        return TokenRefused(
            "La plateforme ne donne pas à l’outil le droit d’écrire des notes (invalid_scope).",
            "Dans les « Services » de l’outil, choisissez « Utiliser ce service pour la "
            "synchronisation des notes et la gestion des colonnes », et laissez lire les membres.",
        )
    if code in ("invalid_client", "invalid_grant", "unauthorized_client"):
        return TokenRefused(
            f"La plateforme ne reconnaît pas l’outil ({code}) : son identifiant client ou sa clé "
            "publique n’est pas celui qu’elle attend.",
            f"{_TOOL}. Le reste vient souvent d’une horloge fausse sur ce poste.",
        )
    return TokenRefused(f"La plateforme refuse de donner un jeton (HTTP {status}).", _TOOL)


def of_status(status: int, what: str = "") -> Trouble:
    """What an HTTP answer means. `what`: of what it was asked, « la colonne tp2 »."""
    of = f" ({what})" if what else ""
    if status in (408, 425, 429) or status >= 500:
        return Passing(
            f"La plateforme est débordée ou en panne (HTTP {status}){of}.",
            "Ce qui n’est pas parti repartira : cahier classe envoyer",
        )
    if status == 401:
        return TokenOver(f"La plateforme n’accepte plus le jeton{of}.", _TOOL)
    if status == 403:
        # a token that is over is told so too, by Open edX among others
        return TokenOver(
            f"La plateforme refuse cette demande{of} (HTTP 403).",
            "L’outil doit être offert dans ce cours, et ses services permis : notes avec gestion "
            "des colonnes, et membres.",
        )
    if status == 404:
        return Trouble(
            f"La plateforme ne connaît pas cette adresse{of} (HTTP 404).",
            "Le numéro du cours ou de l’outil n’est pas le bon, ou la colonne vient d’être "
            "supprimée : relancez, ou reliez de nouveau la classe par « cahier classe relier ».",
        )
    if status in (400, 409, 422):
        return Stale(
            f"La plateforme n’a pas pris la note{of} (HTTP {status}).",
            "Elle en a peut-être une plus récente, ou cette personne n’est pas notée dans ce "
            "cours : regardez son carnet de notes, puis « --remplacer » l’emporte.",
        )
    return Trouble(f"La plateforme répond autre chose qu’attendu{of} (HTTP {status}).", _TOOL)


def elsewhere(status: int) -> Trouble:
    """Another page answers: a portal of the network, maintenance, or a wrong address."""
    return Passing(
        f"Ce n’est pas un carnet de notes qui a répondu, mais une page web (HTTP {status}).",
        "Connectez-vous au réseau dans un navigateur (portail captif), ou attendez la fin d’une "
        "maintenance ; si cela dure, vérifiez l’adresse donnée à « cahier classe relier ».",
    )


def strange(what: str) -> Trouble:
    """JSON of another shape than the standard's."""
    return Passing(
        f"La plateforme répond autre chose qu’attendu : {what}.",
        "Vérifiez l’adresse donnée à « cahier classe relier », et que l’outil est en LTI 1.3.",
    )


def cut(why: str) -> Trouble:
    """No answer, or half of one."""
    return Passing(
        f"La plateforme n’a pas répondu : {why}.",
        "Vérifiez le réseau ; ce qui n’est pas parti repartira : cahier classe envoyer",
    )
