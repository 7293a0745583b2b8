# Two commands matter: `make demo` runs the assistant on recorded clips against a simulated car,
# `make test` runs every check. Both start from nothing but Python >= 3.10 and a C compiler.

VENV   := .venv
PY     := $(VENV)/bin/python

.PHONY: help demo test run bench lint types floors ctest pytest bench-short asr-tables mutants llm dist picture clean

help:            ## list the targets
	@grep -hE '^[a-z-]+: .*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /\1\t/' | expand -t 14

demo: $(VENV)/.demo   ## install if needed, then run the assistant on the recorded clips
	@$(VENV)/bin/carvoice demo $(ARGS)

test: lint types floors ctest pytest bench-short   ## install if needed, then run every check

lint: $(VENV)/.dev    ## ruff: style and format
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .

types: $(VENV)/.dev   ## mypy --strict
	$(VENV)/bin/mypy

floors: $(VENV)/.dev  ## no room imports an upper floor or a neighbour
	$(VENV)/bin/lint-imports

ctest:                ## C core: warnings as errors, tests under AddressSanitizer and UBSan
	$(MAKE) -C tests/c

pytest: $(VENV)/.dev  ## the Python tests
	$(VENV)/bin/pytest

bench-short: $(VENV)/.dev  ## every benchmark once, with the latency budget enforced
	CARVOICE_BENCH_SHORT=1 $(VENV)/bin/pytest bench --benchmark-enable --benchmark-disable-gc \
		--benchmark-max-time=0.2 --benchmark-min-rounds=3 --benchmark-columns=min,median,max

bench: $(VENV)/.dev   ## the benchmarks in full
	$(VENV)/bin/pytest bench --benchmark-enable --benchmark-columns=min,median,mean,stddev,max

W      ?= $(HOME)/carvoice-train
SHARED ?= ../shared
RUN    ?= $(W)/run
quick   = $(if $(QUICK),$(1) --no-write)
ASR    := CARVOICE_SHARED=$(SHARED) OMP_NUM_THREADS=1 PYTHONPATH=.:bench $(PY)

asr-tables: $(VENV)/.dev ## the speech model's tables (hours of processor time; QUICK=1 only tries each)
	$(ASR) bench/asr_cost.py $(if $(QUICK),--no-write,--checkpoint $(RUN)/last.pt --prior $(RUN)/prior.npy)
	$(ASR) bench/asr_model.py --held-out $(W)/orders-test $(call quick,--limit 2)
	$(ASR) bench/asr_peers.py $(if $(QUICK),,--work $(W)/bench) $(call quick,--limit 2)
	$(ASR) bench/asr_digits.py $(SHARED)/speech $(call quick,--every 100)
	$(ASR) bench/asr_free_words.py $(W)/calibrate $(call quick,--limit 20)
	$(ASR) bench/asr_car.py $(W)/orders-test $(W)/bench$(if $(QUICK),/quick) --talk $(W)/calibrate/test/talk \
		$(call quick,--limit 3)
	$(ASR) bench/asr_false_accepts.py $(W)/bench$(if $(QUICK),/quick) --audio $(W)/audio --speech $(SHARED)/speech \
		$(call quick,--hours 0.1)

mutants: $(VENV)/.dev ## mutation testing of the policy gate (about half an hour); last survivors: bench/results/vehicle_mutants.md
	$(PY) -m pip install --quiet "mutmut>=3.3"
	$(PY) -m mutmut run
	$(PY) -m mutmut results

llm: $(VENV)/.demo    ## add the local language model runtime (compiles for about five minutes)
	./bootstrap.sh llm

picture: $(VENV)/.demo ## capture the demo as docs/demo.svg
	$(VENV)/bin/carvoice demo --speed 4 --svg docs/demo.svg

dist: $(VENV)/.dev    ## wheel and sdist in dist/
	$(PY) -m build

$(VENV)/.demo: pyproject.toml setup.py bootstrap.sh $(wildcard csrc/*.[ch]) $(wildcard carvoice/*/*.pyx)
	./bootstrap.sh demo

$(VENV)/.dev: pyproject.toml setup.py bootstrap.sh $(wildcard csrc/*.[ch]) $(wildcard carvoice/*/*.pyx)
	./bootstrap.sh dev

clean:                ## remove what was built, not the .venv
	rm -rf build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache
	find carvoice -name '*.so' -delete
	$(MAKE) -C tests/c clean
