"""The program that is killed: posts transfers on a database of its own and says on standard output what was acknowledged.

    prepare                 make the accounts
    post N AFTER            post, and die by SIGKILL at the N-th statement, before it runs or (AFTER=1) after; 0: never
    check                   print what is in the book

`sweep AFTER` forks one `post` for each N until none dies any more, each time checks, posts again to the end, and checks again.
"""

import json
import os
import signal
import sys
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

PLACE, SOURCE, FUND, PROJECT = (UUID(int=n) for n in range(1, 5))
WHEN = datetime(2026, 1, 5, tzinfo=UTC)
SINGLES = 3
BATCH = 30


def prepare() -> None:
    from wushe.cli.start import start

    start()
    from wushe.kernel.actor import Actor
    from wushe.ledger.operations.accounts import NewAccount, open_accounts

    kinds = (("PERSON", SOURCE, None), ("FUND", FUND, 0), ("PROJECT", PROJECT, 0))
    open_accounts(
        by=Actor.operator("test"),
        accounts=[NewAccount(kind, who, PLACE, "/15/", "MINUTES", floor=floor) for kind, who, floor in kinds],
    )


def post(turn: int, at: int, after: bool) -> None:
    """Post singles, one batch and one reversal for `turn`; each is acknowledged on standard output once it returned."""
    import django

    django.setup()
    from django.db import connection
    from django.db.backends.base.base import BaseDatabaseWrapper

    from wushe.kernel.actor import Actor
    from wushe.ledger.models import LedgerAccount
    from wushe.ledger.operations import transfers
    from wushe.ledger.operations.transfers import NewTransfer
    from wushe.ledger.rules import Leg

    by = Actor.operator("test")
    found = {row.holder_id: row.pk for row in LedgerAccount.objects.all()}
    seen = 0

    def step(run: Any, *arguments: Any) -> Any:
        nonlocal seen
        seen += 1
        if seen == at and not after:
            os.kill(os.getpid(), signal.SIGKILL)
        result = run(*arguments)
        if seen == at and after:
            os.kill(os.getpid(), signal.SIGKILL)
        return result

    connection.execute_wrappers.append(lambda execute, *rest: step(execute, *rest))
    commit = BaseDatabaseWrapper._commit
    BaseDatabaseWrapper._commit = lambda self: step(commit, self)  # type: ignore[method-assign]  # COMMIT is no statement to Django

    def new(key: str, source: UUID, target: UUID, amount: int) -> NewTransfer:
        legs = (Leg(found[source], -amount), Leg(found[target], amount))
        return NewTransfer(key, legs, WHEN, PLACE, "/15/")

    for number in range(SINGLES):
        made = transfers.post_transfer(by=by, transfer=new(f"turn-{turn}-single-{number}", SOURCE, FUND, 10))
        acknowledge(made.key)
    batch = [new(f"turn-{turn}-batch-{number}", FUND, PROJECT, 1) for number in range(BATCH)]
    for made in transfers.post_transfers(by=by, transfers=batch):
        acknowledge(made.key)
    undone = transfers.reverse_transfer(
        by=by, transfer_id=made.pk, key=f"turn-{turn}-reversal", reason="登记错误"
    )
    acknowledge(undone.key)


def acknowledge(key: str) -> None:
    os.write(1, f"{key}\n".encode())


def check() -> dict[str, Any]:
    import django

    django.setup()
    from collections import Counter

    from wushe.kernel.actor import Actor
    from wushe.kernel.models import AuditEvent
    from wushe.ledger.models import Entry, LedgerAccount, Transfer
    from wushe.ledger.queries.verification import verify

    return {
        "ok": verify(Actor.operator("test")).ok,
        "keys": dict(Counter(Transfer.objects.values_list("key", flat=True))),
        "legs": Entry.objects.count(),
        "audit": AuditEvent.objects.exclude(verb__startswith="open")
        .filter(target_label="ledger.Transfer")
        .count(),
        "balances": dict(LedgerAccount.objects.values_list("holder_kind", "balance")),
    }


def forked(work: Any) -> tuple[int, str]:
    """Run `work` in a process of its own, with connections of its own; return how it ended and what it wrote."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reading)
        os.dup2(writing, 1)
        code = 1
        try:
            result = work()
            if result is not None:
                os.write(1, json.dumps(result).encode())
            code = 0
        finally:
            os._exit(code)
    os.close(writing)
    with os.fdopen(reading) as output:
        text = output.read()
    _, status = os.waitpid(child, 0)
    return -status if os.WIFSIGNALED(status) else os.WEXITSTATUS(status), text


def sweep(after: bool) -> None:
    """Print one JSON line for each place where the program was killed, and a last one for the run that nothing stopped."""
    import django

    django.setup()  # once, without a connection: a fork then costs milliseconds
    turn = 0
    while True:
        turn += 1
        ended, acknowledged = forked(lambda t=turn: post(t, t, after))
        _, between = forked(check)
        done, _again = forked(lambda t=turn: post(t, 0, False))
        _, finally_ = forked(check)
        line = {"turn": turn, "ended": ended, "acknowledged": acknowledged.split(), "done": done}
        line |= {"between": json.loads(between or "null"), "finally": json.loads(finally_ or "null")}
        print(json.dumps(line), flush=True)  # noqa: T201 - the program's output
        if ended == 0:
            return


if __name__ == "__main__":
    act, *rest = sys.argv[1:]
    if act == "prepare":
        prepare()
    elif act == "post":
        post(1, int(rest[0]), rest[1] == "1")
    elif act == "check":
        print(json.dumps(check()))  # noqa: T201 - the program's output
    else:
        sweep(rest[0] == "1")
