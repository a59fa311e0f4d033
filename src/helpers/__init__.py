"""Helpers of the Safety Valve assessment: small modules named by noun; importing this package runs nothing."""
