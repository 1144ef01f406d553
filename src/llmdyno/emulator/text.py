"""The words that the emulator answers with where no answer is known. PURE and seeded.

In: a seed and a count. Out: pieces of text, one for each token. The list of words is the emulator's own; the meaning
does not matter.
"""

from __future__ import annotations

from random import Random

_WORDS = (
    "account after again air all always among animal answer any apple arrow autumn back balance bank barn basket beach "
    "because bed before being best better between bicycle body bottle bowl branch breath brick brush butter button "
    "candle canvas carpet chair chalk change cheese cherry circle clay close cloth coal colour copper corn cotton "
    "cover cream crowd cup curtain daily day deal desert desk dinner dish distance drawer dream drum dust earth east "
    "easy edge egg engine even ever every eye fabric face fact family far feather fence few finger first floor flour "
    "folder foot for fork found frame free from front full garage gate gold grain grape green ground group hammer hand "
    "harbour harvest have head heart helmet here hill hole home honey hour idea iron jacket journey kettle kind knee "
    "knot ladder land last laugh leather lemon less level library line linen little log long low lunch make many "
    "maple market meal meet metal middle mind minute mint month more most motor much nail name narrow near needle nest "
    "never new next night noon north note now oak oil olive only orange order other oven page paint pair palm part "
    "pear pen people pepper piano piece pillow pilot pine place plate pocket point pond pool porch pot power press "
    "price print pump quiet quite rabbit radio rail real rest rice ridge right river rope round rule sail salad same "
    "sand scale sea season seed seven shape shelf shell shirt shop shore side silk simple size skill slope small smoke "
    "soap soil some soup south space spoon spring square stable stage stairs stand state steam step still stool stream "
    "summer sure table tail tank taste tent than that then these thin thing think thread three thumb tide tin today "
    "tool top towel track trade trail tray turn two under until upon usual valley very view visit voice wagon walk "
    "warm wash watch wave way week well west wheat wheel when while wide willow window wire wool work yard year yellow"
).split()
_SHORTEST, _LONGEST = 5, 14


def words(seed: int, count: int) -> list[str]:
    """`count` pieces of text, each one token: words with a leading space, and the full stop of each sentence."""
    rng = Random(f"emulator text {seed}")
    pieces: list[str] = []
    while len(pieces) < count:
        sentence = rng.choices(_WORDS, k=rng.randint(_SHORTEST, _LONGEST))
        pieces += [" " + sentence[0].capitalize(), *(" " + word for word in sentence[1:]), "."]
    return pieces[:count]
