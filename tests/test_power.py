"""Minimum detectable effects: the formula, and whether the stated power is what simulation gives."""

import numpy as np
import pytest

from helpers import inference, power, simulation


def test_the_textbook_multiple():
    assert power.multiple() == pytest.approx(2.8016, abs=1e-4)
    assert 0.5 * power.multiple() == pytest.approx(1.4008, abs=1e-4)


def test_half_power_is_the_critical_value():
    assert power.multiple(power=0.5) == pytest.approx(1.96, abs=1e-3)


def test_simulated_power_at_the_minimum_detectable_effect_is_as_stated():
    null = simulation.worlds(simulation.SCENARIOS[0], 1, 11)[0]
    study = inference.study(inference.panel(simulation.frame(null)))
    found = power.detectable(study)
    assert 0.70 < found.simulated_power < 0.90  # 80% promised
    assert found.value == max(found.analytic, found.randomisation)


def test_randomisation_test_has_the_stated_power_at_its_own_detectable_effect():
    null = simulation.worlds(simulation.SCENARIOS[0], 1, 11)[0]
    study = inference.study(inference.panel(simulation.frame(null)))
    effect = power.detectable(study).randomisation
    # Other draws than those it was computed from.
    drawn = inference.batch(study.panel.values, inference.reassignments(study.panel.first, 2000, 5), study.grid).overall
    limit = np.quantile(np.abs(drawn), 0.95)
    assert (np.abs(drawn + effect) > limit).mean() == pytest.approx(0.8, abs=0.04)


def test_planting_the_detectable_effect_is_found_eight_times_in_ten():
    # Two routes: the median minimum detectable effect without an effect, then new data with that very effect planted.
    null = simulation.analyse(simulation.worlds(simulation.SCENARIOS[0], 200, 31), draws=499)
    effect = float(np.median(null.mde))
    planted = simulation.analyse(simulation.worlds(simulation.Scenario("planted", effect=effect), 300, 32), draws=499)
    assert 0.72 < (planted.ri_p < 0.05).mean() < 0.92  # Monte-Carlo error of a share near 0.8 over 300: 0.023
