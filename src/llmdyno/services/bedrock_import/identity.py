"""Whether a model is an imported one, decided here only. PURE.

In: a model's name as the user gives it: an ARN, or a LiteLLM model string that ends in one, such as
``bedrock/llama/arn:aws:bedrock:…``. Out: the ARN of the imported model, and its region.
"""

from __future__ import annotations

import re

_ARN = re.compile(
    r"(?:.*/)?(?P<arn>arn:aws[a-z-]*:bedrock:(?P<region>[a-z0-9-]{1,20}):(?:[0-9]{12})?:imported-model/.+)"
)


def imported_model_arn(model: str | None) -> str | None:
    """The ARN of an imported model within a model's name; None: the name contains none."""
    found = _ARN.fullmatch(model or "")
    return None if found is None else found["arn"]


def imported_model_region(model: str | None) -> str | None:
    """The region in that ARN; None: the name contains none."""
    found = _ARN.fullmatch(model or "")
    return None if found is None else found["region"]
