"""Plain sentences about one council, right for every council: with an agreement or without, old or new, large or tiny.

Each function adds the facts it needs and gives a text with them in braces, or nothing when there is nothing to say.
"""

from __future__ import annotations

import datetime
import re
from typing import TYPE_CHECKING, Any

from helpers import councils, measures, panel, peers

if TYPE_CHECKING:
    from helpers.profile import Page

#: Fewer plans than this and shares move a great deal from one year to the next.
FEW_PLANS = 200
_ARTICLES = {
    "City of London": "the City of London",
    "Isle of Wight": "the Isle of Wight",
    "Isles of Scilly": "the Council of the Isles of Scilly",
}
_BARE_REGIONS = {"London", "Yorkshire and The Humber"}
EVENTS = {
    "suspended": "The department suspended payments on {date}",
    "reviewed and extended": "It was reviewed and lengthened, as published on {date}",
    "concluded": "It was reported to have ended in {date}",
    "revised plan sought": "The council asked for it to be revised in {date}",
    "extension refused": "The department would not extend it in {date}",
    "enhanced monitoring": "It was reported to be under closer monitoring in {date}",
    "payment delayed": "A payment was delayed in {date}",
    "payment withheld": "A payment was withheld in {date}",
    "judgment": "The High Court dismissed a challenge to it on {date}",
}


def name(la_name: str) -> str:
    """A council's name as people say it: "Bristol, City of" is Bristol; "Bournemouth, Christchurch and Poole" stays."""
    return re.sub(r", (City|County) of$", "", la_name)


def subject(la_name: str, capital: bool = True) -> str:
    """The name as the subject of a sentence: "The Isle of Wight", "Kent"; always singular."""
    said = _ARTICLES.get(la_name, name(la_name))
    return said[0].upper() + said[1:] if capital else said


def region(region_name: str) -> str:
    """A region inside a sentence: "the South East", "London"."""
    return region_name if region_name in _BARE_REGIONS else f"the {region_name}"


def listed(words: list[str]) -> str:
    """Words in a list: "a", "a and b", "a, b and c"."""
    return words[0] if len(words) == 1 else ", ".join(words[:-1]) + " and " + words[-1]


def day(date: Any, precision: str = "day") -> str:
    """A date as far as it is known: "21 March 2024", "March 2024", "2024"."""
    if isinstance(date, str):
        date = datetime.date.fromisoformat(date[:10])
    month = councils._MONTHS[date.month - 1]
    return {"day": f"{date.day} {month} {date.year}", "month": f"{month} {date.year}"}.get(precision, str(date.year))


def ordinal(rank: int) -> str:
    """1 is "1st", 12 "12th", 103 "103rd"."""
    ending = "th" if 10 <= rank % 100 <= 20 else {1: "st", 2: "nd", 3: "rd"}.get(rank % 10, "th")
    return f"{rank}{ending}"


def standing(place: peers.Place, la_code: str) -> str:
    """Where a figure ranks, from the nearer end: "highest of 152", "3rd highest of 152", "joint lowest of 152"."""
    assert place.value is not None and place.rank is not None
    held = list(peers.pictures()[place.indicator.id].now.values())
    tied = sum(v == place.value for v in held) > 1
    below = sum(v < place.value for v in held)
    end, rank = ("highest", place.rank) if place.rank <= below + 1 else ("lowest", below + 1)
    return f"{'joint ' if tied else ''}{'' if rank == 1 else ordinal(rank) + ' '}{end} of {place.of}"


def against(page: Page, place: peers.Place) -> str:
    """How a figure compares with its neighbours' average and England's, as the tail of a sentence, commas before."""
    id, shown = place.indicator.id, page.shown
    others = [
        ("neighbours", "the average of its statistical neighbours", place.neighbours),
        ("england", "England", place.england),
    ]
    said = []
    for key, words, value in others:
        if value is None:
            continue
        fact = page.fact(f"{key}.{id}", value, place.indicator)
        ours, theirs = shown(place.value, place.indicator), shown(value, place.indicator)
        assert place.value is not None
        way = "the same as" if ours == theirs else "above" if place.value > value else "below"
        said.append((way, f"{words} ({{{fact}}})"))
    if len(said) == 2 and said[0][0] == said[1][0]:
        both = "both " if said[0][0] != "the same as" else ""
        return f", {said[0][0]} {both}{said[0][1]} and {said[1][1]}"
    return ", " + " and ".join(f"{way} {words}" for way, words in said) if said else ""


