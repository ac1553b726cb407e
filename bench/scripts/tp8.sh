#!/bin/bash
# TP 8: a team of three; nobody acts on the database's pod; nothing is left behind.
. "$(dirname "$0")/common.sh"

stage "The team is declared"
TEAM=$(kubectl get configmap equipe -n "$NAMESPACE" -o jsonpath='{.data.membres}' 2>/dev/null)
echo "$TEAM" | grep -qw "$COLLEAGUE" || fail "The team does not name $COLLEAGUE"
[ "$(echo "$TEAM" | wc -w)" -ge 2 ] || fail "The team is of two"

database_is_ready

stage "Nobody acts on the pod of the database"
refuse_all() { # USER [GROUPS]
    local user=$1
    shift
    refuse "run commands" "$user" create "pods/$BASE" --subresource=exec "$@"
    refuse "attach" "$user" create "pods/$BASE" --subresource=attach "$@"
    refuse "add a container" "$user" patch "pods/$BASE" --subresource=ephemeralcontainers "$@"
    refuse "delete $BASE" "$user" delete "pods/$BASE" "$@"
    refuse "create pods" "$user" create pods "$@"
}
# shellcheck disable=SC2086
refuse_all cahier-inconnu $GROUPS_OF_ALL
MEMBERS=$(for MEMBER in $TEAM; do echo "oidc-${MEMBER#user-}"; done)
for PERSON in $(printf '%s\n' $MEMBERS $(named_people) | sort -u); do
    refuse_all "$PERSON"
done

stage "Nothing is left behind"
ENDED=$(kubectl get pods -n "$NAMESPACE" -o jsonpath='{.items[?(@.status.phase=="Succeeded")].metadata.name}')
[ -z "$ENDED" ] || fail "Pod $ENDED has ended"
ROLES=$(kubectl get roles -n "$NAMESPACE" -o jsonpath='{.items[*].metadata.name}')
for ROLE in $(kubectl get rolebindings -n "$NAMESPACE" \
    -o jsonpath='{.items[?(@.roleRef.kind=="Role")].roleRef.name}'); do
    echo "$ROLES" | grep -qw "$ROLE" || fail "A RoleBinding cites the missing Role $ROLE"
done
for SERVICE in $(kubectl get services -n "$NAMESPACE" -l '!app.kubernetes.io/instance' \
    -o jsonpath='{.items[*].metadata.name}'); do
    LEADS=$(kubectl get endpointslices -n "$NAMESPACE" -l "kubernetes.io/service-name=$SERVICE" \
        -o jsonpath='{.items[*].endpoints[*].targetRef.name}')
    [ -n "$LEADS" ] || fail "Service $SERVICE leads nowhere"
done

echo "🎉 TP 8"
