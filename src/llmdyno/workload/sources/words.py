"""English-like prompts of a given length. PURE.

In: a seeded generator, a length in tokens, a counter. Out: text. No two prompts start alike, so a server's prefix
cache finds nothing that it has seen. Sentences are drawn from lists of common words; each word is one token in the
usual vocabularies. The sentences mean nothing.
"""

from __future__ import annotations

from random import Random

from llmdyno.errors import InputError
from llmdyno.workload.tokens import Approximation, TokenCounter

CLOSING = "\nGo on with this story at length, in plain words."
_APPROXIMATION = Approximation()
_CLOSING_TOKENS = _APPROXIMATION.count(CLOSING)
_SHORTEST_WITH_CLOSING = 3 * _CLOSING_TOKENS
_FILLERS = (" and", " the", " of", " to", " a", " x")

_NOUNS = (
    "river house garden mountain street window market teacher doctor farmer city forest table letter story morning "
    "evening winter summer door road bridge island ship train engine lamp mirror book song voice friend brother sister "
    "mother father child king queen soldier captain artist writer music paper stone metal wood glass water fire light "
    "shadow wind rain snow cloud sky star moon sun field horse dog cat bird fish tree flower grass leaf root seed "
    "bread milk fruit sugar salt coffee tea dinner kitchen room wall floor roof corner box bag coat shoe hat ring "
    "clock bell key map plan rule law game team school office store bank church hall tower castle village town "
    "country coast ocean lake valley hill path gate yard wheel boat plane machine tool box camera phone screen "
    "number question"
).split()
_ADJECTIVES = (
    "old young small large quiet loud bright dark cold warm early late happy sad strong weak rich poor clean dirty "
    "empty full heavy light quick slow sharp soft hard smooth deep high low long short wide narrow fresh dry wet red "
    "blue green white black brown golden silver simple strange famous secret hidden broken common rare proud brave "
    "gentle angry honest careful silent"
).split()
_VERBS = (
    "found lost saw heard made built broke carried followed watched crossed opened closed filled moved held kept left "
    "reached passed covered painted bought sold took gave brought sent drew wrote read told asked called met joined "
    "helped loved feared missed wanted needed knew noticed pulled pushed turned raised dropped threw caught "
    "changed cleaned counted tested repaired shared stored marked measured visited served"
).split()
_LINKS = (
    "near under behind beside above across against among around before beyond inside outside toward with without"
).split()
_STARTS = "The One Every Another This That Some Each".split()


def words(rng: Random, count: int) -> list[str]:
    """At least `count` pieces of text: words with a leading space, and full stops. Joined, they are sentences."""
    pieces: list[str] = []
    n_nouns, n_adjectives, n_verbs, n_links, n_starts = map(len, (_NOUNS, _ADJECTIVES, _VERBS, _LINKS, _STARTS))
    while len(pieces) < count:
        bits = rng.getrandbits(128)
        start, bits = _STARTS[bits % n_starts], bits >> 8
        for _ in range(2):
            pieces += (
                " " + start,
                " " + _ADJECTIVES[(bits & 0x3FFF) % n_adjectives],
                " " + _NOUNS[(bits >> 14 & 0xFFF) % n_nouns],
                " " + _VERBS[(bits >> 26 & 0xFFF) % n_verbs],
                " the",
                " " + _NOUNS[(bits >> 38 & 0xFFF) % n_nouns],
                " " + _LINKS[(bits >> 50 & 0x3F) % n_links],
                " the",
                " " + _NOUNS[(bits >> 56) % n_nouns],
                ".",
            )
            start, bits = "The", bits >> 60
    return pieces


def make_prompt(rng: Random, tokens: int, counter: TokenCounter) -> tuple[str, int]:
    """A prompt of `tokens` tokens by `counter`, and its true count.

    The approximation always gives the exact length. With a tokenizer the length is exact if one of a few one-token
    words can fill the gap at the end; otherwise the count says how long the prompt is.
    """
    closing = CLOSING if tokens >= _SHORTEST_WITH_CLOSING else ""
    wanted = tokens - (_CLOSING_TOKENS if closing else 0)
    pieces = words(rng, wanted)
    if isinstance(counter, Approximation):
        return "".join(pieces[:wanted])[1:] + closing, tokens
    return _fitted(pieces, closing, tokens, counter, rng)


def _fitted(pieces: list[str], closing: str, tokens: int, counter: TokenCounter, rng: Random) -> tuple[str, int]:
    text = "".join(pieces)[1:]
    closing_tokens = counter.count(closing) if closing else 0
    ends = counter.ends(text)
    while (before := len(ends)) < tokens + 1:  # one token of the vocabulary may hold several words
        pieces = pieces + words(rng, tokens)
        text = "".join(pieces)[1:]
        ends = counter.ends(text)
        if len(ends) <= before:
            problem = f"{counter.name} makes no more than {before} tokens, however long the text is"
            raise InputError("--tokenizer", problem, "use a tokenizer for English text")
    cut = max(1, tokens - closing_tokens)
    body = text[: ends[cut - 1]]
    # A cut inside a word changes how its letters become tokens, so count again and correct the cut.
    for _ in range(8):
        excess = counter.count(body + closing) - tokens
        if excess == 0:
            return body + closing, tokens
        if excess > 0:
            cut = max(1, cut - excess)
            body = text[: ends[cut - 1]]
            if cut == 1:
                break
        else:
            fits = [f for f in _FILLERS if counter.count(body + f * -excess + closing) == tokens]
            if fits:
                return body + fits[0] * -excess + closing, tokens
            cut = min(len(ends), cut - excess)
            body = text[: ends[cut - 1]]
    for drop in range(1, 4):  # cut at a word boundary before, then fill the gap
        body = text[: ends[max(0, cut - 1 - drop)]].rpartition(" ")[0] or text[: ends[0]]
        missing = tokens - counter.count(body + closing)
        for filler in _FILLERS if missing > 0 else ():
            if counter.count(body + filler * missing + closing) == tokens:
                return body + filler * missing + closing, tokens
    return body + closing, counter.count(body + closing)
