#!/usr/bin/env bash
# Prepares a VSCode or JupyterLab service of Onyxia for one lab.
#
# The platform runs it just before the editor starts: `curl URL | bash -s -- LAB REPOSITORY [REVISION]`,
# where LAB is tp1, tp2… or « cahier » for none, and REPOSITORY an address of the web, or a wheel.
# - curl follows no redirection and does not mind an error page; nothing runs before the last line of
#   this file, so half of it does nothing.
# - Whatever happens, the service starts: every step is bounded (seven minutes in all, where the
#   platform waits ten), and the exit code is 0.
# - What was done is told in one file of the folder of work; once it is done, nothing is done again.

cahier_say() {
  printf '%s\n' "$*" | tee -a "$cahier_log"
}

# Runs a step for so many seconds at most; what it printed is told only if it fails.
cahier_step() {
  local seconds=$1 title=$2 said
  shift 2
  if said=$(timeout --kill-after=5 "$seconds" "$@" 2>&1 </dev/null); then
    cahier_say "✔ $title"
    return 0
  fi
  cahier_say "✘ $title : cela n’a pas abouti."
  [ -z "$said" ] || cahier_say "$(printf '%s\n' "$said" | tail -n 12 | sed 's/^/    /')"
  return 1
}

# The newest release of a repository, by its tags (v1.2.3); nothing where there is none.
cahier_release() {
  timeout 20 git ls-remote --tags --refs --sort=-version:refname "$1" 'v*' 2>/dev/null </dev/null |
    sed -n '1s#.*refs/tags/##p'
}

# What an installer is given: a wheel as it is, the wheel of the newest release, or the repository.
cahier_source() {
  local repository=$1 revision=$2 tag wheel
  case $repository in
    *.whl) printf '%s' "$repository" && return ;;
  esac
  if [ -z "$revision" ]; then
    tag=$(cahier_release "$repository")
    wheel=cahier_kubernetes-${tag#v}-py3-none-any.whl
    case $repository in
      https://github.com/*) wheel=$repository/releases/download/$tag/$wheel ;;
      *) wheel=$repository/-/releases/$tag/downloads/$wheel ;;
    esac
    if [ -n "$tag" ] && timeout 20 curl -fsSIL -o /dev/null "$wheel" 2>/dev/null </dev/null; then
      printf '%s' "$wheel" && return
    fi
    revision=$tag
  fi
  printf '%s' "git+$repository${revision:+@$revision}"
}

cahier_install() {
  local place=$HOME/.local/share/cahier-kubernetes
  if command -v uv >/dev/null; then
    uv tool install --quiet --force "$1"
    return
  fi
  python3 -m venv "$place" && "$place/bin/python" -m pip install --quiet "$1" &&
    mkdir -p "$HOME/.local/bin" && ln -sf "$place/bin/cahier" "$HOME/.local/bin/cahier"
}

# Starter files, statement, and the two tasks of VSCode.
cahier_begin() {
  local lab=$1 folder
  COLUMNS=80 "$cahier" commencer "$lab" --dossier "$cahier_work" >/dev/null 2>&1
  folder=$(find "$cahier_work" -maxdepth 1 -type d -name "${lab}_*" | head -n 1)
  folder=${folder:-$cahier_work/$lab}
  mkdir -p "$folder/.vscode" "$cahier_work/.vscode" || return
  NO_COLOR=1 COLUMNS=100 "$cahier" enonce "$lab" >"$folder/enonce.txt" || return
  # VSCode opens this folder, or the one above it
  for place in "$folder" "$cahier_work"; do
    [ -e "$place/.vscode/tasks.json" ] || cahier_tasks "$lab" "$folder" >"$place/.vscode/tasks.json" || return
  done
  local opened=$HOME/.local/share/code-server/coder.json
  if command -v code-server >/dev/null && [ ! -e "$opened" ]; then
    mkdir -p "${opened%/*}" && printf '{"query":{"folder":"%s"}}\n' "$folder" >"$opened"
  fi
}

