"""The figure of every claim: all are there, under their verdicts, with the effects they were given."""

import numpy as np
import pandas as pd
import pytest

from helpers import claim_figures, claims, evidence, figure_style, figures, files, verdict
from helpers.errors import AssessError

FRAME = pd.DataFrame(
    {
        "claim": ["A-01 One", "A-02 Two", "A-03 Three", "A-04 Four", "A-05 Five", "A-06 Six"],
        "verdict": ["cannot tell", "supported", "supported", "documents only", "documents only", "documents only"],
        "strength": ["weak", "weak", "strong", "weak", "moderate", "weak"],
        "estimate": [0.5, 1.5, np.nan, np.nan, np.nan, np.nan],
        "lower": [-1.0, 1.0, np.nan, np.nan, np.nan, np.nan],
        "upper": [2.0, 2.5, np.nan, np.nan, np.nan, np.nan],
    }
)


def texts(axes) -> list[str]:
    return [text.get_text() for text in axes.texts]


def test_claims_stand_by_verdict_then_strength_then_as_given():
    assert [row["claim"][:4] for row in claim_figures.listed(FRAME)] == ["A-03", "A-02", "A-01", "A-05", "A-04", "A-06"]
    with pytest.raises(AssessError, match="No verdict 'suported'"):
        claim_figures.listed(FRAME.assign(verdict="suported"))


def test_a_verdict_that_runs_on_has_its_heading_again():
    rows = claim_figures.listed(FRAME.iloc[3:])
    (left, _), (right, long) = claim_figures.placed(rows, split=True)
    assert [words for words, _, _ in left] == ["Documents only", "", ""]
    assert [words for words, _, _ in right] == ["Documents only, continued", ""]
    assert long == pytest.approx(claim_figures.HEAD + 1)
    assert [down for _, down, _ in left] == pytest.approx(
        [claim_figures.HEAD - 0.55, claim_figures.HEAD + 0.5, claim_figures.HEAD + 1.5]
    )


def test_effects_are_drawn_beside_their_claims():
    left, right, one, two = claim_figures.every(FRAME, "Multiples").axes
    assert texts(left) == ["Supported", "A-02 Two", "weak", "Cannot tell", "A-01 One", "weak"]
    assert texts(one) + texts(two) == ["Supported", "A-03 Three", "strong", "Documents only", "A-05 Five", "moderate",
                                       "Documents only, continued", "A-04 Four", "weak", "A-06 Six", "weak"]  # fmt: skip
    beside = {text.get_text(): text.get_position()[1] for text in left.texts}
    points = {
        (float(line.get_xdata()[0]), float(line.get_ydata()[0])) for line in right.lines if line.get_marker() in "oD"
    }
    assert points == {(1.5, beside["A-02 Two"]), (0.5, beside["A-01 One"])}
    spans = [tuple(segment[:, 0]) for collection in right.collections for segment in collection.get_segments()]
    assert spans == [(1.0, 2.5), (-1.0, 2.0)]
    assert right.get_xlabel() == "Multiples" and left.get_ylim() == right.get_ylim()


def test_all_claims_fit_a_page():
    held = evidence.load("claims")
    frame = pd.DataFrame({"claim": [f"{r.claim_id}  {claims.words(r.claim_id, r.claim)}" for r in held.itertuples()]})
    frame["verdict"] = [verdict.VERDICTS[i % len(verdict.VERDICTS)] for i in range(len(frame))]
    frame = frame.assign(strength="moderate", lower=np.nan, upper=np.nan)
    frame["estimate"] = [1.0 if i < 18 else np.nan for i in range(len(frame))]
    figure = claim_figures.every(frame, "Multiples")
    width, height = figure.get_size_inches()
    assert width == figures.WIDTH and height < 10.2  # A4 less its margins is 158 by 247 mm
    shown = [text.get_text() for axes in figure.axes for text in axes.texts]
    assert set(frame["claim"]) <= set(shown)
    assert min(text.get_fontsize() for axes in figure.axes for text in axes.texts) >= 8
    room = (width / 2 - 0.25) * 72 - figure_style.word_width("moderate", claim_figures.SIZE, "normal")
    assert (
        max(figures.wrapped(words, claim_figures.SIZE, "normal", room / 72).__len__() for words in frame["claim"]) == 1
    )


def test_few_words_are_of_claims_and_few():
    known = files.read_yaml(claims.FOLDER.parent / "claim_words.yaml")
    assert set(known) <= set(evidence.load("claims")["claim_id"])
    assert max(map(len, known.values())) <= claims.FEW
    assert (
        claims.words("NEW-01", "A claim that nobody has yet put in few words for the figures")
        == "A claim that nobody has yet put in few ..."
    )
