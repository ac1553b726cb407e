"""The node image: Debian's tree, our files and programs, and Kubernetes' own images."""

import os
import shutil
from collections.abc import Iterable, Mapping
from pathlib import Path

from engine import archives, build, cache, packages, paths, processes
from engine.archives import Image, Layer, Link
from engine.problems import EngineProblem

_PACKAGES = (
    *("systemd", "iptables", "nftables", "iproute2", "mount", "procps", "runc"),
    "containernetworking-plugins",
)
_NETWORK_PLUGINS = ("host-local", "loopback", "ptp", "portmap")
_DROPPED = (
    *("usr/lib/cni", "usr/share/perl", "usr/share/zoneinfo", "usr/lib/*/perl", "usr/lib/*/gconv"),
    *("var/cache/*", "var/lib/apt", "var/lib/dpkg/info", "var/log/*", "etc/machine-id"),
)
_FILES = paths.SOURCES / "node" / "files"
_PRELOAD = paths.SOURCES / "node" / "preload.sh"

_ALWAYS_OURS = ("etcd", "coredns", "kindnet")  # whatever the version of Kubernetes
_FIREWALLS = ("kube-proxy", "kindnet")
_PAUSE = "registry.k8s.io/pause:3.10"
_POD_NETWORK = "docker.io/kindest/kindnetd:cahier"
_PATH = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_IDENTITY: dict[str, archives.Entry] = {
    "/etc/passwd": b"root:x:0:0::/root:/bin/sh\n",
    "/etc/group": b"root:x:0:\n",
    "/etc/nsswitch.conf": b"hosts: files dns\n",
}


def base_key() -> str:
    """Of Debian's part of the image."""
    return cache.key(*_PACKAGES, *_NETWORK_PLUGINS, *_DROPPED, paths.DEBIAN, "2")


def key() -> str:
    """Of all that the image is made from."""
    sources = (Path(__file__), Path(archives.__file__), _FILES, _PRELOAD)
    programs = (build.key(), build.kubernetes_key())
    return cache.key(base_key(), *programs, packages.engine_programs_key(), *sources)


def is_built() -> bool:
    """Whether the image only needs loading."""
    return cache.place("node-image", key()).is_dir()


def base_tree() -> Path:
    """Debian's part of the image, unpacked."""
    return cache.made("node-base", base_key, _make_base) / "tree"


def archive() -> Path:
    """The image's whole file system, as a packed tar for `docker import`."""
    base, programs, engine = base_tree(), build.programs(), packages.engine_programs()
    kubernetes = build.kubernetes()

    def make(new: Path) -> None:
        tree = new / "tree"
        _assemble(tree, base, programs, kubernetes)
        images = new / "images.tar"
        made = _images(base, programs, kubernetes, engine)
        archives.write(images, made, packages.architecture())
        _preload(images, tree, programs)
        images.unlink()
        _pack(tree, new / "node.tar.zst")
        shutil.rmtree(tree)

    return cache.made("node-image", key, make) / "node.tar.zst"


def _make_base(new: Path) -> None:
    tree = new / "tree"
    packages.tree(tree, _PACKAGES, "essential")
    plugins = tree / "opt/cni/bin"
    plugins.mkdir(parents=True)
    for name in _NETWORK_PLUGINS:
        shutil.copy2(tree / "usr/lib/cni" / name, plugins / name)
    drop(tree, _DROPPED)


def drop(tree: Path, patterns: Iterable[str]) -> None:
    """Removes what matches, files or folders."""
    for pattern in patterns:
        for path in tree.glob(pattern):
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            else:
                path.unlink()


def _assemble(tree: Path, base: Path, programs: Path, kubernetes: Path) -> None:
    # hard links: nothing of the base is written to, our files are new ones
    processes.run(["cp", "-al", base, tree], log="node", purpose="La copie du système du nœud")
    for source in sorted(_FILES.rglob("*")):
        target = tree / source.relative_to(_FILES)
        if source.is_dir():
            target.mkdir(exist_ok=True)
        else:
            target.unlink(missing_ok=True)
            shutil.copyfile(source, target)
            target.chmod(0o755 if os.access(source, os.X_OK) else 0o644)
    for folder in ("etc/cni/net.d", "etc/kubernetes/manifests"):
        (tree / folder).mkdir(parents=True, exist_ok=True)
    (tree / "kind/version").write_text(paths.kubernetes())  # kind reads it
    for program, folder in {
        programs / "node/cluster": "usr/local/bin",
        kubernetes: "usr/local/bin",
        programs / "node/containerd-shim-runc-v2": "usr/local/bin",
        programs / "node/runc-nores": "usr/local/sbin",
    }.items():
        shutil.copy2(program, tree / folder / program.name)
    for name in ("containerd", "ctr"):
        (tree / "usr/local/bin" / name).symlink_to("cluster")
    for name in ("kubelet", "kubeadm", "kubectl"):  # where kind expects them
        (tree / "usr/bin" / name).symlink_to(f"../local/bin/{kubernetes.name}")


