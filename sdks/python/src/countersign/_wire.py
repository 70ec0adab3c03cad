# Generated from docs/reference/openapi.json by scripts/sdk-types.sh. Do not edit.
"""What travels between client and server, as types for the checker: plain dictionaries at run time."""

from __future__ import annotations

from typing import Any, NotRequired, TypedDict


class Agent(TypedDict):
    """
    An agent.
    """

    deputy: NotRequired[str | None]
    """
    Deputy.
    """
    id: str
    """
    Its name.
    """
    owner: str
    """
    Who answers for it.
    """
    stage: str
    """
    Stage.
    """
    title: str
    """
    Title for people.
    """
    version: int
    """
    Version.
    """


AgentRetention = TypedDict(
    'AgentRetention',
    {
        'agent': str,
        'class': str,
        'days': int,
    },
)


class Answered(TypedDict):
    """
    What answered a condition: exactly one of `signal`, `at`, `action`, `run`.
    """

    action: NotRequired[str | None]
    """
    The action that was settled.
    """
    at: NotRequired[int | None]
    """
    The moment that came.
    """
    error: NotRequired[Any]
    """
    Why the run failed.
    """
    run: NotRequired[str | None]
    """
    The run that ended.
    """
    signal: NotRequired[str | None]
    """
    The signal that was read.
    """
    status: NotRequired[str | None]
    """
    How the action or the run ended.
    """
    value: NotRequired[Any]
    """
    Its value, or the result of the run; absent where it was erased.
    """


class Apply(TypedDict):
    """
    `POST /v1/apply`: a whole workspace folder.
    """

    dry_run: NotRequired[bool]
    """
    Only say what would change.
    """
    expected: NotRequired[str | None]
    """
    The bundle that the plan was made against; another one in force is a conflict.
    """
    files: dict[str, str]
    """
    Files by path relative to the folder.
    """


class ApproveRequest(TypedDict):
    """
    `POST /v1/approvals/{approval}/approve`
    """

    seen: str
    """
    The digest of the page that was read.
    """


class BasedOn(TypedDict):
    """
    A read that an agent relied on.
    """

    action: str
    """
    `act_…`, a read of the same run that was answered.
    """


class Blob(TypedDict):
    """
    Bytes of a program, and how it reads them.
    """

    data: str
    """
    The bytes, in base64 (RFC 4648, with padding).
    """
    type: str
    """
    The form of the bytes, in the program's words, 1 to 64 bytes: `msgpack`.
    """


class BriefLeft(TypedDict):
    """
    Lines that were left out.
    """

    count: int
    """
    How many.
    """
    first: int
    """
    The entry of the first one.
    """
    last: int
    """
    The entry of the last one.
    """
    section: str
    """
    Of this section.
    """


class BriefLine(TypedDict):
    """
    One line of a brief.
    """

    entry: int
    """
    The entry that it rests on.
    """
    section: str
    """
    `goal`, `changed`, `open`, `decisions`, `facts`
    """
    text: str
    """
    One sentence. What the agent said stands in quotation marks.
    """


class Change(TypedDict):
    """
    One change of a plan.
    """

    detail: str
    """
    In words.
    """
    kind: str
    """
    `added`, `changed`, `removed`
    """
    name: str
    """
    Its name.
    """
    what: str
    """
    `agent`, `person`, `connector`, `tool`, `policy`, `counter`, `setting`
    """


class ChannelValue(TypedDict):
    """
    A value of a channel.
    """

    channel: str
    """
    The channel.
    """
    value: Blob
    """
    What it is.
    """


class Condition(TypedDict):
    """
    What a run waits for: exactly one of these.
    """

    action: NotRequired[str | None]
    """
    An action of the run that is settled.
    """
    after_ms: NotRequired[int | None]
    """
    A span from when the wait is opened.
    """
    at: NotRequired[int | None]
    """
    A moment, in milliseconds since 1970.
    """
    run: NotRequired[str | None]
    """
    A run that has ended.
    """
    signal: NotRequired[str | None]
    """
    A signal of this name.
    """


CopyThread = TypedDict(
    'CopyThread',
    {
        'agent': NotRequired[str | None],
        'from': str,
        'to': str,
    },
)


class Counted(TypedDict):
    """
    How many were removed or copied.
    """

    checkpoints: int
    """
    Checkpoints.
    """


class CreateKey(TypedDict):
    """
    `POST /v1/keys`: makes an API key.
    """

    agent: NotRequired[str | None]
    """
    For an agent …
    """
    person: NotRequired[str | None]
    """
    … or for a person.
    """
    scopes: NotRequired[list[str]]
    """
    `act`, `read`, `answer`, `publish`, `keys`; left out: what its kind usually needs.
    """


class CreateLoginLink(TypedDict):
    """
    `POST /v1/login-links`: makes a one-time link to the console.
    """

    person: str
    """
    For whom.
    """


