"""The chain over the audit trail: Merkle batches, signed checkpoints, and the check that nothing was altered.

How it is computed, so that a program of someone else's can check it too (H is the named hash, `‖` joins bytes, JSON is
UTF-8 with sorted keys and no spaces; times are UTC with offset, as Python's `isoformat` prints them):

* leaf  = H(00 ‖ JSON [id, at, actor_kind, actor_id, actor_person_id, actor_label, verb, target_label, target_id, place_path,
  before, after, note]), `before` and `after` being the stored text
* node  = H(01 ‖ left ‖ right); the tree over a batch is that of RFC 6962
* batch = H(02 ‖ JSON [sequence, hash name, count, root, previous batch hash, first id, last id, sealed_at])

A row is sealed because it has no leaf yet, never because its id is the next: transactions commit out of order, and a late
commit must not be missed. Two sealers at once are harmless: a sequence number exists once, and the loser's batch is
rolled back. What chaining cannot show (a chain rebuilt from end to end, a tail cut off) a signed checkpoint kept outside shows.
"""

import base64
import datetime as dt
import hashlib
import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from functools import cache, partial
from typing import Any
from uuid import UUID

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from django.conf import settings
from django.db import IntegrityError, transaction
from django.db.models import Exists, OuterRef, QuerySet
from django.utils import timezone

from wushe.kernel import audit, crypto
from wushe.kernel.actor import Actor
from wushe.kernel.audit import canonical
from wushe.kernel.models import AuditBatch, AuditCheckpoint, AuditEvent, AuditLeaf
from wushe.kernel.problems import Problem

BATCH_LIMIT = 4096
GENESIS = "0" * 64
# A record this much older than one sealed before it was not merely committed late. See `Finding` BACKDATED.
LATE = dt.timedelta(hours=1)
ACCEPTED = "audit.accept_late"

_EVENT_COLUMNS = (
    "id",
    "at",
    "actor_kind",
    "actor_id",
    "actor_person_id",
    "actor_label",
    "verb",
    "target_label",
    "target_id",
    "place_path",
    "before",
    "after",
    "note",
)
_FINDINGS_SHOWN = 100


class BadCheckpoint(Problem):
    """The checkpoint file is no checkpoint, was changed, or was signed by another installation."""

    code = "audit.bad_checkpoint"


class NothingSealed(Problem):
    """There is no sealed batch to sign yet."""

    code = "audit.nothing_sealed"


# --- hashing ----------------------------------------------------------------------------------------------------------


@cache
def _hasher(name: str) -> Callable[[bytes], Any]:
    # Looking an algorithm up by name costs as much as hashing a short record with it.
    return hashlib.sha256 if name == "sha256" else partial(hashlib.new, name)


def leaf_hash(row: tuple[Any, ...], hash_name: str) -> bytes:
    """Return the leaf of one audit record, given the values of its columns in the order of the module's description."""
    identity, at, *rest = row
    text = canonical([str(identity), at.astimezone(dt.UTC).isoformat(), *rest])
    digest: bytes = _hasher(hash_name)(b"\x00" + text.encode()).digest()
    return digest


def merkle_root(leaves: list[bytes], hash_name: str) -> bytes:
    """Return the root of the RFC 6962 tree over at least one leaf."""
    level = leaves
    while len(level) > 1:
        pairs = [
            _hasher(hash_name)(b"\x01" + level[i] + level[i + 1]).digest()
            for i in range(0, len(level) - 1, 2)
        ]
        # An odd one moves up unchanged, which gives the same tree as splitting at the largest power of two.
        level = pairs + ([level[-1]] if len(level) % 2 else [])
    return level[0]


def _batch_hash(batch: AuditBatch) -> str:
    text = canonical(
        [
            batch.sequence,
            batch.hash_name,
            batch.count,
            batch.root,
            batch.previous_hash,
            str(batch.first_event),
            str(batch.last_event),
            batch.sealed_at.astimezone(dt.UTC).isoformat(),
        ]
    )
    return hashlib.new(batch.hash_name, b"\x02" + text.encode()).hexdigest()


# --- sealing ----------------------------------------------------------------------------------------------------------


def unsealed(since: dt.datetime | None = None) -> QuerySet[AuditEvent]:
    """Return the committed audit rows without a leaf, oldest first; with `since`, only those born after it (which is cheap)."""
    rows = AuditEvent.objects.filter(~Exists(AuditLeaf.objects.filter(event_id=OuterRef("pk"))))
    if since is not None:
        rows = rows.filter(id__gte=UUID(int=int(since.timestamp() * 1000) << 80))
    return rows.order_by("id")


