#!/bin/bash
# TP 4, as far as it shows without placing a pod: the database is ready behind its Service, and a
# NetworkPolicy names the colleague's namespace.
. "$(dirname "$0")/common.sh"

database_is_ready
service_leads_to_database

stage "A NetworkPolicy lets $COLLEAGUE in"
kubectl get networkpolicies -n "$NAMESPACE" -o jsonpath='{.items[*].spec.ingress[*].from[*].namespaceSelector}' |
    grep -qw "$COLLEAGUE" || fail "No NetworkPolicy lets $COLLEAGUE in"

echo "🎉 TP 4"