class DeleteThread(TypedDict):
    """
    `POST /v1/threads/delete`: destroys the data keys of a thread, and with them its content.
    """

    agent: NotRequired[str | None]
    """
    Whose thread it is; an agent's key names its own.
    """
    thread: str
    """
    The thread.
    """


class EraseSubject(TypedDict):
    """
    `POST /v1/subjects/erase`
    """

    dry_run: NotRequired[bool]
    """
    Only count.
    """
    reason: NotRequired[str]
    """
    Why: a sealed text beside the entry.
    """
    subject: str
    """
    `connector:name`, as the connector's `subject` makes it, `thread/AGENT:NAME`, or a run's id.
    """


class Fact(TypedDict):
    """
    A fact that a decision used.
    """

    age_max_ms: int
    """
    How old it may be.
    """
    name: str
    """
    Its name in policy.
    """
    read_at: int
    """
    When the source was read.
    """
    shown: str
    """
    As shown: "712.40 USD".
    """
    source: str
    """
    Where it came from.
    """
    value: Any
    """
    The value that policy saw.
    """


class FileProblem(TypedDict):
    """
    A problem in a workspace file.
    """

    code: str
    """
    Stable code.
    """
    file: str
    """
    File in the workspace folder.
    """
    hint: str
    """
    What to do.
    """
    line: int
    """
    Line, from 1; 0 where the whole file is meant.
    """
    message: str
    """
    What is wrong.
    """
    severity: str
    """
    `error` or `warning`
    """


class FinishRun(TypedDict):
    """
    `POST /v1/runs/{run}/finish`: ends a run.
    """

    error: NotRequired[Any]
    """
    Why it did not, where it is not; any JSON.
    """
    outcome: str
    """
    `done`, `failed` or `cancelled`
    """
    result: NotRequired[Any]
    """
    What it brought, where it is done; any JSON.
    """


class GetCheckpoint(TypedDict):
    """
    `POST /v1/checkpoints/get`
    """

    agent: NotRequired[str | None]
    """
    Whose thread it is; an agent's key names its own.
    """
    id: NotRequired[str | None]
    """
    Its id; absent: the newest.
    """
    namespace: NotRequired[str]
    """
    Where in the thread.
    """
    thread: str
    """
    The thread.
    """


class Given(TypedDict):
    """
    One person's yes.
    """

    at: int
    """
    When.
    """
    person: str
    """
    Who.
    """
    roles: list[str]
    """
    The roles held then.
    """


class Handled(TypedDict):
    """
    Who did something about an incident.
    """

    at: int
    """
    When, in milliseconds since 1970.
    """
    by: str
    """
    `person:NAME` or `operator`
    """
    reason: NotRequired[str | None]
    """
    Why.
    """


class HoldSubject(TypedDict):
    """
    `POST /v1/subjects/hold`
    """

    hold: bool
    """
    `true` puts the hold, `false` ends it.
    """
    reason: str
    """
    Why: a sealed text beside the entry.
    """
    subject: str
    """
    `connector:name`, `thread/AGENT:NAME`, or a run's id.
    """


class IfNewest(TypedDict):
    """
    What is believed to be the newest checkpoint of the namespace.
    """

    checkpoint: NotRequired[str | None]
    """
    Its id; absent: there is none.
    """


class Incident(TypedDict):
    """
    Something went wrong that a person must look at.
    """

    acknowledged: NotRequired[Handled | None]
    agent: str
    """
    The agent.
    """
    cause: str
    """
    `run_failing`: attempts at a run failed again and again; it is parked until the incident is resolved.
    """
    error: NotRequired[Any]
    """
    What went wrong last; absent where it was erased.
    """
    id: str
    """
    `inc_…`
    """
    opened_at: int
    """
    When it was opened, in milliseconds since 1970.
    """
    owner: str
    """
    Who must look at it.
    """
    resolved: NotRequired[Handled | None]
    run: NotRequired[str | None]
    """
    The run, where it is about one.
    """
    status: str
    """
    `open`, `acknowledged`, `resolved`
    """


class Key(TypedDict):
    """
    A key; its secret is shown once.
    """

    created_at: int
    """
    When it was made.
    """
    id: str
    """
    `key_…`
    """
    principal: str
    """
    `agent:NAME` or `person:NAME`
    """
    revoked_at: NotRequired[int | None]
    """
    When it was revoked.
    """
    scopes: list[str]
    """
    What it may be used for.
    """
    secret: NotRequired[str | None]
    """
    Only in the answer that makes it.
    """


class LetGo(TypedDict):
    """
    `POST /v1/retention/apply`
    """

    held: int
    """
    Runs that a legal hold keeps.
    """
    keys: int
    """
    Keys that were destroyed.
    """
    runs: int
    """
    Runs whose content was let go.
    """
    subjects: int
    """
    Subjects whose keys were destroyed. Those that younger runs need are kept.
    """
    threads: NotRequired[int]
    """
    Threads whose content was let go.
    """
    unsettled: int
    """
    Runs that an open outcome keeps.
    """


