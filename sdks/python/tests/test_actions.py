"""Actions: performed once, or said why not. On both servers."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

import pytest

import countersign
from hosts import Host

Name = Callable[[], str]
CANCEL = "crm.cancel_pending_order"


def answer(host: Host, action: countersign.Action, reason: str | None = None) -> None:
    """A person answers."""
    assert action.approval is not None
    with host.person() as person:
        page = person.approval(action.approval)
        if reason is None:
            person.approve(action.approval, seen=page["digest"])
        else:
            person.reject(action.approval, reason=reason)


def test_an_action_is_done_once_under_its_key(host: Host, name: Name) -> None:
    run_name, order = name(), "#W1000001"
    with host.client() as client:
        ids = set()
        for _ in range(3):
            with client.run(run_name, finish=False) as run:
                action = run.action(CANCEL, {"order_id": order, "reason": "no longer needed"}, key="cancel", reason="asked")
                assert action.confirmed
                assert action.settled
                assert not action.waiting
                assert "cancelled" in action.text
                assert action.words == action.text
                ids.add(action.id)
        assert len(ids) == 1
    assert host.effects(order) == 1


def test_without_a_key_tool_and_arguments_name_it(host: Host, name: Name) -> None:
    with host.client() as client, client.run(name()) as run:
        first = run.action("crm.get_order_details", order_id="#W1000002")
        with pytest.raises(countersign.KeyReused) as caught:
            run.action("crm.get_order_details", order_id="#W1000002")
        assert 'key=f"crm.get_order_details-{item}"' in caught.value.hint
        second = run.action("crm.get_order_details", order_id="#W1000002", key="again")
        assert first.id != second.id


def test_another_action_under_the_same_key_is_told_how_to_name_it(host: Host, name: Name) -> None:
    with host.client() as client:
        run_name = name()
        with client.run(run_name, finish=False) as run:
            run.action("crm.get_order_details", order_id="#W1000002", key="look")
        with client.run(run_name, finish=False) as run, pytest.raises(countersign.ActionMismatch) as caught:
            run.action("crm.get_order_details", order_id="#W1000003", key="look")
    assert 'run.action(…, key=f"look-{item}")' in caught.value.hint


def test_refused_by_a_rule(host: Host, name: Name) -> None:
    with host.client() as client, client.run(name()) as run:
        with pytest.raises(countersign.Refused) as caught:
            run.action(CANCEL, {"order_id": "#W1000014", "reason": "no longer needed"})
        assert caught.value.code == "forbidden"
        assert caught.value.action.refused
        assert not caught.value.retryable
        told = run.propose("crm.modify_pending_order_payment", order_id="#W1000012", payment_method_id="paypal_8300003")
        assert told.refused
        assert "not performed" in told.words
    assert host.effects("#W1000014") == 0


def test_failed_by_the_tool(host: Host, name: Name) -> None:
    with host.client() as client, client.run(name()) as run:
        with pytest.raises(countersign.Failed) as caught:
            run.action(CANCEL, {"order_id": "#W1000002", "reason": "no longer needed"})
        action = caught.value.action
        assert action.failed
        assert action.is_error
        assert action.words.startswith("Error: ")
        assert host.effects("#W1000002") == 0


def test_not_waiting_gives_the_handle_and_a_later_session_the_outcome(host: Host, name: Name) -> None:
    run_name, order = name(), "#W1000010"
    arguments = {"order_id": order, "reason": "ordered by mistake"}
    with host.client() as client:
        with pytest.raises(countersign.ApprovalPending) as caught, client.run(run_name) as run:
            run.action(CANCEL, arguments, key="cancel", wait=False)
        action = caught.value.action
        assert caught.value.retryable
        assert action.waiting
        assert client.get_run(action.run)["status"] == "open", "an interrupted block leaves the run open"
        assert client.action(action.id).waiting
        assert [one.id for one in client.actions(run=action.run, status="waiting")] == [action.id]
        with client.run(run_name, finish=False) as run:
            for _ in range(2):
                with pytest.raises(countersign.ApprovalPending):
                    run.action(CANCEL, arguments, key="cancel", wait=False)
        assert host.effects(order) == 0
        answer(host, action)
        with client.run(run_name) as run:
            assert run.action(CANCEL, arguments, key="cancel").id == action.id
    assert host.effects(order) == 1


def test_rejected_by_a_person(host: Host, name: Name) -> None:
    with host.client() as client, client.run(name()) as run:
        action = run.propose(CANCEL, {"order_id": "#W1000016", "reason": "no longer needed"}, key="cancel", wait=False)
        assert action.waiting
        answer(host, action, reason="the customer called: keep it")
        with pytest.raises(countersign.Rejected, match="the customer called: keep it"):
            run.action(CANCEL, {"order_id": "#W1000016", "reason": "no longer needed"}, key="cancel")
    assert host.effects("#W1000016") == 0


def test_withdrawn_by_the_agent(host: Host, name: Name) -> None:
    with host.client() as client, client.run(name()) as run:
        arguments = {"order_id": "#W1000016", "reason": "no longer needed"}
        action = run.propose(CANCEL, arguments, key="cancel", wait=False)
        assert client.withdraw(action.id).refused
        with pytest.raises(countersign.Withdrawn):
            run.action(CANCEL, arguments, key="cancel")


def test_a_bounded_wait_ends_with_the_handle(host: Host, name: Name) -> None:
    with host.client() as client, client.run(name(), finish=False) as run:
        arguments = {"order_id": "#W1000016", "reason": "no longer needed"}
        began = time.monotonic()
        with pytest.raises(countersign.ApprovalPending) as caught:
            run.action(CANCEL, arguments, key="cancel", wait=0.4)
        assert time.monotonic() - began < 20
        client.withdraw(caught.value.action.id)


async def test_actions_on_an_event_loop(host: Host, name: Name) -> None:
    async with host.async_client() as client, client.run(name()) as run:
        got = await run.action("crm.get_order_details", order_id="#W1000002")
        assert "#W1000002" in got.text
        with pytest.raises(countersign.Refused):
            await run.action(CANCEL, {"order_id": "#W1000014", "reason": "no longer needed"})


def test_arguments_and_tools_that_are_not_there_are_said(host: Host, name: Name) -> None:
    with host.client() as client, client.run(name()) as run:
        with pytest.raises(countersign.InvalidRequest) as caught:
            run.action("crm.nothing")
        assert caught.value.code == "tool_unknown"
        with pytest.raises(countersign.InvalidRequest) as caught:
            run.action("crm.get_order_details", order="#W1000002")
        assert caught.value.code == "arguments_invalid"
        with pytest.raises(countersign.ValueNotJson):
            run.action("crm.get_order_details", order_id=object())
        with pytest.raises(countersign.NotFound):
            client.action("act_00000000000000000000000000")
        # The key was not used up by what was not taken.
        assert run.action("crm.get_order_details", order_id="#W1000002").confirmed


def test_a_wrong_key_is_said(host: Host, name: Name) -> None:
    with host.stranger() as client, pytest.raises(countersign.Unauthenticated) as caught:
        client.run(name()).start()
    assert caught.value.status == 401
    assert caught.value.hint


def test_a_waiting_agent_is_woken_by_the_answer(host: Host, name: Name) -> None:
    if host.name == "fake":
        pytest.skip("time jumps in the fake: who waits meets its own people, see test_testing.py")
    arguments = {"order_id": "#W1000016", "reason": "ordered by mistake"}
    with host.client() as client, client.run(name()) as run:
        action = run.propose(CANCEL, arguments, key="cancel", wait=False)
        thread = threading.Timer(0.5, answer, (host, action))
        thread.start()
        began = time.monotonic()
        assert run.action(CANCEL, arguments, key="cancel").confirmed
        assert time.monotonic() - began < 10
        thread.join()
    assert host.effects("#W1000016") == 1
