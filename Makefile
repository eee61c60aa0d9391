# The front door. Every target calls the same playbooks and tools that one can call by hand; see README.md.
SHELL := /bin/bash
VENV := .venv
BIN := $(VENV)/bin
INVENTORY ?= inventories/local
INSTANCE ?= local
ROWS ?= small
CRON := /etc/cron.d
# One more than processors: much of what tests do is wait for a server.
WORKERS ?= $(shell echo $$(($$(nproc) + 1)))
NATIVE := $(wildcard src/howdah/native/*.pyx src/howdah/native/*.pxd src/howdah/native/*.h)
PLAYBOOK := $(BIN)/ansible-playbook -i $(INVENTORY)
# Kept out of the checkout's way: what Ansible unpacks for itself.
export ANSIBLE_HOME := $(CURDIR)/.ansible
# Tools find their siblings (molecule calls ansible-playbook, ansible-lint calls yamllint).
export PATH := $(CURDIR)/$(BIN):$(PATH)

.DEFAULT_GOAL := help
.PHONY: help up down status plan migrate test bench lint images clean

help: ## Show this list
	@awk -F':.*## ' '/^[a-z]+:.*## / {printf "  make %-9s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

# Where nothing but compiled code changed, only that is compiled again.
$(VENV)/complete: pyproject.toml constraints.txt hatch_build.py $(NATIVE)
	@if [ -e $@ ] && [ -z "$(filter-out $(NATIVE),$?)" ]; then \
	  $(BIN)/pip install --quiet --disable-pip-version-check --no-deps --editable .; \
	else bin/bootstrap $(VENV); fi
	@touch $@

up: $(VENV)/complete ## Set everything up on this machine, with sample data migrated and verified
	@$(PLAYBOOK) playbooks/up.yml
	@$(BIN)/howdah status --instance $(INSTANCE) --tables

down: $(VENV)/complete ## Remove what `make up` made; data only when its volume is named: DATA=howdah-local-data
	@$(PLAYBOOK) playbooks/down.yml -e confirm=$(INSTANCE) $(if $(DATA),-e data=$(DATA))

status: $(VENV)/complete ## Show server, pool, backups and migrations
	@$(BIN)/howdah status --instance $(INSTANCE) --tables

plan: $(VENV)/complete ## Say what would move; change nothing
	@$(PLAYBOOK) playbooks/plan.yml

migrate: $(VENV)/complete ## Migrate what is new or changed, and verify
	@$(PLAYBOOK) playbooks/migrate.yml

images: $(VENV)/complete
	@$(PLAYBOOK) playbooks/images.yml

test: $(VENV)/complete images ## Run every check on real servers
	@$(BIN)/pytest --numprocesses $(WORKERS) --dist loadfile --no-loadscope-reorder

bench: $(VENV)/complete images ## Measure the engine beside its peers: ROWS=small, reference or a number
	@$(BIN)/python -m tests.bench --rows $(ROWS)

lint: $(VENV)/complete ## Check style and types
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/yamllint --strict .
	$(BIN)/ansible-lint --offline --profile production

# Cron of an environment in checkout mode takes its backups with this virtual environment.
clean: ## Remove the virtual environment and caches; refused while an environment uses them
	@if users=$$(grep -lsF '$(CURDIR)/$(BIN)/' $(CRON)/howdah-*); then \
	  echo "make clean:" $$users "takes backups with $(CURDIR)/$(VENV); nothing was removed." >&2; \
	  echo "  next: remove that environment first (make down), or leave its virtual environment where it is." >&2; \
	  exit 1; \
	fi
	rm -rf $(VENV) .ansible .local .mypy_cache .ruff_cache .pytest_cache .hypothesis
