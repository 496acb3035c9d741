# Day-to-day commands. Each is one line of Docker Compose, nox or a script: what they do is written there.
# Those under "containers" need Docker and make; the others Python 3.11 or newer and make.
.DEFAULT_GOAL := help
.PHONY: help up down build logs shell migrate createsuperuser demo demo-reset test check check-long engine \
  prod-init prod-up prod-quiesce prod-down prod-logs prod-status prod-createsuperuser prod-compose deploy rollback scale \
  backup backups restore restore-undo restore-cleanup drill

WEB_PORT ?= 8000
export WEB_PORT
# The folder of an installation, where it is another than production/.
export PRODUCTION
PYTHON ?= python3
TOOLS := .venv-tools
# The pinned nox and poetry, in a folder of this checkout, unless another nox is named: `make test NOX=nox`.
NOX ?= $(TOOLS)/bin/nox
NOX_INSTALLED := $(if $(filter $(TOOLS)/%,$(NOX)),$(TOOLS)/ready)

help: ## Show this list
	@awk -F ':.*## ' '/^##@/ { print "\n" substr($$0, 5) } /^[a-z-]+:.*## / { printf "  make %-16s %s\n", $$1, $$2 }' Makefile

##@ Containers
up: ## Start everything, wait until it is healthy, print the links and the log-in
	docker compose up --detach --build --wait
	@docker compose logs --no-log-prefix --no-color migrate | grep -o 'Log in as.*' | tail -n 1
	@printf '  API    http://127.0.0.1:%s/api/v1/\n  Docs   http://127.0.0.1:%s/api/docs/\n  Admin  http://127.0.0.1:%s/admin/\n' $(WEB_PORT) $(WEB_PORT) $(WEB_PORT)

down: ## Stop everything; the data stays (docker compose down --volumes removes it)
	docker compose down

build: ## Build the images again
	docker compose build

# Leaving is no fault: neither by Ctrl-C, nor after a command that failed.
logs: ## Follow the logs; Ctrl-C stops
	@trap 'exit 0' INT; docker compose logs --follow

shell: ## Open a shell in the web container, as the owner of the source; Ctrl-D leaves
	@docker compose exec web as-owner sh -c 'bash; exit 0'

migrate: ## Apply the migrations
	docker compose exec web onestep migrate

createsuperuser: ## Make another administrator
	docker compose exec web onestep createsuperuser

##@ Production on one host (docs/operations.md)
prod-init: ## Make production/ with settings and strong secrets; what is there stays
	@$(PYTHON) -m tools.production init

prod-up: ## Start production, or what is missing of it, with today's settings; wait until it is healthy
	@$(PYTHON) -m tools.production up

prod-quiesce: ## Stop what writes: requests get 503, database and backups run on; make prod-up serves again
	@$(PYTHON) -m tools.production quiesce

prod-down: ## Stop production; the data stays
	@$(PYTHON) -m tools.production down

prod-logs: ## Follow production's logs; Ctrl-C leaves
	@trap 'exit 0' INT; $(PYTHON) -m tools.production logs

prod-status: ## Show containers and the last backup; fail where anything is not well
	@$(PYTHON) -m tools.production status

prod-createsuperuser: ## Make an administrator of production
	@$(PYTHON) -m tools.production createsuperuser

prod-compose: ## Run Docker Compose on production's stack: make prod-compose RUN='restart balancer'
	@$(PYTHON) -m tools.production compose $(RUN)

deploy: ## Move production to another image and drop no request: IMAGE=name, or one built from this checkout
	@$(PYTHON) -m tools.production deploy $(IMAGE)

rollback: ## Return production to the image before
	@$(PYTHON) -m tools.production rollback

scale: ## Run N replicas: make scale N=3
	@$(PYTHON) -m tools.production scale $(N)

backup: ## Make a backup of production now, and restore it to see that it is good
	@$(PYTHON) -m tools.production backup

backups: ## Show the backups
	@$(PYTHON) -m tools.production backups

restore: ## Replace production's data by a backup: make restore SNAPSHOT=latest CONFIRM=onestep
	@$(PYTHON) -m tools.production restore '$(SNAPSHOT)' '$(CONFIRM)'

restore-undo: ## Return to the data that the last restore replaced: make restore-undo CONFIRM=onestep
	@$(PYTHON) -m tools.production restore-undo '$(CONFIRM)'

restore-cleanup: ## Remove the data that the last restore replaced
	@$(PYTHON) -m tools.production restore-cleanup

drill: ## Restore the latest backup (SNAPSHOT) beside production, compare it, ask its API, remove it again
	@$(PYTHON) -m tools.production drill $(SNAPSHOT)

##@ Without Docker
demo: $(TOOLS)/ready ## Serve on 127.0.0.1:8000 with an embedded PostgreSQL and sample data (DEMO_PORT); Ctrl-C stops
	@PATH="$(CURDIR)/$(TOOLS)/bin:$$PATH" $(TOOLS)/bin/python tools/demo.py

demo-reset: ## Remove what the demo stored
	@rm -rf .demo && echo 'The demo is gone: make demo begins anew.'

##@ Checks
test: $(NOX_INSTALLED) ## Run the unit tests on a real PostgreSQL (nox -s tests)
	$(NOX) -s tests

check: engine $(NOX_INSTALLED) ## Run what each change has to pass, in half an hour (nox -t check)
	$(NOX) -t check

check-long: engine $(NOX_INSTALLED) ## Run the long checks, of production above all (nox -t long)
	$(NOX) -t long

engine:
	@docker info >/dev/null 2>&1 || { echo 'make check needs a Docker engine, and none answers. Without one these work: make test, make demo.' >&2; exit 1; }

$(TOOLS)/ready: requirements-tools.txt
	@$(PYTHON) -c 'import sys; sys.exit("OneStep needs Python 3.11 or newer; $(PYTHON) is %d.%d. Name another: make PYTHON=python3.12 …" % sys.version_info[:2] if sys.version_info < (3, 11) else 0)'
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { echo 'Python has no venv module here. On Debian and Ubuntu: apt install python3-venv' >&2; exit 1; }
	@echo 'Installing nox and Poetry into $(TOOLS) (once) …'
	@$(PYTHON) -m venv --clear $(TOOLS)
	@$(TOOLS)/bin/pip install --quiet --disable-pip-version-check --requirement requirements-tools.txt
	@touch $@
