#!/bin/bash
# TP 3: a database of the catalogue, which its owner alone may forward to.
. "$(dirname "$0")/common.sh"

database_is_ready
service_leads_to_database

stage "Nobody else may open a tunnel"
# shellcheck disable=SC2086
refuse "open a tunnel" cahier-inconnu create "pods/$BASE" --subresource=portforward $GROUPS_OF_ALL
for PERSON in $(printf '%s\n' "$COLLEAGUE_USER" $(named_people) | sort -u); do
    refuse "open a tunnel" "$PERSON" create "pods/$BASE" --subresource=portforward
done

echo "🎉 TP 3"
