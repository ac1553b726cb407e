#!/bin/sh
# busybox's wget. Debian's build of it crashes on `-T`: the delay is kept here instead.
case " $* " in *" -T"* | *" -"[!-]*T* | *" --timeout"*) ;; *) exec busybox wget "$@" ;; esac

long=spider,header:,post-data:,post-file:,no-check-certificate,quiet,continue,server-response
long=$long,output-document:,output-file:,directory-prefix:,user-agent:,proxy:,timeout:,tries:
words=$(getopt -n wget -o cqSO:o:P:U:Y:T:t: -l "$long" -- "$@") || { busybox wget --help; exit 1; }
eval "set -- $words"

delay= left=$#
while [ "$left" -gt 0 ]; do # every word but the delay goes to the end of the line, in turn
  case $1 in
    -T | --timeout) delay=$2; shift 2; left=$((left - 2)); continue ;;
    --) left=$((left - 1)); shift; continue ;;
  esac
  set -- "$@" "$1"; shift; left=$((left - 1))
done
[ -n "$delay" ] || exec busybox wget "$@"
# a shell of its own: one that waits would say "Terminated"
timeout "$delay" sh -c 'trap "kill \$!; exit 143" TERM; busybox wget "$@" & wait $!' wget "$@"
status=$?
[ "$status" = 143 ] || exit "$status"
echo 'wget: download timed out' >&2
exit 1
