#!/bin/bash
# TP 2: the API is deployed and ready; with a local port, it answers in its pod, and through the learner's forward.
. "$(dirname "$0")/common.sh"
LOCAL_PORT=${3:-}

stage "A pod is labelled app=mon-api"
POD=$(kubectl get pods -n "$NAMESPACE" -l app=mon-api -o jsonpath='{.items[0].metadata.name}' 2>/dev/null)
[ -n "$POD" ] || fail "No pod labelled app=mon-api in $NAMESPACE"

stage "The pod is ready"
READY=$(kubectl get pod "$POD" -n "$NAMESPACE" -o jsonpath='{.status.conditions[?(@.type=="Ready")].status}')
[ "$READY" = True ] || fail "Pod $POD is not ready"

if [ -n "$LOCAL_PORT" ]; then
    stage "The API answers on port 8000 of its pod"
    OWN_PORT=$((20000 + RANDOM % 10000))
    forward "$OWN_PORT:8000" "pod/$POD"
    curl -s -m 8 -o /dev/null "http://127.0.0.1:$OWN_PORT/" || fail "Nothing answers in $POD"

    stage "Something listens on localhost:$LOCAL_PORT"
    answers "$LOCAL_PORT" || fail "Nothing listens on localhost:$LOCAL_PORT"

    stage "What answers there is the pod" # which says its own name
    curl -s -m 8 "http://localhost:$LOCAL_PORT/" | grep -q "$POD" || fail "Something else than $POD answers"

    stage "Two requests in a row"
    for _ in 1 2; do
        curl -s -m 8 -o /dev/null "http://localhost:$LOCAL_PORT/" || fail "The forward does not last"
    done
fi

echo "🎉 TP 2"
