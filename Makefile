# `make test` and `make acceptance` do everything from a fresh clone.
# Each job is described in tox.ini; ARGS reach the job's command: make load ARGS="--host http://127.0.0.1:8000"
UV := .bootstrap/bin/uv
JOBS := acceptance test load chaos production-smoke bench teeth browser kind lint types

# Every program of the project starts from compiled files, whatever the caller's shell says.
export PYTHONDONTWRITEBYTECODE :=

.PHONY: help $(JOBS)
help:
	@echo "make acceptance   environment, deployment, features and report, from nothing"
	@echo "make test         lint, types and the suite's own tests"
	@echo "other jobs: $(filter-out acceptance test,$(JOBS))"

test: $(UV)
	@$(UV) run --locked --quiet tox run -q -e lint,types,test -- $(ARGS)

acceptance chaos production-smoke bench teeth browser kind lint types load: $(UV)
	@$(UV) run --locked --quiet tox run -q -e $@ -- $(ARGS)

$(UV): requirements-bootstrap.txt
	@python3 -m venv .bootstrap
	@.bootstrap/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r $<
	@touch $@
