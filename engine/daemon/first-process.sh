#!/bin/bash
# Process 1 of the engine's own pid, mount, network, IPC and UTS namespaces.
# When it ends, the kernel ends everything below it (dockerd, containerd,
# shims, nodes, pods), frees the network and every mount. Started by engine.py
# with NAME, STATE, TOOLS, PROGRAMS, ADDRESS, BRIDGE and POOL.
set -euo pipefail

# This /proc is still the machine's: who we are, seen from there. engine.py
# moves the link's other end to that process, and `stop` ends it.
read -r identity </proc/self/stat
echo "$identity" >"$STATE/first-process.new"
mv "$STATE/first-process.new" "$STATE/first-process"
mount -t proc proc /proc
echo "$NAME" >/proc/sys/kernel/hostname

# Nothing of the machine's own /run: with a Docker daemon there, ours would
# take its containerd for the one to use.
exec {state}<"$STATE"                         # still reached once /run is covered, where it lies there
mount -t tmpfs -o mode=755 tmpfs /run
# A Unix socket's path has 107 letters at most: dockerd knows the state folder under a short name.
mkdir /run/state
mount --no-canonicalize --bind "/proc/self/fd/$state" /run/state
exec {state}<&-
STATE=/run/state
# /etc is the machine's to read, ours to write (dockerd puts a key there).
mkdir -p "$STATE/etc" "$STATE/etc.work"
mount -t overlay -o "lowerdir=/etc,upperdir=$STATE/etc,workdir=$STATE/etc.work" overlay /etc
# dockerd would load its profile for the whole machine.
apparmor=/sys/module/apparmor/parameters/enabled
[ ! -e "$apparmor" ] || mount --bind /dev/null "$apparmor"

# A cgroup of our own in every hierarchy, dockerd in its part `engine`, the
# containers beside it (--cgroup-parent). With cgroup v2 there is one hierarchy
# only, and /sys/fs/cgroup itself is its root.
for root in /sys/fs/cgroup /sys/fs/cgroup/*/; do
  root=${root%/}
  { [ -w "$root/cgroup.procs" ] && [ -d "$root" ] && [ ! -L "$root" ]; } || continue
  case $root in
    /sys/fs/cgroup) ;;
    *) [ ! -e /sys/fs/cgroup/cgroup.procs ] || continue ;;   # v2: an ordinary group
  esac
  mkdir -p "$root/$NAME/engine"
  for group in "$root/$NAME" "$root/$NAME/engine"; do
    for file in cpuset.cpus cpuset.mems; do   # v1: empty ones accept nobody
      if [ -f "$group/$file" ] && [ -z "$(<"$group/$file")" ]; then
        cat "$group/../$file" >"$group/$file" || true   # v2 inherits: nothing to write
      fi
    done
  done
  echo $$ >"$root/$NAME/engine/cgroup.procs"
done

ip link set lo up
until ip link show dev "$NAME-n" >/dev/null 2>&1; do   # engine.py makes it
  [ $((tries = ${tries:-0} + 1)) -lt 200 ] || { echo "no link to the machine" >&2; exit 1; }
  sleep 0.05
done
ip addr add "$ADDRESS/30" dev "$NAME-n"
ip link set "$NAME-n" up
ip link add sink type bridge                   # without ports: the way to everywhere else leads nowhere
ip link set sink up
ip route add default dev sink
echo 1 >/proc/sys/net/ipv4/ip_forward          # this namespace's only
echo 0 >/proc/sys/net/ipv4/icmp_ratelimit      # refuse each time, not once a second
# The machine may open connections to us; nobody here may open any to the
# machine or beyond. Refused, not dropped: what is not there must fail at once.
# (TCP by a reset: an ICMP error comes back before connect() has let go of the socket.)
nft -f - <<RULES
table inet sealed {
  chain refuse { ct state established,related accept; meta l4proto tcp reject with tcp reset; reject; }
  chain forward { type filter hook forward priority -1; oifname { "$NAME-n", "sink" } jump refuse; }
  chain output { type filter hook output priority -1; oifname { "$NAME-n", "sink" } jump refuse; }
}
RULES

# Debian's containerd and shim, not the node's newer ones.
export PATH=$TOOLS/usr/bin:$TOOLS/usr/sbin:/usr/sbin:/usr/bin:/sbin:/bin
rm -f "$STATE/docker.pid" "$STATE/docker.sock"
dockerd --config-file "$STATE/daemon.json" --data-root "$STATE/data" --exec-root /run/docker \
  --pidfile "$STATE/docker.pid" --host "unix://$STATE/docker.sock" --group root \
  --add-runtime nores="$STATE/runc-nores" --default-runtime nores \
  --exec-opt native.cgroupdriver=cgroupfs --cgroup-parent "/$NAME" --storage-driver overlay2 \
  --dns "$ADDRESS" --bip "$BRIDGE" --default-address-pool "base=$POOL,size=26" &
wait $!        # reaps orphans meanwhile; when dockerd ends, so does everything
