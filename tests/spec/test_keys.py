"""The table of keys: it agrees with the dataclass, and its errors name the key, the value and what fits."""

from __future__ import annotations

import dataclasses

import pytest

from llmdyno import InputError, Spec
from llmdyno.spec import readers
from llmdyno.spec.keys import AT_REAL_SPEED, KEYS, flag_name, key_label, read_flag, read_value, shown_value


def test_table_and_dataclass_have_the_same_keys_in_the_same_order_with_the_same_defaults() -> None:
    fields = dataclasses.fields(Spec)
    assert [field.name for field in fields] == list(KEYS)
    plain = Spec()
    for field in fields:
        held, default = getattr(plain, field.name), KEYS[field.name].default
        assert held == default, field.name
        assert type(held) is type(default), field.name


def test_every_default_is_what_its_reader_gives_back() -> None:
    for key in KEYS.values():
        if key.default is not None and key.default != ():
            assert key.read(key.default) == key.default, key.name


def test_every_key_has_a_flag_of_its_own_and_one_line_of_help() -> None:
    flags = [flag_name(name) for name in KEYS]
    assert len(set(flags)) == len(flags)
    for key in KEYS.values():
        assert key.help, key.name
        assert "\n" not in key.help, key.name
        assert key.switch == (key.metavar is None), key.name


def test_the_secrets_are_known() -> None:
    assert {key.name for key in KEYS.values() if key.secret} == {"api_key", "headers", "extra_body", "litellm_param"}
    assert {key.name for key in KEYS.values() if not key.kept} == {"api_key", "out"}


@pytest.mark.parametrize(
    ("name", "label", "flag"),
    [
        ("concurrency", "load.concurrency", "--concurrency"),
        ("duration_s", "load.duration_s", "--duration"),
        ("input_tokens", "workload.input_tokens", "--input-tokens"),
        ("seed", "seed", "--seed"),
        ("headers", "endpoint.headers", "--header"),
    ],
)
def test_names_for_files_and_flags(name: str, label: str, flag: str) -> None:
    assert (key_label(name), flag_name(name)) == (label, flag)


@pytest.mark.parametrize(
    ("reader", "value", "fits"),
    [
        (readers.percentile, "abc", "a percentile above 0 and below 100"),
        (readers.port, "70000", "a whole number from 0 to 65535"),
        (readers.dollars("dollars, such as 5"), "free", "dollars, such as 5"),
    ],
)
def test_a_flag_of_a_command_names_itself(reader: readers.Reader[object], value: str, fits: str) -> None:
    with pytest.raises(InputError) as refused:
        read_flag(reader, value, "--flag")
    assert str(refused.value) == f"--flag: '{value}' does not fit; what fits: {fits}"


def test_a_flag_that_fits() -> None:
    assert read_flag(readers.percentile, "99", "--percentile") == 99.0


def test_a_secret_is_not_shown() -> None:
    with pytest.raises(InputError) as refused:
        read_flag(readers.secret, "sk-hidden\n", "--api-key", secret=True)
    assert str(refused.value) == "--api-key: the value given does not fit; what fits: one line of printable ASCII"
    for name, value in (("api_key", "sk-hidden\n"), ("headers", "sk-hidden"), ("litellm_param", "sk-hidden")):
        with pytest.raises(InputError) as refused:
            read_value(name, value, flag_name(name))
        assert "sk-hidden" not in str(refused.value)


def test_a_long_value_is_cut() -> None:
    with pytest.raises(InputError) as refused:
        read_value("concurrency", "9" * 5000, "--concurrency")
    assert len(str(refused.value)) < 300
    with pytest.raises(InputError, match="--concurrency: the number given does not fit"):
        read_value("concurrency", 10**5000, "--concurrency")


class Unprintable:
    def __repr__(self) -> str:
        raise RuntimeError("no text")


def deep() -> list[object]:
    found: list[object] = []
    for _ in range(100_000):
        found = [found]
    return found


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("a\nb", "'a\\nb'"),
        (["only"], "'only'"),
        (10**5000, "the number given"),
        (Unprintable(), "the value given"),
        (deep(), "the value given"),
        (
            {"a": 1, "api_key": "s3cret", "b": [{"X-Auth": "s3cret"}]},
            "{'a': 1, 'api_key': '<redacted>', 'b': [{'X-Auth': '<redacted>'}]}",
        ),
        ("http://u:s3cret@h:1", "'http://***@h:1'"),
        ("x" * 500, "'" + "x" * 132 + "…" + "x" * 65 + "'"),
    ],
    ids=["new line", "once", "digits", "object", "deep", "secrets", "user", "long"],
)
def test_a_value_as_an_error_shows_it(value: object, shown: str) -> None:
    assert shown_value(value) == shown


def test_the_keys_at_real_speed_say_so_and_no_other_does() -> None:
    assert AT_REAL_SPEED == ("warm_timeout_s", "warm_interval_s", "throttle_pause_s", "slo")
    assert tuple(name for name, key in KEYS.items() if "at real speed" in key.help) == AT_REAL_SPEED
