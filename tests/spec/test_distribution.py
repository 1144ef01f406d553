"""Length distributions: what they read, what they know of themselves, and how they print."""

from __future__ import annotations

import math

import pytest

from llmdyno.spec.distribution import Distribution


@pytest.mark.parametrize(
    ("value", "mean", "stddev", "back"),
    [
        ("500", 500, 0, "500"),
        (500, 500, 0, "500"),
        (500.0, 500, 0, "500"),
        (1_234_567, 1_234_567, 0, "1234567"),
        (10_000_000, 10_000_000, 0, "10000000"),
        ("normal(500,25)", 500, 25, "normal(500,25)"),
        ("Normal( 500 , 25.5 )", 500, 25.5, "normal(500,25.5)"),
        ("normal(5e2,2.5E+1)", 500, 25, "normal(500,25)"),
        ("normal(500.12345678912,1e-3)", 500.12345678912, 0.001, "normal(500.12345678912,0.001)"),
        ("uniform(100,200)", 150, math.sqrt((101**2 - 1) / 12), "uniform(100,200)"),
        ("lognormal(500,0.5)", 566.5742, 301.949, "lognormal(500,0.5)"),
    ],
)
def test_a_distribution_reads_and_prints_itself(value: str | float, mean: float, stddev: float, back: str) -> None:
    distribution = Distribution.parse(value)
    assert distribution.mean == pytest.approx(mean, rel=1e-6)
    assert distribution.stddev == pytest.approx(stddev, rel=1e-5)
    assert str(distribution) == back
    assert Distribution.parse(back) == distribution
    assert Distribution.parse(distribution) is distribution


@pytest.mark.parametrize(
    "value",
    ["", "0", "-5", "5.5", "1e3", "normal(500)", "normal(0,1)", "normal(500,-1)", "uniform(20,10)", "uniform(1.5,3)",
     "poisson(3,3)", "normal(1e999,1)", "normal(1,1e400)", "normal(e,1)", "normal(1e,1)", "normal(a,b)",
     "lognormal(500,nan)", "lognormal(500,11)", "9" * 400, str(2**53), "9" * 5000,
     "10000001", "normal(1e7,1.1e7)", "uniform(1,1e15)", "lognormal(1e15,1)",
     0, 5.5, True, None, [500], 2**53, 10**400, float("inf"), float("nan"),
     Distribution("fixed", 0), Distribution("fixed", float("nan")), Distribution("normal", 5, float("inf")),
     Distribution("uniform", 2, 1), Distribution("poisson", 1, 1), Distribution("fixed", "a")],  # type: ignore[arg-type]
)  # fmt: skip
def test_anything_else_is_refused(value: object) -> None:
    with pytest.raises(ValueError, match="whole number"):
        Distribution.parse(value)  # type: ignore[arg-type]


def test_the_widest_lognormal_has_finite_moments() -> None:
    widest = Distribution.parse("lognormal(10000000,10)")
    assert math.isfinite(widest.mean)
    assert math.isfinite(widest.stddev)
