"""What ties a class to its platform's grade book: where it is, who we are for it, and our key."""

from __future__ import annotations

import os
import threading
from pathlib import Path
from urllib.parse import urlsplit

import msgspec

from checks import state
from checks.errors import CahierError, UsageError
from checks.files import write_atomically
from checks.places import write_private
from checks.redaction import remember

_BITS = 2048  # what Moodle and the others take: RS256
_HERE = ("localhost", "127.0.0.1", "::1")
_making = threading.Lock()


class Link(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The tool as the platform knows it, and the three addresses that are asked."""

    issuer: str
    client: str
    tokens: str
    line_items: str
    members: str


def of_moodle(site: str, client: str, deployment: str, course: str) -> Link:
    """The link of a course of Moodle's, whose addresses follow from what its page of the tool
    shows. Raises UsageError."""
    for name, number in (("--deploiement", deployment), ("--cours", course)):
        if not number.isascii() or not number.isdecimal():
            raise UsageError(
                f"« {number[:60]} » ({name}) n’est pas un numéro.",
                "Le numéro de déploiement est dans les détails de configuration de l’outil ; celui "
                "du cours, à la fin de son adresse (course/view.php?id=42).",
            )
    services = f"{site.rstrip('/')}/mod/lti/services.php"
    return checked(
        Link(
            issuer=site.rstrip("/"),
            client=client,
            tokens=f"{site.rstrip('/')}/mod/lti/token.php",
            line_items=f"{services}/{course}/lineitems?type_id={deployment}",
            members=f"{services}/CourseSection/{course}/bindings/{deployment}/memberships",
        )
    )


def checked(link: Link) -> Link:
    """The same. Raises UsageError where marks would travel in the clear, or nowhere."""
    for address in (link.tokens, link.line_items, link.members):
        try:
            parts = urlsplit(address)
            host = parts.hostname or ""
        except ValueError:
            parts, host = urlsplit(""), ""
        if not host or parts.username or parts.password:
            raise UsageError(
                f"« {address[:120]} » n’est pas l’adresse d’une plateforme.",
                "Elle commence par https:// et ne contient pas de mot de passe.",
            )
        if parts.scheme != "https" and not (parts.scheme == "http" and host in _HERE):
            raise UsageError(
                f"« {address[:120]} » n’est pas en https : les notes y passeraient en clair.",
                "Donnez l’adresse en https:// de la plateforme.",
            )
    return link


def path_of(roster: Path) -> Path:
    """Where the link of a class is: beside its list."""
    return roster.with_name(f"moodle-{roster.stem}.json")


def save(roster: Path, link: Link) -> Path:
    """Write it, for its owner's eyes only; where. Raises CahierError."""
    path = path_of(roster)
    try:
        write_atomically(path, msgspec.json.format(msgspec.json.encode(link), indent=2) + b"\n")
    except OSError as error:
        raise CahierError(
            f"{path} ne peut pas être écrit : {error.strerror or error}.",
            "Rendez ce dossier accessible, puis relancez la même commande.",
        ) from error
    return path


def load(roster: Path) -> Link:
    """The link of a class. Raises UsageError where there is none, or it cannot be read."""
    path = path_of(roster)
    again = f"Pour la relier : cahier classe relier {roster.name}"
    try:
        return checked(msgspec.json.decode(path.read_bytes(), type=Link))
    except FileNotFoundError:
        raise UsageError(
            f"La classe {roster.name} n’est reliée à aucun carnet de notes ({path.name} manque).",
            again,
        ) from None
    except (OSError, msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise UsageError(f"{path} est illisible : {error}.", again) from error


def key_file() -> Path:
    """Where the private key of this machine is."""
    return state.folder() / "moodle" / "cle-privee.pem"


def private_key() -> str:
    """The key in PEM, made when missing; hidden from all that is said from now on. Raises
    CahierError."""
    path = key_file()
    with _making:
        try:
            if not path.exists():
                _make(path)
            if os.name == "posix" and path.stat().st_mode & 0o077:
                path.chmod(0o600)  # it may have been copied here
            text = path.read_text(encoding="ascii")
        except (OSError, UnicodeDecodeError) as error:
            raise CahierError(
                f"La clé {path} ne peut être ni lue ni écrite.",
                f"Donnez au cahier un autre dossier : {state.move_elsewhere()}",
            ) from error
    remember(text)
    return text


def public_key() -> str:
    """The public half, as Moodle takes it. Raises CahierError."""
    from cryptography.hazmat.primitives.serialization import (
        Encoding,
        PublicFormat,
        load_pem_private_key,
    )

    try:
        key = load_pem_private_key(private_key().encode(), None)
    except ValueError as error:
        raise CahierError(
            f"{key_file()} n’est pas une clé privée.",
            "Déplacez ce fichier : une autre clé sera faite, à coller de nouveau dans Moodle.",
        ) from error
    public = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    return public.decode()


def _make(path: Path) -> None:
    from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key
    from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

    key = generate_private_key(65537, _BITS)
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    write_private(path, pem.decode())
