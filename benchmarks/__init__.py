"""Measurements: what the README's figures come from. Peers and baselines, never tests."""
