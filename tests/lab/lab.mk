# The lab's targets. PYTHON: the virtual environment's, set by the Makefile that includes this file.
PYTHON ?= .venv/bin/python
LAB ?= kubefort
LAB_SUITE ?= trixie
LAB_HOSTS ?= cp1 cp2 cp3 w1 w2
LAB_VERSIONS ?= v1.36.2

.PHONY: lab-prepare lab-up lab-down lab-ssh lab-list lab-logs lab-clean

lab-prepare: ## Docker engine, host image and bundles of the lab
	$(PYTHON) -m tests.lab prepare --suite $(LAB_SUITE) $(addprefix --version ,$(LAB_VERSIONS))

lab-up: ## Start lab hosts: LAB=name LAB_SUITE=trixie|bookworm LAB_HOSTS="cp1 w1"
	$(PYTHON) -m tests.lab --lab $(LAB) up --suite $(LAB_SUITE) $(LAB_HOSTS)

lab-down: ## Remove the lab's hosts
	$(PYTHON) -m tests.lab --lab $(LAB) down

lab-ssh: ## A root shell on a lab host: HOST=cp1
	@test -n "$(HOST)" || { echo 'which host? make lab-ssh HOST=cp1'; exit 2; }
	@$(PYTHON) -m tests.lab --lab $(LAB) ssh $(HOST)

lab-list: ## The lab's hosts
	@$(PYTHON) -m tests.lab --lab $(LAB) list

lab-logs: ## Logs of every lab host: FOLDER=build/logs
	$(PYTHON) -m tests.lab --lab $(LAB) logs $(or $(FOLDER),build/lab-logs)

lab-clean: ## Free the lab's cache: every lab, image, bundle
	$(PYTHON) -m tests.lab clean
