# The front door. Each target is one line; what is longer is a program in tools/.
.DEFAULT_GOAL := help
.PHONY: help demo run test faults proofs versions bench bench-quick check audit up compose-test pictures

help: ## Show this
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: ## Make real backups between two real PostgreSQL servers, all started for it and ended after it
	@tools/setup demo && .venv/bin/railway-neon-sync demo

run: ## Make one backup now, of the databases that .env names, in this process
	@tools/setup demo && .venv/bin/railway-neon-sync run --here

test: ## Run all tests, against servers that they start themselves
	@tools/setup dev && .venv/bin/pytest --numprocesses 3 --dist loadfile --no-loadscope-reorder

faults: ## Kill, stop and cut off whatever a run needs, at every instant, and write docs/reliability.md (30 minutes)
	@tools/setup dev && .venv/bin/python -m tests.faults

proofs: ## Damage dumps, lie, copy between all versions, and write the rest of docs/reliability.md (15 minutes)
	@tools/setup dev && .venv/bin/python -m tests.faults.proofs

versions: ## Copy between every pair of PostgreSQL 14 to 18, roll back, and copy again (5 minutes)
	@tools/setup dev && .venv/bin/pytest -m "figures and long" tests/versions

bench: ## Time runs beside what a user would take instead, and write docs/performance.md (more than an hour)
	@tools/setup dev && .venv/bin/python -m tests.bench --postgres 18

bench-quick: ## The same in two minutes: fewer rounds, smaller data, printed only
	@tools/setup dev && .venv/bin/python -m tests.bench --quick

check: ## Style, types and unit tests, in seconds
	@tools/setup dev && tools/check

pictures: ## Make docs/pictures anew: what the demo prints, the status page and Flower (needs Chromium)
	@tools/setup dev && .venv/bin/python tools/picture.py && PYTHONPATH=. .venv/bin/python tools/screenshots.py

audit: ## Ask for known weaknesses of every pinned dependency (needs the network)
	@tools/setup dev && tools/audit

up: ## Build and start Redis, worker, beat and Flower with Docker Compose
	@docker compose up --detach --build --wait

compose-test: ## Prove docker-compose.yml on this machine's container engine: up, runs, kills, down (10 minutes)
	@tools/setup dev && COMPOSE_TEST=1 .venv/bin/pytest tests/containers
