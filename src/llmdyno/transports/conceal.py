"""Masks secrets in a record, after the last byte: a server may repeat what it was sent in any field.

In: a record and a mask. Out: the same record, masked. A chunk keeps its size, also where its text is masked. The raw
facts of an exchange mask themselves; see :meth:`llmdyno.transports.exchange.Exchange.conceal`.
"""

from __future__ import annotations

from array import array
from itertools import accumulate

from llmdyno.spec.masking import Masker
from llmdyno.timeline.record import RequestRecord

_FIELDS = ("error_message", "error_type", "finish_reason", "response_id", "resend_reason")


def conceal_record(record: RequestRecord, mask: Masker) -> None:
    """Mask every text of a record, and the bytes that it keeps."""
    for name in _FIELDS:
        text = getattr(record, name)
        if text:
            setattr(record, name, mask.text(text))
    if record.text:
        record.text = _concealed(record, record.text, mask)
    if record.body is not None:
        record.body = mask.data(record.body)


def _concealed(record: RequestRecord, text: str, mask: Masker) -> str:
    """The text of all chunks, masked as a whole and for each kind of chunk: answers are read by their kinds, and a
    secret may be split over chunks between which there are others."""
    letters = list(mask.covered(text))
    ends = list(accumulate(array("i", record.sizes), initial=0))
    for kind in set(record.kinds):
        places = [at for chunk, one in enumerate(record.kinds) if one == kind for at in range(*ends[chunk : chunk + 2])]
        own = "".join(text[at] for at in places)
        covered = mask.covered(own)
        if covered != own:
            for at, letter in zip(places, covered, strict=True):
                letters[at] = letter if letter == "*" else letters[at]
    return "".join(letters)
