"""One line for people about each fact. Pure: the same event always reads the same."""

from __future__ import annotations

from typing import assert_never

from cihealing.domain import events as e
from cihealing.domain.values import Colour, Objection, Observation
from cihealing.wording.vocabulary import PURPOSES, resolution

LINE = 400
"""Characters; a branch name, a note or a tool's message may be of any length."""


def describe(event: e.AnyEvent) -> str:
    """One line, at most `LINE` characters, without control characters."""
    return _one_line(_render(event))


def _one_line(text: str) -> str:
    printable = "".join(c if c.isprintable() else " " for c in text[: 2 * LINE])
    joined = " ".join(printable.split())
    return joined if len(joined) <= LINE else joined[: LINE - 1] + "…"


def _render(event: e.AnyEvent) -> str:
    if isinstance(event, e.LifeEvent):
        return _life(event)
    if isinstance(event, e.FindingEvent):
        return _finding(event)
    if isinstance(event, e.BlameEvent):
        return _blame(event)
    if isinstance(event, e.PatchEvent):
        return _patch(event)
    if isinstance(event, e.ModelEvent):
        return _model(event)
    if isinstance(event, e.ReviewEvent):
        return _review(event)
    if isinstance(event, e.ChangeEvent):
        return _change(event)
    return _elsewhere(event)


def _life(event: e.LifeEvent) -> str:
    match event:
        case e.RunQueued(job=job, branch=branch, commit=commit, error_type=error_type):
            return f"{job or 'A job'} failed on {branch} at {commit[:10]}" + _reason(error_type)
        case e.RunStarted():
            return "Healing began"
        case e.RunResolved(how=how, note=note):
            return f"Resolved: {resolution(how).short}" + _note(note)
        case e.RunEscalated(reason=reason, owner=owner):
            return f"Escalated to {owner.name if owner else 'nobody known'}" + _reason(reason)
        case e.RunAborted(reason=reason, by=by, note=note):
            return (
                f"Aborted by {by.name}" if by and by.kind == "person" else f"Aborted: {reason}"
            ) + _note(note)
        case e.RunRetried(generation=generation, note=note):
            return f"Retried with a fresh budget, generation {generation}" + _note(note)
        case e.FailureRehashed(error_hash=error_hash):
            return f"Fingerprint by newer rules: {error_hash[:15]}"
        case e.GreenRerunSeen():
            return event.note[0].upper() + event.note[1:]
        case e.FailureRecurred(execution=execution):
            return f"The same failure again in {execution.provider} job run {execution.job_run_id}"
        case e.EffectGaveUp(effect=effect, reason=reason):
            return f"Gave up on {effect}" + _reason(reason)
        case e.LateOutcome(effect=effect, outcome=outcome):
            return f"A late outcome of {effect}: {outcome}"
        case _:
            assert_never(event)


def _finding(event: e.FindingEvent) -> str:
    match event:
        case e.FailureClassified(failure_class=failure_class, confidence=confidence):
            return f"Classified as {failure_class}, confidence {confidence:.0%}"
        case e.ProjectFound(command=command, source=source, reason=reason):
            return (
                f"Will run `{command}`, from {source or 'policy'}"
                if command
                else f"Nothing can be run: {reason}"
            )
        case e.CommandRan(purpose=purpose, seen=seen):
            return f"{PURPOSES[purpose].long}: {_observed(seen)}"
        case e.FailureReproduced(how=how):
            return f"Reproduced: {how}"
        case e.FailureNotReproduced(reason=reason):
            return f"Not reproduced: {reason}"
        case e.EnvironmentUnavailable(missing=missing):
            return f"The environment is missing something: {missing}"
        case e.FlakeProven(reds=reds, greens=greens, where=where):
            return f"Proven flake: {reds} red and {greens} green of one tree in {where}"
        case e.ContextCollected(command=command):
            return f"Collected more context with `{command}`"
        case e.StepSkipped(step=step, reason=reason):
            return f"Skipped {step}" + _reason(reason)
        case e.ReportWritten(owner=owner):
            return "Incident report written" + (f" for {owner.name}" if owner else "")
        case _:
            assert_never(event)


def _observed(seen: Observation) -> str:
    code = "" if seen.exit_code is None else f" (exit {seen.exit_code})"
    counts = f", {seen.passed} passed and {seen.failed} failed" if seen.counts_tests else ""
    missing = f", {seen.missing}" if seen.colour is Colour.UNAVAILABLE and seen.missing else ""
    return f"{seen.colour.replace('_', ' ')}{code}{counts} in {seen.seconds:.1f} s{missing}"


def _blame(event: e.BlameEvent) -> str:
    match event:
        case e.BlameFound(blame=blame, reason=reason):
            return f"Blame: {blame}" + _reason(reason)
        case e.BaseClaimed(branch=branch, head=head):
            return f"Stands for the broken base {branch} at {head[:10]}"
        case e.AttachedToBase(leader=leader):
            return f"The base is broken: attached to run {leader}"
        case e.ClusterOpened():
            return "Stands for whoever meets this failure of the machines or their environment"
        case e.ClusterClosed():
            return "No longer stands for others: another run does"
        case e.RunClustered(leader=leader):
            return f"One of many that met this failure: run {leader} stands for them"
        case e.RerunRequested(number=number):
            return f"Asked CI for rerun {number}"
        case e.RerunFinished(outcome=outcome):
            endings = {"green": "green", "same": "the same failure", "other": "another failure"}
            return f"The rerun ended: {endings.get(outcome, outcome)}"
        case e.RerunLost(number=number):
            return f"No result of rerun {number} came in time"
        case _:
            assert_never(event)