class ListCheckpoints(TypedDict):
    """
    `POST /v1/checkpoints/list`: the last saved first.
    """

    after: NotRequired[str | None]
    """
    `next` of the page before.
    """
    agent: NotRequired[str | None]
    """
    Whose threads; an agent's key names its own.
    """
    ancestors_of: NotRequired[str | None]
    """
    Only the ancestors of the checkpoint of this id, the nearest first. Needs thread and namespace.
    """
    before: NotRequired[str | None]
    """
    Only those saved before this one. Where thread and namespace do not say which one it is, or it is gone: only those
    whose id is less.
    """
    channels: NotRequired[list[str] | None]
    """
    Give values and writes of these channels only; absent: of all.
    """
    filter: NotRequired[Any]
    """
    Only those with these members in their `filter`.
    """
    id: NotRequired[str | None]
    """
    Only this one.
    """
    limit: NotRequired[int | None]
    """
    How many on a page, 1 to 100; fewer come where they are large.
    """
    namespace: NotRequired[str | None]
    """
    Of this namespace; absent: of all. Needs a thread.
    """
    thread: NotRequired[str | None]
    """
    Of this thread; absent: of all.
    """


class LiveEvent(TypedDict):
    """
    A line of the live stream (`GET /v1/events`, server-sent events): something durable changed.
    """

    action: NotRequired[str | None]
    """
    The action.
    """
    approval: NotRequired[str | None]
    """
    The approval.
    """
    at: int
    """
    When.
    """
    kind: str
    """
    Kind of entry; the SSE `event` is always `entry`.
    """
    run: NotRequired[str | None]
    """
    The run.
    """
    seq: int
    """
    Position in the log; the SSE `id`.
    """


class LoginLink(TypedDict):
    """
    A one-time link to the console.
    """

    expires_at: int
    """
    Until when.
    """
    person: str
    """
    For whom.
    """
    url: str
    """
    Works once.
    """


class Me(TypedDict):
    """
    `GET /v1/me`: whom the credential speaks for.
    """

    csrf: NotRequired[str | None]
    """
    Send it as `x-countersign-csrf` with every change; only for browser sessions.
    """
    principal: str
    """
    `agent:NAME`, `person:NAME` or `operator`
    """
    roles: list[str]
    """
    Roles of the person.
    """
    scopes: list[str]
    """
    What may be done: `act`, `read`, `answer`, `publish`, `keys`
    """
    workspace: str
    """
    The workspace.
    """


class NewStep(TypedDict):
    """
    A step that was done.
    """

    error: NotRequired[Any]
    """
    Why it failed for good; another try would not mend it.
    """
    input_sha256: str
    """
    SHA-256 of its input, 64 hexadecimal digits: asked for again with another one, it is another step.
    """
    key: str
    """
    Names it within the run, 1 to 200 bytes: the same whenever the program comes here again.
    """
    kind: str
    """
    `task`, `context` (something read that the run relies on), `think` (a model's answer), `decide` (a choice with its
    reasons). What changes the world is an action.
    """
    result: NotRequired[Any]
    """
    What it brought; any JSON. Left out where it failed.
    """


class NewValue(TypedDict):
    """
    A value of a channel; without `type` and `data` it is the parent's, of the same version.
    """

    channel: str
    """
    The channel, 1 to 256 bytes.
    """
    value: NotRequired[Blob | None]
    version: NotRequired[str]
    """
    Its version, at most 128 bytes.
    """


class NewWrite(TypedDict):
    """
    One write of a task.
    """

    channel: str
    """
    The channel.
    """
    slot: int
    """
    Its place among the writes of the task. From 0 on the first that came counts, below 0 the last.
    """
    value: Blob
    """
    What is written.
    """


class OpenSession(TypedDict):
    """
    `POST /v1/sessions`: opens a browser session with either of them.
    """

    code: NotRequired[str | None]
    """
    The code of a one-time link …
    """
    key: NotRequired[str | None]
    """
    … or the API key of a person.
    """


class OpenWait(TypedDict):
    """
    `POST /v1/runs/{run}/waits`: the run has nothing to do until something happens. Asked again under the same key it
    gives its answer, or says that it still waits.
    """

    all_of: NotRequired[list[Condition] | None]
    """
    1 to 64 conditions; all must hold.
    """
    any_of: NotRequired[list[Condition] | None]
    """
    1 to 64 conditions; the first one that holds is the answer, ties by this order.
    """
    key: str
    """
    Names it within the run, 1 to 200 bytes, among the keys of steps.
    """
    wait_ms: NotRequired[int | None]
    """
    How long the answer may be held back while it still waits, 60 s at most.
    """


class Output(TypedDict):
    """
    What a tool answered.
    """

    content: list[Any]
    """
    Content blocks as in MCP.
    """
    is_error: bool
    """
    The system itself says that it did not do it.
    """
    structured: NotRequired[Any]
    """
    The structured result, where the tool gives one.
    """
    text: str
    """
    All text blocks, one after the other.
    """


