#!/bin/bash
# TP 7: the relay as a Deployment that says what it needs and when it serves, behind its Service.
. "$(dirname "$0")/common.sh"

stage "A Deployment pg-proxy asks for a pod"
REPLICAS=$(kubectl get deployment pg-proxy -n "$NAMESPACE" -o jsonpath='{.spec.replicas}' 2>/dev/null)
[ "${REPLICAS:-0}" -gt 0 ] || fail "No Deployment pg-proxy that asks for a pod"

stage "The image has a precise tag"
IMAGE=$(kubectl get deployment pg-proxy -n "$NAMESPACE" -o jsonpath='{.spec.template.spec.containers[0].image}')
case $IMAGE in
*:latest) fail "$IMAGE may change" ;;
*:*) ;;
*) fail "$IMAGE has no tag" ;;
esac

stage "Requests and limits"
for WHAT in requests.cpu requests.memory limits.cpu limits.memory; do
    VALUE=$(kubectl get deployment pg-proxy -n "$NAMESPACE" \
        -o jsonpath="{.spec.template.spec.containers[0].resources.$WHAT}")
    [ -n "$VALUE" ] || fail "No $WHAT"
done

stage "The pods are ready"
READY=$(kubectl get deployment pg-proxy -n "$NAMESPACE" -o jsonpath='{.status.readyReplicas}')
[ "${READY:-0}" = "$REPLICAS" ] || fail "${READY:-0} of $REPLICAS pods are ready"

target_is_colleagues deployment/pg-proxy '{.spec.template.spec.containers[*].args}'

stage "A readiness probe"
PROBE=$(kubectl get deployment pg-proxy -n "$NAMESPACE" \
    -o jsonpath='{.spec.template.spec.containers[0].readinessProbe}')
[ -n "$PROBE" ] || fail "No readiness probe"

stage "The Service leads to the pods"
PODS=$(kubectl get endpointslices -n "$NAMESPACE" -l kubernetes.io/service-name=pg-proxy \
    -o jsonpath='{.items[*].endpoints[*].targetRef.name}')
[ -n "$PODS" ] || fail "The Service pg-proxy leads nowhere"

echo "🎉 TP 7"
