#!/bin/bash
# preload.sh PROGRAMS ARCHIVE STORE: puts a docker-archive into a containerd
# store, as kind's own node images have it: the node then pulls nothing. Run by
# node_image.py in namespaces that end with it.
set -euo pipefail
programs=$1 archive=$2 store=$3
scratch=$(mktemp -d "$store.XXXX")
cat >"$scratch/config.toml" <<'T'
version = 3
# only the store is wanted here, no runtime
disabled_plugins = [
  "io.containerd.cri.v1.images", "io.containerd.cri.v1.runtime", "io.containerd.grpc.v1.cri",
  "io.containerd.internal.v1.opt", "io.containerd.nri.v1.nri",
]
T
"$programs/containerd" --config "$scratch/config.toml" --root "$store" \
  --state "$scratch/run" --address "$scratch/socket" &
ctr() { "$programs/ctr" --address "$scratch/socket" --namespace k8s.io "$@"; }
for _ in {1..100}; do ctr version >/dev/null 2>&1 && break; sleep 0.1; done
ctr images import --local --all-platforms --no-unpack --digests "$archive"
kill %1
wait %1 || true
rm -rf "$scratch"
