"""A run of twelve steps, three of them actions, that test_kill.py kills: says what it did after each step.

errand.py NAME LOG      COUNTERSIGN_URL and COUNTERSIGN_KEY say where
"""

from __future__ import annotations

import sys

from countersign import Client, Failed, Run

ORDERS = {3: "#W1000001", 7: "#W1000005", 11: "#W1000012"}


def main() -> None:
    name, log = sys.argv[1:]

    def work(number: int) -> int:
        with open(log, "a", encoding="utf-8") as file:
            file.write(f"{number}\n")
        return number * number

    with Client() as client, client.run(name) as run:
        for number in range(12):
            print(f"begin {number}", flush=True)
            if number in ORDERS:
                cancel(run, ORDERS[number])
            else:
                assert run.step(f"step-{number}", work, number) == number * number
            print(f"did {number}", flush=True)
    print("end", flush=True)


def cancel(run: Run, order: str) -> None:
    """Cancels the order. Where a kill came before the call had reached the CRM, the server finds that out, and another try is
    another action."""
    arguments = {"order_id": order, "reason": "no longer needed"}
    for attempt in range(1, 5):
        try:
            run.action("crm.cancel_pending_order", arguments, key=f"cancel-{order[1:]}-{attempt}")
            return
        except Failed as error:
            if error.action.failure != "not_applied":
                raise
    raise AssertionError("four tries did not reach the CRM")


if __name__ == "__main__":
    main()
