"""Comparing sampling strategies: simulated loops over photos whose labels are known."""