class PageIncident(TypedDict):
    """
    One page of a list, newest first.
    """

    items: list[Incident]
    """
    The rows.
    """
    next: NotRequired[str | None]
    """
    Give it as `after` to read on; absent at the end.
    """


class Plan(TypedDict):
    """
    What `apply` does or would do.
    """

    applied: bool
    """
    It is in force now.
    """
    bundle: str
    """
    Content address of the folder.
    """
    changes: list[Change]
    """
    What changes.
    """
    previous: NotRequired[str | None]
    """
    The bundle in force before.
    """
    warnings: list[FileProblem]
    """
    Lint.
    """


class Problem(TypedDict):
    """
    `application/problem+json`
    """

    code: str
    """
    Stable code.
    """
    detail: str
    """
    What is wrong, in one sentence.
    """
    hint: str
    """
    What to do next.
    """
    problems: NotRequired[list[FileProblem]]
    """
    One line each, where several things are wrong.
    """
    status: int
    """
    The HTTP status.
    """
    title: str
    """
    The HTTP status as words.
    """
    type: str
    """
    Page of the error: `/docs/errors/CODE`.
    """


class Proof(TypedDict):
    """
    Where the record can be checked.
    """

    checkpoint: NotRequired[str | None]
    """
    The last signed checkpoint (a C2SP signed note), if it covers them.
    """
    checkpoint_size: NotRequired[int | None]
    """
    Size of the log at that checkpoint.
    """
    command: str
    """
    The command that verifies the journal offline.
    """
    entries: list[int]
    """
    Entries of this action, by position.
    """
    log: str
    """
    Name of the log.
    """


class ProposeAction(TypedDict):
    """
    `POST /v1/runs/{run}/actions`: proposes one use of a tool. Needs an `Idempotency-Key` header.
    """

    arguments: NotRequired[Any]
    """
    Arguments, as the tool's schema asks.
    """
    based_on: NotRequired[list[BasedOn]]
    """
    Reads of this run that the agent relied on: if one of them answers differently when the action is to be performed, it
    is refused with `context_changed`. At most 16.
    """
    reason: NotRequired[str | None]
    """
    Why, in the agent's own words. Shown to people as the agent's.
    """
    tool: str
    """
    `connector.tool`
    """
    wait_ms: NotRequired[int | None]
    """
    How long to hold the answer while the action is under way, at most 60,000. A waiting approval is answered at once.
    """


class Prune(TypedDict):
    """
    `POST /v1/retention/prune`
    """

    dry_run: NotRequired[bool]
    """
    Only count.
    """


class PruneThreads(TypedDict):
    """
    `POST /v1/threads/prune`: leaves the newest checkpoint of each namespace, and what it is put together from.
    """

    agent: NotRequired[str | None]
    """
    Whose threads; an agent's key names its own.
    """
    threads: list[str]
    """
    The threads, at most 100.
    """


class Pruned(TypedDict):
    """
    What went, or would.
    """

    bytes: int
    """
    Their bytes.
    """
    first_entry: int
    """
    The first entry of the workspace's log that is there then; 0 where nothing goes.
    """
    segments: int
    """
    Segments of the journal.
    """


class Reasoned(TypedDict):
    """
    `POST /v1/runs/{run}/pause` and `/resume`, and what is done about incidents.
    """

    reason: NotRequired[str | None]
    """
    Why, for people.
    """


class Reconcile(TypedDict):
    """
    `POST /v1/reconcile`
    """

    reason: str
    """
    What was looked at and found: a sealed text beside the entry.
    """


class Reconciled(TypedDict):
    """
    What reconciling did.
    """

    open: int
    """
    Calls that were under way there: they are being settled.
    """
    withdrawn: int
    """
    Requests for approval that were open at the point of the restore: withdrawn.
    """


class RecordSteps(TypedDict):
    """
    `POST /v1/runs/{run}/steps`: records what a run did, so that it need not do it again.
    """

    steps: list[NewStep]
    """
    1 to 256 of them; all are recorded, or none.
    """


class RejectRequest(TypedDict):
    """
    `POST /v1/approvals/{approval}/reject`
    """

    reason: str
    """
    Why, in the person's own words; the agent is told.
    """


class RemoveCheckpoints(TypedDict):
    """
    `POST /v1/checkpoints/remove`: removes the checkpoints that these runs of the program made.
    """

    agent: NotRequired[str | None]
    """
    Whose threads; an agent's key names its own.
    """
    runs: list[str]
    """
    The runs, as `run` named them, at most 100.
    """


class ResolveAction(TypedDict):
    """
    `POST /v1/actions/{action}/resolve`: a person settles an unknown outcome after looking.
    """

    applied: bool
    """
    It happened.
    """
    reason: str
    """
    How the person knows. Kept, sealed.
    """


