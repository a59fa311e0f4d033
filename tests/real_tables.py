"""The processed tables made from the shipped raw data, for tests whose answers are known figures."""

from helpers import paths, sources


def ensure() -> None:
    """Build data/processed where it is missing or has another layout; a few seconds, once."""
    wanted = [
        "council_year",
        "area_year",
        "councils",
        "support",
        "evidence/agreements",
        "evidence/payments",
        "evidence/events",
    ]
    if not all((paths.processed() / f"{name}.parquet").is_file() for name in wanted):
        sources.write(sources.build())
