"""Tables that are not measures: statistical neighbours, inspections, exceptional financial support and section 114 notices."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from helpers import councils
from helpers.errors import AssessError
from helpers.quality import note
from helpers.reading import Reader, year_of

if TYPE_CHECKING:
    import pandas as pd


def neighbours(read: Reader, notes: list[dict[str, str]]) -> pd.DataFrame:
    """DfE statistical neighbours: la_code, rank (1 nearest to 10), neighbour_la_code, closeness."""
    frame = read("statistical_neighbours")
    missing = {"la_number", "rank", "neighbour_la_number", "closeness"} - set(frame.columns)
    if missing:
        raise AssessError(
            f"statistical_neighbours: no column {sorted(missing)[0]!r}; found {', '.join(frame.columns)}."
        )
    numbers = {c.dfe_number: c.la_code for c in councils.listed()}
    old = {n: p for p in councils.predecessors() for n in p.numbers}
    for column in ("la_number", "neighbour_la_number"):
        unknown = set(frame[column].astype(str)) - set(numbers) - set(old)
        if unknown:
            raise AssessError(f"statistical_neighbours: unknown DfE number {sorted(unknown)[0]!r} in {column}.")
    gone = frame["la_number"].isin(old) | frame["neighbour_la_number"].isin(old)
    if gone.any():
        named = sorted({old[n].name for c in ("la_number", "neighbour_la_number") for n in frame[c] if n in old})
        notes.append(
            note(
                "reorganised councils",
                "statistical_neighbours",
                "neighbours",
                "dropped",
                f"{int(gone.sum())} rows naming {', '.join(named)}",
            )
        )
    out = frame[~gone].assign(
        la_code=frame["la_number"].map(numbers),
        neighbour_la_code=frame["neighbour_la_number"].map(numbers),
        rank=frame["rank"].astype(int),
    )
    return out.sort_values(["la_code", "rank"])[["la_code", "rank", "neighbour_la_code", "closeness"]].reset_index(
        drop=True
    )


INSPECTION_OUTCOMES = {
    1: "typically positive experiences and outcomes",
    2: "inconsistent experiences and outcomes",
    3: "widespread or systemic failings",
}


def inspections(read: Reader, notes: list[dict[str, str]]) -> pd.DataFrame:
    """Area SEND inspections under both frameworks, one row each: la_code, la_name, framework ("2016" or "2023"), start_date, year
    (of the start, or of publication where no start is printed), published, grade, outcome, revisit_date, revisit_outcome, url.

    grade: 1 positive, 2 inconsistent, 3 systemic failings (2023); 0 no written statement of action, 1 one was required (2016).
    """
    import pandas as pd

    now, then = read("area_send_inspections_2023"), read("area_send_inspections_2016")
    rows = []
    for number, row in enumerate(now.to_dict("records"), start=2):
        place = _inspected(
            "area_send_inspections_2023", number, row["ltla23cd"], row["la_code"], row["local_authority"], notes
        )
        grade = str(row["outcome_grade"]).strip()
        if place is None:
            continue
        if grade not in ("1", "2", "3", "1.0", "2.0", "3.0"):
            notes.append(
                note(
                    "inspections",
                    "area_send_inspections_2023",
                    "inspections",
                    "dropped",
                    f"{councils.get(place).la_name}: no outcome printed",
                )
            )
            continue
        value = int(float(grade))
        start, published = _day(row["inspection_start_date"]), _day(row["publication_date"])
        rows.append({"la_code": place, "framework": "2023", "start_date": start, "published": published, "grade": value,
                     "outcome": INSPECTION_OUTCOMES[value], "revisit_date": "", "revisit_outcome": "", "url": row["inspection_url"]})  # fmt: skip
    for number, row in enumerate(then.to_dict("records"), start=2):
        place = _inspected(
            "area_send_inspections_2016", number, row["Local authority code"], "", row["Area name"], notes
        )
        if place is None:
            continue
        needed = str(row["Inspection outcome: written statement of action required?"]).strip()
        revisit = str(row["Revisit outcome: sufficient progress in addressing all significant weaknesses?"]).strip()
        if needed not in ("Yes", "No"):
            raise AssessError(
                f"area_send_inspections_2016, row {number}: statement of action is {needed!r}; expected Yes or No."
            )
        rows.append({"la_code": place, "framework": "2016", "start_date": _day(row["Inspection start date"]),
                     "published": _day(row["Inspection publication date"]), "grade": int(needed == "Yes"),
                     "outcome": "written statement of action required" if needed == "Yes" else "no written statement of action",
                     "revisit_date": _day(row["Revisit start date"]), "revisit_outcome": revisit, "url": ""})  # fmt: skip
    table = pd.DataFrame(rows)
    table["year"] = [int((a or b)[:4]) for a, b in zip(table["start_date"], table["published"], strict=True)]
    table["la_name"] = table["la_code"].map(councils.names())
    table = table[
        [
            "la_code",
            "la_name",
            "framework",
            "start_date",
            "year",
            "published",
            "grade",
            "outcome",
            "revisit_date",
            "revisit_outcome",
            "url",
        ]
    ]
    return table.sort_values(["la_code", "framework", "start_date"]).reset_index(drop=True)


def _inspected(resource: str, row: int, code: str, number: str, name: str, notes: list[dict[str, str]]) -> str | None:
    # The number first: the newer file gives present councils the codes of their predecessors.
    place = councils.place("", str(number), "") if number else councils.place(str(code), "", "")
    if place.kind == "council":
        return place.code
    if place.kind == "predecessor" and place.predecessor is not None:
        notes.append(
            note(
                "reorganised councils",
                resource,
                "inspections",
                "dropped",
                f"{place.predecessor.name}: {place.predecessor.reason}",
            )
        )
        return None
    raise AssessError(f"{resource}, row {row}: unknown local authority {name!r} ({code}).")


def _day(text: str) -> str:
    """A date as YYYY-MM-DD, from that or from DD/MM/YY(YY); empty when there is none (1900 stands for none)."""
    text = str(text).strip()
    if found := re.match(r"(\d{4})-(\d{2})-(\d{2})", text):
        year, month, day = found.groups()
    elif found := re.fullmatch(r"(\d{1,2})/(\d{1,2})/(\d{2}|\d{4})", text):
        day, month, year = found[1].zfill(2), found[2].zfill(2), found[3] if len(found[3]) == 4 else f"20{found[3]}"
    else:
        return ""
    return "" if year == "1900" else f"{year}-{month}-{day}"


def support(read: Reader, notes: list[dict[str, str]]) -> pd.DataFrame:
    """Exceptional financial support and section 114 notices: la_code, la_name, kind (exceptional_support, section_114), financial_year,
    year, amount_gbp (NaN for notices), revised (the page also gives another figure), date, reason, url. Other kinds of council are left out."""
    import pandas as pd

    rows = []
    for row in read("exceptional_financial_support").to_dict("records"):
        amount = pd.to_numeric(row["amount_gbp_m_first_figure_on_page"], errors="coerce")
        rows.append({"name": row["council"], "code": "", "kind": "exceptional_support", "financial_year": row["financial_year"],
                     "amount_gbp": amount * 1e6, "revised": str(row["page_also_gives_a_revised_figure"]) == "True", "date": "", "reason": "", "url": ""})  # fmt: skip
    for row in read("section_114_notices").to_dict("records"):
        rows.append({"name": row["la_name"], "code": "", "kind": "section_114", "financial_year": row["financial_year"], "amount_gbp": float("nan"),
                     "revised": False, "date": row["notice_date"], "reason": row["reason"], "url": row["evidence_url"]})  # fmt: skip
    table = pd.DataFrame(rows)
    table["la_code"] = [councils.place("", "", n).code for n in table["name"]]
    outside = sorted(set(table.loc[table["la_code"] == "", "name"]))
    notes.append(
        note(
            "councils",
            "exceptional_financial_support",
            "support",
            "dropped",
            f"not one of the {councils.COUNT} councils: {', '.join(outside)}",
        )
    )
    table = table[table["la_code"] != ""].copy()
    table["year"] = [year_of(y) for y in table["financial_year"]]
    table["la_name"] = table["la_code"].map(councils.names())
    columns = ["la_code", "la_name", "kind", "financial_year", "year", "amount_gbp", "revised", "date", "reason", "url"]
    return table.sort_values(["kind", "la_code", "year"])[columns].reset_index(drop=True)