class Retention(TypedDict):
    """
    `GET /v1/retention`
    """

    agents: list[AgentRetention]
    """
    By agent.
    """
    due: int
    """
    Runs whose content is to be let go now.
    """
    held: int
    """
    Runs past their retention that a legal hold keeps.
    """
    standard_days: int
    """
    Days that the class `standard` keeps, unless the workspace says otherwise.
    """
    threads: NotRequired[int]
    """
    Threads that nobody wrote to for as long, and that are to be let go now.
    """
    unsettled: int
    """
    Runs past their retention that have an action whose outcome is open.
    """
    waits: bool
    """
    After a long absence somebody has to apply it once: `POST /v1/retention/apply`.
    """


class ReverseRequest(TypedDict):
    """
    `POST /v1/actions/{action}/reverse` and `POST /v1/runs/{run}/reverse`: takes effects back. Needs an `Idempotency-Key` header.
    """

    reason: NotRequired[str | None]
    """
    Why. Shown to people who are asked.
    """
    wait_ms: NotRequired[int | None]
    """
    How long to hold the answer while it is under way, at most 60,000.
    """


class Rule(TypedDict):
    """
    A rule that decided.
    """

    effect: str
    """
    `permit`, `gate`, `never`
    """
    file: str
    """
    File in the workspace folder.
    """
    id: str
    """
    Its `@id`.
    """
    line: int
    """
    Line of the file, from 1.
    """
    reason: NotRequired[str | None]
    """
    Its `@reason`.
    """
    text: str
    """
    The rule as text.
    """


class Run(TypedDict):
    """
    A run.
    """

    actions: int
    """
    Actions proposed.
    """
    agent: str
    """
    Its agent.
    """
    agent_version: int
    """
    The agent's version.
    """
    attempt: NotRequired[int | None]
    """
    How often it was given to a worker.
    """
    deadline: NotRequired[int | None]
    """
    By when it must have ended, in milliseconds since 1970.
    """
    error: NotRequired[Any]
    """
    Why it failed, or its last attempt did; of one run, not in lists.
    """
    finished_at: NotRequired[int | None]
    """
    When it ended.
    """
    id: str
    """
    `run_…`
    """
    incident: NotRequired[str | None]
    """
    The incident that holds it up.
    """
    input: NotRequired[Any]
    """
    What it began with; of one run, not in lists.
    """
    last_at: int
    """
    When something last happened in it.
    """
    on_behalf_of: NotRequired[str | None]
    """
    For whom it acts.
    """
    parent: NotRequired[str | None]
    """
    The run that started it.
    """
    phase: NotRequired[str | None]
    """
    What an open run does: `attached` (whoever started it drives it), `ready`, `working`, `waiting`, `paused`, `parked`,
    `retrying`
    """
    priority: NotRequired[int | None]
    """
    0 to 9, 9 first.
    """
    result: NotRequired[Any]
    """
    What it brought; of one run, not in lists.
    """
    started_at: int
    """
    Milliseconds since 1970.
    """
    status: str
    """
    `open`, `done`, `failed`, `cancelled`
    """
    stopped: int
    """
    Actions refused, rejected, expired, failed.
    """
    task: NotRequired[str | None]
    """
    What workers are to do.
    """
    title: NotRequired[str | None]
    """
    The line for people.
    """
    unknown: int
    """
    Actions whose outcome is unknown.
    """
    waiting: int
    """
    Actions that wait for a person.
    """


class SaveCheckpoint(TypedDict):
    """
    `POST /v1/checkpoints`: saves a checkpoint. At most 8 MiB of content.
    """

    agent: NotRequired[str | None]
    """
    Whose thread it is; an agent's key names its own.
    """
    checkpoint: Blob
    """
    What is in it beside the values of its channels.
    """
    delta: NotRequired[list[str]]
    """
    Channels whose value is put together from what was written at its ancestors.
    """
    filter: NotRequired[Any]
    """
    The part of that by which lists can be filtered: plain JSON.
    """
    id: str
    """
    Its id, 1 to 128 bytes.
    """
    if_newest: NotRequired[IfNewest | None]
    metadata: Blob
    """
    What the program says about it.
    """
    namespace: NotRequired[str]
    """
    Where in the thread, at most 1,024 bytes: the whole program where it is empty.
    """
    parent: NotRequired[str | None]
    """
    The one that it goes on from.
    """
    run: NotRequired[str | None]
    """
    The run of the program that made it: what `/v1/checkpoints/remove` asks for.
    """
    thread: str
    """
    The thread, 1 to 128 bytes.
    """
    values: NotRequired[list[NewValue]]
    """
    Values of its channels, at most 256.
    """


class SendSignal(TypedDict):
    """
    `POST /v1/runs/{run}/signals`: tells a run something. It is kept until the run reads it.
    """

    name: str
    """
    Its name, 1 to 200 bytes.
    """
    value: NotRequired[Any]
    """
    Its value; any JSON.
    """


class SignalKept(TypedDict):
    """
    A signal that was kept.
    """

    seq: int
    """
    Its entry in the log.
    """


class Space(TypedDict):
    """
    Room on the disk, in bytes.
    """

    free: NotRequired[int | None]
    """
    What is free on its file system.
    """
    quota: NotRequired[int | None]
    """
    What it may take, where there is a bound.
    """
    used: int
    """
    What the data directory takes.
    """