cahier_tasks() {
  local name verb separator=''
  printf '{\n  "version": "2.0.0",\n  "tasks": ['
  for name in Vérifier Indice; do
    verb=indice
    [ "$name" = Indice ] || verb=verifier
    printf '%s\n    {\n      "label": "%s",\n      "type": "shell",\n      "command": "%s",\n' \
      "$separator" "$name" "$cahier"
    printf '      "args": ["%s", "%s"],\n      "options": { "cwd": "%s" },\n' "$verb" "$1" "$2"
    [ "$name" = Indice ] || printf '      "group": { "kind": "build", "isDefault": true },\n'
    printf '      "presentation": { "reveal": "always", "clear": true },\n      "problemMatcher": []\n    }'
    separator=,
  done
  printf '\n  ]\n}\n'
}

cahier_main() {
  local lab=${1:-} repository=${2:-} revision=${3:-}
  local done_file=${XDG_STATE_HOME:-$HOME/.local/state}/cahier-kubernetes/service
  cahier_work=${WORKSPACE_DIR:-$HOME}
  cahier_log=$cahier_work/cahier-installation.log
  export GIT_TERMINAL_PROMPT=0 PATH=$HOME/.local/bin:$PATH
  if [ -s /etc/ssl/certs/ca-certificates.crt ]; then
    export UV_SYSTEM_CERTS=true UV_NATIVE_TLS=true # the authorities that the image knows, by either name
  fi
  if [ "$(cat "$done_file" 2>/dev/null)" = "$*" ] && command -v cahier >/dev/null; then
    return
  fi
  if ! { mkdir -p "$cahier_work" && : >"$cahier_log"; } 2>/dev/null; then
    cahier_log=/dev/null
    cahier_say "✘ Le dossier $cahier_work ne peut pas être écrit : le cahier n’est pas installé."
    return
  fi
  cahier_say "Cahier Kubernetes, préparation du $(date '+%d/%m/%Y à %H:%M')"
  case $lab in
    cahier | tp[0-9] | tp[0-9][0-9]) ;;
    *) cahier_say "✘ « $lab » n’est pas un TP : rien n’est fait." && return ;;
  esac
  case $repository in
    https://?* | http://?* | /*.whl) ;;
    *) cahier_say "✘ « $repository » n’est pas l’adresse d’un dépôt : rien n’est fait." && return ;;
  esac
  local source
  source=$(cahier_source "$repository" "$revision")
  export -f cahier_install cahier_begin cahier_tasks
  if ! cahier_step 240 "Installation du cahier ($source)" bash -c 'cahier_install "$1"' bash "$source"; then
    cahier_say "→ Le service démarre sans le cahier. Dès que le réseau répond, dans un terminal :"
    cahier_say "    uv tool install \"$source\""
    return
  fi
  cahier=$(command -v cahier) || { cahier_say "✘ La commande cahier n’est pas dans le PATH." && return; }
  if ! grep -qs 'cahier-kubernetes' "$HOME/.bashrc"; then
    # shellcheck disable=SC2016
    printf '\n# cahier-kubernetes\nexport PATH="$HOME/.local/bin:$PATH"\n' >>"$HOME/.bashrc"
  fi
  export cahier cahier_work
  if [ "$lab" != cahier ]; then
    cahier_step 90 "Fichiers, énoncé et tâches du $lab" bash -c 'cahier_begin "$1"' bash "$lab" || return
  fi
  mkdir -p "${done_file%/*}" && printf '%s' "$*" >"$done_file"
  cahier_say "Dans un terminal : cahier"
}

# As root, the rest is done by whom the folder of work belongs to: nothing of root's stays there.
cahier_as_owner() {
  local work=${WORKSPACE_DIR:-$HOME} home=$HOME owner
  owner=$(stat -c %u "$work" 2>/dev/null || echo 0)
  if [ "$(id -u)" != 0 ] || [ "$owner" = 0 ]; then
    cahier_main "$@"
    return
  fi
  [ "$(stat -c %u "$home")" = "$owner" ] || home=$(getent passwd "$owner" | cut -d: -f6)
  setpriv --reuid "$owner" --regid "$(stat -c %g "$work")" --clear-groups \
    env HOME="${home:-$work}" bash -c "$(declare -f); cahier_main \"\$@\"" bash "$@"
}

{
  cahier_as_owner "$@" </dev/null
  exit 0
}
