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
    masked = mask.covered(text)
    ends = list(accumulate(array("i", record.sizes), initial=0))
    for kind in set(record.kinds):
        places = [slice(*ends[chunk : chunk + 2]) for chunk, one in enumerate(record.kinds) if one == kind]
        own = "".join([text[place] for place in places])
        covered = mask.covered(own)
        if covered != own:
            masked = _put(masked, covered, places)
    return masked


def _put(text: str, covered: str, places: list[slice]) -> str:
    """A text with the stars of some of its places, which are joined in `covered`."""
    letters, at = list(text), 0
    for place in places:
        for index in range(place.start, place.stop):
            letters[index] = "*" if covered[at] == "*" else letters[index]
            at += 1
    return "".join(letters)
