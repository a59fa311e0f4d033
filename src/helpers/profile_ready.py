"""Importing this reads what every council's page needs, once, in the process whose forks make the pages."""

from helpers import documents, evidence, leaflet, panel, peers, profile, report, typeset, webpage

peers.pictures()
for _code in panel.councils()["la_code"]:
    peers.circle(_code)
for _table in (
    "councils",
    "inspections",
    "support",
    *(
        f"evidence/{n}"
        for n in (
            "agreements",
            "events",
            "payments",
            "trajectories",
            "conditions",
            "effects",
            "documents",
            "comparison_groups",
        )
    ),
):
    profile._rows(_table, "")
for _measure in ("dsg_balance_gbp", "dsg_balance", "plans"):
    profile._series(_measure)
report._edition()
leaflet.fonts()
for _name in ("council.html", "council.css", "report.css", "report.js"):
    leaflet.template(_name)
evidence.rules()
assert documents and typeset and webpage
