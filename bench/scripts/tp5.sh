#!/bin/bash
# TP 5: the relay runs and aims at the colleague's database.
. "$(dirname "$0")/common.sh"

stage "A pod is called pg-proxy"
kubectl get pod pg-proxy -n "$NAMESPACE" &>/dev/null || fail "No pod pg-proxy in $NAMESPACE"

stage "The pod is ready"
READY=$(kubectl get pod pg-proxy -n "$NAMESPACE" -o jsonpath='{.status.conditions[?(@.type=="Ready")].status}')
[ "$READY" = True ] || fail "Pod pg-proxy is not ready"

target_is_colleagues pod/pg-proxy '{.spec.containers[*].args}'

echo "🎉 TP 5"