class StartRun(TypedDict):
    """
    `POST /v1/runs`: starts a run.
    """

    agent: NotRequired[str | None]
    """
    The agent; an agent's own key may leave it out.
    """
    conversation: NotRequired[str | None]
    """
    The conversation or ticket that it serves: the same one gives the same run again.
    """
    deadline: NotRequired[int | None]
    """
    By when it must have ended, in milliseconds since 1970; then it is ended as failed.
    """
    input: NotRequired[Any]
    """
    What the run begins with; any JSON. Sealed with the run's data key.
    """
    on_behalf_of: NotRequired[str | None]
    """
    The person of the workspace for whom the run acts; that person cannot approve its actions.
    """
    parent: NotRequired[str | None]
    """
    The run that starts it. It is cancelled with it.
    """
    priority: NotRequired[int | None]
    """
    0 to 9, 9 first; 5 where nothing is said. For runs with a task.
    """
    task: NotRequired[str | None]
    """
    What the agent's workers are to do: the server gives the run to one of them, and to another one when that fails.
    Without it, whoever starts the run drives it.
    """
    title: NotRequired[str | None]
    """
    A line for people: what this run is about. Sealed with the run's data key.
    """


class Status(TypedDict):
    """
    `GET /v1/status`: the state of the workspace in one answer; the console's Home.
    """

    actions: dict[str, int]
    """
    Actions by status.
    """
    attention: list[str]
    """
    What somebody should look at, one sentence each.
    """
    bundle: NotRequired[str | None]
    """
    The bundle in force.
    """
    checkpoint_size: int
    """
    Size at the last signed checkpoint.
    """
    entries: int
    """
    Entries in the log.
    """
    handed_over: int
    """
    Unknown outcomes that only a person can settle.
    """
    next_expiry_at: NotRequired[int | None]
    """
    When the next of them expires.
    """
    now: int
    """
    The server's clock, milliseconds since 1970.
    """
    oldest_waiting_at: NotRequired[int | None]
    """
    When the oldest of them was asked for.
    """
    refuses_all: NotRequired[bool]
    """
    No rule permits anything: every action is refused.
    """
    setup: bool
    """
    One person may publish; every connector is a sandbox.
    """
    space: Space
    """
    Room on the disk.
    """
    verdicts_today: dict[str, int]
    """
    First verdicts of the last 24 hours, by verdict.
    """
    verifier_key: str
    """
    The log's verifier key, for whoever checks it from outside: `NAME+KEY ID+KEY` (C2SP signed-note).
    """
    version: str
    """
    Version of the server.
    """
    views_behind: int
    """
    How far the views are behind the journal, entries.
    """
    waiting: int
    """
    Approvals that wait.
    """
    workspace: str
    """
    The workspace.
    """


class Step(TypedDict):
    """
    A step on record.
    """

    at: int
    """
    When it was recorded, in milliseconds since 1970.
    """
    entry: int
    """
    Its entry in the log.
    """
    error: NotRequired[Any]
    """
    Why it failed.
    """
    key: NotRequired[str | None]
    """
    Its key; absent where the run's content was erased.
    """
    kind: str
    """
    `task`, `context`, `think`, `decide`
    """
    memo: NotRequired[bool]
    """
    It had been recorded before: what the request brought was dropped, and this stands.
    """
    outcome: str
    """
    `done`, `failed`
    """
    result: NotRequired[Any]
    """
    What it brought; absent where it failed, or was erased.
    """


class Stored(TypedDict):
    """
    What became of it.
    """

    stored: bool
    """
    `false`: it was on record already, or did not count.
    """


class Subject(TypedDict):
    """
    What is known of a subject.
    """

    erased_at: NotRequired[int | None]
    """
    When it was erased last, in milliseconds since 1970.
    """
    held: bool
    """
    Under a legal hold.
    """
    keys_destroyed: int
    """
    Data keys that were destroyed.
    """
    payloads: int
    """
    Payloads that were ever sealed for it.
    """
    subject: str
    """
    Its pseudonym: what the journal has in place of the name.
    """


class TaskWrite(TypedDict):
    """
    A write that waits.
    """

    channel: str
    """
    The channel.
    """
    path: str
    """
    Its place among the tasks.
    """
    slot: int
    """
    The write's place among the writes of the task.
    """
    task: str
    """
    The task.
    """
    value: Blob
    """
    What is written.
    """


class TestStep(TypedDict):
    """
    One step of `connector test`.
    """

    detail: str
    """
    What was seen.
    """
    hint: NotRequired[str | None]
    """
    What to do.
    """
    ok: bool
    """
    It held.
    """
    step: str
    """
    `resolve`, `connect`, `authenticate`, `list`, `compare`
    """


class ThreadDeleted(TypedDict):
    """
    What became of a thread.
    """

    deleted: bool
    """
    `false`: there was none.
    """


