"""What a job of a guide notes of itself: in a store, in a result, and beside an output."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fieldguide.privacy.domains import names_fact
from fieldguide.results import StoreReport
from fieldguide.writers.history import rows_written_by
from fieldguide.writers.provenance import make_provenance, write_provenance

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from fieldguide.data.store_job import Filled
    from fieldguide.guides import Guide
    from fieldguide.planning import Plan


def about_job(guide: Guide, plan: Plan) -> dict[str, Any]:
    """Return what a store notes so that it can be opened again with the same model."""
    private = guide.private
    return {
        "domain": guide.domain.name,
        "modality": plan.modality.name if plan.modality else None,
        "model": guide.planner.model or (plan.record.name if plan.record else None),
        "options": guide.options if private is None else private.scrubbed(guide.options),
        **names_fact(guide.domain, private),
        **({} if guide.adapter is None else guide.adapter.about),
        **({"out_of_scope": True} if guide.planner.out_of_scope else {}),
    }


def job_provenance(guide: Guide, plan: Plan, facts: Mapping[str, Any]) -> dict[str, Any]:
    """Return the record of how a result was made, with facts of its own."""
    encoder = plan.encoder
    return make_provenance(
        started_at=plan.started_at,
        **about_job(guide, plan) | {"model": plan.record.model_dump() if plan.record else None},
        space=None if encoder is None else encoder.space.model_dump(),
        space_digest="" if encoder is None else encoder.space.digest,
        contract=None if encoder is None else encoder.contract.model_dump(),
        device=str(guide.device),
        computing=dict(plan.computing),
        refused_modalities=dict(plan.refusals),
        **(facts if guide.private is None else guide.private.scrubbed(facts)),
    )


def report_stored(
    guide: Guide, target: Path, plan: Plan, filled: Filled, total: int
) -> StoreReport:
    """Return what a job that stores vectors did, and write its record beside the target.

    Args:
        guide: whose job it was.
        target: the store.
        plan: of the job.
        filled: what it added, kept and could not use.
        total: rows of the store now.
    """
    failed = tuple(
        {"path": row.item.name, "status": row.status, "reason": row.reason} for row in filled.failed
    )
    facts = job_provenance(
        guide, plan, {"added": filled.added, "kept": filled.kept, "total": total, "failed": failed,
                      **({"empty": filled.empty} if filled.empty else {})}
    )  # fmt: skip
    facts["rows_written_by"] = rows_written_by(target, plan.computing, filled)
    write_provenance(facts, target)
    return StoreReport(str(target), filled.added, filled.kept, total, failed, facts, filled.empty)
