# The README's commands, and what CI runs. Each target does its own set-up and says plainly what is missing.
SHELL := /usr/bin/env bash
.DEFAULT_GOAL := help

.PHONY: help setup console build demo demo-stop test lint licences audit prove bench clean

help: ## Show the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

setup: ## Check and install what the project needs
	@scripts/setup.sh

console: setup ## Build the console into console/dist
	@scripts/console.sh

build: console ## Build the binary: target/debug/countersign
	cargo build --locked --bins

demo: console ## Shop, agent, server and console, left running; then a summary
	@scripts/demo.sh

demo-stop: ## Stop what `make demo` left running
	@scripts/demo.sh --stop

test: ## Everything that CI checks
	@scripts/test.sh

lint: setup ## Format and clippy
	cargo fmt --all --check
	cargo clippy --workspace --all-targets --locked -- -D warnings

licences: setup ## Licences of all dependencies
	@scripts/licences.sh

audit: setup ## Known vulnerabilities (needs the network; not part of CI)
	cargo install --locked cargo-audit && cargo audit

prove: console ## The long proofs, with a dated table (docs/proofs.md)
	@scripts/prove.sh

bench: console ## Durable decisions a second beside the disk probe
	cargo run --release --locked -p countersign -- bench

clean: demo-stop ## Remove what was built
	cargo clean
	rm -rf console/dist console/node_modules .demo .tools
