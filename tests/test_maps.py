"""The map of England: every council once, bands as said, and clickable outlines that fit their frame."""

import re

import pytest

from helpers import charts, councils, maps
from helpers.errors import AssessError


def test_every_council_has_a_boundary_in_england():
    rings = maps.boundaries()
    assert set(rings) == set(councils.names())
    for held in rings.values():
        assert all(len(ring) >= 4 and ring[0] == ring[-1] for ring in held)
        assert all(-7 < x < 2 and 49 < y < 56 for ring in held for x, y in ring)


def test_an_unknown_code_is_named():
    with pytest.raises(AssessError, match="E99999999"):
        maps.england({"E99999999": "#000000"})


def test_map_draws_london_twice_and_a_key():
    figure = maps.england({"E10000016": "#12436d"}, {"#12436d": "Kent", maps.NO_DATA: "others"})
    country, london = figure.axes
    rings = maps.boundaries()
    assert len(country.collections[0].get_paths()) == sum(map(len, rings.values()))
    assert len(london.collections[0].get_paths()) == sum(len(v) for k, v in rings.items() if k.startswith("E09"))
    assert [t.get_text() for t in figure.legends[0].get_texts()] == ["Kent", "others"]


def test_bands_put_an_edge_in_the_higher_band_and_missing_ones_nowhere():
    filled, key = maps.bands(
        {"E10000016": 10.0, "E06000035": 9.9, "E09000001": float("nan")}, [10], ["#aaaaaa", "#bbbbbb"], ["low", "high"]
    )
    assert filled == {"E10000016": "#bbbbbb", "E06000035": "#aaaaaa"}
    assert key == {"#aaaaaa": "low", "#bbbbbb": "high", maps.NO_DATA: "no figure"}
    with pytest.raises(AssessError, match="1 edges make 2 bands"):
        maps.bands({}, [10], ["#aaaaaa"], ["low"])


def test_outlines_fit_their_frame():
    wide, shapes, london = charts.outlines(maps.boundaries(), maps.ASPECT, 640)
    assert set(shapes) == set(councils.names()) and len(london) == 33
    numbers = [
        tuple(map(float, pair)) for route in shapes.values() for pair in re.findall(r"([\d.-]+) ([\d.-]+)", route)
    ]
    assert all(-0.1 <= x <= wide + 0.1 and -0.1 <= y <= 640.1 for x, y in numbers)