def programme(page: Page) -> str:
    """Which programme the council was in, how much was agreed and what became of it."""
    who = subject(page.council.la_name)
    # "The City of London, in London" says nothing.
    where = "" if page.council.region_name in who else f", in {region(page.council.region_name)},"
    if page.deal is None:
        if page.group == "dbv":
            tranche = f", in tranche {{{page.text('tranche', page.tranche)}}}" if page.tranche.isdigit() else ""
            return (
                f"{who}{where} has no Safety Valve agreement. It took part in Delivering Better Value in SEND{tranche}, "
                "the Department for Education's programme for councils with lesser deficits."
            )
        return f"{who}{where} has no Safety Valve agreement and was not in Delivering Better Value in SEND, the programme for councils with lesser deficits."
    deal = page.deal
    signed = page.text("signed", day(deal["signed"], deal["signed_precision"]))
    round_size = page.number("round", int((panel.councils()["cohort"] == deal["cohort"]).sum()), "count")
    out = [
        f"{who}{where} signed a Safety Valve agreement with the Department for Education in {{{signed}}}, one of {{{round_size}:word}} in that round."
    ]
    if page.known(deal["total_dfe_funding"]):
        total = page.number("agreed", float(deal["total_dfe_funding"]), "gbp", sources=["agreements"])
        end = (
            f", over the years to {{{page.text('ends', deal['end_financial_year'])}}}"
            if deal["end_financial_year"]
            else ""
        )
        out.append(f"The department agreed to pay it up to {{{total}}}{end}.")
    else:
        out.append("What the department agreed to pay is not stated in any document read.")
    out += [f"{sentence}." for sentence in events(page)]
    if "Delivering Better Value" in page.note:
        out.append("It had been in Delivering Better Value in SEND before.")
    return " ".join(out)


def events(page: Page) -> list[str]:
    """What happened to the agreement, in order of date."""
    found = []
    for position, event in enumerate(page.events):
        if event["event"] in EVENTS:
            date = page.text(f"event.{position + 1}", day(event["date"], event["date_precision"]))
            words = EVENTS[event["event"]].replace("{date}", f"{{{date}}}")
            found.append(words if event["date_precision"] == "day" else words.replace(" on {", " in {"))
    return list(dict.fromkeys(found))


def formed(page: Page) -> str:
    """How and when the council came into being, if it did so since 2019; nothing otherwise."""
    code, who = page.council.la_code, name(page.council.la_name)
    if page.council.formed is None:
        return ""
    olds = [old for old in councils.predecessors() if code in old.successors]
    if not olds:
        return ""
    date = page.text("formed", day(olds[0].first))
    same = [old for old in olds if old.action == "recode"]
    if same:
        return f"The present council took over from {same[0].name} on {{{date}}}, on the same boundary, so its figures run on from the county council's."
    changed = [old for old in olds if old.same_name == code]
    if changed:
        left = "Christchurch" if "Christchurch" in changed[0].reason else "part of the area"
        return f"The council has had its present area since {{{date}}}, when {left} left it; figures for the earlier area are left out."
    if len(olds) == 1:
        others = [subject(councils.get(c).la_name, capital=False) for c in olds[0].successors if c != code]
        rest = f"; the rest went to {' and '.join(others)}" if others else ""
        return f"{who} came into being on {{{date}}} out of what had been {olds[0].name}{rest}. Figures for the earlier area are left out, so its own begin later than most."
    parts = [o.name for o in olds if not o.same_name] + [
        f"part of {o.name.removesuffix(' County Council')}" for o in olds if o.same_name
    ]
    return (
        f"{who} came into being on {{{date}}} in place of {listed(parts)}; figures for the earlier areas are left out."
    )


def deficit(page: Page) -> str:
    """The balance of the dedicated schools grant: last and first published."""
    year, start = measures.get("dsg_balance_gbp").last_year, measures.get("dsg_balance").first_year
    last, share, first = (
        page.panel("dsg_balance_gbp", year),
        page.panel("dsg_balance", year),
        page.panel("dsg_balance", start),
    )
    when = f"31 March {year}"
    if last is None or share is None:
        before = [y for y in measures.get("dsg_balance").years if page.panel("dsg_balance", y) is not None]
        text = f"No balance on its dedicated schools grant at {when} has been published."
        if before:
            held = page.panel("dsg_balance", before[-1]) or 0.0
            id = page.number(
                f"balance.{before[-1]}", abs(held), "%", sources=["dsg_balance_percent"], years=f"31 March {before[-1]}"
            )
            text += f" At 31 March {before[-1]}, the last published, its {'deficit' if held > 0 else 'surplus'} was {{{id}}} of the grant."
        return text
    amount = page.number("balance_gbp", abs(last), "gbp", sources=["dsg_balance_2023_24"], years=when)
    part = page.number("balance", abs(share), "%", sources=["dsg_balance_2023_24", "dsg_allocations"], years=when)
    after = " after Safety Valve payments" if page.deal is not None and last > 0 else ""
    text = f"At {when} its dedicated schools grant was {{{amount}}} in {'deficit' if last > 0 else 'surplus'}{after}, {{{part}}} of the year's grant."
    place = peers.place(page.council.la_code, "dsg_balance")
    if place.england is not None:
        mean = page.number(
            "average.balance", abs(place.england), "%", n=place.of, years=when, sources=["dsg_balance_2023_24"]
        )
        text += f" The average council was {{{mean}}} in {'deficit' if place.england > 0 else 'surplus'}."
    if first is not None:
        past = page.number(
            f"balance.{start}", abs(first), "%", sources=["dsg_balance_percent"], years=f"31 March {start}"
        )
        text += f" At 31 March {start} it had been {{{past}}} in {'deficit' if first > 0 else 'surplus'}."
    return text


