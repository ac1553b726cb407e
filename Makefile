# Deux commandes suffisent, mise en place comprise : make demo, make test.
SHELL := /bin/bash
PYTHON ?= python3
BIN := .venv/bin

# A test starts cahier thousands of times: Python compiles it once, even where it was told not to keep what it compiles.
export PYTHONDONTWRITEBYTECODE :=

.DEFAULT_GOAL := help
.PHONY: help release setup lock programs test-programs demo test cache image findings reworded snapshots oracles versions upstream recordings bench fast lint site serve drawn notebooks clean

SITE ?= site

help: ## ces lignes
	@grep -hE '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | expand -t 12

setup: .venv/.ready ## l’environnement Python, d’après requirements.lock

.venv/.ready: requirements.lock pyproject.toml
	@echo "→ environnement Python dans .venv (≈ 40 s la première fois)" >&2
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "✘ Il faut Python 3.11 ou plus récent : make PYTHON=python3.12 …" >&2; exit 1; }
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv || { echo "✘ Il manque le module venv : apt-get install -y python3-venv" >&2; exit 1; }
	@$(BIN)/python -m pip --version >/dev/null 2>&1 || $(BIN)/python -m ensurepip --upgrade >/dev/null
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes --requirement requirements.lock
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@$(BIN)/python -m bash_kernel.install --sys-prefix >/dev/null
	@touch $@

lock: setup ## refait requirements.lock d’après pyproject.toml
	@$(BIN)/uv export --quiet --no-header --no-emit-project --all-extras --upgrade --output-file requirements.lock >/dev/null

# Where no container engine answers, the private one needs a few Debian programs; root may install them.
programs: setup
	@$(BIN)/python -c 'import sys; from checks.local_sspcloud import engine; sys.exit(not engine.answering())' || $(BIN)/python -m engine install

# What the tests type and look at: a browser, a French grammar, PostgreSQL's client.
TEST_PROGRAMS := chromium curl grammalecte-cli psql
test-programs:
	@missing=$$(for name in $(TEST_PROGRAMS); do command -v $$name >/dev/null || echo $${name/psql/postgresql-client}; done); \
	test -z "$$missing" || { echo "→ programmes des tests :" $$missing >&2; \
	apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $$missing >/dev/null; } || \
	echo "✘ Il manque, et les tests qui s’en servent seront sautés :" $$missing >&2

demo: programs ## l’histoire entière, jouée sur un petit SSPCloud local
	@PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/cahier demo

# A whole class plays on one small machine: a test that fails is played again (twice at most), by new people, and is told (R).
test: lint programs test-programs ## tous les tests, sur un vrai cluster
	@CAHIER_PARTAGE=1 PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/python -m pytest -n 4 --dist worksteal --reruns 2

# It is taken by itself where it lies in dist/, or where CAHIER_CACHE says: nothing is compiled there.
cache: programs ## le moteur privé tout fait, en une archive dans dist/ : une machine de la même sorte en part
	@$(BIN)/python -m engine cache

image: programs ## l’image du projet, chargée dans le cluster local s’il y en a un
	@$(BIN)/python -m checks.cli.image

findings: programs ## écrit de nouveau les constats du corpus, à relire avec git diff
	@CAHIER_CONSTATS=1 PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/python -m pytest -n 4 --dist worksteal tests/corpus/test_corpus.py -k mistake

reworded: setup ## de même, sans cluster, pour ce que les enregistrements du corpus suffisent à dire
	@CAHIER_CONSTATS=1 $(BIN)/python -m pytest -n 0 tests/corpus/test_replay.py -k says_what_it_said

# LABS=tp5, or LABS="tp5 tp6"; all by default.
SPACE := $(subst ,, )
snapshots: programs ## joue le corpus et l’enregistre : make fast en refait les vérifications
	@CAHIER_INSTANTANES=1 PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/python -m pytest -n 4 --dist worksteal --reruns 2 tests/corpus/test_corpus.py \
		-k "(mistake or other_right)$(if $(LABS), and ($(subst $(SPACE), or ,$(strip $(LABS)))))"

