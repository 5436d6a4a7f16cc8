"""Accelerators: figures as published, traps avoided, and every slip of units refused with its line."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from breakeven.errors import InputError
from breakeven.pricing.located_yaml import parse_yaml
from breakeven.serving.hardware import accelerator, accelerators, read_accelerator
from breakeven.serving.hardware.quantity import BANDWIDTH, MEMORY, PEAK, quantity
from breakeven.serving.hardware.read import from_yaml

SPEC = {
    "name": "house",
    "peak_flops": "{bf16: 989 TFLOPS, fp8: 1979 TFLOPS}",
    "memory": "80 GB",
    "bandwidth": "3.35 TB/s",
    "link": "450 GB/s",
    "link_domain_gpus": "8",
    "generation": "hopper",
}


def spec(**changed: str | None):
    fields = {**SPEC, **changed}
    return parse_yaml("\n".join(f"{key}: {value}" for key, value in fields.items() if value), "house.yaml")


def test_the_usual_traps():
    """Dense and one-directional figures."""
    assert accelerator("h20").peak("bf16") == 148e12
    assert accelerator("h800").link_bytes_per_second == 200e9
    assert accelerator("h800").peak("fp8") == accelerator("h100").peak("fp8") == 1979e12
    assert accelerator("a800").link_bytes_per_second * 3 == accelerator("a100").link_bytes_per_second * 2
    assert accelerator("b300").peak("fp8") == accelerator("b200").peak("fp8") == 4500e12
    assert accelerator("b300").peak("fp4") == pytest.approx(1.5 * accelerator("b200").peak("fp4"))
    assert accelerator("gb200").link_domain_gpus == 72


def test_every_figure_has_a_source_and_a_day_and_every_price_too():
    for one in accelerators().values():
        assert one.source
        assert one.as_of == "2026-11-22"
        for price in one.prices:
            assert price.source
            assert price.as_of.startswith("202")
            assert price.amount > 0


def test_published_prices():
    assert accelerator("h800").price("on_demand").amount == Decimal("2.00")
    assert accelerator("h100").price("on_demand").statistic == "median"
    assert accelerator("gb200").price("on_demand").amount == Decimal("4.54")  # half a superchip's 9.08
    eight = accelerator("a800").price("on_demand")
    assert (eight.currency, round(eight.amount * 8 * 24)) == ("CNY", 2000)
    tco = {name: accelerator(name).price("reserved").amount for name in ("h200", "b200", "gb200")}
    assert tco == {"h200": Decimal("1.60"), "b200": Decimal("2.90"), "gb200": Decimal("3.30")}
    stand_ins = {name: accelerator(name).price("owned").amount for name in ("b200", "b300", "gb200", "gb300")}
    assert stand_ins["b300"] == stand_ins["b200"] * Decimal("1.2") == Decimal("2.808")
    assert stand_ins["gb300"] == stand_ins["gb200"] * Decimal("1.2") == Decimal("3.30")
    by_day = {(price.amount, price.as_of) for price in accelerator("h200").prices}
    assert by_day >= {(Decimal("2.25"), "2026-06"), (Decimal("4.54"), "2026-03-17")}


def test_no_price_is_no_price():
    assert accelerator("h20").prices == ()
    assert accelerator("h20").price("on_demand") is None
    assert accelerator("h800").price("on_demand", "CNY") is None


@pytest.mark.parametrize(
    ("written", "name"),
    [("H200_sxm", "h200"), ("gb200", "gb200"), ("B300_SXM", "b300"), ("b200_sxm", "b200"), ("gb300", "gb300"),
     ("h100_sxm", "h100"), ("NVIDIA H100", "h100"), ("4090", "rtx-4090"), ("910B", "ascend-910b"),
     ("a100-80GB", "a100"), ("A100 40GB", "a100-40gb")],
)  # fmt: skip
def test_names_of_the_measured_points_and_of_people(written, name):
    assert read_accelerator(written).name == name


def test_an_unknown_name_says_what_is_near():
    with pytest.raises(InputError, match="did you mean 'h200'") as failure:
        accelerator("h2000")
    assert "h2000" in failure.value.what


def test_maths_runs_where_the_hardware_can():
    a100, h100, b200 = map(accelerator, ("a100", "h100", "b200"))
    assert [a100.maths_precision(p) for p in ("bf16", "fp8", "int8", "int4", "fp4")] == [
        "bf16", "bf16", "int8", "bf16", "bf16",
    ]  # fmt: skip
    assert h100.maths_precision("fp4") == "bf16"
    assert b200.peak("fp4") == 2 * b200.peak("fp8") == 4 * b200.peak("bf16")


def test_a_short_spec_of_ones_own(tmp_path):
    path = tmp_path / "house.yaml"
    text = "\n".join(f"{key}: {value}" for key, value in SPEC.items())
    price = "{amount: 72, gpus: 8, hours: 3, currency: CNY, commitment: reserved, source: us, as_of: 2026-01}"
    path.write_text(f"{text}\nprices: [{price}]\n")
    own = read_accelerator(str(path))
    assert own.memory_bytes == 80e9
    assert own.network_bytes_per_second is None
    assert own.price("reserved").amount == Decimal(3)


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"peak_flops": "{bf16: 989}"}, "which no accelerator has"),
        ({"peak_flops": "{bf16: 989e15}"}, "which no accelerator has"),
        ({"peak_flops": "{bf16: 1979 TFLOPS, fp8: 1979e12, int8: 989 TFLOPS}"}, "below the one in bf16"),
        ({"peak_flops": "{fp8: 1979 TFLOPS}"}, "'bf16' is missing"),
        ({"peak_flops": "{bf16: 989 TFLOPS, fp16: 989 TFLOPS}"}, "unknown key 'fp16'"),
        ({"memory": "80"}, "which no accelerator has"),
        ({"memory": "80 Gb"}, "unknown unit 'Gb'"),
        ({"memory": "0 GB"}, "cannot be"),
        ({"memory": "-80 GB"}, "cannot be"),
        ({"memory": "much"}, "not a number with a unit"),
        ({"bandwidth": None}, "'bandwidth' is missing"),
        ({"bandwidth": "3.35"}, "which no accelerator has"),
        ({"bandwidth": "3.35 Tb/s"}, "unknown unit"),
        ({"link": "450 W"}, "unknown unit"),
        ({"link_domain_gpus": "0"}, "cannot be"),
        ({"generation": "volta"}, "is not one of"),
        ({"power": "700 W", "all_in_power": "0.5 kW"}, "below that of the GPU alone"),
        ({"prices": "[{amount: 0, currency: USD, commitment: spot, source: s, as_of: d}]"}, "price of zero"),
        ({"prices": "[{amount: 2, currency: USB, commitment: spot, source: s, as_of: d}]"}, "unknown curren"),
        ({"prices": "[{amount: 2, currency: USD, commitment: spot, as_of: d}]"}, "'source' is missing"),
    ],
)  # fmt: skip
def test_what_cannot_be_is_refused_with_its_line(changed, said):
    with pytest.raises(InputError, match=said) as failure:
        from_yaml(spec(**changed))
    assert failure.value.where.startswith("house.yaml:")


@given(number=st.floats(1.0, 9.9).map(lambda value: round(value, 2)))
def test_one_quantity_in_many_units(number: float):
    def read(text: str, dimension):
        return quantity(parse_yaml(text, "a.yaml"), dimension)

    assert read(f"{number} TB/s", BANDWIDTH) == pytest.approx(read(f"{number * 8} Tbit/s", BANDWIDTH))
    assert read(f"{number * 1000} TFLOPS", PEAK) == pytest.approx(read(f"{number} PFLOPS", PEAK))
    assert read(f"{number * 10} GiB", MEMORY) == pytest.approx(number * 10 * 2**30)
    assert read(f"{number}e12", BANDWIDTH) == pytest.approx(read(f"{number} TB/s", BANDWIDTH))
