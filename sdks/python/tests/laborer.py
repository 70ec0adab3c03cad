"""A worker in a process of its own, for test_stopped.py: says when it begins, and what became of it.

laborer.py SECONDS      COUNTERSIGN_URL and COUNTERSIGN_KEY say where
"""

from __future__ import annotations

import sys
import time

from countersign import Run, Worker, task

ORDER = {"order_id": "#W1000001", "reason": "no longer needed"}


def main() -> None:
    seconds = float(sys.argv[1])

    @task("cancel-slowly")
    def cancel(run: Run, input: None) -> str:  # noqa: A002
        print("begin", flush=True)
        time.sleep(seconds)
        run.step("looked", lambda: print("looked", flush=True))
        run.action("crm.cancel_pending_order", ORDER, key="cancel")
        print("did", flush=True)
        return "done"

    Worker(cancel).run()


if __name__ == "__main__":
    main()
