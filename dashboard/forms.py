"""What people send: checked at the edge, so that views and service get what they expect."""

from __future__ import annotations

from django import forms

from cihealing.domain.review import ACTS
from cihealing.domain.values import RunStatus

ACT_CHOICES = [(act, act) for act in ACTS]


class FilterForm(forms.Form):
    """The filters of the run list. A wrong value is told, and the list is then unfiltered by it."""

    status = forms.ChoiceField(
        required=False,
        choices=[("", "Any status"), *((s.value, s.value.capitalize()) for s in RunStatus)],
    )
    repository = forms.CharField(required=False, max_length=300)
    q = forms.CharField(required=False, max_length=200)
    cursor = forms.CharField(required=False, max_length=200)
    page = forms.IntegerField(required=False, min_value=1, max_value=400)


class ActionForm(forms.Form):
    """`version` is the one the person saw; without it the action does not depend on what was
    seen.
    """

    version = forms.IntegerField(required=False, min_value=1, max_value=2**31 - 1)
    act = forms.ChoiceField(required=False, choices=[("", ""), *ACT_CHOICES])
    note = forms.CharField(required=False, max_length=1000)
    commit = forms.RegexField(r"^[0-9a-f]{40}([0-9a-f]{24})?$", required=False, strip=True)


class ApproveForm(ActionForm):
    """Nothing is merged by a slip: the version, the act and a tick are all needed."""

    version = forms.IntegerField(min_value=1, max_value=2**31 - 1)
    act = forms.ChoiceField(choices=ACT_CHOICES)
    confirmed = forms.BooleanField()


def action_form(action: str, data: dict[str, str] | None) -> ActionForm:
    return ApproveForm(data) if action == "approve" else ActionForm(data)
