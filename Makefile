# All that a fresh machine needs is Python 3.11 or newer and make: every target below first sets up .venv by itself.
#
#   make demo     one real turn, and with a scripted model a task in the sandbox, in a home of its own
#   make test     every test, the slow ones included, and what `make coverage` prints
#   make coverage  the share of branches that the quick tests of the core, the projections and the store take
#   make check    the same as ./check: format, lint, types, quick tests
#   make bench    the measurements in tests/bench
#   make chaos    a thousand deaths of the daemon, and the page that says how they ended
#   make mutate   small changes to core/decide and the store's append path, and which of them no test notices
#   make docs     write the generated reference pages
#   make clean    remove .venv and the tools' caches

VENV := .venv
PY := $(VENV)/bin/python
NAMES := python3.11 python3.12 python3.13 python3.14 python3

# By environment and not by option, so that the constraints hold for the isolated build environment too.
# pip up to 25.2 takes the first name there and ignores the second, which later ones want.
export PIP_CONSTRAINT := constraints.txt
export PIP_BUILD_CONSTRAINT := constraints.txt
export PIP_DISABLE_PIP_VERSION_CHECK := 1
# If this were set, every process that the tests start would compile the whole program again.
export PYTHONDONTWRITEBYTECODE :=

# Stamps say nothing of a .venv whose Python is gone, as after an update of the system.
$(shell [ -x $(PY) ] || rm -f $(VENV)/installed $(VENV)/installed-dev)

.PHONY: demo test coverage check bench chaos mutate docs clean
.DELETE_ON_ERROR:

demo: $(VENV)/installed
	@$(PY) -I -m codexd_frontends.demo

# How many workers that is, and in which order the tests run, is said in tests/conftest.py.
PYTEST := $(PY) -m pytest -n auto --dist worksteal

test: $(VENV)/installed-dev
	@$(PYTEST) --coverage-of-rooms

coverage: $(VENV)/installed-dev
	@$(PYTEST) -q --coverage-of-rooms -m "not slow" tests/core tests/projections tests/eventstore

check: $(VENV)/installed-dev
	@./check

bench: $(VENV)/installed-dev
	@PYTHONPATH=tests:tests/support $(PY) -m bench .
	@PYTHONPATH=tests:tests/support $(PY) -m bench.calling

# Some twenty minutes. `make chaos CHAOS="crowd/7"` repeats one scenario.
CHAOS ?= --scenarios 1000 --write docs/explanation/chaos.md
chaos: $(VENV)/installed-dev
	@PYTHONPATH=tests:tests/support $(PY) -m chaos $(CHAOS)

# An hour or more. `make mutate MUTATE="--seed 2 --count 20"` makes others, and fewer.
MUTATE ?= --count 80 --seed 1
mutate: $(VENV)/installed-dev
	@PYTHONPATH=tests:tests/support $(PY) -m mutate $(MUTATE)

docs: $(VENV)/installed-dev
	@PYTHONPATH=tests/support $(PY) tests/docs_reference.py

clean:
	rm -rf $(VENV) .mypy_cache .pytest_cache .ruff_cache .hypothesis dist build
	find daemon eventstore frontends tests -name __pycache__ -type d -prune -exec rm -rf {} +

# The stamps: packages are installed again only when what names them has changed.
$(VENV)/installed: pyproject.toml constraints.txt $(PY)
	@echo "Installing codexd and what it needs into $(VENV)"
	@$(PY) -m pip install --quiet --editable .
	@touch $@

# pip knows dependency groups since 25.1, and a fresh .venv may have an older one: so they are read here.
$(VENV)/installed-dev: $(VENV)/installed
	@echo "Installing what the tests need into $(VENV)"
	@$(PY) -c 'import tomllib; print(*tomllib.load(open("pyproject.toml", "rb"))["dependency-groups"]["dev"], sep="\n")' > $(VENV)/dev.txt
	@$(PY) -m pip install --quiet --requirement $(VENV)/dev.txt
	@$(PY) -m pip install --quiet --only-binary :all: xllamacpp 2>$(VENV)/servers.log || echo "There is no llama.cpp for this machine (see $(VENV)/servers.log): its tests skip"
	@touch $@

# ensurepip is what puts pip into a new .venv; some systems package it apart from Python.
$(PY):
	@python=; old=; bare=; \
	for name in $(NAMES); do \
	  command -v "$$name" >/dev/null 2>&1 || continue; \
	  "$$name" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || { old="$$old $$name"; continue; }; \
	  "$$name" -c 'import ensurepip, venv' 2>/dev/null || { bare="$$bare $$name"; continue; }; \
	  python=$$name; break; \
	done; \
	if [ -z "$$python" ]; then \
	  echo "codexd needs Python 3.11 or newer with its venv and ensurepip modules. Looked for: $(NAMES)." >&2; \
	  [ -z "$$bare" ] || echo "Found without ensurepip:$$bare. On Debian and Ubuntu that is the package python3-venv." >&2; \
	  [ -z "$$old" ] || echo "Found, but older than 3.11 or not running:$$old." >&2; \
	  echo "Nothing was installed." >&2; exit 1; \
	fi; \
	echo "Making $(VENV) with $$python"; \
	"$$python" -m venv --clear $(VENV)
