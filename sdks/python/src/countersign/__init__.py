"""Run AI agents under Countersign: memoised steps, governed actions, approvals that outlive the process."""

__version__ = "0.1.0"