def seal(since: dt.datetime | None = None) -> int:
    """Seal what is unsealed, batch by batch, and return how many records that were.

    Reads outside a transaction, so that the write lock is held only while the batch is written. Returns early, without
    harm, when another sealer was faster. Call without `since` now and then: only that finds a row committed very late.
    """
    sealed = 0
    while rows := list(unsealed(since).values_list(*_EVENT_COLUMNS)[:BATCH_LIMIT]):
        try:
            with transaction.atomic():
                _write_batch(rows)
        except IntegrityError:
            return sealed
        sealed += len(rows)
        if len(rows) < BATCH_LIMIT:
            break
    return sealed


def _write_batch(rows: list[tuple[Any, ...]]) -> None:
    hash_name = getattr(settings, "WUSHE_AUDIT_HASH", "sha256")
    last = AuditBatch.objects.order_by("-sequence").first()
    leaves = [leaf_hash(row, hash_name) for row in rows]
    batch = AuditBatch(
        sequence=last.sequence + 1 if last else 1,
        first_event=rows[0][0],
        last_event=rows[-1][0],
        count=len(rows),
        hash_name=hash_name,
        root=merkle_root(leaves, hash_name).hex(),
        previous_hash=last.batch_hash if last else GENESIS,
        sealed_at=timezone.now(),
    )
    batch.batch_hash = _batch_hash(batch)
    batch.save()
    AuditLeaf.objects.bulk_create(
        [
            AuditLeaf(event_id=row[0], batch_sequence=batch.sequence, position=position, leaf_hash=leaf.hex())
            for position, (row, leaf) in enumerate(zip(rows, leaves, strict=True))
        ],
        batch_size=1000,
    )


# --- checkpoints ------------------------------------------------------------------------------------------------------


def _private_key() -> Ed25519PrivateKey:
    return Ed25519PrivateKey.from_private_bytes(crypto.load_keys().signing_seed)


def _public_bytes(key: Ed25519PublicKey) -> bytes:
    return key.public_bytes(Encoding.Raw, PublicFormat.Raw)


def key_id() -> str:
    """Return the short name of this installation's signing key: the first 16 hex digits of the public key's SHA-256."""
    return hashlib.sha256(_public_bytes(_private_key().public_key())).hexdigest()[:16]


def sign_checkpoint() -> dict[str, Any]:
    """Seal what is unsealed, sign how far the chain reaches, keep the statement and return it as a JSON document.

    Raises `NothingSealed` while the trail is empty.
    """
    seal()
    last = AuditBatch.objects.order_by("-sequence").first()
    if last is None:
        raise NothingSealed("the audit trail is empty: there is nothing to sign yet")
    checkpoint = AuditCheckpoint(
        sequence=last.sequence,
        size=AuditLeaf.objects.filter(batch_sequence__lte=last.sequence).count(),
        batch_hash=last.batch_hash,
        hash_name=last.hash_name,
        signed_at=timezone.now(),
        key_id=key_id(),
    )
    checkpoint.signature = base64.b64encode(_private_key().sign(_statement(checkpoint))).decode()
    checkpoint.save()
    return {
        **json.loads(_statement(checkpoint)),
        "public_key": _public_bytes(_private_key().public_key()).hex(),
        "signature": checkpoint.signature,
    }


def sign_if_grown() -> bool:
    """Sign a checkpoint if anything was sealed since the last one (the worker's hourly duty). Return True when it did."""
    last = AuditBatch.objects.order_by("-sequence").first()
    signed = AuditCheckpoint.objects.order_by("-sequence").first()
    if last is None or (signed is not None and signed.sequence >= last.sequence):
        return False
    sign_checkpoint()
    return True


def read_checkpoint(text: str) -> AuditCheckpoint:
    """Return the checkpoint in a file's text, its signature checked; raises `BadCheckpoint`."""
    try:
        content = json.loads(text)
        checkpoint = AuditCheckpoint(
            sequence=int(content["sequence"]),
            size=int(content["size"]),
            batch_hash=str(content["batch_hash"]),
            hash_name=str(content["hash"]),
            signed_at=dt.datetime.fromisoformat(content["signed_at"]),
            key_id=str(content["key"]),
            signature=str(content["signature"]),
        )
    except (ValueError, KeyError, TypeError) as error:
        raise BadCheckpoint("this file is not an audit checkpoint of Wushe") from error
    if not _signature_holds(checkpoint):
        raise BadCheckpoint(
            "the checkpoint's signature does not hold: the file was changed, or another installation signed it"
        )
    return checkpoint


def _statement(checkpoint: AuditCheckpoint) -> bytes:
    return canonical(
        {
            "wushe_audit_checkpoint": 1,
            "sequence": checkpoint.sequence,
            "size": checkpoint.size,
            "batch_hash": checkpoint.batch_hash,
            "hash": checkpoint.hash_name,
            "signed_at": checkpoint.signed_at.astimezone(dt.UTC).isoformat(),
            "key": checkpoint.key_id,
        }
    ).encode()


