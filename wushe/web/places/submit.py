"""Hand a filled form to the domain, and bring what the domain refuses back into the form, so that nothing typed is lost."""

from collections.abc import Callable
from typing import Any

from wushe.kernel.policy import Refused
from wushe.kernel.problems import Problem
from wushe.web.forms import Form


def submitted(form: Form, act: Callable[..., Any]) -> Any:
    """Call `act(**cleaned_data)` for a valid form and return its result; None when the form or the domain refuses.

    A refused right is not the form's business: `Refused` goes on to the error page.
    """
    if not form.is_bound or not form.is_valid():
        return None
    try:
        return act(**form.cleaned_data) or True
    except Refused:
        raise
    except Problem as problem:
        form.add_error(problem.field if problem.field in form.fields else None, problem.message)
        return None
