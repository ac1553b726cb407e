# What each validator of this folder begins with: bash tpN.sh NAMESPACE COLLEAGUE [LOCAL_PORT]
# Exit code 0: nothing wrong; 1: the first thing that is wrong has been said.
# They run as an administrator of the cluster, as such scripts do: `--as` needs it.
NAMESPACE=$1
COLLEAGUE=$2
COLLEAGUE_USER=oidc-${COLLEAGUE#user-}
OWNER=$(kubectl get rolebinding full_control_namespace -n "$NAMESPACE" -o jsonpath='{.subjects[0].name}')
PAUSE=${PAUSE:-2} # seconds for a port-forward to open: what such scripts wait, whether it needs it or not
GROUPS_OF_ALL="--as-group=system:authenticated --as-group=system:unauthenticated --as-group=system:serviceaccounts"

stage() {
    echo "🔍 $1"
}

fail() {
    echo "❌ $1"
    exit 1
}

can() { # USER VERB RESOURCE[/NAME] [--subresource=…] [--as-group=…]
    local user=$1
    shift
    [ "$(kubectl auth can-i "$@" --as="$user" -n "$NAMESPACE" 2>/dev/null)" = yes ]
}

refuse() { # WHAT USER VERB RESOURCE[/NAME] [OPTIONS]
    local what=$1
    shift
    can "$@" && fail "$1 can $what"
}

named_people() { # every user that a RoleBinding names, the owner left out
    kubectl get rolebindings -n "$NAMESPACE" \
        -o jsonpath='{range .items[*].subjects[?(@.kind=="User")]}{.name}{"\n"}{end}' | grep -vx "$OWNER" | sort -u
}

answers() { # PORT
    (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null
}

forward() { # LOCAL_PORT:PORT, then arguments of kubectl port-forward; it ends with the script
    kubectl port-forward -n "$NAMESPACE" "$2" "$1" "${@:3}" >/dev/null 2>&1 &
    trap "kill $! 2>/dev/null" EXIT
    sleep "$PAUSE"
    for _ in $(seq 50); do
        answers "${1%:*}" && break
        sleep 0.1
    done
}

database_is_ready() {
    stage "A database of the catalogue is ready"
    BASE=$(kubectl get pods -n "$NAMESPACE" -l app.kubernetes.io/name=postgresql,cnpg.io/podRole=instance \
        -o jsonpath='{.items[0].metadata.name}' 2>/dev/null)
    [ -n "$BASE" ] || fail "No database in $NAMESPACE"
    READY=$(kubectl get pod "$BASE" -n "$NAMESPACE" -o jsonpath='{.status.conditions[?(@.type=="Ready")].status}')
    [ "$READY" = True ] || fail "Pod $BASE is not ready"
}

service_leads_to_database() {
    stage "A Service leads to the database"
    kubectl get endpointslices -n "$NAMESPACE" \
        -o jsonpath='{range .items[*]}{.ports[*].port}{" "}{.endpoints[*].targetRef.name}{"\n"}{end}' |
        grep -w 5432 | grep -qw "$BASE" || fail "No Service leads to $BASE"
}

target_is_colleagues() { # KIND/NAME PATH: where the socat of its containers leads
    stage "The relay aims at a Service of $COLLEAGUE"
    local host
    host=$(kubectl get "$1" -n "$NAMESPACE" -o jsonpath="$2" | grep -oE 'TCP[46]?:[^:,]+' | head -1 | cut -d: -f2)
    [ "$(echo "$host" | cut -d. -f2)" = "$COLLEAGUE" ] || fail "The relay aims at ${host:-nothing}"
}