# A few minutes; many more the first time, where the local cluster’s programs were not compiled here.
oracles: programs ## compare 290 000 jeux de NetworkPolicies et 100 000 demandes de droits au code de Kubernetes
	@CAHIER_EXHAUSTIF=1 CAHIER_EXEMPLES=10000 PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/python -m pytest -n 0 -s tests/platform/test_policy_oracles.py tests/platform/test_rbac_oracle.py

# VERSIONS="v1.34.11": those that are named; the first time, each is compiled in some fifteen minutes.
# CAHIER_ENFORCER=kube-router: on clusters where it decides of NetworkPolicies.
versions: programs ## joue une partie du corpus sur d’autres versions de Kubernetes, et écrit ce que le site en dit
	@PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/python -m tests.platform.versions $(VERSIONS)

# DOMAINES="networkpolicy dns": those that are named, of networkpolicy, port-forward, auth, dns, services.
# The first time, compiling them takes some minutes; many more where the local cluster’s programs were not compiled here.
upstream: programs ## joue les tests de Kubernetes lui-même sur un cluster jetable, et écrit ce que le site en dit
	@PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/python -m tests.platform.upstream $(DOMAINES)

# All labs, or some: make recordings LABS="tp2 tp5"
recordings: programs ## enregistre de nouveau la démonstration, montrée là où aucun cluster n’est possible
	@PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/python -m checks.demo.record $(LABS)

# MESURE: options of `python -m bench`, such as a smaller class.
bench: programs ## cahier et des scripts kubectl, mesurés sur le cluster local (une douzaine de minutes)
	@$(BIN)/python -m bench $(MESURE)

site: setup drawn notebooks ## le site, dans site/
	@NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --site-dir $(SITE)

serve: setup drawn notebooks ## le site, servi sur http://127.0.0.1:8000 et refait à chaque changement
	@NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs serve --watch labs --watch checks --watch bench

# The diagrams' library, from a package: the site asks nothing of another host.
docs/assets/mermaid.js: .venv/.ready
	@$(BIN)/python -c 'import importlib.resources as r; print(r.files("mmdc") / "assets" / "mermaid.js")' | xargs -I{} cp {} $@.new
	@mv $@.new $@

# The player of the home page, from a package too, and what it plays, from the recording of a lab.
PLAYER := docs/assets/asciinema-player.min.js docs/assets/asciinema-player.css
$(PLAYER): .venv/.ready
	@$(BIN)/python -c 'import importlib.resources as r; print(r.files("mkdocs_asciinema_player") / "assets" / "$(@F)")' | xargs -I{} cp {} $@.new
	@mv $@.new $@

drawn: setup docs/assets/mermaid.js $(PLAYER)
	@$(BIN)/python -m checks.site.cast tp5 docs/assets
	@$(BIN)/python -m checks.site.card tp5 docs/assets/carte.png

notebooks: setup ## les carnets des TP, dans docs/notebooks/ ; les corrigés, dans dist/
	@$(BIN)/python -m checks.site.notebook docs/notebooks dist/notebooks-corriges

# SOURCE_DATE_EPOCH: the moment that everything bears, that of the commit by default.
release: setup ## ce qui se publie d’une version, dans dist/release : wheel, site, carnets, image, licences
	@$(BIN)/python -m release dist/release

fast: lint ## les tests qui n’ont besoin ni de cluster, ni de navigateur, ni de paquet : une minute
	@$(BIN)/python -m pytest -n 2 --dist worksteal -m "not cluster and not slow"

# A cache for each platform: mypy throws away what it remembers of another.
lint: setup ## style, types (aussi pour Windows), et le sens des imports
	@$(BIN)/ruff check --quiet . && $(BIN)/ruff format --quiet --check .
	@said=$$($(BIN)/lint-imports --no-cache --no-logo) || { echo "$$said" >&2; exit 1; }
	@$(BIN)/mypy
	@$(BIN)/mypy --platform win32 --cache-dir .mypy_cache/windows checks labs

clean: ## retire le cluster local, l’environnement et le cache des tests
	@-test -x $(BIN)/cahier && $(BIN)/cahier cluster supprimer
	@rm -rf .venv .pytest_cache