class TimelineEntry(TypedDict):
    """
    A line of an action's history.
    """

    actor: str
    """
    Who.
    """
    at: int
    """
    When.
    """
    kind: str
    """
    `action.decided`, …
    """
    seq: int
    """
    Position in the log.
    """
    text: str
    """
    One sentence for people.
    """


Tool = TypedDict(
    'Tool',
    {
        'class': str,
        'description': str,
        'id': str,
        'input_schema': Any,
        'manifest': str,
    },
)


class Wait(TypedDict):
    """
    A wait as it stands.
    """

    answers: list[Answered]
    """
    What answered them, in the same order.
    """
    by: list[int]
    """
    The numbers of the conditions that met it, from 0, in order.
    """
    key: NotRequired[str | None]
    """
    Its key; absent where the run's content was erased.
    """
    met: bool
    """
    Whether what it waits for is there.
    """


class WriteCheckpoint(TypedDict):
    """
    `POST /v1/checkpoints/writes`: keeps what a task wrote, until the next checkpoint holds it. At most 8 MiB of content.
    """

    agent: NotRequired[str | None]
    """
    Whose thread it is; an agent's key names its own.
    """
    checkpoint: str
    """
    The checkpoint that the task started from; it may be saved later.
    """
    if_newest: NotRequired[IfNewest | None]
    namespace: NotRequired[str]
    """
    Where in the thread.
    """
    path: NotRequired[str]
    """
    Its place among the tasks, at most 4,096 bytes: writes are given back in the order of path, task and slot.
    """
    task: str
    """
    The task, 1 to 128 bytes.
    """
    thread: str
    """
    The thread.
    """
    writes: list[NewWrite]
    """
    What it wrote, at most 4,096 writes.
    """


class YouMay(TypedDict):
    """
    Whether the asking person may answer.
    """

    answer: bool
    """
    May answer.
    """
    why: str
    """
    Why not, or as what.
    """


Action = TypedDict(
    'Action',
    {
        'agent': str,
        'approval': NotRequired[str | None],
        'based_on': NotRequired[list[BasedOn]],
        'class': str,
        'code': NotRequired[str | None],
        'entry': int,
        'failure': NotRequired[str | None],
        'handed_over': bool,
        'headline': str,
        'id': str,
        'message': str,
        'output': NotRequired[Output | None],
        'output_invalid': NotRequired[bool],
        'proposed_at': int,
        'reversed_by': NotRequired[str | None],
        'reverses': NotRequired[str | None],
        'reversible': NotRequired[bool],
        'run': str,
        'settled': bool,
        'settled_at': NotRequired[int | None],
        'settled_by': NotRequired[str | None],
        'status': str,
        'tool': str,
        'verdict': NotRequired[str | None],
    },
)


ApprovalPage = TypedDict(
    'ApprovalPage',
    {
        'agent': str,
        'agent_says': NotRequired[str | None],
        'arguments': Any,
        'class': str,
        'facts': list[Fact],
        'headline': str,
        'on_behalf_of': NotRequired[str | None],
        'rules': list[Rule],
        'run_title': NotRequired[str | None],
        'tool': str,
        'undo': str,
    },
)


class Brief(TypedDict):
    """
    What somebody who takes a run up must know: another session of its agent, another agent, a person. Made from the
    journal, without a model.
    """

    at: int
    """
    When it was made, in milliseconds since 1970: ages are as of then.
    """
    entries: int
    """
    The brief rests on the entries before this one.
    """
    left: list[BriefLeft]
    """
    What did not fit.
    """
    lines: list[BriefLine]
    """
    The lines of the text, one by one.
    """
    run: str
    """
    The run.
    """
    text: str
    """
    The whole text, ready for a prompt. Numbers in brackets are entries of the workspace's log.
    """
    tokenizer: str
    """
    By this tokenizer: `o200k_base`, `cl100k_base`
    """
    tokens: int
    """
    Tokens of the text.
    """


class Checkpoint(TypedDict):
    """
    A checkpoint with the writes that wait at it.
    """

    at: int
    """
    When it was saved, in milliseconds since 1970.
    """
    checkpoint: Blob
    """
    What is in it beside the values.
    """
    entry: int
    """
    Its entry in the log.
    """
    id: str
    """
    Its id.
    """
    metadata: Blob
    """
    What the program says about it.
    """
    namespace: str
    """
    Where in the thread.
    """
    parent: NotRequired[str | None]
    """
    The one that it goes on from.
    """
    thread: str
    """
    Its thread.
    """
    values: list[ChannelValue]
    """
    Values of its channels.
    """
    writes: list[TaskWrite]
    """
    Writes that wait for the next checkpoint, by path, task and slot.
    """


class Checkpoints(TypedDict):
    """
    A page of checkpoints.
    """

    items: list[Checkpoint]
    """
    The checkpoints.
    """
    next: NotRequired[str | None]
    """
    Give it as `after` to read on, also where there are no items; absent at the end.
    """


