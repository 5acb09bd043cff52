"""Scorers of pictures, one file each: what methods with a preference choose by, and what a stage can climb itself."""

from dreamforge.rewards.clip import ClipReward
from dreamforge.rewards.prior import PriorReward

REWARDS = {"clip": ClipReward, "prior": PriorReward}