def _patch(event: e.PatchEvent) -> str:
    match event:
        case e.PatchFound(fixer=fixer, told=told, objections=objections):
            return f"{fixer} found a patch: {told}{_objected(objections)}"
        case e.PatchDropped(fixer=fixer, reason=reason):
            return f"The patch of {fixer} was dropped" + _reason(reason)
        case e.AttemptStarted(number=number, diagnoser=diagnoser, proposed_fix=proposed_fix):
            return f"Attempt {number} by {diagnoser}: {proposed_fix}"
        case e.AttemptFailed(number=number, reason=reason):
            return f"Attempt {number} failed" + _reason(reason)
        case e.PatchProven(number=number, target=target):
            return f"Attempt {number} is proven; the fix waits for review, for {target}"
        case _:
            assert_never(event)


def _model(event: e.ModelEvent) -> str:
    match event:
        case e.ModelAsked(
            provider=provider, model=model, outcome=outcome, usage=usage, problem=problem
        ):
            counted = (
                f"{usage.input_tokens} and {usage.output_tokens} tokens, {usage.cost_usd:.4f} USD,"
                f" {usage.seconds:.1f} s"
            )
            return f"Asked {provider}/{model}: {outcome} ({counted})" + _reason(problem)
        case e.ModelPaused(reason=reason, until=until):
            return f"No model could answer; asked again at {until:%H:%M:%S} UTC" + _reason(reason)
        case e.BudgetRefused(reason=reason):
            return f"No call was made: {reason}"
        case e.FailureExplained(diagnosis=diagnosis, reason=reason):
            return (
                f"A model believes: {diagnosis.root_cause}"
                if diagnosis
                else f"No model explained it{_reason(reason)}"
            )
        case _:
            assert_never(event)


def _change(event: e.ChangeEvent) -> str:
    match event:
        case e.ChangeChecked(checks=checks, failing=failing):
            return f"The change's own CI is {checks}" + _reason(", ".join(failing[:5]))
        case e.ChangeFailed(number=number, reason=reason):
            return f"Attempt {number} failed at the forge" + _reason(reason)
        case e.ChangeClosed(reason=reason):
            return "The change was closed" + _reason(reason)
        case e.HumanFixProven(commit=commit):
            return (
                f"The fix of a person ({commit[:10]}) heals the failing commit here too: remembered"
            )
        case _:
            assert_never(event)


def _objected(objections: tuple[Objection, ...]) -> str:
    return (
        f" ({len(objections)} {'objection' if len(objections) == 1 else 'objections'})"
        if objections
        else ""
    )


def _review(event: e.ReviewEvent) -> str:
    match event:
        case e.Approved(act=act, by=by, note=note):
            return f"{by.name} approved: {act}" + _note(note)
        case e.PatchDenied(by=by, note=note):
            return f"{by.name} denied the patch" + _note(note)
        case e.HeadMoved(expected=expected, found=found):
            return (
                f"The branch moved from {expected[:10]} to {found[:10] or 'nothing'}: proving"
                " afresh"
            )
        case e.ChangePublished(url=url, commit=commit, merged=merged):
            return f"Merged as {commit[:10]}" if merged else f"Change opened: {url or commit[:10]}"
        case e.PublishFailed(reason=reason):
            return "Publishing failed" + _reason(reason)
        case _:
            assert_never(event)


def _elsewhere(event: e.DeliveryEvent | e.SmallEvent) -> str:
    match event:
        case e.DeliveryReceived(provider=provider, results=results):
            return f"Delivery from {provider} with {len(results)} results"
        case e.ResultJudged(ignored=ignored, run=run, deduplicated=deduplicated):
            return (
                f"Ignored: {ignored}"
                if ignored
                else f"{'Counted on' if deduplicated else 'Began'} run {run}"
            )
        case e.ResultExpanded(results=results):
            return f"Fanned out into {len(results)} job results"
        case e.DeliveryGaveUp(effect=effect, reason=reason):
            return f"Gave up on {effect}" + _reason(reason)
        case e.FingerprintIgnored(reason=reason):
            return "Fingerprint ignored" + _reason(reason)
        case e.FingerprintHeard():
            return "Fingerprint no longer ignored"
        case e.ArtifactPurged(digest=digest, reason=reason):
            return f"Artifact {digest[:12]} purged" + _reason(reason)
        case e.MessagePosted(chat=chat, kind=kind):
            return f"Told in {chat}: {kind}"
        case _:
            return _money(event)


def _money(event: e.SpendEvent | e.BudgetExhausted) -> str:
    match event:
        case e.SpendReserved(usd=usd, provider=provider, model=model):
            return f"Set {usd:.4f} USD aside for {provider}/{model}"
        case e.SpendSettled(usd=usd, how=how):
            return f"Settled at {usd:.4f} USD ({how})"
        case e.BudgetExhausted(scope=scope, key=key, limit_usd=limit_usd):
            return f"The budget of {limit_usd:.2f} USD for the {scope} {key} is used up".replace(
                "  ", " "
            )
        case _:
            assert_never(event)


def _reason(text: str) -> str:
    return f": {text}" if text else ""


def _note(text: str) -> str:
    return f' ("{text}")' if text else ""