class Connector(TypedDict):
    """
    A connector and its health.
    """

    breaker: str
    """
    `closed` (healthy), `open`, `half_open`
    """
    environment: str
    """
    `sandbox` or `production`
    """
    id: str
    """
    Its name.
    """
    kind: str
    """
    `mcp` or `http`
    """
    last_error: NotRequired[str | None]
    """
    Last error, redacted.
    """
    last_ok_at: NotRequired[int | None]
    """
    Last success.
    """
    title: str
    """
    Title for people.
    """
    tools: list[Tool]
    """
    Its tools.
    """


class GotCheckpoint(TypedDict):
    """
    A checkpoint, where there is one.
    """

    checkpoint: NotRequired[Checkpoint | None]
    newest: NotRequired[str | None]
    """
    The newest of the namespace: what `if_newest` is to name.
    """


class PageAction(TypedDict):
    """
    One page of a list, newest first.
    """

    items: list[Action]
    """
    The rows.
    """
    next: NotRequired[str | None]
    """
    Give it as `after` to read on; absent at the end.
    """


class PageRun(TypedDict):
    """
    One page of a list, newest first.
    """

    items: list[Run]
    """
    The rows.
    """
    next: NotRequired[str | None]
    """
    Give it as `after` to read on; absent at the end.
    """


class PageStep(TypedDict):
    """
    One page of a list, newest first.
    """

    items: list[Step]
    """
    The rows.
    """
    next: NotRequired[str | None]
    """
    Give it as `after` to read on; absent at the end.
    """


class RecordedSteps(TypedDict):
    """
    What was recorded, in the order of the request.
    """

    steps: list[Step]
    """
    The steps.
    """


class Reversed(TypedDict):
    """
    What taking back a run began.
    """

    actions: list[Action]
    """
    The compensating actions, the one for the last effect first. Where the last of them is not `confirmed` the earlier
    effects still stand: the same request, with another key, goes on from there.
    """
    complete: bool
    """
    Nothing that can be taken back is left.
    """


class Round(TypedDict):
    """
    One evaluation of the bundle.
    """

    at: int
    """
    When.
    """
    bundle: str
    """
    The bundle.
    """
    code: str
    """
    The reason.
    """
    counters: Any
    """
    Values of counters before the action.
    """
    entry: int
    """
    Its entry.
    """
    facts: list[Fact]
    """
    The facts that it saw.
    """
    judge: str
    """
    The policy engine and its version.
    """
    round: int
    """
    1 for the first decision.
    """
    rules: list[Rule]
    """
    The rules that determined it.
    """
    verdict: str
    """
    The verdict.
    """


class TestReport(TypedDict):
    """
    `POST /v1/connectors/{connector}/test`
    """

    connector: str
    """
    The connector.
    """
    ok: bool
    """
    All steps held.
    """
    steps: list[TestStep]
    """
    Step by step.
    """
    tools: list[Any]
    """
    The live tools, as `{name, description, inputSchema}`: what `connector pin` writes.
    """


class Approval(TypedDict):
    """
    A request for a countersignature.
    """

    action: str
    """
    Its action.
    """
    action_status: str
    """
    Where the action stands now.
    """
    agent: str
    """
    Its agent.
    """
    approver_roles: list[str]
    """
    Roles that must be among them.
    """
    digest: str
    """
    Digest of the page: send it back as `seen`.
    """
    expires_at: int
    """
    Until when it stands.
    """
    given: list[Given]
    """
    Who approved so far.
    """
    headline: str
    """
    What will run, in one line, written by the server.
    """
    id: str
    """
    `apr_…`
    """
    page: NotRequired[ApprovalPage | None]
    quorum: int
    """
    How many people must approve.
    """
    rejected_by: NotRequired[str | None]
    """
    Who rejected it.
    """
    rejected_reason: NotRequired[str | None]
    """
    Why it was rejected, in that person's words.
    """
    requested_at: int
    """
    When it was asked for.
    """
    risk: NotRequired[str | None]
    """
    `low`, `medium`, `high`
    """
    run: str
    """
    Its run.
    """
    status: str
    """
    `waiting`, `approved`, `used`, `rejected`, `expired`, `withdrawn`
    """
    tool: str
    """
    `connector.tool`
    """
    you_may: NotRequired[YouMay | None]


class Explanation(TypedDict):
    """
    `GET /v1/actions/{action}/explain`: the whole decision, for a person who was not there.
    """

    action: Action
    """
    The action.
    """
    approval: NotRequired[Approval | None]
    arguments: Any
    """
    The arguments, as stored; `null` where they were erased.
    """
    proof: Proof
    """
    Where it can be checked.
    """
    reason: NotRequired[str | None]
    """
    The agent's words.
    """
    rounds: list[Round]
    """
    Every evaluation.
    """
    run: Run
    """
    The run.
    """
    timeline: list[TimelineEntry]
    """
    What happened, in order.
    """


class PageApproval(TypedDict):
    """
    One page of a list, newest first.
    """

    items: list[Approval]
    """
    The rows.
    """
    next: NotRequired[str | None]
    """
    Give it as `after` to read on; absent at the end.
    """