def decisions(page: Page) -> str:
    """Requests refused, and how quickly new plans came."""
    code = page.council.la_code
    refused, quick = peers.place(code, "refusal_to_assess"), peers.place(code, "timeliness")
    out = []
    if refused.value is None:
        out.append(
            f"The share of requests for an assessment that it refused in {refused.indicator.when} has not been published."
        )
    else:
        how = (
            f"{{{page.fact('refusal_to_assess', refused.value, refused.indicator)}}} of" if refused.value else "none of"
        )
        out.append(
            f"In {refused.indicator.when} it refused {how} the requests for an assessment that it received"
            f"{against(page, refused)}: the {standing(refused, code)} councils with a figure."
        )
    if quick.value is None:
        out.append(f"There is no figure for how many of its new plans came within 20 weeks in {quick.indicator.when}.")
    else:
        met = page.fact("timeliness", quick.value, quick.indicator)
        out.append(f"It issued {{{met}}} of new plans within 20 weeks{against(page, quick)}.")
    return " ".join(out)


def plans(page: Page) -> str:
    """How many have plans, and where they are taught."""
    code = page.council.la_code
    rate, main, far = (peers.place(code, id) for id in ("plans_per_1000", "mainstream_share", "independent_share"))
    if rate.value is None:
        return f"No count of its plans in {rate.indicator.when} has been published."
    held = page.fact("plans_per_1000", rate.value, rate.indicator)
    out = [
        f"In {rate.indicator.when}, {{{held}}} in every thousand people aged 0 to 25 had a plan{against(page, rate)}."
    ]
    if main.value is not None and far.value is not None:
        one, two = (
            page.fact("mainstream_share", main.value, main.indicator),
            page.fact("independent_share", far.value, far.indicator),
        )
        shares = [f"{{{fact}}}" if place.value else "none" for fact, place in ((one, main), (two, far))]
        out.append(
            f"Of its plans, {shares[0]} were for mainstream schools and {shares[1]} for independent or non-maintained special schools."
        )
    count = page.panel("plans", rate.indicator.definition.last_year)
    if count is not None and count < FEW_PLANS:
        few = page.number("plans", count, "count", sources=["ehc_caseload"])
        out.append(f"With only {{{few}}} plans, its shares move a great deal from one year to the next.")
    return " ".join(out)


def inspection(page: Page) -> str:
    """The latest area inspection."""
    if not page.inspected:
        return "No outcome of an inspection of its area was found."
    last = page.inspected[0]
    date = page.text("inspected", day(last["published"], "month"))
    outcome = last["outcome"]
    if last["framework"] == "2016":
        found = (
            "asked for a written statement of action"
            if outcome.startswith("written")
            else "did not ask for a written statement of action"
        )
    else:
        found = f"found {outcome}"
    return f"The latest inspection of its area for which an outcome was found, published in {{{date}}}, {found}."


def extremes(page: Page, places: list[peers.Place], most: int = 10) -> str:
    """A title: on what the council is among the highest and lowest `most`."""
    high = [p for p in places if p.rank is not None and p.rank <= most]
    low = [
        p
        for p in places
        if p.rank is not None
        and p.value is not None
        and 1 + sum(v < p.value for v in peers.pictures()[p.indicator.id].now.values()) <= most
    ]
    who = subject(page.council.la_name)
    number = {10: "ten"}.get(most, str(most))

    def names(held: list[peers.Place]) -> str:
        return listed([_small(p.indicator.label) for p in held])

    if high and low:
        return f"{who} is among the {number} highest councils for {names(high)}, and among the {number} lowest for {names(low)}"
    if high or low:
        return f"{who} is among the {number} {'highest' if high else 'lowest'} councils for {names(high or low)}"
    return f"{who} is among neither the {number} highest nor the {number} lowest councils on any indicator"


def _small(label: str) -> str:
    return label if label.startswith("Attainment") else label[0].lower() + label[1:]
