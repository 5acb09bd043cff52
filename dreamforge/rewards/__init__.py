"""Scorers of pictures, one file each: what methods with a preference choose by, and what a stage can climb itself."""

REWARDS = {}