def _signature_holds(checkpoint: AuditCheckpoint) -> bool:
    # Against the key on this machine, never against the one a file brings along: whoever forges a file signs it too.
    try:
        _private_key().public_key().verify(base64.b64decode(checkpoint.signature), _statement(checkpoint))
    except (InvalidSignature, ValueError):
        return False
    return checkpoint.key_id == key_id()


# --- checking ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is wrong.

    `kind`: CHANGED a record no longer gives its leaf; DELETED a sealed record is gone; MOVED leaves are missing, doubled or out of order;
    BATCH a batch does not give its own hash, root or count; CHAIN a batch does not follow the one before; ORPHAN a leaf belongs
    to no batch; CHECKPOINT the chain is not the one a checkpoint was signed for; BACKDATED a record claims to be more
    than an hour older than one sealed before it (inserted afterwards, or the machine's clock was wrong: `accept_late`).
    """

    kind: str
    batch: int | None = None
    event: str | None = None
    detail: str = ""


@dataclass(slots=True)
class Report:
    """What a check saw. `findings` holds the first hundred, in the order of the chain; `found` counts all."""

    batches: int = 0
    sealed: int = 0
    unsealed: int = 0
    late_accepted: int = 0
    checkpoints: int = 0
    found: int = 0
    findings: list[Finding] = field(default_factory=list)

    @property
    def ok(self) -> bool:
        return self.found == 0

    def add(self, finding: Finding) -> None:
        """Count one more finding, and keep it while there are few."""
        self.found += 1
        if len(self.findings) < _FINDINGS_SHOWN:
            self.findings.append(finding)


def verify(checkpoint: AuditCheckpoint | None = None) -> Report:
    """Check every sealed record, batch and stored checkpoint, and the chain against `checkpoint` where one is given.

    Runs beside a working system: batches sealed after the start are left to the next check. Memory does not grow with the trail.
    """
    report = Report()
    accepted = set(AuditEvent.objects.filter(verb=ACCEPTED).values_list("target_id", flat=True))
    newest = AuditBatch.objects.order_by("-sequence").values_list("sequence", flat=True).first() or 0
    hashes: dict[int, str] = {}
    watched = {c.sequence for c in AuditCheckpoint.objects.all()} | (
        {checkpoint.sequence} if checkpoint else set()
    )
    sizes: dict[int, int] = {}
    clock = 0
    previous = GENESIS
    expected = 1
    for group in _groups(newest):
        leaves = _leaves_of(group)
        events = _events_of(leaf for found in leaves.values() for leaf in found)
        for batch in group:
            if batch.sequence != expected or batch.previous_hash != previous:
                report.add(Finding("CHAIN", batch.sequence, detail=f"does not follow batch {expected - 1}"))
            clock = _check_batch(report, batch, leaves.get(batch.sequence, []), events, clock, accepted)
            expected, previous = batch.sequence + 1, batch.batch_hash
            report.batches += 1
            report.sealed += batch.count
            if batch.sequence in watched:
                hashes[batch.sequence], sizes[batch.sequence] = batch.batch_hash, report.sealed
    orphans = AuditLeaf.objects.filter(
        ~Exists(AuditBatch.objects.filter(sequence=OuterRef("batch_sequence")))
    )
    for leaf in orphans.order_by("batch_sequence", "position")[:_FINDINGS_SHOWN]:
        report.add(Finding("ORPHAN", leaf.batch_sequence, str(leaf.event_id), "its batch is gone"))
    for stored in AuditCheckpoint.objects.order_by("sequence"):
        report.checkpoints += 1
        _check_checkpoint(report, stored, hashes, sizes, "the stored checkpoint")
    if checkpoint is not None:
        _check_checkpoint(report, checkpoint, hashes, sizes, "the checkpoint given")
    for identity, at in unsealed().values_list("id", "at").iterator(chunk_size=5000):
        report.unsealed += 1
        _check_time(report, identity, at, clock, accepted, None)
    return report


def accept_late(note: str) -> int:
    """Account for every record that is BACKDATED now, with one audit record each that says why; return how many."""
    accounted = 0
    while late := [finding.event for finding in verify().findings if finding.kind == "BACKDATED"]:
        with transaction.atomic():
            for event in late:
                audit.record(
                    by=Actor.operator(), verb=ACCEPTED, target=(AuditEvent._meta.label, event), note=note
                )
        accounted += len(late)
    return accounted


def _groups(newest: int) -> Iterator[list[AuditBatch]]:
    # Batches of a quiet system hold one or two records: many are read at once, about as many records as one full batch holds.
    group: list[AuditBatch] = []
    size = 0
    for batch in (
        AuditBatch.objects.filter(sequence__lte=newest).order_by("sequence").iterator(chunk_size=500)
    ):
        group.append(batch)
        size += batch.count
        if size >= BATCH_LIMIT or len(group) >= BATCH_LIMIT:
            yield group
            group, size = [], 0
    if group:
        yield group


def _leaves_of(group: list[AuditBatch]) -> dict[int, list[tuple[UUID, int, str]]]:
    found: dict[int, list[tuple[UUID, int, str]]] = {}
    rows = AuditLeaf.objects.filter(batch_sequence__range=(group[0].sequence, group[-1].sequence))
    for sequence, event_id, position, stored in rows.order_by("batch_sequence", "position").values_list(
        "batch_sequence", "event_id", "position", "leaf_hash"
    ):
        found.setdefault(sequence, []).append((event_id, position, stored))
    return found


def _events_of(leaves: Iterable[tuple[UUID, int, str]]) -> dict[UUID, tuple[Any, ...]]:
    wanted = [event_id for event_id, _, _ in leaves]
    events: dict[UUID, tuple[Any, ...]] = {}
    for start in range(0, len(wanted), BATCH_LIMIT):
        rows = AuditEvent.objects.filter(id__in=wanted[start : start + BATCH_LIMIT]).values_list(
            *_EVENT_COLUMNS
        )
        events.update((row[0], row) for row in rows)
    return events


def _check_batch(
    report: Report,
    batch: AuditBatch,
    leaves: list[tuple[UUID, int, str]],
    events: dict[UUID, tuple[Any, ...]],
    clock: int,
    accepted: set[str],
) -> int:
    """Check one batch; return the newest time (ms) among its records and `clock`."""
    if batch.hash_name not in hashlib.algorithms_available or _batch_hash(batch) != batch.batch_hash:
        report.add(Finding("BATCH", batch.sequence, detail="the batch does not give its own hash"))
        return clock
    positions = [position for _, position, _ in leaves]
    if positions != list(range(batch.count)):
        report.add(
            Finding(
                "MOVED",
                batch.sequence,
                detail=f"{batch.count} records were sealed, {len(leaves)} leaves stand",
            )
        )
    newest = clock
    digests: list[bytes] = []
    blamed = False
    for event_id, _, stored in leaves:
        row = events.get(event_id)
        if row is None:
            report.add(Finding("DELETED", batch.sequence, str(event_id), "a sealed record is gone"))
            blamed = True
            continue
        digest = leaf_hash(row, batch.hash_name)
        digests.append(digest)
        if digest.hex() != stored:
            report.add(Finding("CHANGED", batch.sequence, str(event_id), "the record does not give its leaf"))
            blamed = True
        _check_time(report, event_id, row[1], clock, accepted, batch.sequence)
        newest = max(newest, _milliseconds(event_id))
    if not blamed and (not digests or merkle_root(digests, batch.hash_name).hex() != batch.root):
        report.add(Finding("BATCH", batch.sequence, detail="the records do not give the batch's root"))
    return newest


def _milliseconds(event_id: UUID) -> int:
    return event_id.int >> 80


def _check_time(
    report: Report, event_id: UUID, at: dt.datetime, clock: int, accepted: set[str], batch: int | None
) -> None:
    claimed = min(_milliseconds(event_id), int(at.timestamp() * 1000))
    if claimed >= clock - LATE.total_seconds() * 1000:
        return
    if str(event_id) in accepted:
        report.late_accepted += 1
    else:
        report.add(
            Finding(
                "BACKDATED",
                batch,
                str(event_id),
                "claims to be over an hour older than a record sealed before it",
            )
        )


def _check_checkpoint(
    report: Report, checkpoint: AuditCheckpoint, hashes: dict[int, str], sizes: dict[int, int], name: str
) -> None:
    if not _signature_holds(checkpoint):
        report.add(
            Finding(
                "CHECKPOINT",
                checkpoint.sequence,
                detail=f"{name} does not carry this installation's signature",
            )
        )
    elif checkpoint.sequence not in hashes:
        report.add(
            Finding(
                "CHECKPOINT",
                checkpoint.sequence,
                detail=f"{name} was signed for a batch that is gone: the tail was cut",
            )
        )
    elif (
        hashes[checkpoint.sequence] != checkpoint.batch_hash or sizes[checkpoint.sequence] != checkpoint.size
    ):
        report.add(
            Finding(
                "CHECKPOINT",
                checkpoint.sequence,
                detail=f"{name} was signed for another chain: it was rebuilt",
            )
        )