def _images(base: Path, programs: Path, kubernetes: Path, engine: Path) -> list[Image]:
    """Every image that kubeadm and kind ask for. All share the layer of the multi-call program, or,
    at another version than ours, that of Kubernetes' components; the two that write firewall rules
    have one more."""
    asked = {_program(name): name for name in _asked_for(kubernetes)} | {"kindnet": _POD_NETWORK}
    ours = programs / "node" / "cluster"
    used = {name: ours if name in _ALWAYS_OURS else kubernetes for name in asked}
    layers = {program: _multi_call(program, used) for program in {*used.values()}}
    firewall = archives.layer(_firewall(base))
    pause = archives.layer({"/bin/busybox": engine / "bin/busybox", **_IDENTITY})
    return [
        *(
            Image(
                [image],
                [layers[used[name]], *([firewall] if name in _FIREWALLS else [])],
                {"Entrypoint": [f"/usr/local/bin/{name}"], "Env": [_PATH]},
            )
            for name, image in asked.items()
        ),
        Image([_PAUSE], [pause], {"Entrypoint": ["/bin/busybox", "sleep", "2147483647"]}),
    ]


def _asked_for(kubernetes: Path) -> Iterable[str]:
    """The images that kubeadm of the nodes' version has the node run; the sandbox's is containerd's
    choice."""
    kubeadm = kubernetes.with_name("kubeadm")
    said = processes.output(
        [kubeadm, "config", "images", "list", "--kubernetes-version", paths.kubernetes()]
    )
    if not said:
        raise EngineProblem(
            f"{kubeadm} n'a pas dit de quelles images un nœud a besoin.",
            f"Essayez-le à la main : {kubeadm} config images list",
        )
    return [name for name in said.split() if _program(name) != "pause"]


def _program(image: str) -> str:
    return image.rsplit("/", 1)[-1].split(":")[0]


def _multi_call(program: Path, used: Mapping[str, Path]) -> Layer:
    """A program, under the names of those that it is used for."""
    names = [name for name, its_program in used.items() if its_program == program]
    return archives.layer(
        {
            f"/usr/local/bin/{program.name}": program,
            **{f"/usr/local/bin/{name}": Link(program.name) for name in names},
            **_IDENTITY,
        }
    )


def _firewall(base: Path) -> dict[str, archives.Entry]:
    """nft and iptables of the base tree, with their libraries and extensions."""
    programs = ["/usr/sbin/nft", "/usr/sbin/xtables-nft-multi"]
    extensions = next(base.glob("usr/lib/*/xtables"))
    # libxt_statistic needs libm, which neither program does
    linked = [*programs, "/" + str((extensions / "libxt_statistic.so").relative_to(base))]
    # without the names of protocols nft lists them as numbers: kube-proxy, which reads its table
    # again once an hour, does not recognise its own elements then and deletes them all
    found: dict[str, archives.Entry] = {
        name: base / name.lstrip("/") for name in (*programs, "/etc/protocols")
    }
    for name in _libraries(base, linked):
        found[name] = _inside(base, name)
    for name in ("iptables", "ip6tables"):
        for suffix in ("", "-save", "-restore"):
            found[f"/usr/sbin/{name}{suffix}"] = Link("xtables-nft-multi")
    for file in sorted(extensions.iterdir()):
        found["/" + str(file.relative_to(base))] = (
            Link(str(file.readlink())) if file.is_symlink() else file
        )
    return found


def _libraries(base: Path, programs: Iterable[str]) -> list[str]:
    listing = processes.output(["chroot", base, "ldd", *programs]) or ""
    words = (line.split("=>")[-1].split() for line in listing.splitlines())
    return sorted({word[0] for word in words if len(word) > 1 and word[0].startswith("/")})


def _inside(base: Path, name: str) -> Path:
    """The file that a path means within the tree, its links followed there."""
    real = (processes.output(["chroot", base, "readlink", "-f", name]) or name).strip()
    return base / real.lstrip("/")


def _preload(images: Path, tree: Path, programs: Path) -> None:
    processes.run(
        [*processes.CONTAINED, _PRELOAD, programs / "node", images, tree / "var/lib/containerd"],
        log="node",
        purpose="Le chargement des images de Kubernetes dans l'image du nœud",
    )


def _pack(tree: Path, target: Path) -> None:
    processes.run(
        ["tar", "--numeric-owner", "-I", "zstd -1 -T0", "-C", tree, "-cf", target, "."],
        log="node",
        purpose="L'archivage de l'image du nœud",
    )
