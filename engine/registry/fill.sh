#!/bin/bash
# fill.sh REGISTRY CONFIG STORE LIST: pushes images to a registry whose storage
# is STORE. LIST has one "archive name:tag" a line. Run by lab_images.py in
# namespaces of its own, network included: the port is nobody else's.
set -euo pipefail
registry=$1 config=$2 store=$3 list=$4
ip link set lo up
# as root, skopeo keeps a cache below /var/lib: here it goes with us
mount -t tmpfs tmpfs /var/lib
REGISTRY_STORAGE_FILESYSTEM_ROOTDIRECTORY=$store "$registry" serve "$config" &
for _ in {1..100}; do (exec 3<>/dev/tcp/127.0.0.1/5000) 2>/dev/null && break; sleep 0.1; done
while read -r archive name; do
  skopeo --insecure-policy copy --quiet --dest-tls-verify=false --dest-compress-format zstd \
    "docker-archive:$archive" "docker://127.0.0.1:5000/$name"
done <"$list"
kill %1
wait %1 || true
