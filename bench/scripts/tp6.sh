#!/bin/bash
# TP 6: the colleague may forward to the database, and nothing more; with a local port, their forward is opened.
. "$(dirname "$0")/common.sh"
LOCAL_PORT=${3:-}

database_is_ready

stage "The colleague may open a tunnel"
can "$COLLEAGUE_USER" get "pods/$BASE" || fail "$COLLEAGUE_USER may not read $BASE"
can "$COLLEAGUE_USER" create "pods/$BASE" --subresource=portforward || fail "$COLLEAGUE_USER may not open a tunnel"

if [ -n "$LOCAL_PORT" ]; then # the names of Secrets show to their owner only
    stage "The colleague reads no Secret"
    for VERB in list watch; do
        refuse "$VERB secrets" "$COLLEAGUE_USER" "$VERB" secrets
    done
    for SECRET in $(kubectl get secrets -n "$NAMESPACE" -o jsonpath='{.items[*].metadata.name}'); do
        refuse "read Secret $SECRET" "$COLLEAGUE_USER" get "secrets/$SECRET"
    done
fi

stage "The colleague enters no pod"
refuse "run commands" "$COLLEAGUE_USER" create "pods/$BASE" --subresource=exec
refuse "attach" "$COLLEAGUE_USER" create "pods/$BASE" --subresource=attach
refuse "read the log" "$COLLEAGUE_USER" get "pods/$BASE" --subresource=log

stage "The colleague changes nothing"
for VERB in delete patch update; do
    refuse "$VERB pod $BASE" "$COLLEAGUE_USER" "$VERB" "pods/$BASE"
done
refuse "delete all pods" "$COLLEAGUE_USER" deletecollection pods
for RESOURCE in pods services secrets deployments.apps networkpolicies.networking.k8s.io \
    roles.rbac.authorization.k8s.io rolebindings.rbac.authorization.k8s.io; do
    for VERB in create delete patch update; do
        refuse "$VERB $RESOURCE" "$COLLEAGUE_USER" "$VERB" "$RESOURCE"
    done
done

stage "The colleague reaches nothing else"
OTHERS=$(kubectl get pods -n "$NAMESPACE" -o jsonpath='{.items[*].metadata.name}' | tr ' ' '\n' | grep -vx "$BASE")
for POD in ${OTHERS:-un-autre-pod}; do
    refuse "open a tunnel to $POD" "$COLLEAGUE_USER" create "pods/$POD" --subresource=portforward
done
refuse "speak to $BASE through the API" "$COLLEAGUE_USER" get "pods/$BASE" --subresource=proxy
for SERVICE in $(kubectl get services -n "$NAMESPACE" -o jsonpath='{.items[*].metadata.name}'); do
    refuse "speak to Service $SERVICE" "$COLLEAGUE_USER" get "services/$SERVICE" --subresource=proxy
done

stage "Nobody else may open a tunnel"
# shellcheck disable=SC2086
refuse "open a tunnel" cahier-inconnu create "pods/$BASE" --subresource=portforward $GROUPS_OF_ALL
TEAM=$(kubectl get configmap equipe -n "$NAMESPACE" -o jsonpath='{.data.membres}' 2>/dev/null) # of lab 8
MEMBERS=$(for MEMBER in $TEAM; do echo "oidc-${MEMBER#user-}"; done)
for PERSON in $(named_people | grep -vx "$COLLEAGUE_USER" | grep -vxF "${MEMBERS:-nobody}"); do
    refuse "open a tunnel" "$PERSON" create "pods/$BASE" --subresource=portforward
done

if [ -n "$LOCAL_PORT" ]; then
    stage "The colleague's tunnel opens"
    forward "$LOCAL_PORT:5432" "pod/$BASE" --as="$COLLEAGUE_USER"
    # PostgreSQL answers an SSLRequest with one letter.
    ANSWER=$( (exec 3<>"/dev/tcp/127.0.0.1/$LOCAL_PORT" && printf '\0\0\0\10\4\322\26\57' >&3 &&
        head -c 1 <&3) 2>/dev/null)
    [ "$ANSWER" = N ] || [ "$ANSWER" = S ] || fail "No PostgreSQL behind the colleague's tunnel"
fi

echo "🎉 TP 6"
