#!/bin/sh
# gosu USER[:GROUP] COMMAND…, with Debian's own program.
user=${1%%:*}
case $1 in
  *:*) group=${1#*:} others=--clear-groups ;;
  *) group=$(id -g "$user") others=--init-groups ;;
esac
shift
HOME=$(getent passwd "$user" | cut -d: -f6) exec setpriv --reuid "$user" --regid "$group" "$others" -- "$@"
