"""Council codes, names, recodes and lookup."""

import pytest

from helpers import councils
from helpers.errors import AssessError


def test_there_are_153_with_distinct_codes_numbers_and_names():
    rows = councils.listed()
    assert len(rows) == 153
    assert len({c.la_code for c in rows}) == len({c.dfe_number for c in rows}) == len({c.la_name for c in rows}) == 153
    assert len({councils.plain(c.la_name) for c in rows}) == 153
    assert {c.region_code for c in rows} == set(councils.REGIONS)


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("Kent", "E10000016"),
        ("  kent county council ", "E10000016"),
        ("E10000016", "E10000016"),
        ("e10000016", "E10000016"),
        ("886", "E10000016"),
        ("Bristol", "E06000023"),
        ("hull", "E06000010"),
        ("Durham", "E06000047"),
        ("Bedford Borough", "E06000055"),
        ("Hammersmith & Fulham", "E09000013"),
        ("St Helens", "E08000013"),
        ("City of York", "E06000014"),
        ("Telford", "E06000020"),
        ("Dorset", "E06000059"),
        ("E10000002", "E06000060"),  # Buckinghamshire, county code
        ("E10000023", "E06000065"),  # North Yorkshire
        ("E10000027", "E06000066"),  # Somerset
        ("E08000038", "E08000016"),  # Barnsley from 2025
        ("City of London", "E09000001"),
    ],
)
def test_find(text, code):
    assert councils.find(text).la_code == code


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("Kentt", ["Kentt", "Did you mean Kent"]),
        ("Yorkshire", ["could be any of", "East Riding of Yorkshire", "North Yorkshire"]),
        ("Kingston", ["could be any of", "Kingston upon Hull", "Kingston upon Thames"]),
        ("Northamptonshire", ["no longer exists", "1 April 2021", "E06000061", "West Northamptonshire"]),
        ("Cumbria", ["no longer exists", "1 April 2023", "Cumberland"]),
        ("E06000028", ["Bournemouth no longer exists", "1 April 2019"]),
        ("928", ["Northamptonshire no longer exists"]),
        ("835", ["Dorset County Council no longer exists", "Christchurch"]),
        ("999", ["DfE number '999'"]),
        ("E99999999", ["ONS code 'E99999999'"]),
        ("", ["No council given"]),
        ("Atlantis", ["No council is called 'Atlantis'"]),
    ],
)
def test_find_says_what_is_wrong(text, words):
    with pytest.raises(AssessError) as raised:
        councils.find(text)
    assert all(word in str(raised.value) for word in words), raised.value
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    ("key", "kind", "code"),
    [
        (("", "837", "Bournemouth (Pre LG)"), "predecessor", ""),
        (("", "835", "Dorset (Pre LG)"), "predecessor", ""),
        (("", "838", "Dorset"), "council", "E06000059"),
        (("", "892", "Northamptonshire7"), "predecessor", ""),  # a wrong number: the name decides
        (("", "892", "Nottingham"), "council", "E06000018"),
        (("", "", "Bournemouth, Christchurch and Poole5"), "council", "E06000058"),
        (("", "982", "Yorkshire and the Humber"), "region", "E12000003"),
        (("", "986", "London"), "region", "E12000007"),
        (("", "970", "England"), "england", "E92000001"),
        (("E12000007", "", ""), "region", "E12000007"),
        (("E07000217", "", "Woking"), "unknown", ""),
        (("E10000021", "", "Nottingham"), "predecessor", ""),  # a code decides
    ],
)
def test_place(key, kind, code):
    place = councils.place(*key)
    assert (place.kind, place.code) == (kind, code)


def test_every_reorganisation_leads_to_present_councils_and_gives_a_reason():
    for old in councils.predecessors():
        assert old.action in ("recode", "drop") and old.reason
        assert all(councils.get(code).la_code == code for code in old.successors)
        assert old.action == "drop" or len(old.successors) == 1
    formed = {c.la_code for c in councils.listed() if c.formed}
    assert formed == {s for p in councils.predecessors() if "2019" <= p.first[:4] < "2025" for s in p.successors}
