"""The flags of ``llmdyno cost`` for prices by the token and by the hour, and which flags fit which bill.

In: parsed arguments. Out: prices, and an error that names a flag that does not fit how the run is billed.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator
from dataclasses import fields, is_dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any, TypeVar

from llmdyno.errors import InputError

if TYPE_CHECKING:
    from llmdyno.runs.run import Run
    from llmdyno.services.service import Overrides, ScalingOverrides, Service, TokenPrices

T = TypeVar("T")

COMMITMENTS = ("none", "1-month", "6-months")
_WORDS = {"copies": "by the copy", "tokens": "by the token", "hours": "by the hour"}
_FLAGS = {
    "dollars_per_cmu_minute": "--rate",
    "prices": "--price",
    "dollars_per_hour": "--price-hour",
    "cold_start_s": "--cold-start",
    "scale_up_s": "--scale-up",
    "idle_s": "--idle",
}
"""The flags of fields whose names are not theirs."""
_INSTEAD = {
    "prices": ("compare with these prices: --compare-price IN,OUT", None),
    "dollars_per_hour": ("compare with this price: --compare-hour DOLLARS", "compare_hour"),
}
"""What to do with a field's flag where the bill is of another kind, if the service takes the field after it (None:
each does). Everything else is left out."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the prices by the token and by the hour, and those to compare with."""
    group = parser.add_argument_group("by the token (other models; any endpoint with --price)")
    group.add_argument(
        "--price",
        metavar="IN,OUT[,CACHED]",
        help="assume these prices per million input, output and cached input tokens (default: from the built-in table)",
    )
    group = parser.add_argument_group("by the hour (provisioned throughput; any endpoint with --price-hour)")
    group.add_argument("--price-hour", metavar="DOLLARS", help="assume this price per model unit and hour")
    group.add_argument(
        "--model-units", metavar="N", help="assume N model units (default: as GetProvisionedModelThroughput says)"
    )
    group.add_argument(
        "--commitment",
        metavar="TERM",
        help=f"assume that the units are bought for this term: {', '.join(COMMITMENTS)} (default: as "
        "GetProvisionedModelThroughput says, or none)",
    )
    group = parser.add_argument_group("comparison")
    group.add_argument(
        "--compare-price", metavar="IN,OUT", help="compare with these prices per million input and output tokens"
    )
    group.add_argument(
        "--compare-hour", metavar="DOLLARS", help="compare a run billed by the token with this price an hour"
    )


def given(arguments: argparse.Namespace) -> dict[str, Any]:
    """The fields of the overrides that these flags set.

    Raises:
        InputError: a value does not fit.
    """
    from llmdyno.spec import readers
    from llmdyno.spec.prices import token_prices

    return {
        "prices": _prices(read(arguments, "price", token_prices)),
        "dollars_per_hour": read(
            arguments, "price_hour", readers.dollars("dollars a model unit and hour, such as 39.60")
        ),
        "model_units": read(arguments, "model_units", readers.whole_number(1)),
        "commitment": read(arguments, "commitment", readers.one_of(*COMMITMENTS)),
        "compare_hour": read(arguments, "compare_hour", readers.dollars("dollars an hour, such as 6.86")),
    }


def compared(arguments: argparse.Namespace) -> TokenPrices | None:
    """The prices a million tokens to compare with; None: the user did not give any.

    Raises:
        InputError: the value does not fit.
    """
    from llmdyno.spec import readers

    return _prices(read(arguments, "compare_price", readers.price_pair))


def _prices(given: tuple[Decimal, ...] | None) -> TokenPrices | None:
    from llmdyno.services.service import TokenPrices

    return None if given is None else TokenPrices(*given)


def read(arguments: argparse.Namespace, name: str, reader: Callable[[Any], T]) -> T | None:
    """The value of a flag; None: the user did not give the flag.

    Raises:
        InputError: the value does not fit.
    """
    from llmdyno.spec.keys import read_flag

    value = getattr(arguments, name)
    return None if value is None else read_flag(reader, value, "--" + name.replace("_", "-"))


def service_for(run: Run, overrides: Overrides, better: ScalingOverrides) -> Service:
    """The service that bills the run: its own, or the one whose price the user gives.

    Raises:
        InputError: no price is known, or a flag does not fit how the run is billed.
    """
    from llmdyno.services.service import find, known_services, service_of

    service = service_of(run) or _by_hand(run, overrides)
    for field in (*_set_fields(overrides), *_set_fields(better)):
        if field not in service.takes:
            owner = next((one for one in map(find, known_services()) if field in one.takes), service)
            problem = f"is for a run that is billed {_words(owner)}, and this one is billed"
            raise InputError(_flag(field), f"{problem} {_words(service)}", _instead(field, service))
    return service


def _by_hand(run: Run, overrides: Overrides) -> Service:
    """The service whose price the user gives, for a run whose bill is not known.

    Raises:
        InputError: the user gives no price, or more than one.
    """
    from llmdyno.services.service import services_by_hand

    named = services_by_hand(overrides)
    if not named:
        problem = "this run did not measure a model whose bill is known"
        fits = "add --price IN,OUT to price its tokens, --price-hour DOLLARS --model-units N, or --copies N --units N"
        raise InputError(str(run.path), problem, fits)
    if len(named) > 1:
        flags = " and ".join(_flag(one.by_hand) for one in named)
        raise InputError(flags, "each of them is another way to bill", "give one of them")
    return named[0]


def _instead(field: str, service: Service) -> str:
    fits, needed = _INSTEAD.get(field, ("", ""))
    return fits if needed is None or needed in service.takes else "leave it out"


def _words(service: Service) -> str:
    return _WORDS.get(service.billing, f"by {service.billing}")


def _set_fields(value: Any) -> Iterator[str]:
    """The names of the fields that the user set, of the values inside too."""
    for field in fields(value):
        one = getattr(value, field.name)
        if is_dataclass(one):
            yield from _set_fields(one)
        elif one != field.default:
            yield field.name


def _flag(field: str) -> str:
    return _FLAGS.get(field, "--" + field.replace("_", "-"))
